//! How many may run and wait.

use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::somebody;
use super::tally::*;
use super::world::*;
use crate::exec::tests::narrow;
use crate::exec::{Attempt, Load, Outcome};
use crate::policy::admission::{RETRY_AFTER_MAX, RETRY_AFTER_MIN};
use crate::resource::Definition;

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
    // A command that would end where it is called is one of those that may run at once, too.
    let overloaded = || Outcome::Overloaded { retry_after: RETRY_AFTER_MIN };
    assert_eq!(world.call(&SUM, 1, ()).ready(), Outcome::Overloaded { retry_after: RETRY_AFTER_MIN });
    assert_eq!(world.call(&ADD, 1, (Do::Panic(0),)).ready(), overloaded());
    assert_eq!(world.call(&PING, 0, (Do::Panic(0),)).ready(), Outcome::Overloaded { retry_after: RETRY_AFTER_MIN });
    assert_eq!(world.call(&SUM_SLOWLY, 2, (0, Do::Panic(0))).ready(), Outcome::NotFound, "needs no place");
    assert_eq!(world.call(&SUM, 2, ()).ready(), Outcome::NotFound, "needs no place");
    world.stage.gate.add_permits((CONCURRENCY + QUEUE) as usize);
    for ping in pings.into_iter().chain(waits) {
        assert_eq!(ping.await, Outcome::Done(0));
    }
    assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::Done(1), "the lane is free after refusals");
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

/// A synchronous update that holds up a thread of its own until the stage lets it go on.
fn blocked(world: &Arc<World>, key: u64) -> JoinHandle<Outcome<i64, No>> {
    let world = Arc::clone(world);
    spawn_blocking(move || world.call(&ADD, key, (Do::Block(1),)).ready())
}

/// Lets the blocked threads of a test go that fails, for its runtime waits for them.
struct Release(Arc<World>);

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stage.gate.add_permits(100);
        }
    }
}

#[tokio::test]
async fn a_body_on_its_callers_thread_takes_a_place_like_any_other() {
    let world = Arc::new(World::new());
    let _release = Release(Arc::clone(&world));
    for key in 0..5 {
        world.call(&MAKE, key, (Do::Add(0),)).ready();
    }
    assert_eq!(load(&world), (0, 0));
    let mut threads: Vec<_> = (0..2).map(|key| blocked(&world, key)).collect();
    world.stage.entered(2).await;
    assert_eq!(load(&world), (2, 0));
    assert_eq!((world.sum(3), world.sum(4)), (Some(0), Some(0)), "there is a third place");
    threads.push(blocked(&world, 2));
    world.stage.entered(3).await;
    assert_eq!(load(&world), (CONCURRENCY, 0));

    // What comes now waits, whatever its kind, and starts in the order of arrival once there are places.
    let update = world.call(&ADD, 3, (Do::Add(1),)).later();
    let read = world.call(&SUM, 4, ()).later();
    let action = world.call(&PING_SLOWLY, 0, (0, Do::Add(1))).later();
    let gives_up = world.call(&ADD, 4, (Do::Panic(1),)).later();
    world.waiting(4).await;
    drop(gives_up);
    world.waiting(3).await;
    assert_eq!(load(&world), (CONCURRENCY, 3));
    world.stage.gate.add_permits(3);
    assert_eq!((update.await, read.await, action.await), (Outcome::Done(1), Outcome::Done(0), Outcome::Done(0)));
    for thread in threads {
        assert_eq!(thread.await.unwrap(), Outcome::Done(1));
    }
    assert_eq!(load(&world), (0, 0));
    world.idle().await;
}

/// One may run and two may wait.
static NARROW: Definition<Tally> = Definition { spec: narrow(), route: |key| *key };

#[tokio::test]
async fn bodies_on_their_callers_threads_are_refused_over_the_limits() {
    let world = Arc::new(World::of(&NARROW));
    let _release = Release(Arc::clone(&world));
    for key in 0..4 {
        world.call(&MAKE, key, (Do::Add(0),)).ready();
    }
    let thread = blocked(&world, 0);
    world.stage.entered(1).await;
    let update = world.call(&ADD, 1, (Do::Add(1),)).later();
    let read = world.call(&SUM, 2, ()).later();
    world.waiting(2).await;
    let refused = world.call(&ADD, 3, (Do::Panic(0),)).ready();
    assert_eq!(refused, Outcome::Overloaded { retry_after: RETRY_AFTER_MIN });
    assert!(!refused.started());
    assert_eq!(world.call(&SUM, 3, ()).ready(), Outcome::Overloaded { retry_after: RETRY_AFTER_MIN });
    world.stage.gate.add_permits(1);
    assert_eq!((update.await, read.await), (Outcome::Done(1), Outcome::Done(0)));
    assert_eq!(thread.await.unwrap(), Outcome::Done(1));
    assert_eq!(world.call(&ADD, 3, (Do::Add(3),)).ready(), Outcome::Done(3), "the lane is free after a refusal");
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_place_is_lost_between_threads_and_tasks() {
    const ROUNDS: i64 = 2_000;
    let world = Arc::new(World::of(&NARROW));
    for key in 0..3 {
        world.call(&MAKE, key, (Do::Add(0),)).ready();
    }
    // Two at a time may wait, so none of the three is refused; each ends before it begins anew.
    let callers: Vec<_> = (0..3)
        .map(|key| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for round in 1..=ROUNDS {
                    let outcome = match round % 2 {
                        0 => end(world.call(&ADD, key, (Do::Add(1),))).await,
                        _ => end(world.call(&YIELD, key, (1, Do::Add(1)))).await,
                    };
                    assert_eq!(outcome, Outcome::Done(round));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(load(&world), (0, 0));
    world.idle().await;
}

#[tokio::test]
async fn a_read_that_is_refused_leaves_a_running_update_counted() {
    let mut world = Arc::new(World::of(&NARROW));
    let release = Release(Arc::clone(&world));
    world.call(&MAKE, 0, (Do::Add(0),)).ready();
    let slot = world.slot(0);
    let thread = blocked(&world, 0);
    world.stage.entered(1).await;
    let waits = [0, 0].map(|key| world.call(&SUM, key, ()).later());
    world.waiting(2).await;
    for _ in 0..2 {
        let refused = world.call(&SUM_SLOWLY, 0, (0, Do::Panic(0))).ready();
        assert_eq!(refused, Outcome::Overloaded { retry_after: RETRY_AFTER_MIN });
    }
    assert!(world.host.seal(slot, &somebody()));
    for wait in waits {
        assert_eq!(wait.await, Outcome::Moved { started: false });
    }
    world.stage.gate.add_permits(1);
    assert_eq!(thread.await.unwrap(), Outcome::Done(1), "the update ran on while the slot drained");
    drop(release);
    assert_eq!(Arc::get_mut(&mut world).unwrap().drained.try_recv(), Ok((slot, EPOCH)));
}

#[tokio::test]
async fn what_waits_with_too_many_bytes_is_overloaded() {
    let world = World::with(1, 0);
    let large = || {
        let attempt = Attempt { bytes: 200 << 20, ..world.attempt(1) };
        world.host.call(&ADD, attempt, (Do::Add(1),), &mut |_, _| ())
    };
    let holds = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let waits = large().later();
    assert_eq!(large().ready(), Outcome::Overloaded { retry_after: RETRY_AFTER_MAX });
    world.stage.gate.add_permits(1);
    assert_eq!((holds.await, waits.await), (Outcome::Done(1), Outcome::Done(2)));
    assert_eq!(large().ready(), Outcome::Done(3), "what does not wait is not counted");
    world.idle().await;
}
