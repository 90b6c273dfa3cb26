//! Bugs that are put back must be found: each rule that the promises stand on is taken away from every node, and somebody notices.
//!
//! A mutation counts as found by a seed in which an oracle of the promise that it breaks reports what it does not report in the same seed
//! with all rules kept; what other oracles notice besides does not count. Seeds count from 1 (whole clusters) or 0 (engines alone); the figures are those of the dev profile.
//!
//! | mutation of whole clusters | the promise that it breaks | found by | seeds to find |
//! |---|---|---|---|
//! | `ignore-epoch` | an attempt carries the epoch it was sent under, and owners refuse others | `fenced` | 3 |
//! | `ignore-lease` | the owner answers only while more than half of its set lend it their word | `fresh`, `linearizable` | 9 |
//! | `skip-seal` | before a planned move the owner starts nothing new | `handed-over` | 3 |
//! | `ignore-lane` | updates of a key run one at a time | `alone`, `conserved`, `linearizable`, `no-lost-update` | 1 |
//! | `wall-clock-deadlines` | every call ends by its deadline | `ends` | 1 |
//! | `ignore-receipt` | a retry gets the first reply and has no second effect | `conserved`, `linearizable`, `no-second-effect`, `one-effect`, `repetition` | 1 |
//! | `resend-after-dispatch` | an action that may have run is sent again only where that does no harm | `once` | 29 |
//! | `no-may-mean-maybe` | `executed() == No`: no node ever starts that command | `linearizable`, `never-started` | 4 |
//! | `own-mark` | the receipt of a call is kept while it may be repeated | `plausible` | 3 |
//! | `suspect-is-down` | suspicion moves nothing | `suspicion` | 1 |
//! | `ignore-reservation` | under `wait_for_node` a slot waits for its node | `reserved` | 1 |
//! | `ack-before-majority` | an acknowledged change is not lost | `conserved`, `linearizable`, `no-lost-update` | 1 |
//! | `ignore-seen` | who reads from any replica never sees less than before | `own-past` | 28 |
//! | `receipt-missed` | a backup is filled with all that its owner has, also with what comes meanwhile | `conserved`, `linearizable`, `no-second-effect`, `one-effect` | 11 |
//! | `receipt-stays` | a retry that reaches the next owner has no second effect | `conserved`, `linearizable`, `no-second-effect`, `one-effect` | 1 |
//!
//! `cargo run -p registry-tests --bin simulate -- --mutation all --seeds 30` makes this table anew. What follows needs more
//! trouble than whole clusters can be given in reasonable time, and is found by the engine's own tests (`cargo test -p
//! registry-runtime --lib must -- --nocapture`):
//!
//! | rule taken away | the promise that it breaks | where | seeds to find |
//! |---|---|---|---|
//! | `Watchdog` | a healed blackout ends in a full view, unaided | `engine::membership::without` | 1 |
//! | `StaleTimer` | a suspicion that was refuted brings nobody Down | `engine::membership::without` | 1 |
//! | `Doubt` | one node's word brings no healthy member Down | `engine::membership::without` | 1 |
//! | `Question` | a suspect that lives clears itself by its answer | `engine::membership::without` | 2 |
//! | `LeaseMargin` | clocks may differ by 10 % | `engine::tests::random` | 3,701 |
//! | `SetNoted` | an opener meets every set that may be active | `engine::tests::random` | 61 |
//! | `EpochsDiffer` | an epoch is shared by no two openings | `engine::tests::random` | 759 |
//! | `MajorityStores` | an owner serves only when a majority of its set has stored the opening | `engine::tests::random` | 3 |
//! | `MajorityLends` | more than half lend the owner their word | `engine::tests::random` | 5 |
//! | `LenderWaits` | whoever has lent its word promises nobody else meanwhile | `engine::tests::random` | 1 |
//! | `LenderTells` | an owner hears what was promised to others | `engine::tests::random` | 792 |
//! | `PromisesAwaited` | an opener needs a majority of each set that may hold data | `engine::tests::random` | 1 |
//! | `Fenced` | whoever has promised takes no records of lower epochs | `engine::tests::random` | 1,822 |
//! | `NewestFetched` | an opener takes over the newest data | `engine::tests::random` | 6 |
//! | `EpochCompared` | data is compared by epoch first | `engine::tests::random` | 206 |
//! | `NoGaps` | a backup that lacks records does not count | `engine::tests::random` | 15 |
//! | (a restart with the former start) | a restarted process answers for no set of its former start | `engine::tests::random` | 3 |

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where something is wrong, and prints its table"
)]

