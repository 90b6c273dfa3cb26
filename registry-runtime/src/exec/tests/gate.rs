//! The node's side: opening, sealing and closing slots, and leases.

use std::sync::Arc;

use super::somebody;
use super::tally::*;
use super::world::*;
use crate::exec::host::SEAL_GRACE;
use crate::exec::{Lease, Outcome};
use crate::id::{Epoch, Slot};

const NEXT: Epoch = Epoch::new(EPOCH.get() + 1);

#[tokio::test]
async fn another_epoch_is_refused_with_the_present_one() {
    let world = World::with(1, 5);
    for epoch in [Epoch::ZERO, Epoch::new(EPOCH.get() - 1), NEXT] {
        let attempt = || {
            let mut attempt = world.attempt(1);
            attempt.epoch = epoch;
            attempt
        };
        let refused = Outcome::NotOwner { epoch: EPOCH };
        assert_eq!(world.host.call(&ADD, attempt(), (Do::Panic(0),), &mut |_, _| ()).ready(), refused);
        assert_eq!(world.host.call(&ADD_SLOWLY, attempt(), (0, Do::Panic(0)), &mut |_, _| ()).ready(), refused);
        assert_eq!(
            world.host.call(&MAKE, attempt(), (Do::Panic(0),), &mut |_, _| ()).ready(),
            Outcome::NotOwner { epoch: EPOCH }
        );
        assert_eq!(world.host.call(&SUM, attempt(), (), &mut |_, _| ()).ready(), Outcome::NotOwner { epoch: EPOCH });
        assert_eq!(
            world.host.call(&PING, attempt(), (Do::Add(0),), &mut |_, _| ()).ready(),
            Outcome::Done(0),
            "needs no slot"
        );
    }
    // A queued one is refused, too.
    let busy = world.call(&ADD_SLOWLY, 1, (1, Do::Add(0))).later();
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    assert_eq!(
        world.host.call(&ADD, attempt, (Do::Panic(0),), &mut |_, _| ()).ready(),
        Outcome::NotOwner { epoch: EPOCH }
    );
    drop(busy);
    world.idle().await;
}

#[tokio::test]
async fn a_slot_that_does_not_exist_is_a_bad_request() {
    let world = World::new();
    let attempt = || {
        let mut attempt = world.attempt(1);
        attempt.slot = Slot::new(SLOTS);
        attempt
    };
    assert!(matches!(world.host.call(&SUM, attempt(), (), &mut |_, _| ()).ready(), Outcome::BadRequest { .. }));
    assert!(matches!(
        world.host.call(&MAKE, attempt(), (Do::Add(0),), &mut |_, _| ()).ready(),
        Outcome::BadRequest { .. }
    ));
    assert!(!world.host.open(Slot::new(SLOTS), EPOCH, Lease::forever()));
    assert!(!world.host.seal(Slot::new(SLOTS), &somebody()));
    let mut keyless = world.attempt(1);
    keyless.key = None;
    assert!(matches!(world.host.call(&SUM, keyless, (), &mut |_, _| ()).ready(), Outcome::BadRequest { .. }));
}

#[tokio::test]
async fn a_closed_slot_serves_nobody_and_keeps_its_instances_for_the_next_opening() {
    let world = World::with(1, 5);
    let slot = world.slot(1);
    world.host.close(slot);
    assert_eq!(world.call(&SUM, 1, ()).ready(), Outcome::NotOwner { epoch: EPOCH });
    assert_eq!(world.call(&ADD, 1, (Do::Panic(0),)).ready(), Outcome::NotOwner { epoch: EPOCH });
    assert_eq!(world.host.len(slot), 1);
    assert!(!world.host.open(slot, EPOCH, Lease::forever()), "an epoch is used once");
    assert!(world.host.open(slot, NEXT, Lease::forever()));
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    assert_eq!(world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready(), Outcome::Done(5));
}

#[tokio::test]
async fn what_a_closed_slot_gives_up_is_gone_whatever_the_next_opening_says() {
    let world = World::with(1, 5);
    let slot = world.slot(1);
    world.host.clear(slot);
    assert_eq!(world.host.len(slot), 1, "an open slot gives up nothing");
    world.host.close(slot);
    world.host.clear(slot);
    assert_eq!(world.host.len(slot), 0);
    assert!(world.host.open(slot, NEXT, Lease::forever()));
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    assert_eq!(world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready(), Outcome::NotFound);
}

