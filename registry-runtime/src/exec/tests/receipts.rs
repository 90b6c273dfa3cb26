//! A retry gets the first reply, and has no second effect.

use std::time::Duration;

use super::tally::*;
use super::world::*;
use crate::exec::{Attempt, Outcome};
use crate::id::{CommandId, Descent, IdempotencyName, Mark};
use crate::policy::receipts::{Ask, GRACE};

impl World {
    /// An attempt at a command that may be repeated.
    pub(super) fn repeatable(&self, key: u64, ask: Ask) -> Attempt<'_, Tally> {
        Attempt { ask, keeps_receipt: true, ..self.attempt(key) }
    }

    fn add(&self, key: u64, number: i64, ask: Ask) -> Outcome<i64, No> {
        self.host.call(&ADD, self.repeatable(key, ask), (Do::Add(number),), &mut |_, _| ()).ready()
    }
}

fn named(sequence: u64, name: u128, content: u64) -> Ask {
    Ask { name: Some(IdempotencyName { name, content }), ..ask(sequence) }
}

#[tokio::test]
async fn a_second_attempt_is_told_what_the_first_was() {
    let world = World::with(1, 5);
    assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(6));
    assert_eq!(world.add(1, 1, ask(101)), Outcome::Done(7));
    assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(6));
    assert_eq!(world.sum(1), Some(7));

    let fails = || world.host.call(&ADD, world.repeatable(1, ask(102)), (Do::Fail(9),), &mut |_, _| ()).ready();
    assert_eq!((fails(), fails()), (Outcome::Rejected(No(9)), Outcome::Rejected(No(9))));
    world.idle().await;
}

#[tokio::test]
async fn who_only_asks_is_told_of_earlier_attempts_and_runs_nothing() {
    let world = World::with(1, 5);
    let only = |number| {
        let attempt = Attempt { only_asks: true, ..world.repeatable(1, ask(number)) };
        world.host.call(&ADD, attempt, (Do::Add(1),), &mut |_, _| ()).ready()
    };
    assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(6));
    assert_eq!(only(100), Outcome::Done(6));
    assert_eq!(only(101), Outcome::Lost);
    assert_eq!(world.sum(1), Some(6));
    world.idle().await;
}

#[tokio::test]
async fn receipts_outlive_the_instance() {
    let world = World::new();
    let make = |number| world.host.call(&MAKE, world.repeatable(1, ask(number)), (Do::Add(5),), &mut |_, _| ()).ready();
    let end = |number| world.host.call(&TAKE, world.repeatable(1, ask(number)), (Do::Add(0),), &mut |_, _| ()).ready();
    let made = || Outcome::Done(Tally { id: 1, sum: 5 });
    assert_eq!(make(100), made());
    assert_eq!(make(101), Outcome::AlreadyExists);
    assert_eq!(end(102), Outcome::Done(5));
    assert_eq!(end(103), Outcome::NotFound);
    assert_eq!(make(104), made());
    assert_eq!([make(100), make(101), make(104)], [made(), Outcome::AlreadyExists, made()]);
    assert_eq!([end(102), end(103)], [Outcome::Done(5), Outcome::NotFound]);
    assert_eq!(world.sum(1), Some(5), "the repetitions made and ended nothing");
}

#[tokio::test]
async fn a_second_attempt_behind_the_first_waits_for_its_end() {
    let world = World::with(1, 5);
    let slowly =
        || world.host.call(&ADD_SLOWLY, world.repeatable(1, ask(100)), (1, Do::Add(1)), &mut |_, _| ()).later();
    let (first, second) = (slowly(), slowly());
    world.stage.gate.add_permits(1);
    assert_eq!((first.await, second.await), (Outcome::Done(6), Outcome::Done(6)));
    assert_eq!((world.sum(1), world.stage.entries()), (Some(6), 1));
    world.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_receipt_lives_by_its_calls_deadline_however_long_the_command_took() {
    let world = World::with(1, 5);
    let slow = world.host.call(&ADD_SLOWLY, world.repeatable(1, ask(100)), (1, Do::Add(1)), &mut |_, _| ()).later();
    world.stage.entered(1).await;
    tokio::time::advance(Duration::from_secs(3)).await;
    world.clock.set(3);
    world.stage.gate.add_permits(1);
    assert_eq!(slow.await, Outcome::Done(6));
    // Called at 0 with 5 s, so over at 5; and a grace.
    let over = 5 + GRACE.as_secs();
    for (second, told) in [(over - 1, 6), (over, 7)] {
        world.clock.set(second);
        world.host.forget_due();
        assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(told), "at {second} s");
    }
}

