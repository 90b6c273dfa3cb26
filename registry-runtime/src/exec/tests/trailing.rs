//! An owner that opens its slot again has records under way. Who stays a backup is sent those that it lacks, and need not be filled.

use std::sync::Arc;

use super::copies::*;
use super::tally::*;
use super::world::*;
use crate::exec::copies::Copies;
use crate::exec::salvage::Remains;
use crate::exec::{Attempt, Handle, Lease, Line, Outcome, Standing};
use crate::id::{Epoch, Position};
use crate::policy::lineage::Kinship;
use crate::policy::replica::Stamp;
use crate::policy::stream::Heard;
use crate::resource::Definition;

const THIRD: Epoch = Epoch::new(SECOND.get() + 1);

/// An owner that opens again while two records are under way, which have not come to anybody.
struct Again {
    trio: Trio,
    base: Stamp,
    added: Handle<i64, No>,
    other: Handle<Tally, No>,
}

impl Again {
    async fn of(definition: &'static Definition<Tally>) -> Self {
        let trio = Trio::of([World::of(definition), World::of(definition), World::of(definition)]);
        let made = trio.make(FIRST, 100).later();
        for at in 0..2 {
            trio.deliver(at);
            trio.reaches(at, FIRST, Position::new(1));
        }
        assert!(matches!(made.await, Outcome::Done(_)));
        let added = trio.add(FIRST, 1, 101).later();
        // On another lane, since the first one is held until the addition is acknowledged.
        let key = (KEY + 1..).find(|key| trio.owner.slot(*key) == trio.slot).unwrap();
        let attempt = Attempt { epoch: FIRST, ..trio.owner.attempt(key) };
        let other = trio.owner.host.call(&MAKE, attempt, (Do::Add(7),), &mut |_, _| ()).later();
        let base = trio.owner.host.fence(trio.slot, SECOND, true);
        let lines = trio.wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Line>).collect();
        assert!(trio.owner.host.begin_stream(trio.slot, SECOND, base, lines));
        // The promises of the backups have overtaken the records, which come too late.
        trio.backups.iter().for_each(|backup| _ = backup.host.fence(trio.slot, SECOND, false));
        (0..2).for_each(|at| assert!(trio.deliver(at).iter().all(|late| *late == Standing::Lacks)));
        Self { trio, base, added, other }
    }

    fn adopt(&self, at: usize) -> Standing {
        let Trio { slot, heard, backups, .. } = &self.trio;
        backups[at].host.adopt(*slot, SECOND, self.base, heard.clone())
    }

    fn hear(&self, at: usize, trails: u64) -> Heard {
        let Trio { slot, owner, wires, .. } = &self.trio;
        owner.host.hear_trails(*slot, SECOND, &wires[at].to, Position::new(trails))
    }
}

#[tokio::test]
async fn who_lacks_the_last_records_of_what_is_taken_over_is_sent_these() {
    let again = Again::of(&EVERYWHERE).await;
    assert_eq!(again.base, (FIRST, Position::new(3)));
    assert_eq!(again.adopt(0), Standing::Trails(Position::new(1)));
    assert_eq!(again.hear(0, 1), Heard { resume_after: Some(Position::new(1)), ..Heard::default() });
    assert_eq!(again.hear(0, 1), Heard::default(), "once");
    let trio = &again.trio;
    assert_eq!(trio.deliver(0), [Standing::Trails(Position::new(2)), Standing::Reaches(Position::new(3))]);
    assert_eq!(again.adopt(0), Standing::Reaches(Position::new(3)));
    assert!(trio.reaches(0, SECOND, Position::new(3)).stored);
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    assert_eq!(again.added.await, Outcome::Done(6));
    assert!(matches!(again.other.await, Outcome::Done(Tally { sum: 7, .. })));
    let next = trio.add(SECOND, 4, 102).later();
    assert_eq!(trio.deliver(0), [Standing::Reaches(Position::new(4))]);
    trio.reaches(0, SECOND, Position::new(4));
    assert_eq!(next.await, Outcome::Done(10));
    assert_eq!(trio.promoted(0, THIRD), (Some(10), Outcome::Done(6)), "the receipts came with the records");
}

#[tokio::test]
async fn where_every_side_serves_what_came_that_way_is_contained_in_what_goes_on() {
    let again = Again::of(&EVERYWHERE).await;
    let trio = &again.trio;
    for at in 0..2 {
        again.adopt(at);
        again.hear(at, 1);
    }
    // One has all of it, the other is interrupted.
    trio.deliver(0);
    trio.reaches(0, SECOND, Position::new(3));
    let Some(Frame::Record(_, position, body)) = trio.wires[1].next() else { panic!("a record") };
    assert!(trio.backups[1].host.take(trio.slot, SECOND, position, &body).is_ok());
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    for (at, stamp) in [(0, (SECOND, Position::new(3))), (1, (FIRST, Position::new(2)))] {
        trio.backups[at].host.clear(trio.slot);
        let (slot, remains, lineage) = trio.backups[at].host.remains().remove(0);
        assert_eq!((remains, trio.owner.host.kinship(slot, &lineage)), (stamp, Some(Kinship::Contained)));
    }
}

