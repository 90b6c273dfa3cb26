//! Receipts that an owner has taken in from another side of a partition reach its backups.

use std::sync::Arc;
use std::time::Duration;

use super::copies::*;
use super::tally::*;
use super::world::*;
use crate::exec::copies::Copies;
use crate::exec::salvage::Remains;
use crate::exec::{AnyHost, Filled, Lease, Line, Outcome, Standing};
use crate::id::{LinkId, Position};
use crate::policy::receipts::{Saved, Told};

/// The receipt of an addition that another side has run, with what its caller was told there.
fn taken_in(trio: &Trio) {
    let (session, left) = (ask(101).id.session, Duration::from_secs(60));
    let told = Told::Done(postcard::to_stdvec(&77_i64).unwrap().into());
    let saved = vec![
        Saved::Session { session, derived: false, forgotten: 0, expired: Vec::new(), left },
        Saved::Kept { session, sequence: 101, content: None, left, told },
    ];
    assert!(trio.owner.host.shelf(trio.slot).unwrap().restore(saved, &*trio.owner.clock));
    trio.owner.host.took_in(trio.slot, &[]);
}

/// Which backups are to be filled.
fn owed(trio: &Trio) -> Vec<usize> {
    let owed = trio.owner.host.owed();
    let is_owed = |at: &usize| owed.iter().any(|(.., backup)| *backup == trio.wires[*at].to);
    (0..2).filter(is_owed).collect()
}

/// Begins to fill a backup, and says with which filling.
fn begin(trio: &Trio, at: usize) -> Option<u64> {
    let content = trio.owner.host.content_for(trio.slot, FIRST, &trio.wires[at].to, LINK);
    content.map(|content| content.filling().number)
}

fn hear_filled(trio: &Trio, at: usize, number: u64) {
    trio.owner.host.hear_filled(trio.slot, FIRST, &trio.wires[at].to, number);
}

/// Fills a backup with what the owner has; says what came of the records that were sent meanwhile, and of the last part.
fn fill(trio: &Trio, at: usize) -> (Vec<Standing>, Filled) {
    let host = &trio.backups[at].host;
    let mut content = trio.owner.host.content_for(trio.slot, FIRST, &trio.wires[at].to, LINK).unwrap();
    let filling = content.filling();
    let taken = trio.deliver(at);
    let mut filled = Filled::Refused;
    while let Some(part) = content.next() {
        let part = part.unwrap();
        filled = host.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body).unwrap();
    }
    (taken, filled)
}

/// An owner and two backups that have one record, and another that the owner has heard of from nobody.
async fn under_way(worlds: [World; 3]) -> Trio {
    let trio = Trio::of(worlds);
    let made = trio.make(FIRST, 100).later();
    for at in 0..2 {
        trio.deliver(at);
        trio.reaches(at, FIRST, Position::new(1));
    }
    assert!(matches!(made.await, Outcome::Done(_)));
    drop(trio.add(FIRST, 1, 102).later());
    (0..2).for_each(|at| _ = trio.deliver(at));
    trio
}

fn everywhere() -> [World; 3] {
    [World::of(&EVERYWHERE), World::of(&EVERYWHERE), World::of(&EVERYWHERE)]
}

#[tokio::test]
async fn receipts_reach_a_backup_that_is_ahead_and_nothing_waits_meanwhile() {
    let trio = under_way(everywhere()).await;
    taken_in(&trio);
    let second = Position::new(2);
    for at in 0..2 {
        let (taken, filled) = fill(&trio, at);
        assert_eq!(taken, [Standing::Reaches(second)], "it says how far it reaches as ever");
        assert_eq!(filled, Filled::Whole((FIRST, second)), "it is not taken back");
    }
    let (sum, again) = trio.promoted(1, SECOND);
    assert_eq!((sum, again), (Some(6), Outcome::Done(77)), "the retry of what ran on the other side");
}

