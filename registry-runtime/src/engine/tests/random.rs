//! Any node may open any slot at any time with any set, while messages are lost, doubled and reordered, processes lose
//! their memory, and members are believed Down who are not. Whatever comes of it, the oracle holds; and without any one of
//! the rules it does not.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rand::RngExt;
use rand::seq::index::sample;

use super::sim::{Counts, MS, Micros, Options, Sim, registry};
use crate::engine::opening::Why;
use crate::engine::output::{Closing, Event};
use crate::engine::ownership::Input;
use crate::engine::set::Set;
use crate::engine::view::MemberState;
use crate::id::Slot;
use crate::rules::{Rule, Rules};
use crate::time::Timing;

/// How many seeds the rules must withstand; `OWNERSHIP_SEEDS=200000` and `--release` make a night of it in some minutes, on all cores.
const SEEDS: u64 = 20_000;

/// Within how many seeds each missing rule is noticed.
const SEEDS_TO_FIND: u64 = 5000;

/// How long one seed runs in the cluster's time. About a thousand inputs are handled in it.
const SPAN: Micros = 3_000 * MS;

/// How long nothing is done to the cluster, at most. An opening takes two to four delays.
const PAUSE: Micros = 120 * MS;

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
        rules: rules.without(Rule::OpensWithWhatThereIs),
        clock_error: 40,
        loss: 50,
        duplication: 50,
        delay: (0, 60 * MS),
        detection: None,
        charter_is_remembered: true,
        ..Options::default()
    }
}

/// Runs one seed.
fn run(seed: u64, options: Options) -> Sim {
    let mut sim = Sim::new(seed, options);
    sim.run(150 * MS);
    while sim.now < SPAN && sim.fault.is_none() {
        let pause = sim.rng.random_range(0..PAUSE);
        sim.run(pause);
        write(&mut sim);
        match sim.rng.random_range(0..100) {
            0..45 => open(&mut sim),
            45..48 => restart(&mut sim),
            48..85 => believe(&mut sim),
            _ => cut(&mut sim),
        }
    }
    sim
}

fn open(sim: &mut Sim) {
    let opener = sim.rng.random_range(0..NODES);
    let size = [0, 1, 1, 2, 2, 3][sim.rng.random_range(0..6)];
    let others = sample(&mut sim.rng, NODES, size);
    let others: Vec<_> = others.into_iter().map(|index| sim.nodes[index].process.clone()).collect();
    let set = Set::of(&sim.nodes[opener].process, others, size + 1);
    sim.handle(opener, Input::ForceOpen(registry(), Slot::new(0), set));
}

