//! A few rounds of every drill: whole clusters in simulated time, and how soon a misfortune is over.
//!
//! Full drills: `cargo run --release -p registry-tests --bin simulate -- --drill blackout`, `failover` and `split`.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use registry_testkit::sim::Settings;
use registry_testkit::sim::drill::{Drill, Spread};

/// Plays so many rounds of every drill with this name; all goals must be met.
fn check(name: &str, rounds: u64) {
    for drill in Drill::named(name) {
        let mut spread = Spread::default();
        for seed in 1..=rounds {
            spread.add(seed, Some(drill.play(seed, Settings::default()).took_ms.unwrap()));
        }
        assert_eq!(drill.goals.missed(&spread), "", "{drill}: {spread}, the worst is {:?}", spread.worst());
    }
}

#[test]
fn a_healed_blackout_ends_in_a_full_view() {
    check("blackout", 1);
}

#[test]
fn a_killed_owners_key_is_served_elsewhere() {
    check("failover", 10);
}

#[test]
fn nothing_that_any_side_acknowledged_is_missing_after_the_heal() {
    check("split", 10);
}

#[test]
fn a_round_is_the_same_whenever_it_is_played() {
    let drill = Drill::ALL.last().unwrap();
    let [one, other] = [0, 1].map(|_| drill.play(7, Settings::default()));
    assert_eq!((one.took_ms, one.trace.digest()), (other.took_ms, other.trace.digest()));
}
