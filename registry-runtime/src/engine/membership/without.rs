//! What is lost without one of the rules: each scenario holds with all of them, and the missing one is noticed soon.

use std::time::Duration;

use super::packet::{Standing, State};
use super::simulation::{Cluster, ms};
use super::*;

/// Within how many seeds each missing rule is noticed.
const SEEDS_TO_FIND: u64 = 5;

const FIVE_SECONDS: Duration = ms(5_000);
const TEN_SECONDS: Duration = ms(10_000);

/// A cluster that keeps these rules, has found itself and has been quiet for a while.
fn settled(n: usize, seed: u64, rules: Rules) -> Cluster {
    let mut cluster = Cluster::with(n, seed, |setup| setup.rules = rules);
    cluster.run_until_whole(FIVE_SECONDS);
    cluster.run_for(ms(2_000));
    cluster
}

/// Finds what a missing rule spoils.
fn find(rule: Rule, holds: impl Fn(Rules, u64) -> bool) {
    for seed in 0..SEEDS_TO_FIND {
        assert!(holds(Rules::ALL, seed), "seed {seed} does not hold with all rules");
    }
    let found = (0..SEEDS_TO_FIND).find(|seed| !holds(Rules::ALL.without(rule), *seed));
    let seed = found.expect("the missing rule was not noticed");
    println!("{rule:?} is found with seed {seed}");
}

#[test]
fn who_sees_nobody_must_knock() {
    find(Rule::Watchdog, |rules, seed| {
        // Without anti-entropy, which would bring nodes back, too, only later.
        let mut cluster = Cluster::with(2, seed, |setup| {
            setup.rules = rules;
            setup.timing.anti_entropy = Duration::from_secs(1_000_000);
        });
        cluster.run_for(FIVE_SECONDS);
        cluster.black_out();
        cluster.run_for(TEN_SECONDS);
        cluster.heal();
        cluster.run_until(TEN_SECONDS, Cluster::is_whole).is_some()
    });
}

#[test]
fn a_word_of_a_live_members_down_must_be_checked() {
    find(Rule::Doubt, |rules, seed| {
        let mut cluster = settled(5, seed, rules);
        let victim = cluster.nodes[2].membership.identity().clone();
        let lie = Entry { identity: victim, refutations: 0, state: MemberState::Down, down_ms: 0, profile: None };
        let standing = Standing { hosting: 5, live: 5 };
        let state = State { standing, entries: vec![lie], profiles: vec![], wanted: vec![], complete: false };
        let liar = cluster.nodes[1].membership.identity().clone();
        let bytes = Packet { from: liar.clone(), body: Body::State(state) }.encode().unwrap();
        cluster.call(0, Input::Packet { from: liar.node, bytes });
        cluster.run_for(FIVE_SECONDS);
        cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0)
    });
}

#[test]
fn a_refuted_suspicion_must_not_harden() {
    find(Rule::StaleTimer, |rules, seed| {
        let mut cluster = settled(3, seed, rules);
        let suspect = cluster.name(2);
        cluster.freeze(2);
        let suspected = |cluster: &Cluster| {
            cluster.nodes.iter().take(2).all(|node| node.state_of(&suspect) == Some(MemberState::Suspect))
        };
        assert!(cluster.run_until(FIVE_SECONDS, suspected).is_some());
        cluster.thaw(2);
        // It refutes at once, and then foca's timer for the suspicion runs out.
        cluster.run_for(FIVE_SECONDS);
        cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0)
    });
}

#[test]
fn a_suspect_must_be_asked() {
    find(Rule::Question, |rules, seed| {
        let mut cluster = settled(25, seed, rules);
        let suspect = cluster.name(4);
        cluster.freeze(4);
        let suspected = |cluster: &Cluster| cluster.nodes[0].state_of(&suspect) == Some(MemberState::Suspect);
        assert!(cluster.run_until(FIVE_SECONDS, suspected).is_some());
        // By now every suspecting node has asked, and the questions lie waiting.
        cluster.run_for(ms(250));
        cluster.thaw(4);
        // Gossip alone would take a few of its periods of 50 ms.
        let cleared = |cluster: &Cluster| {
            cluster.nodes.iter().all(|node| node.state_of(&suspect).is_none_or(|state| state == MemberState::Up))
        };
        cluster.run_until(ms(20), cleared).is_some()
    });
}
