//! Any node may open any slot at any time with any set, while messages are lost, doubled and reordered, processes lose
//! their memory, and members are believed Down who are not. Whatever comes of it, the oracle holds; and without any one of
//! the rules it does not.

use std::time::Duration;

use rand::RngExt;
use rand::seq::index::sample;

use super::sim::{MS, Micros, Options, Sim, registry};
use crate::engine::ownership::Input;
use crate::engine::rules::Rules;
use crate::engine::set::Set;
use crate::engine::view::MemberState;
use crate::id::Slot;
use crate::time::{Moment, Timing};

/// How many seeds the rules must withstand. More by the environment variable `OWNERSHIP_SEEDS`.
const SEEDS: u64 = 300;

/// How long one seed runs. About 800 messages are handled in that time.
const SPAN: Micros = 6_000 * MS;

const NODES: usize = 5;

fn options(rules: Rules) -> Options {
    let mut timing = Timing::fast();
    timing.heartbeat = Duration::from_millis(200);
    timing.lease = Duration::from_millis(600);
    timing.forget_after = Duration::from_secs(3600);
    Options {
        nodes: NODES,
        charter: 3,
        slots: 1,
        timing,
        rules: Rules { opens_with_what_there_is: false, ..rules },
        clock_error: 40,
        loss: 50,
        duplication: 50,
        delay: (0, 60 * MS),
        detection: None,
        charter_is_remembered: true,
        ..Options::default()
    }
}

/// Runs one seed and says what went wrong.
fn run(seed: u64, options: Options) -> Option<String> {
    run_sim(seed, options).0
}
fn run_sim(seed: u64, options: Options) -> (Option<String>, Sim) {
    let mut sim = Sim::new(seed, options);
    sim.run(150 * MS);
    while sim.now < SPAN && sim.fault.is_none() {
        let pause = sim.rng.random_range(0..60 * MS);
        sim.run(pause);
        match sim.rng.random_range(0..100) {
            0..45 => open(&mut sim),
            45..52 => restart(&mut sim),
            52..75 => believe(&mut sim),
            75..80 => cut(&mut sim),
            _ => {}
        }
    }
    (sim.fault.clone(), sim)
}

fn open(sim: &mut Sim) {
    let opener = sim.rng.random_range(0..NODES);
    let size = [0, 1, 1, 2, 2, 3][sim.rng.random_range(0..6)];
    let others = sample(&mut sim.rng, NODES, size);
    let others: Vec<_> = others.into_iter().map(|index| sim.nodes[index].process.clone()).collect();
    let set = Set::of(&sim.nodes[opener].process, others, size + 1);
    sim.handle(opener, Input::ForceOpen(registry(), Slot::new(0), set));
}

fn restart(sim: &mut Sim) {
    let index = sim.rng.random_range(0..NODES);
    sim.boot(index);
}

/// Somebody believes something of somebody.
fn believe(sim: &mut Sim) {
    let (who, whom) = (sim.rng.random_range(0..NODES), sim.rng.random_range(0..NODES));
    let state = if sim.chance(400) { MemberState::Down } else { MemberState::Up };
    if who != whom {
        sim.tell(who, sim.member(whom, state), 0);
    }
}

/// Some links fail, and those that had failed work again.
fn cut(sim: &mut Sim) {
    sim.cut.clear();
    for _ in 0..sim.rng.random_range(0..8) {
        let (from, to) = (sim.rng.random_range(0..NODES), sim.rng.random_range(0..NODES));
        sim.cut.insert((from, to));
    }
}

#[test]
fn no_two_may_acknowledge_and_nothing_acknowledged_is_lost() {
    let seeds = std::env::var("OWNERSHIP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        if let Some(fault) = run(seed, options(Rules::ALL)) {
            panic!("seed {seed}: {fault}");
        }
    }
}

/// Finds the fault that a missing rule makes, within so many seeds.
fn found_within(seeds: u64, options: &Options) {
    let fault = (0..seeds).find_map(|seed| Some((seed, run(seed, options.clone())?)));
    let (seed, fault) = fault.expect("the missing rule was not noticed");
    println!("found with seed {seed}: {fault}");
}

#[test]
fn a_promise_must_note_the_new_set() {
    found_within(2000, &options(Rules { promise_notes_set: false, ..Rules::ALL }));
}

#[test]
fn equal_epochs_must_be_told_apart() {
    found_within(2000, &options(Rules { epochs_differ: false, ..Rules::ALL }));
}

#[test]
fn a_restarted_process_must_not_answer_for_its_former_start() {
    found_within(2000, &Options { same_start: true, ..options(Rules::ALL) });
}

#[test]
fn a_majority_of_the_new_set_must_have_stored_it() {
    found_within(2000, &options(Rules { majority_stores: false, ..Rules::ALL }));
}

#[test]
fn half_of_an_even_set_must_not_be_enough_to_acknowledge() {
    found_within(2000, &options(Rules { majority_lends: false, ..Rules::ALL }));
}

#[test]
fn a_lender_must_wait_with_promises_to_others() {
    found_within(2000, &options(Rules { lender_waits: false, ..Rules::ALL }));
}

#[test]
fn a_lender_must_tell_what_it_has_promised_to_others() {
    found_within(2000, &options(Rules { lender_tells: false, ..Rules::ALL }));
}

/// How much happens in a run, so that a change of the schedule which makes it idle is noticed.
#[test]
fn much_happens() {
    let start = std::time::Instant::now();
    let (mut handled, mut opened) = (0, 0);
    for seed in 0..100 {
        let (_, sim) = run_sim(seed, options(Rules::ALL));
        handled += sim.handled;
        opened += sim
            .nodes
            .iter()
            .flat_map(|node| &node.events)
            .filter(|event| matches!(event, crate::engine::output::Event::Opened { .. }))
            .count();
    }
    println!("{handled} {opened} {:?}", start.elapsed());
}