#[tokio::test]
async fn a_backup_is_owed_a_filling_until_it_has_one_whole() {
    let trio = under_way(everywhere()).await;
    let early = begin(&trio, 0).unwrap();
    assert_eq!(owed(&trio), []);
    taken_in(&trio);
    assert_eq!(owed(&trio), [0, 1]);
    hear_filled(&trio, 0, early);
    assert_eq!(owed(&trio), [0, 1], "that one was cut before");
    assert!(trio.owner.host.content_for(trio.slot, FIRST, &trio.wires[1].to, LinkId::new(2)).is_none());
    assert_eq!(owed(&trio), [0, 1], "it could not begin");
    let (first, second) = (begin(&trio, 0).unwrap(), begin(&trio, 1).unwrap());
    assert_eq!(owed(&trio), [], "it is on its way");
    hear_filled(&trio, 0, first);
    hear_filled(&trio, 0, second);
    trio.owner.host.ask(Some(&trio.wires[1].to));
    assert_eq!(owed(&trio), [1], "a new connection has lost it");
    hear_filled(&trio, 1, second);
    assert_eq!(owed(&trio), [1], "whatever comes late");
    let third = begin(&trio, 1).unwrap();
    hear_filled(&trio, 1, third);
    trio.owner.host.ask(None);
    assert_eq!(owed(&trio), []);
}

#[tokio::test]
async fn a_filling_of_which_nothing_is_heard_is_sent_again_in_the_end() {
    let trio = under_way(everywhere()).await;
    taken_in(&trio);
    let (first, second) = (begin(&trio, 0).unwrap(), begin(&trio, 1).unwrap());
    hear_filled(&trio, 1, second);
    let looks = || (0..29).for_each(|_| trio.owner.host.ask(None));
    looks();
    assert!(trio.owner.host.carries(trio.slot, FIRST, &trio.wires[0].to), "more of it is sent");
    looks();
    assert_eq!(owed(&trio), []);
    trio.owner.host.ask(None);
    assert_eq!(owed(&trio), [0]);
    hear_filled(&trio, 0, first);
    assert_eq!(owed(&trio), [], "it came after all");
}

#[tokio::test]
async fn what_is_owed_outlives_an_opening_of_the_owner_s_own() {
    let trio = under_way(everywhere()).await;
    let two = trio.wires[1].to.clone();
    taken_in(&trio);
    let (first, _) = (begin(&trio, 0).unwrap(), begin(&trio, 1).unwrap());
    hear_filled(&trio, 0, first);
    // The first has it, the second adopts the opening with what it has.
    let base = trio.owner.host.fence(trio.slot, SECOND, true);
    assert_eq!(begin(&trio, 1), None, "nothing begins meanwhile");
    let lines = trio.wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Line>).collect();
    assert!(trio.owner.host.begin_stream(trio.slot, SECOND, base, lines));
    let adopted = trio.backups[1].host.adopt(trio.slot, SECOND, base, trio.heard.clone());
    assert_eq!(adopted, Standing::Reaches(Position::new(2)));
    trio.reaches(1, SECOND, Position::new(2));
    assert!(trio.owner.host.open(trio.slot, SECOND, Lease::forever()));
    assert_eq!(trio.owner.host.owed(), [(trio.slot, SECOND, two)]);
    AnyHost::close(&trio.owner.host, trio.slot);
    assert_eq!(trio.owner.host.owed(), [], "it leads nobody");
}

#[tokio::test]
async fn a_question_in_between_stops_no_receipts() {
    let trio = under_way(everywhere()).await;
    taken_in(&trio);
    let mut content = trio.owner.host.content_for(trio.slot, FIRST, &trio.wires[0].to, LINK).unwrap();
    trio.deliver(0);
    let backup = &trio.backups[0].host;
    assert_eq!(backup.reaches(trio.slot, FIRST), Some(Standing::Reaches(Position::new(2))));
    let (filling, part) = (content.filling(), content.next().unwrap().unwrap());
    let filled = backup.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body);
    assert_eq!(filled, Ok(Filled::Whole((FIRST, Position::new(2)))));
    backup.fence(trio.slot, SECOND, false);
    let late = backup.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body);
    assert_eq!(late, Ok(Filled::Refused));
}

#[tokio::test]
async fn where_one_side_serves_nobody_is_owed_anything_and_a_late_filling_is_none() {
    let trio = under_way([World::new(), World::new(), World::new()]).await;
    taken_in(&trio);
    assert_eq!(owed(&trio), []);
    assert_eq!(fill(&trio, 0), (vec![Standing::Reaches(Position::new(2))], Filled::Refused));
    assert_eq!(owed(&trio), []);
}