#[tokio::test]
async fn closing_stops_what_runs_and_what_waits() {
    let world = World::with(1, 5);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let waits = world.call(&ADD, 1, (Do::Panic(0),)).later();
    let reads = world.call(&SUM_SLOWLY, 1, (1, Do::Add(1))).later();
    let elsewhere = world.call(&PING_SLOWLY, 1, (1, Do::Add(1))).later();
    world.host.close(world.slot(1));
    assert_eq!(runs.await, Outcome::Lost);
    assert_eq!(waits.await, Outcome::Moved { started: false });
    assert_eq!(reads.await, Outcome::Lost);
    world.stage.insiders(1).await;
    world.stage.gate.add_permits(1);
    assert_eq!(elsewhere.await, Outcome::Done(0), "an action needs no slot");
    assert!(world.host.open(world.slot(1), NEXT, Lease::forever()));
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    assert_eq!(world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready(), Outcome::Done(5));
    world.idle().await;
}

/// Runs a synchronous update on a thread of its own and does something while it is inside.
async fn during_a_synchronous_update(between: impl FnOnce(&World)) -> (Arc<World>, Outcome<i64, No>) {
    let world = Arc::new(World::with(1, 5));
    let update = {
        let world = Arc::clone(&world);
        tokio::task::spawn_blocking(move || world.call(&ADD, 1, (Do::Block(1),)).ready())
    };
    world.stage.entered(1).await;
    between(&world);
    world.stage.gate.add_permits(1);
    (world, update.await.unwrap())
}

#[tokio::test]
async fn a_synchronous_update_commits_only_while_its_slot_is_open() {
    let (world, outcome) = during_a_synchronous_update(|_| ()).await;
    assert_eq!((outcome, world.sum(1)), (Outcome::Done(6), Some(6)));

    let (world, outcome) = during_a_synchronous_update(|world| world.host.close(world.slot(1))).await;
    assert_eq!(outcome, Outcome::Lost);
    assert!(world.host.open(world.slot(1), NEXT, Lease::forever()));
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    assert_eq!(world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready(), Outcome::Done(5));

    // Closed and opened again is another time, even if nothing else happened between.
    let (_, outcome) = during_a_synchronous_update(|world| {
        world.host.close(world.slot(1));
        world.host.open(world.slot(1), NEXT, Lease::forever());
    })
    .await;
    assert_eq!(outcome, Outcome::Lost);

    let (_, outcome) = during_a_synchronous_update(|world| {
        world.begin_anew(world.slot(1), NEXT);
        assert_eq!(world.host.len(world.slot(1)), 0);
    })
    .await;
    assert_eq!(outcome, Outcome::Lost, "its instance is gone");
}

#[tokio::test]
async fn opening_again_without_a_pause_lets_what_runs_commit() {
    let (world, outcome) = during_a_synchronous_update(|world| {
        assert!(world.host.open(world.slot(1), NEXT, Lease::forever()));
        assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::NotOwner { epoch: NEXT });
    })
    .await;
    assert_eq!(outcome, Outcome::Done(6));

    let slot = world.slot(1);
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    let runs = world.host.call(&ADD_SLOWLY, attempt, (1, Do::Add(1)), &mut |_, _| ()).later();
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    let waits = world.host.call(&ADD, attempt, (Do::Add(1),), &mut |_, _| ()).later();
    assert!(world.host.open(slot, Epoch::new(NEXT.get() + 1), Lease::forever()));
    world.stage.gate.add_permits(1);
    assert_eq!(runs.await, Outcome::Done(7));
    assert_eq!(waits.await, Outcome::Done(8));
    world.idle().await;
}

#[tokio::test]
async fn nobody_joins_a_stopped_command_on_its_lane() {
    let world = Arc::new(World::with(1, 5));
    let update = {
        let world = Arc::clone(&world);
        tokio::task::spawn_blocking(move || world.call(&ADD, 1, (Do::Block(1),)).ready())
    };
    world.stage.entered(1).await;
    world.begin_anew(world.slot(1), NEXT);
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    let make = world.host.call(&MAKE, attempt, (Do::Add(9),), &mut |_, _| ()).later();
    world.waiting(1).await;
    world.stage.gate.add_permits(1);
    assert_eq!(update.await.unwrap(), Outcome::Lost);
    assert_eq!(make.await, Outcome::Done(Tally { id: 1, sum: 9 }));
    assert_eq!(world.host.len(world.slot(1)), 1);
    world.idle().await;
}