/// The owner writes, and what may have been lost is sent again.
fn write(sim: &mut Sim) {
    let slot = Slot::new(0);
    match sim.rng.random_range(0..10) {
        0..5 => _ = sim.write(slot),
        5..7 => sim.write_late(slot),
        _ => sim.send_again(slot),
    }
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

/// Some links fail, or all work again.
fn cut(sim: &mut Sim) {
    if sim.chance(400) {
        sim.cut.clear();
    } else {
        let (one, other) = (sim.rng.random_range(0..NODES), sim.rng.random_range(0..NODES));
        sim.cut.insert((one, other));
        if sim.chance(700) {
            sim.cut.insert((other, one));
        }
    }
}

#[test]
fn no_two_may_acknowledge_and_nothing_acknowledged_is_lost() {
    let seeds = std::env::var("OWNERSHIP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let fault = || {
        std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds)).find_map(
            |seed| {
                let fault = run(seed, options(Rules::ALL)).fault?;
                next.store(seeds, Ordering::Relaxed);
                Some(format!("seed {seed}: {fault}\n"))
            },
        )
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let faults: String = thread::scope(|scope| {
        let shares: Vec<_> = (0..cores).map(|_| scope.spawn(fault)).collect();
        shares.into_iter().filter_map(|share| share.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{faults}");
}

/// Finds the fault that a missing rule makes.
fn find(options: &Options) {
    let fault = (0..SEEDS_TO_FIND).find_map(|seed| Some((seed, run(seed, options.clone()).fault?)));
    let (seed, fault) = fault.expect("the missing rule was not noticed");
    println!("found with seed {seed}: {fault}");
}

#[test]
fn a_promise_must_note_the_new_set() {
    find(&options(Rules::ALL.without(Rule::SetNoted)));
}

#[test]
fn equal_epochs_must_be_told_apart() {
    find(&options(Rules::ALL.without(Rule::EpochsDiffer)));
}

#[test]
fn a_restarted_process_must_not_answer_for_its_former_start() {
    find(&Options { same_start: true, ..options(Rules::ALL) });
}

#[test]
fn a_majority_of_the_new_set_must_have_stored_it() {
    find(&options(Rules::ALL.without(Rule::MajorityStores)));
}

#[test]
fn half_of_an_even_set_must_not_be_enough_to_acknowledge() {
    find(&options(Rules::ALL.without(Rule::MajorityLends)));
}

#[test]
fn a_lender_must_wait_with_promises_to_others() {
    find(&options(Rules::ALL.without(Rule::LenderWaits)));
}

#[test]
fn a_borrower_must_not_count_on_a_whole_lease() {
    find(&options(Rules::ALL.without(Rule::LeaseMargin)));
}

#[test]
fn a_lender_must_tell_what_it_has_promised_to_others() {
    find(&options(Rules::ALL.without(Rule::LenderTells)));
}

#[test]
fn an_opening_must_wait_for_promises() {
    find(&options(Rules::ALL.without(Rule::PromisesAwaited)));
}

#[test]
fn who_has_promised_must_take_no_records_of_lower_epochs() {
    find(&options(Rules::ALL.without(Rule::Fenced)));
}

#[test]
fn an_opener_must_take_over_the_newest_data() {
    find(&options(Rules::ALL.without(Rule::NewestFetched)));
}

#[test]
fn a_position_must_not_count_across_epochs() {
    find(&options(Rules::ALL.without(Rule::EpochCompared)));
}

#[test]
fn half_of_an_even_set_or_less_must_not_acknowledge_a_record() {
    find(&options(Rules::ALL.without(Rule::MajorityHolds)));
}

#[test]
fn a_backup_must_not_say_that_it_holds_what_it_lacks() {
    find(&options(Rules::ALL.without(Rule::NoGaps)));
}

/// What the runs are about must happen in them.
#[test]
fn much_happens() {
    let mut openings = BTreeMap::new();
    let (mut outbid, mut superseded, mut handled) = (0, 0, 0);
    let mut data = Counts::default();
    for seed in 0..100 {
        let sim = run(seed, options(Rules::ALL));
        handled += sim.handled;
        data.add(&sim.counts);
        for event in sim.nodes.iter().flat_map(|node| &node.events) {
            match event {
                Event::Opened { why: Why::HandedOver(_), .. } => *openings.entry("HandedOver".into()).or_default() += 1,
                Event::Opened { why, .. } => *openings.entry(format!("{why:?}")).or_default() += 1,
                Event::Outbid { .. } => outbid += 1,
                Event::Closed { why: Closing::Superseded, .. } => superseded += 1,
                Event::PossibleLoss { .. } | Event::BadInput { .. } => panic!("seed {seed}: {event:?}"),
                _ => {}
            }
        }
    }
    println!("{handled} inputs, {openings:?}, {outbid} outbid, {superseded} superseded, {data:?}");
    let often = |why: &str| openings.get(why).copied().unwrap_or(0) > 0;
    assert!(["Founding", "Failover", "Return", "Repair", "Rebalance", "HandedOver", "Told"].into_iter().all(often));
    let Counts { records, fills, catch_ups, fetches, acknowledgements, forgotten, rows, questions } = data;
    assert!(records > 500 && fills > 500 && catch_ups > 20 && fetches > 20);
    assert!(acknowledgements > 500 && forgotten > 100);
    assert!(rows > 500 && questions > 100);
    assert!(handled > 50_000 && outbid > 100 && superseded > 50);
}

#[test]
fn one_seed_gives_one_story() {
    let story = |seed| {
        let sim = run(seed, options(Rules::ALL));
        let events: Vec<_> = sim.nodes.iter().map(|node| format!("{:?}", node.events)).collect();
        (sim.handled, events)
    };
    assert_eq!(story(3), story(3));
    assert_ne!(story(3), story(4));
}
