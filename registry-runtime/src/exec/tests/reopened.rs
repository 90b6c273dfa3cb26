//! Where every side serves, an owner that opens its slot again has forked from nobody.

use std::sync::Arc;

use super::copies::*;
use super::tally::*;
use super::world::*;
use crate::exec::copies::Copies;
use crate::exec::salvage::Remains;
use crate::exec::{Attempt, Lease, Line, Outcome, Standing};
use crate::id::{Epoch, Position};
use crate::policy::lineage::Kinship;
use crate::policy::replica::Stamp;

const THIRD: Epoch = Epoch::new(SECOND.get() + 1);

/// An owner and two backups, of which the first has one record more than the owner knows of: the second.
async fn ahead() -> Trio {
    let trio = Trio::of([World::of(&EVERYWHERE), World::of(&EVERYWHERE), World::of(&EVERYWHERE)]);
    let made = trio.make(FIRST, 100).later();
    for at in 0..2 {
        trio.deliver(at);
        trio.reaches(at, FIRST, Position::new(1));
    }
    assert!(matches!(made.await, Outcome::Done(_)));
    trio
}

/// Begins the stream of the owner's next opening towards the second backup alone. It is filled for that.
fn begin_without_the_first(trio: &Trio) -> Stamp {
    let base = trio.owner.host.fence(trio.slot, SECOND, true);
    let lines = vec![Arc::clone(&trio.wires[1]) as Arc<dyn Line>];
    assert!(trio.owner.host.begin_stream(trio.slot, SECOND, base, lines));
    trio.wires[1].sent.lock().unwrap().clear();
    let backup = &trio.backups[1].host;
    assert_eq!(backup.adopt(trio.slot, SECOND, base, trio.heard.clone()), Standing::Trails(Position::new(1)));
    base
}

/// What becomes of what the first backup holds when it is told to let go of it.
fn offered(trio: &Trio, to: &World) -> Option<Kinship> {
    trio.backups[0].host.clear(trio.slot);
    let (slot, _, lineage) = trio.backups[0].host.remains().remove(0);
    to.host.kinship(slot, &lineage)
}

#[tokio::test]
async fn what_was_carried_over_is_contained_in_what_goes_on() {
    let trio = ahead().await;
    let added = trio.add(FIRST, 1, 101).later();
    assert_eq!(trio.deliver(0), [Standing::Reaches(Position::new(2))]);
    // It opens again before it hears of that, with the other backup alone.
    let base = begin_without_the_first(&trio);
    assert_eq!(base, (FIRST, Position::new(2)));
    let reaches = trio.fill(1, SECOND, |_| ());
    assert!(trio.reaches(1, SECOND, reaches).stored);
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    assert_eq!(added.await, Outcome::Done(6));
    assert_eq!(offered(&trio, &trio.owner), Some(Kinship::Contained));
    // So it is for who was filled meanwhile and leads the slot later.
    trio.promoted(1, THIRD);
    assert_eq!(offered(&trio, &trio.backups[1]), Some(Kinship::Contained));
}

#[tokio::test]
async fn a_backup_that_is_filled_with_what_it_had_sets_nothing_aside() {
    let trio = ahead().await;
    let added = trio.add(FIRST, 1, 101).later();
    trio.deliver(0);
    // On another lane, since the first one is held until the addition is acknowledged.
    let key = (KEY + 1..).find(|key| trio.owner.slot(*key) == trio.slot).unwrap();
    let attempt = Attempt { epoch: FIRST, ..trio.owner.attempt(key) };
    let other = trio.owner.host.call(&MAKE, attempt, (Do::Add(7),), &mut |_, _| ()).later();
    let base = trio.owner.host.fence(trio.slot, SECOND, true);
    let lines = trio.wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Line>).collect();
    assert!(trio.owner.host.begin_stream(trio.slot, SECOND, base, lines));
    trio.wires.iter().for_each(|wire| wire.sent.lock().unwrap().clear());
    for at in 0..2 {
        let adopted = trio.backups[at].host.adopt(trio.slot, SECOND, base, trio.heard.clone());
        assert!(matches!(adopted, Standing::Trails(_)), "it has not heard of the last record: {adopted:?}");
        let reaches = trio.fill(at, SECOND, |_| ());
        trio.reaches(at, SECOND, reaches);
    }
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    assert_eq!(added.await, Outcome::Done(6));
    assert_eq!(other.await, Outcome::Done(Tally { id: key, sum: 7 }));
    assert_eq!(trio.backups[0].host.remains(), []);
}

#[tokio::test]
async fn what_an_opening_that_came_to_nothing_was_to_carry_over_has_forked() {
    let trio = ahead().await;
    let added = trio.add(FIRST, 1, 101).later();
    trio.deliver(0);
    begin_without_the_first(&trio);
    trio.owner.host.close(trio.slot);
    assert_eq!(added.await, Outcome::Lost);
    // It opens on what is left, and another record has that position.
    let base = trio.owner.host.fence(trio.slot, THIRD, true);
    assert_eq!(base, (SECOND, Position::new(1)));
    assert!(trio.owner.host.begin_stream(trio.slot, THIRD, base, Vec::new()));
    assert!(trio.owner.host.open(trio.slot, THIRD, Lease::forever()));
    assert_eq!(offered(&trio, &trio.owner), Some(Kinship::ForkedAt(Position::new(1))));
    assert_eq!(trio.add(THIRD, 10, 103).ready(), Outcome::Done(15));
    assert_eq!(offered(&trio, &trio.owner), Some(Kinship::ForkedAt(Position::new(1))));
}
