//! One lane per key: order, isolation, and what a command that goes wrong leaves behind.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use super::tally::*;
use super::world::*;
use crate::exec::work::Spare;
use crate::exec::{Attempt, Outcome};
use crate::id::Epoch;
use crate::resource::{Command, ErrorCodec, Run};

#[tokio::test]
async fn synchronous_commands_on_a_free_lane_end_in_place() {
    let world = World::with(1, 5);
    assert_eq!(world.call(&ADD, 1, (Do::Add(2),)).ready(), Outcome::Done(7));
    assert_eq!(world.call(&SUM, 1, ()).ready(), Outcome::Done(7));
    assert_eq!(world.call(&PING, 1, (Do::Add(0),)).ready(), Outcome::Done(0));
    assert_eq!(world.call(&TAKE, 1, (Do::Add(1),)).ready(), Outcome::Done(8));
    assert_eq!(world.sum(1), None);
    world.idle().await;
}

#[tokio::test]
async fn asynchronous_commands_that_need_no_waiting_end_in_place() {
    let world = World::new();
    assert_eq!(world.call(&MAKE_SLOWLY, 1, (0, Do::Add(5))).ready(), Outcome::Done(Tally { id: 1, sum: 5 }));
    assert_eq!(world.call(&ADD_SLOWLY, 1, (0, Do::Add(2))).ready(), Outcome::Done(7));
    assert_eq!(world.call(&SUM_SLOWLY, 1, (0, Do::Add(0))).ready(), Outcome::Done(7));
    assert_eq!(world.call(&PING_SLOWLY, 1, (0, Do::Add(0))).ready(), Outcome::Done(0));
    assert_eq!(world.call(&TAKE_SLOWLY, 1, (0, Do::Add(0))).ready(), Outcome::Done(7));
    assert_eq!(world.sum(1), None);
    world.idle().await;
}

#[tokio::test]
async fn asynchronous_commands_that_wait_end_as_tasks() {
    let world = World::new();
    world.stage.gate.add_permits(10);
    // The gate is open, so these end at their first poll; each takes two permits.
    assert_eq!(world.call(&MAKE_SLOWLY, 1, (2, Do::Add(5))).ready(), Outcome::Done(Tally { id: 1, sum: 5 }));
    world.stage.gate.forget_permits(10);
    let added = world.call(&ADD_SLOWLY, 1, (2, Do::Add(2))).later();
    let pinged = world.call(&PING_SLOWLY, 1, (2, Do::Add(2))).later();
    let read = world.call(&SUM_SLOWLY, 1, (2, Do::Add(1))).later();
    world.stage.gate.add_permits(6);
    assert_eq!(added.await, Outcome::Done(7));
    assert_eq!(pinged.await, Outcome::Done(0));
    assert_eq!(read.await, Outcome::Done(6), "the state it looked at, not what was committed since");
    let taken = world.call(&TAKE_SLOWLY, 1, (1, Do::Add(0))).later();
    world.stage.gate.add_permits(1);
    assert_eq!(taken.await, Outcome::Done(7));
    assert_eq!(world.sum(1), None);
    world.idle().await;
}

#[tokio::test]
async fn callers_outside_any_runtime_are_served() {
    let world = World::with(1, 0);
    let runtime = world.host.setting.runtime.clone();
    let world = std::thread::spawn(move || {
        let handle = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
        world.stage.gate.add_permits(1);
        (world, handle)
    });
    let (world, handle) = runtime.spawn_blocking(|| world.join().unwrap()).await.unwrap();
    assert_eq!(handle.await, Outcome::Done(1));
    world.idle().await;
}