#[tokio::test(start_paused = true)]
async fn sealing_an_idle_slot_drains_it_at_once() {
    let mut world = World::with(1, 5);
    let slot = world.slot(1);
    assert!(world.host.seal(slot, &somebody()));
    assert_eq!(world.drained.try_recv(), Ok((slot, EPOCH)));
    assert_eq!(world.call(&ADD, 1, (Do::Panic(0),)).ready(), Outcome::Moved { started: false });
    assert_eq!(world.call(&SUM, 1, ()).ready(), Outcome::Moved { started: false });
    assert!(!world.host.seal(slot, &somebody()), "it is not open");
    world.host.close(slot);
    assert!(!world.host.seal(slot, &somebody()), "it is not open");
    tokio::time::sleep(SEAL_GRACE * 2).await;
    assert!(world.drained.try_recv().is_err(), "told once");
}

#[tokio::test(start_paused = true)]
async fn sealing_lets_what_runs_end_and_starts_nothing_new() {
    let mut world = World::with(1, 5);
    let slot = world.slot(1);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let reads = world.call(&SUM_SLOWLY, 1, (1, Do::Add(1))).later();
    let waits = world.call(&ADD, 1, (Do::Panic(0),)).later();
    assert!(world.host.seal(slot, &somebody()));
    assert_eq!(waits.await, Outcome::Moved { started: false });
    assert_eq!(world.call(&ADD, 1, (Do::Panic(0),)).ready(), Outcome::Moved { started: false });
    assert!(world.drained.try_recv().is_err());
    world.stage.gate.add_permits(2);
    assert_eq!(runs.await, Outcome::Done(6));
    assert_eq!(reads.await, Outcome::Done(6));
    assert_eq!(world.drained.recv().await, Some((slot, EPOCH)));
    tokio::time::sleep(SEAL_GRACE * 2).await;
    assert!(world.drained.try_recv().is_err(), "told once");
    assert!(world.host.open(slot, NEXT, Lease::forever()));
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    assert_eq!(world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready(), Outcome::Done(6));
    world.idle().await;
}

#[tokio::test(start_paused = true)]
async fn sealing_cancels_what_runs_too_long() {
    let mut world = World::with(1, 5);
    let slot = world.slot(1);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let begun = tokio::time::Instant::now();
    assert!(world.host.seal(slot, &somebody()));
    assert_eq!(world.drained.recv().await, Some((slot, EPOCH)));
    assert!(begun.elapsed() >= SEAL_GRACE);
    assert_eq!(runs.await, Outcome::Moved { started: true });
    world.stage.insiders(0).await;
    assert!(world.drained.try_recv().is_err(), "told once");
    world.idle().await;
}

