//! Everything at once, checked against what the outcomes add up to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::somebody;
use super::tally::*;
use super::world::*;
use crate::exec::{Lease, Outcome, Started};
use crate::id::Epoch;

const TASKS: u64 = 8;
const COMMANDS: u32 = 300;
/// Keys 0 and 4 share a slot.
const KEYS: [u64; 3] = [0, 1, 4];

/// Updates with random bodies, cancelled at random, while their slots are sealed, closed and opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outcomes_add_up() {
    for seed in 0..4 {
        let world = Arc::new(World::of(&ROOMY));
        for key in KEYS {
            world.call(&MAKE, key, (Do::Add(0),)).ready();
        }
        world.stage.gate.add_permits(1_000_000);
        let epoch = Arc::new(AtomicU64::new(EPOCH.get()));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let rng = ChaCha8Rng::seed_from_u64(seed * 1000 + task);
                tokio::spawn(update(Arc::clone(&world), Arc::clone(&epoch), rng))
            })
            .collect();
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let gates = tokio::spawn(turn_gates(Arc::clone(&world), Arc::clone(&epoch), rng));
        let mut sums = [0; KEYS.len()];
        let mut done = 0;
        for task in tasks {
            for (at, number) in task.await.unwrap() {
                sums[at] += number;
                done += 1;
            }
        }
        gates.abort();
        let _ = gates.await;
        assert!(done > TASKS * u64::from(COMMANDS) / 4, "seed {seed}: hardly anything was done: {done}");
        assert_eq!(world.stage.overlaps.load(Ordering::Relaxed), 0, "seed {seed}");
        world.idle().await;
        let last = Epoch::new(epoch.load(Ordering::SeqCst) + 1);
        for (at, key) in KEYS.into_iter().enumerate() {
            world.host.open(world.slot(key), last, Lease::forever());
            let mut attempt = world.attempt(key);
            attempt.epoch = last;
            assert_eq!(
                world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready(),
                Outcome::Done(sums[at]),
                "seed {seed}, key {key}"
            );
        }
    }
}

/// What was added, and to which of the keys.
async fn update(world: Arc<World>, epoch: Arc<AtomicU64>, mut rng: ChaCha8Rng) -> Vec<(usize, i64)> {
    let mut added = Vec::new();
    for _ in 0..COMMANDS {
        let at = rng.random_range(0..KEYS.len());
        let number = rng.random_range(1..100);
        let what = match rng.random_range(0..20) {
            0 => Do::Fail(number),
            1 => Do::Rekey(77),
            _ => Do::Add(number),
        };
        let times = rng.random_range(0..3);
        let started: Started<i64, No> = loop {
            let mut attempt = world.attempt(KEYS[at]);
            attempt.epoch = Epoch::new(epoch.load(Ordering::SeqCst));
            let started = match times {
                0 => world.host.call(&ADD, attempt, (what,), &mut |_, _| ()),
                times => world.host.call(&YIELD, attempt, (times, what), &mut |_, _| ()),
            };
            match started {
                Started::Ready(Outcome::NotOwner { .. } | Outcome::Moved { started: false }) => {
                    tokio::task::yield_now().await;
                }
                started => break started,
            }
        };
        let outcome = match started {
            Started::Ready(outcome) => outcome,
            Started::Later(handle) if rng.random_range(0..4) == 0 => {
                let canceller = handle.canceller();
                for _ in 0..rng.random_range(0..4) {
                    tokio::task::yield_now().await;
                }
                let never = canceller.cancel();
                let outcome = handle.await;
                assert!(!(never && outcome.started()), "a promise was broken: {outcome:?}");
                outcome
            }
            Started::Later(handle) => handle.await,
        };
        match outcome {
            Outcome::Done(_) => {
                assert_eq!(what, Do::Add(number));
                added.push((at, number));
            }
            Outcome::NotFound | Outcome::AlreadyExists | Outcome::DeadlineExceeded { .. } => {
                panic!("{outcome:?} to {what:?}")
            }
            _ => {}
        }
        tokio::task::yield_now().await;
    }
    added
}

/// Seals, closes and opens, in ever higher epochs.
async fn turn_gates(world: Arc<World>, epoch: Arc<AtomicU64>, mut rng: ChaCha8Rng) {
    loop {
        let slots = [world.slot(KEYS[0]), world.slot(KEYS[1])];
        match rng.random_range(0..4) {
            0 => slots.into_iter().for_each(|slot| world.host.close(slot)),
            1 => slots.into_iter().for_each(|slot| assert!(world.host.seal(slot, &somebody()))),
            _ => {}
        }
        if rng.random_range(0..2) == 0 {
            tokio::task::yield_now().await;
        }
        let next = Epoch::new(epoch.load(Ordering::SeqCst) + 1);
        for slot in slots {
            assert!(world.host.open(slot, next, Lease::forever()));
        }
        epoch.store(next.get(), Ordering::SeqCst);
        for _ in 0..rng.random_range(0..30) {
            tokio::task::yield_now().await;
        }
    }
}