#[tokio::test]
async fn not_found_and_already_exists_are_decided_before_the_body_runs() {
    let world = World::with(1, 5);
    let before = world.stage.entries();
    assert_eq!(world.call(&MAKE, 1, (Do::Panic(0),)).ready(), Outcome::AlreadyExists);
    assert_eq!(world.call(&MAKE_SLOWLY, 1, (0, Do::Panic(0))).ready(), Outcome::AlreadyExists);
    assert_eq!(world.call(&SUM_SLOWLY, 2, (0, Do::Panic(0))).ready(), Outcome::NotFound);
    assert_eq!(world.call(&ADD, 2, (Do::Panic(0),)).ready(), Outcome::NotFound);
    assert_eq!(world.call(&ADD_SLOWLY, 2, (0, Do::Panic(0))).ready(), Outcome::NotFound);
    assert_eq!(world.call(&TAKE, 2, (Do::Panic(0),)).ready(), Outcome::NotFound);
    assert_eq!(world.call(&TAKE_SLOWLY, 2, (0, Do::Panic(0))).ready(), Outcome::NotFound);
    assert_eq!(world.stage.entries(), before);
    world.idle().await;
}

#[tokio::test]
async fn a_command_in_line_meets_what_the_one_before_it_left() {
    let world = World::new();
    let make = world.call(&MAKE_SLOWLY, 1, (1, Do::Add(5))).later();
    assert_eq!(world.sum(1), None, "not committed yet");
    let again = world.call(&MAKE, 1, (Do::Add(6),)).later();
    let add = world.call(&ADD, 1, (Do::Add(1),)).later();
    let take = world.call(&TAKE, 1, (Do::Add(0),)).later();
    let late = world.call(&ADD, 1, (Do::Add(1),)).later();
    world.stage.gate.add_permits(1);
    assert_eq!(make.await, Outcome::Done(Tally { id: 1, sum: 5 }));
    assert_eq!(again.await, Outcome::AlreadyExists);
    assert_eq!(add.await, Outcome::Done(6));
    assert_eq!(take.await, Outcome::Done(6));
    assert_eq!(late.await, Outcome::NotFound);
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exclusive_commands_run_one_at_a_time_in_order_of_arrival() {
    let world = World::with(1, 0);
    let first = world.call(&ADD_SLOWLY, 1, (1, Do::Add(0))).later();
    let handles: Vec<_> = (1..=64)
        .map(|number| match number % 2 {
            0 => world.call(&ADD, 1, (Do::Add(number),)).later(),
            _ => world.call(&ADD_SLOWLY, 1, (2, Do::Add(number))).later(),
        })
        .collect();
    world.waiting(64).await;
    world.stage.gate.add_permits(1 + 64);
    assert_eq!(first.await, Outcome::Done(0));
    let mut sum = 0;
    for (number, handle) in (1..).zip(handles) {
        sum += number;
        assert_eq!(handle.await, Outcome::Done(sum), "number {number}");
    }
    let expected: Vec<_> = (0..=64).map(Do::Add).collect();
    assert_eq!(*world.stage.order.lock().unwrap(), expected);
    assert_eq!(world.stage.crowd.load(Ordering::Relaxed), 1);
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_on_one_key_do_not_overlap() {
    let world = std::sync::Arc::new(World::with(1, 0));
    world.stage.gate.add_permits(64 * 8);
    let tasks: Vec<_> = (0..64_u64)
        .map(|task| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move {
                for turn in 0..8 {
                    let outcome = match (task + turn) % 2 {
                        0 => end(world.call(&ADD, 1, (Do::Add(1),))).await,
                        _ => end(world.call(&ADD_SLOWLY, 1, (1, Do::Add(1)))).await,
                    };
                    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.sum(1), Some(64 * 8));
    assert_eq!(world.stage.crowd.load(Ordering::Relaxed), 1);
    world.idle().await;
}

#[tokio::test]
async fn keys_do_not_wait_for_each_other() {
    let world = World::with(1, 0);
    // Keys 1 and 5 share a slot.
    assert_eq!(world.slot(1), world.slot(5));
    world.call(&MAKE, 5, (Do::Add(0),)).ready();
    let slow = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    assert_eq!(world.call(&ADD, 5, (Do::Add(1),)).ready(), Outcome::Done(1));
    world.stage.gate.add_permits(1);
    assert_eq!(slow.await, Outcome::Done(1));
}

#[tokio::test]
async fn reads_see_the_committed_state_and_never_wait() {
    let world = World::with(1, 5);
    let update = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let waits = world.call(&ADD, 1, (Do::Add(1),)).later();
    assert_eq!(world.sum(1), Some(5));
    assert_eq!(world.call(&SUM_SLOWLY, 1, (0, Do::Add(0))).ready(), Outcome::Done(5));
    world.stage.gate.add_permits(1);
    assert_eq!(update.await, Outcome::Done(6));
    assert_eq!(waits.await, Outcome::Done(7));
    assert_eq!(world.sum(1), Some(7));

    let destroy = world.call(&TAKE_SLOWLY, 1, (1, Do::Add(0))).later();
    assert_eq!(world.sum(1), Some(7));
    world.stage.gate.add_permits(1);
    assert_eq!(destroy.await, Outcome::Done(7));
    assert_eq!(world.sum(1), None);
}

#[tokio::test]
async fn an_error_leaves_the_instance_as_it_was() {
    let world = World::with(1, 5);
    assert_eq!(world.call(&ADD, 1, (Do::Fail(1),)).ready(), Outcome::Rejected(No(1)));
    assert_eq!(world.call(&ADD_SLOWLY, 1, (0, Do::Fail(2))).ready(), Outcome::Rejected(No(2)));
    assert_eq!(world.call(&TAKE, 1, (Do::Fail(3),)).ready(), Outcome::Rejected(No(3)));
    assert_eq!(world.call(&TAKE_SLOWLY, 1, (0, Do::Fail(4))).ready(), Outcome::Rejected(No(4)));
    assert_eq!(world.call(&SUM_SLOWLY, 1, (0, Do::Fail(5))).ready(), Outcome::Rejected(No(5)));
    assert_eq!(world.sum(1), Some(5));
    assert_eq!(world.call(&MAKE, 2, (Do::Fail(6),)).ready(), Outcome::Rejected(No(6)));
    assert_eq!(world.call(&MAKE_SLOWLY, 2, (0, Do::Fail(7))).ready(), Outcome::Rejected(No(7)));
    assert_eq!(world.sum(2), None);
    assert_eq!(world.host.len(world.slot(2)), 0);
    world.idle().await;
}

#[tokio::test]
async fn a_panic_costs_one_command_and_not_the_lane() {
    let world = World::with(1, 5);
    // In place, at the first poll, and at a later poll.
    assert_eq!(world.call(&ADD, 1, (Do::Panic(1),)).ready(), Outcome::Panicked);
    assert_eq!(world.call(&TAKE, 1, (Do::Panic(1),)).ready(), Outcome::Panicked);
    assert_eq!(world.call(&ADD_SLOWLY, 1, (0, Do::Panic(1))).ready(), Outcome::Panicked);
    assert_eq!(world.call(&SUM_SLOWLY, 1, (0, Do::Panic(1))).ready(), Outcome::Panicked);
    assert_eq!(world.call(&PING, 1, (Do::Panic(1),)).ready(), Outcome::Panicked);
    assert_eq!(world.call(&MAKE, 2, (Do::Panic(1),)).ready(), Outcome::Panicked);
    let late = world.call(&ADD_SLOWLY, 1, (1, Do::Panic(1))).later();
    // Synchronous in a task of its own.
    let behind = world.call(&ADD, 1, (Do::Panic(1),)).later();
    let after = world.call(&ADD, 1, (Do::Add(1),)).later();
    let action = world.call(&PING_SLOWLY, 1, (1, Do::Panic(1))).later();
    world.stage.gate.add_permits(2);
    assert_eq!(late.await, Outcome::Panicked);
    assert_eq!(behind.await, Outcome::Panicked);
    assert_eq!(after.await, Outcome::Done(6));
    assert_eq!(action.await, Outcome::Panicked);
    assert_eq!(world.sum(2), None);
    world.idle().await;
}

#[tokio::test]
async fn another_key_counts_as_a_panic() {
    let world = World::with(1, 5);
    assert_eq!(world.call(&ADD, 1, (Do::Rekey(2),)).ready(), Outcome::Panicked);
    assert_eq!(world.call(&ADD_SLOWLY, 1, (0, Do::Rekey(2))).ready(), Outcome::Panicked);
    assert_eq!(world.call(&MAKE, 3, (Do::Rekey(2),)).ready(), Outcome::Panicked);
    assert_eq!(world.call(&MAKE_SLOWLY, 3, (0, Do::Rekey(2))).ready(), Outcome::Panicked);
    assert_eq!((world.sum(1), world.sum(2), world.sum(3)), (Some(5), None, None));
    world.idle().await;
}

#[tokio::test]
async fn the_context_says_what_the_attempt_said() {
    let world = World::with(6, 0);
    let expected = Outcome::Done(("6".to_owned(), world.caller.clone(), EPOCH, 3));
    for waits in [0, 1] {
        let mut attempt = world.attempt(6);
        attempt.attempt = 3;
        let started = world.host.call(&CONTEXT, attempt, (waits,), &mut |_, _| ());
        world.stage.gate.add_permits(1);
        assert_eq!(end(started).await, expected, "with {waits} waits");
        world.stage.gate.forget_permits(1);
    }
    // One that waited for its lane runs in the epoch of the slot at that moment.
    let blocks = world.call(&ADD_SLOWLY, 6, (1, Do::Add(1))).later();
    let behind = world.call(&CONTEXT, 6, (0,)).later();
    let higher = Epoch::new(EPOCH.get() + 1);
    assert!(world.host.open(world.slot(6), higher, crate::exec::Lease::forever()));
    world.stage.gate.add_permits(1);
    assert_eq!(blocks.await, Outcome::Done(1));
    assert_eq!(behind.await, Outcome::Done(("6".to_owned(), world.caller.clone(), higher, 1)));
}

#[tokio::test]
async fn commands_that_call_commands_do_not_pile_up_on_the_stack() {
    const LEVELS: u32 = 5000;
    let world = World::of(&ROOMY);
    let mut attempt = world.attempt(0);
    attempt.key = None;
    assert_eq!(end(world.host.call(&DIVE, attempt, (LEVELS,), &mut |_, _| ())).await, Outcome::Done(LEVELS));
    world.idle().await;
}

/// What a caller gave is written down while its lane is held, and what a user has written may panic.
#[tokio::test]
async fn arguments_that_panic_when_they_are_spared_hold_no_lane() {
    let world = World::with(1, 5);
    let add = |spare: Spare<'_, Tally, (Do,)>| world.host.call(&ADD, world.attempt(1), (Do::Add(1),), spare).ready();
    assert_eq!(add(&mut |_, _| panic!("as told")), Outcome::Done(6));
    assert_eq!(add(&mut |_, _| ()), Outcome::Done(7));
    world.idle().await;
}

/// A reply that does not go quietly.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as told");
    }
}

static REKEY_BRITTLY: Command<Tally, (), Brittle, Infallible> = Command {
    name: "rekey_brittly",
    number: 90,
    idempotent: false,
    error: ErrorCodec::never(),
    written: "",
    run: Run::Update(|tally, (), _| {
        tally.id += 1;
        Ok(Brittle)
    }),
};

/// A result of which nothing comes is dropped, and its panic goes no further.
#[tokio::test]
async fn a_reply_that_nobody_is_told_contains_its_panic() {
    let world = World::with(1, 5);
    assert!(matches!(world.call(&REKEY_BRITTLY, 1, ()).ready(), Outcome::Panicked));
    assert_eq!(world.call(&ADD, 1, (Do::Add(2),)).ready(), Outcome::Done(7));
    world.idle().await;
}

static ADD_BRITTLY: Command<Tally, (Brittle,), i64, Infallible> = Command {
    name: "add_brittly",
    number: 91,
    idempotent: false,
    error: ErrorCodec::never(),
    written: "",
    run: Run::Update(|tally, (brittle,), _| {
        std::mem::forget(brittle);
        tally.sum += 1;
        Ok(tally.sum)
    }),
};

/// A command that is refused at the gate was not started, whatever its arguments do as they go.
#[tokio::test]
async fn arguments_that_are_not_used_contain_their_panic() {
    let world = World::with(1, 5);
    let stale = Attempt { epoch: Epoch::ZERO, ..world.attempt(1) };
    let refused = world.host.call(&ADD_BRITTLY, stale, (Brittle,), &mut |_, _| ()).ready();
    assert!(matches!(refused, Outcome::NotOwner { .. }), "{refused:?}");
    assert_eq!(world.call(&ADD_BRITTLY, 1, (Brittle,)).ready(), Outcome::Done(6));
    world.idle().await;
}