#[tokio::test]
async fn a_synchronous_update_that_outlasts_its_slot_commits_nothing() {
    let (mut world, outcome) = {
        let world = Arc::new(World::with(1, 5));
        let update = {
            let world = Arc::clone(&world);
            tokio::task::spawn_blocking(move || world.call(&ADD, 1, (Do::Block(1),)).ready())
        };
        world.stage.entered(1).await;
        assert!(world.host.seal(world.slot(1), &somebody()));
        world.host.end_seal(world.slot(1), 1);
        world.stage.gate.add_permits(1);
        (world, update.await.unwrap())
    };
    assert_eq!(outcome, Outcome::Moved { started: true });
    let slot = world.slot(1);
    let world = Arc::get_mut(&mut world).unwrap();
    assert_eq!(world.drained.try_recv(), Ok((slot, EPOCH)));
    assert!(world.drained.try_recv().is_err(), "told once");
    assert_eq!(world.host.len(slot), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sealed_slot_that_is_opened_again_goes_on_and_forgets_the_seal() {
    let mut world = World::with(1, 5);
    let slot = world.slot(1);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    assert!(world.host.seal(slot, &somebody()));
    assert!(world.host.open(slot, NEXT, Lease::forever()));
    tokio::time::sleep(SEAL_GRACE * 2).await;
    assert!(world.drained.try_recv().is_err());
    world.stage.gate.add_permits(1);
    assert_eq!(runs.await, Outcome::Done(6));
    world.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_alarm_of_one_seal_does_not_end_the_next() {
    let mut world = World::with(1, 5);
    let slot = world.slot(1);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    assert!(world.host.seal(slot, &somebody()));
    tokio::time::sleep(SEAL_GRACE / 2).await;
    assert!(world.host.open(slot, NEXT, Lease::forever()));
    let sealed = tokio::time::Instant::now();
    assert!(world.host.seal(slot, &somebody()));
    assert_eq!(world.drained.recv().await, Some((slot, NEXT)));
    assert!(sealed.elapsed() >= SEAL_GRACE);
    assert_eq!(runs.await, Outcome::Moved { started: true });
}

#[tokio::test]
async fn a_gate_that_turns_while_a_body_is_first_polled_is_noticed() {
    let mut world = World::with(1, 5);
    let closed = world.call(&TURN, 1, (Gate::Close,)).later();
    assert_eq!(closed.await, Outcome::Lost);
    assert!(world.host.open(world.slot(1), NEXT, Lease::forever()));
    let mut attempt = world.attempt(1);
    attempt.epoch = NEXT;
    let sealed = world.host.call(&TURN, attempt, (Gate::Seal,), &mut |_, _| ()).later();
    assert!(world.drained.try_recv().is_err());
    world.stage.gate.add_permits(1);
    assert_eq!(sealed.await, Outcome::Done(6));
    assert_eq!(world.drained.try_recv(), Ok((world.slot(1), NEXT)));
    world.idle().await;
}

#[tokio::test]
async fn without_a_lease_nothing_starts_and_no_state_is_shown() {
    let world = World::with(1, 5);
    let lease = world.lend(1);
    assert_eq!(world.sum(1), Some(5));
    world.clock.set(10);
    assert_eq!(world.call(&SUM, 1, ()).ready(), Outcome::NoLease);
    assert_eq!(world.call(&SUM_SLOWLY, 1, (0, Do::Panic(0))).ready(), Outcome::NoLease);
    assert_eq!(world.call(&ADD, 1, (Do::Panic(0),)).ready(), Outcome::NoLease);
    assert_eq!(world.call(&MAKE, 1, (Do::Panic(0),)).ready(), Outcome::NoLease, "not `AlreadyExists`");
    assert_eq!(world.call(&SUM, 5, ()).ready(), Outcome::NoLease, "not `NotFound`");
    assert_eq!(world.call(&TAKE, 5, (Do::Panic(0),)).ready(), Outcome::NoLease, "not `NotFound`");
    lease.set(moment(11));
    assert_eq!(world.sum(1), Some(5));
    world.idle().await;
}

#[tokio::test]
async fn a_lease_that_ends_while_a_command_runs_discards_its_result() {
    for what in [Do::Add(1), Do::Fail(1)] {
        let world = World::with(1, 5);
        let lease = world.lend(1);
        let runs = world.call(&ADD_SLOWLY, 1, (1, what)).later();
        let waits = world.call(&ADD, 1, (Do::Panic(0),)).later();
        world.clock.set(10);
        assert_eq!(world.call(&ADD, 1, (Do::Panic(0),)).ready(), Outcome::NoLease, "not even a stand in the line");
        world.stage.gate.add_permits(1);
        assert_eq!(runs.await, Outcome::Lost, "{what:?}");
        assert_eq!(waits.await, Outcome::NoLease);
        lease.set(moment(100));
        assert_eq!(world.sum(1), Some(5));
        world.idle().await;
    }
    let (world, outcome) = during_a_synchronous_update(|world| {
        world.lend(1);
        world.clock.set(10);
    })
    .await;
    assert_eq!(outcome, Outcome::Lost);
    world.host.set_lease(world.slot(1), Lease::forever());
    assert_eq!(world.sum(1), Some(5));
}

#[tokio::test]
async fn a_read_shows_the_state_of_a_moment_at_which_the_lease_held() {
    let world = World::with(1, 5);
    world.lend(1);
    let reads = world.call(&SUM_SLOWLY, 1, (1, Do::Add(1))).later();
    world.clock.set(10);
    world.stage.gate.add_permits(1);
    assert_eq!(reads.await, Outcome::Done(6));
}

#[tokio::test]
async fn one_lease_may_serve_many_slots() {
    let world = World::with(1, 1);
    world.call(&MAKE, 2, (Do::Add(2),)).ready();
    let lease = world.lend(1);
    world.host.set_lease(world.slot(2), lease.clone());
    world.clock.set(10);
    assert_eq!(world.call(&SUM, 2, ()).ready(), Outcome::NoLease);
    lease.set(moment(11));
    assert_eq!((world.sum(1), world.sum(2)), (Some(1), Some(2)));
    // A lease for a closed slot is nothing to it.
    world.host.close(world.slot(1));
    world.host.set_lease(world.slot(1), Lease::forever());
    assert_eq!(world.call(&SUM, 1, ()).ready(), Outcome::NotOwner { epoch: EPOCH });
}
