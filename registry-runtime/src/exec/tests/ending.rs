//! Cancellation and deadlines.

use std::time::Duration;

use tokio::time::Instant;

use super::tally::*;
use super::world::*;
use crate::exec::Outcome;

#[tokio::test]
async fn dropping_the_handle_of_a_waiting_command_means_it_never_starts() {
    let world = World::with(1, 0);
    let first = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let dropped = world.call(&ADD, 1, (Do::Add(10),)).later();
    let cancelled = world.call(&ADD, 1, (Do::Add(100),)).later();
    let told = world.call(&ADD, 1, (Do::Add(1000),)).later();
    let last = world.call(&ADD, 1, (Do::Add(10_000),)).later();
    drop(dropped);
    assert!(cancelled.cancel(), "a promise");
    assert!(told.canceller().cancel(), "a promise");
    assert_eq!(told.await, Outcome::Cancelled { started: false });
    world.waiting(1).await;
    world.stage.gate.add_permits(1);
    assert_eq!(first.await, Outcome::Done(1));
    assert_eq!(last.await, Outcome::Done(10_001));
    assert_eq!(*world.stage.order.lock().unwrap(), [Do::Add(1), Do::Add(10_000)]);
    world.idle().await;
}

#[tokio::test]
async fn a_running_command_is_cancelled_at_each_of_its_awaits() {
    const WAITS: u32 = 5;
    let world = World::with(1, 0);
    for at in 0..WAITS {
        let handle = world.call(&ADD_SLOWLY, 1, (WAITS, Do::Add(1))).later();
        let next = world.call(&ADD, 1, (Do::Add(0),)).later();
        world.stage.gate.add_permits(at as usize);
        until(|| world.stage.gate.available_permits() == 0).await;
        world.stage.insiders(1).await;
        let canceller = handle.canceller();
        assert!(!canceller.cancel(), "it runs");
        assert_eq!(handle.await, Outcome::Cancelled { started: true }, "at await {at}");
        world.stage.insiders(0).await;
        assert_eq!(next.await, Outcome::Done(0));
    }
    let read = world.call(&SUM_SLOWLY, 1, (1, Do::Add(0))).later();
    let action = world.call(&PING_SLOWLY, 1, (1, Do::Add(0))).later();
    world.stage.insiders(2).await;
    drop((read, action));
    world.stage.insiders(0).await;
    world.idle().await;
}

#[tokio::test]
async fn what_runs_when_its_node_stops_is_ended_whether_or_not_it_has_a_slot() {
    let world = World::with(1, 0);
    let read = world.call(&SUM_SLOWLY, 1, (1, Do::Add(0))).later();
    let action = world.call(&PING_SLOWLY, 1, (1, Do::Add(0))).later();
    world.stage.insiders(2).await;
    world.host.stop();
    assert_eq!((read.await, action.await), (Outcome::Lost, Outcome::Lost));
    let late = world.call(&PING_SLOWLY, 1, (1, Do::Add(0))).later();
    assert_eq!(late.await, Outcome::Lost);
    world.stage.insiders(0).await;
    world.idle().await;
}

#[tokio::test]
async fn a_caller_that_stops_polling_holds_up_nobody() {
    let world = World::with(1, 0);
    let first = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let never_polled = world.call(&ADD, 1, (Do::Add(10),)).later();
    let last = world.call(&ADD, 1, (Do::Add(100),)).later();
    world.stage.gate.add_permits(1);
    assert_eq!(last.await, Outcome::Done(111));
    drop((first, never_polled));
    assert_eq!(world.sum(1), Some(111), "cancelling what has ended changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_the_queue_means_it_never_starts() {
    let world = World::with(1, 0);
    let first = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let mut attempt = world.attempt(1);
    attempt.deadline = Instant::now() + Duration::from_secs(2);
    let waits = world.host.call(&ADD, attempt, (Do::Add(10),), &mut |_, _| ()).later();
    assert_eq!(waits.await, Outcome::DeadlineExceeded { started: false });
    world.stage.gate.add_permits(1);
    assert_eq!(first.await, Outcome::Done(1));
    assert_eq!(*world.stage.order.lock().unwrap(), [Do::Add(1)]);
    world.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_the_line_for_a_place_means_it_never_starts() {
    let world = World::with(1, 0);
    let pings: Vec<_> = (0..CONCURRENCY).map(|_| world.call(&PING_SLOWLY, 1, (1, Do::Add(0))).later()).collect();
    let before = world.stage.entries();
    let mut attempt = world.attempt(1);
    attempt.deadline = Instant::now() + Duration::from_secs(2);
    let waits = world.host.call(&ADD_SLOWLY, attempt, (0, Do::Add(10)), &mut |_, _| ()).later();
    assert_eq!(waits.await, Outcome::DeadlineExceeded { started: false });
    assert_eq!(world.stage.entries(), before);
    drop(pings);
    world.idle().await;
    assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::Done(1), "the lane is free again");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_the_run_leaves_the_instance_as_it_was() {
    let world = World::with(1, 0);
    let update = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let read = world.call(&SUM_SLOWLY, 1, (1, Do::Add(1))).later();
    let action = world.call(&PING_SLOWLY, 1, (1, Do::Add(1))).later();
    assert_eq!(update.await, Outcome::DeadlineExceeded { started: true });
    assert_eq!(read.await, Outcome::DeadlineExceeded { started: true });
    assert_eq!(action.await, Outcome::DeadlineExceeded { started: true });
    world.stage.insiders(0).await;
    assert_eq!(world.sum(1), Some(0));
    assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::Done(1));
    world.idle().await;
}

#[tokio::test]
async fn what_cannot_be_interrupted_commits_nothing_after_its_deadline() {
    let world = World::with(1, 5);
    let soon = || {
        let mut attempt = world.attempt(1);
        attempt.deadline = Instant::now() + Duration::from_millis(2);
        attempt
    };
    let late = Outcome::DeadlineExceeded { started: true };
    assert_eq!(world.host.call(&ADD, soon(), (Do::Overrun(1),), &mut |_, _| ()).ready(), late);
    assert_eq!(world.host.call(&TAKE, soon(), (Do::Overrun(1),), &mut |_, _| ()).ready(), late.clone());
    assert_eq!(world.host.call(&ADD_SLOWLY, soon(), (0, Do::Overrun(1)), &mut |_, _| ()).ready(), late);
    assert_eq!(world.sum(1), Some(5));
    world.idle().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_at_or_after_its_deadline() {
    let world = World::with(1, 5);
    let passed = || {
        let mut attempt = world.attempt(1);
        attempt.deadline = Instant::now();
        attempt
    };
    assert_eq!(
        world.host.call(&SUM, passed(), (), &mut |_, _| ()).ready(),
        Outcome::DeadlineExceeded { started: false }
    );
    assert_eq!(
        world.host.call(&ADD, passed(), (Do::Panic(0),), &mut |_, _| ()).ready(),
        Outcome::DeadlineExceeded { started: false }
    );
    assert_eq!(
        world.host.call(&PING_SLOWLY, passed(), (0, Do::Panic(0)), &mut |_, _| ()).ready(),
        Outcome::DeadlineExceeded { started: false }
    );
}
