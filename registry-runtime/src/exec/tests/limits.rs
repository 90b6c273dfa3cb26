//! How many may run and wait.

use super::tally::*;
use super::world::*;
use crate::exec::{Load, Outcome};
use crate::policy::admission::RETRY_AFTER_MIN;

fn load(world: &World) -> (u32, u32) {
    let Load { running, waiting, .. } = world.host.load();
    (running, waiting)
}

#[tokio::test]
async fn over_the_limits_is_overloaded() {
    let world = World::with(1, 0);
    let pings: Vec<_> = (0..CONCURRENCY).map(|_| world.call(&PING_SLOWLY, 0, (1, Do::Add(0))).later()).collect();
    assert_eq!(load(&world), (CONCURRENCY, 0));
    let waits: Vec<_> = (0..QUEUE).map(|_| world.call(&PING_SLOWLY, 0, (1, Do::Add(0))).later()).collect();
    world.waiting(QUEUE).await;
    let overloaded = Outcome::Overloaded { retry_after: RETRY_AFTER_MIN };
    assert_eq!(world.call(&PING_SLOWLY, 0, (0, Do::Panic(0))).ready(), overloaded);
    assert_eq!(
        world.call(&SUM_SLOWLY, 1, (0, Do::Panic(0))).ready(),
        Outcome::Overloaded { retry_after: RETRY_AFTER_MIN }
    );
    assert_eq!(
        world.call(&ADD_SLOWLY, 1, (0, Do::Panic(0))).ready(),
        Outcome::Overloaded { retry_after: RETRY_AFTER_MIN }
    );
    assert_eq!(world.call(&SUM_SLOWLY, 2, (0, Do::Panic(0))).ready(), Outcome::NotFound, "needs no place");
    // What ends in place does not count, and a lane is free again after a refusal.
    assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::Done(1));
    world.stage.gate.add_permits((CONCURRENCY + QUEUE) as usize);
    for ping in pings.into_iter().chain(waits) {
        assert_eq!(ping.await, Outcome::Done(0));
    }
    assert_eq!(load(&world), (0, 0));
    world.idle().await;
}

#[tokio::test]
async fn a_full_line_at_one_lane_is_overloaded() {
    let world = World::with(1, 0);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let mut waits: Vec<_> = (0..QUEUE).map(|_| world.call(&ADD, 1, (Do::Add(1),)).later()).collect();
    assert_eq!(load(&world), (1, QUEUE));
    let refused = world.call(&ADD, 1, (Do::Panic(0),)).ready();
    assert_eq!(refused, Outcome::Overloaded { retry_after: RETRY_AFTER_MIN });
    assert!(!refused.started());
    // One that gives up makes room for another.
    drop(waits.pop());
    world.waiting(QUEUE - 1).await;
    waits.push(world.call(&ADD, 1, (Do::Add(1),)).later());
    world.stage.gate.add_permits(1);
    assert_eq!(runs.await, Outcome::Done(1));
    for (count, wait) in (2..).zip(waits) {
        assert_eq!(wait.await, Outcome::Done(count));
    }
    world.idle().await;
}

#[tokio::test]
async fn no_more_than_concurrency_run_at_once() {
    let world = World::new();
    for key in 0..8 {
        world.call(&MAKE, key, (Do::Add(0),)).ready();
    }
    let adds: Vec<_> = (0..64).map(|number| world.call(&ADD_SLOWLY, number % 8, (1, Do::Add(1))).later()).collect();
    for add in adds {
        world.stage.gate.add_permits(1);
        assert!(matches!(add.await, Outcome::Done(_)));
    }
    let crowd = world.stage.crowd.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(crowd, u64::from(CONCURRENCY));
    assert!((0..8).all(|key| world.sum(key) == Some(8)));
    world.idle().await;
}

#[tokio::test]
async fn places_given_up_by_cancelled_commands_go_to_the_next() {
    let world = World::with(1, 0);
    let runs: Vec<_> = (0..CONCURRENCY).map(|_| world.call(&PING_SLOWLY, 0, (1, Do::Add(0))).later()).collect();
    let cancelled: Vec<_> = (0..5).map(|_| world.call(&PING_SLOWLY, 0, (1, Do::Panic(0))).later()).collect();
    let last = world.call(&ADD_SLOWLY, 1, (0, Do::Add(1))).later();
    world.waiting(6).await;
    for handle in cancelled {
        assert!(handle.cancel());
    }
    world.waiting(1).await;
    drop(runs);
    assert_eq!(last.await, Outcome::Done(1));
    world.idle().await;
}