use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use registry_runtime::testing::Rule;
use registry_testkit::sim::{INVARIANTS, MUTATIONS, Mutation, Trial};

/// Within how many seeds each mutation is found.
const SEEDS_TO_FIND: u64 = 60;

/// How many mutations are tried at once.
const THREADS: usize = 2;

#[test]
fn every_bug_that_is_put_back_is_found() {
    let next = AtomicUsize::new(0);
    let missed = thread::scope(|scope| {
        let hunts: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    iter::from_fn(|| MUTATIONS.get(next.fetch_add(1, Ordering::Relaxed)))
                        .filter_map(hunt)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        hunts.into_iter().flat_map(|hunt| hunt.join().unwrap()).collect::<String>()
    });
    assert!(missed.is_empty(), "\n{missed}the oracles are too weak, or what the mutation does cannot happen any more");
}

/// Looks for a seed that finds it, first where it was found before; says what is wrong if there is none.
fn hunt(mutation: &Mutation) -> Option<String> {
    let mut spoiled = Vec::new();
    for seed in iter::once(mutation.seed).chain(1..=SEEDS_TO_FIND) {
        match mutation.tries(seed) {
            Trial::Found(by) => {
                println!("| `{}` | {} | {by:?} | {seed} |", mutation.name, mutation.breaks);
                return None;
            }
            Trial::Spoiled => spoiled.push(seed),
            Trial::Held | Trial::Beside(_) => {}
        }
    }
    Some(format!(
        "`{}` is not noticed in {SEEDS_TO_FIND} seeds; {spoiled:?} of them break without it, too\n",
        mutation.name
    ))
}

/// Where it is shown that a rule matters.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// Here.
    InWholeClusters,
    /// By the tests of `engine::membership::without`.
    AmongMemberships,
    /// By the tests of `engine::tests::random`.
    AmongOwnerships,
    /// Nowhere: to take it away is no bug but a loss of service, which a test may want.
    NoBug,
}

/// A new rule does not compile before somebody has shown that it matters.
fn shown(rule: Rule) -> Shown {
    match rule {
        Rule::Epoch
        | Rule::Lease
        | Rule::Seal
        | Rule::Alone
        | Rule::Deadline
        | Rule::Receipt
        | Rule::SentOnce
        | Rule::NoMeansNo
        | Rule::MarkIsLowest
        | Rule::Suspicion
        | Rule::Reservation
        | Rule::MajorityHolds
        | Rule::ReceiptTravels
        | Rule::ReceiptFills
        | Rule::NothingOlder => Shown::InWholeClusters,
        Rule::Watchdog | Rule::StaleTimer | Rule::Doubt | Rule::Question => Shown::AmongMemberships,
        Rule::LeaseMargin
        | Rule::SetNoted
        | Rule::EpochsDiffer
        | Rule::MajorityStores
        | Rule::MajorityLends
        | Rule::LenderWaits
        | Rule::LenderTells
        | Rule::PromisesAwaited
        | Rule::Fenced
        | Rule::NewestFetched
        | Rule::EpochCompared
        | Rule::NoGaps => Shown::AmongOwnerships,
        Rule::OpensWithWhatThereIs => Shown::NoBug,
    }
}

#[test]
fn mutations_have_names_of_their_own_and_rules_that_are_shown_here() {
    let table = include_str!("mutations.rs");
    for mutation in &MUTATIONS {
        let row = table.lines().find(|line| line.starts_with(&format!("//! | `{}` |", mutation.name)));
        let seed = format!(" | {} |", mutation.seed);
        assert!(row.is_some_and(|row| row.ends_with(&seed)), "{}: the table has {row:?}, not{seed}", mutation.name);
        for oracle in mutation.by {
            assert!(INVARIANTS.iter().any(|invariant| invariant.name == *oracle), "{}: {oracle}", mutation.name);
        }
        assert_eq!(shown(mutation.rule), Shown::InWholeClusters, "{}", mutation.name);
        assert_eq!(Mutation::named(mutation.name).map(|named| named.rule), Some(mutation.rule));
    }
}