#[tokio::test(start_paused = true)]
async fn the_receipt_of_a_call_that_a_command_makes_lives_as_long_as_that_command_may_run_again() {
    let world = World::with(1, 5);
    let descent =
        Descent { root: CommandId { session: 9, sequence: 1 }, outlives: Duration::from_secs(300), rerun: false };
    let made = Attempt { descent: Some(descent), ..world.repeatable(1, ask(100)) };
    assert_eq!(world.host.call(&ADD, made, (Do::Add(1),), &mut |_, _| ()).ready(), Outcome::Done(6));
    let over = 5 + 300 + GRACE.as_secs();
    for (second, told) in [(5 + GRACE.as_secs(), 6), (over - 1, 6), (over, 7)] {
        world.clock.set(second);
        world.host.forget_due();
        assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(told), "at {second} s");
    }
}

#[tokio::test]
async fn a_late_attempt_below_the_mark_does_not_run() {
    let world = World::with(1, 5);
    assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(6));
    assert_eq!(world.add(1, 1, Ask { mark: Mark::new(101), ..ask(101) }), Outcome::Done(7));
    assert_eq!(world.add(1, 1, ask(100)), Outcome::ReceiptExpired);
    assert_eq!(world.sum(1), Some(7));
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_says_of_all_slots_counts_in_each_for_its_own_session() {
    let world = World::with(1, 5);
    let other = Ask { id: CommandId { session: 77, sequence: 100 }, ..ask(100) };
    assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(6));
    assert_eq!(world.add(1, 1, ask(101)), Outcome::Done(7));
    assert_eq!(world.add(1, 1, other), Outcome::Done(8));
    assert_eq!(world.host.receipts(), 3);
    world.host.pass(ask(100).id.session, Mark::new(101));
    let passed = async {
        while world.host.receipts() > 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), passed).await.expect("somebody walks through the slots");
    assert_eq!(world.add(1, 1, ask(100)), Outcome::ReceiptExpired);
    assert_eq!((world.add(1, 1, ask(101)), world.add(1, 1, other)), (Outcome::Done(7), Outcome::Done(8)));
}

#[tokio::test]
async fn a_name_stands_for_one_command_whoever_calls() {
    let world = World::with(1, 5);
    assert_eq!(world.add(1, 1, named(100, 77, 1)), Outcome::Done(6));
    assert_eq!(world.add(1, 1, named(200, 77, 1)), Outcome::Done(6));
    assert_eq!(world.add(1, 2, named(201, 77, 2)), Outcome::IdempotencyKeyReused);
    assert_eq!(world.sum(1), Some(6));
}

#[tokio::test]
async fn a_reply_that_cannot_be_kept_undoes_the_command_for_a_local_caller_too() {
    let world = World::with(1, 5);
    let tell = |awkward, ask| world.host.call(&AWKWARD, world.repeatable(1, ask), (awkward,), &mut |_, _| ()).ready();
    assert_eq!(tell(Awkward::Large, named(100, 77, 1)), Outcome::TooLarge { limit: REPLY_BYTES_MAX });
    assert!(matches!(tell(Awkward::Fails, named(101, 77, 2)), Outcome::BadReply { .. }));
    assert_eq!(tell(Awkward::Panics, named(102, 77, 3)), Outcome::Panicked);
    assert!(matches!(tell(Awkward::Deep, named(104, 77, 5)), Outcome::BadReply { .. }), "nobody could read it");
    assert_eq!(world.sum(1), Some(5), "nothing is kept of a command whose caller could not be told again");
    assert_eq!(tell(Awkward::Fine, named(103, 77, 4)), Outcome::Done(Awkward::Fine), "so its name is free");
    world.idle().await;
}

#[tokio::test]
async fn what_came_to_nothing_leaves_no_receipt() {
    let world = World::with(1, 5);
    let panics = world.host.call(&ADD, world.repeatable(1, ask(100)), (Do::Panic(9),), &mut |_, _| ()).ready();
    assert_eq!(panics, Outcome::Panicked);
    assert_eq!(world.add(1, 1, ask(100)), Outcome::Done(6));

    let slow = world.host.call(&ADD_SLOWLY, world.repeatable(1, ask(101)), (1, Do::Add(1)), &mut |_, _| ()).later();
    let epoch = crate::id::Epoch::new(EPOCH.get() + 1);
    world.begin_anew(world.slot(1), epoch);
    assert_eq!(slow.await, Outcome::Lost);
    let again = Attempt { epoch, ..world.repeatable(1, ask(101)) };
    assert_eq!(
        world.host.call(&ADD, again, (Do::Add(1),), &mut |_, _| ()).ready(),
        Outcome::NotFound,
        "a slot that begins anew begins without receipts"
    );
}