#[tokio::test]
async fn who_is_last_is_sent_what_is_applied_meanwhile() {
    let mut again = Again::of(&TALLIES).await;
    let trio = &again.trio;
    for at in [0, 1] {
        assert_eq!(again.adopt(at), Standing::Trails(Position::new(1)));
    }
    again.hear(0, 1);
    trio.deliver(0);
    trio.reaches(0, SECOND, Position::new(3));
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    assert_eq!((&mut again.added).await, Outcome::Done(6));
    let trio = &again.trio;
    let next = trio.add(SECOND, 4, 102).later();
    trio.deliver(0);
    trio.reaches(0, SECOND, Position::new(4));
    assert_eq!(next.await, Outcome::Done(10));
    // The other one has not been heard of for so long.
    assert!(!again.hear(1, 1).fill);
    let taken = [2, 3, 4].map(Position::new);
    assert_eq!(trio.deliver(1), [Standing::Trails(taken[0]), Standing::Reaches(taken[1]), Standing::Reaches(taken[2])]);
    assert!(trio.reaches(1, SECOND, taken[2]).stored);
    // From now on whoever misses what is applied is filled.
    trio.owner.host.ask(Some(&trio.wires[1].to));
    assert!(trio.reaches(1, SECOND, taken[1]).fill);
}

#[tokio::test]
async fn who_was_not_told_to_follow_an_opening_says_nothing_of_it() {
    let again = Again::of(&TALLIES).await;
    let backup = &again.trio.backups[0].host;
    assert_eq!(backup.reaches(again.trio.slot, SECOND), None, "it would be filled in vain");
    again.adopt(0);
    assert_eq!(backup.reaches(again.trio.slot, SECOND), Some(Standing::Trails(Position::new(1))));
}

#[tokio::test]
async fn a_later_opener_meets_what_is_there() {
    let again = Again::of(&TALLIES).await;
    assert_eq!(again.adopt(1), Standing::Trails(Position::new(1)));
    again.hear(1, 1);
    let trio = &again.trio;
    let Some(Frame::Record(SECOND, position, body)) = trio.wires[1].next() else { panic!("a record") };
    let backup = &trio.backups[1].host;
    let take = |epoch, position| backup.take(trio.slot, epoch, position, &body);
    assert_eq!(take(SECOND, Position::new(3)), Ok(Standing::Lacks), "one is missing");
    assert_eq!(take(SECOND, Position::new(4)), Ok(Standing::Lacks), "so it is for the opening's own");
    assert_eq!(take(FIRST, position), Ok(Standing::Lacks), "the former opening is over");
    assert_eq!(take(SECOND, position), Ok(Standing::Trails(Position::new(2))));
    assert_eq!(take(SECOND, position), Ok(Standing::Trails(Position::new(2))), "again");
    assert_eq!(backup.reaches(trio.slot, SECOND), Some(Standing::Trails(Position::new(2))));
    assert_eq!(backup.fence(trio.slot, THIRD, false), (FIRST, Position::new(2)));
    assert_eq!(take(SECOND, Position::new(3)), Ok(Standing::Lacks));
    assert_eq!(backup.reaches(trio.slot, SECOND), Some(Standing::Lacks));
}

#[tokio::test]
async fn what_trails_is_shown_to_nobody_until_it_is_acknowledged() {
    let again = Again::of(&READ_ANYWHERE).await;
    let trio = &again.trio;
    let read = |seen| {
        let attempt = Attempt { epoch: SECOND, seen: Some(seen), ..trio.backups[0].attempt(KEY) };
        trio.backups[0].host.call(&SUM, attempt, (), &mut |_, _| ()).ready()
    };
    again.adopt(0);
    assert_eq!(read(Stamp::default()), Outcome::NotOwner { epoch: FIRST });
    again.hear(0, 1);
    trio.deliver(0);
    assert_eq!(read(Stamp::default()), Outcome::NotOwner { epoch: SECOND });
    trio.reaches(0, SECOND, Position::new(3));
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    assert_eq!(again.added.await, Outcome::Done(6));
    trio.deliver(0);
    assert_eq!(read((SECOND, Position::new(3))), Outcome::Done(6));
}

#[tokio::test]
async fn who_lacks_what_is_kept_no_more_is_filled() {
    let again = Again::of(&TALLIES).await;
    again.adopt(0);
    assert!(again.hear(0, 0).fill);
    assert_eq!(again.hear(0, 3), Heard::default(), "who has all says so in other words");
    assert_eq!(again.trio.fill(0, SECOND, |_| ()), Position::new(3));
    assert_eq!(again.adopt(0), Standing::Reaches(Position::new(3)));
}
