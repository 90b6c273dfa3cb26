//! What a cluster must live through, each on a few seeds.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::simulation::{Cluster, address, ms, plain_profile};
use super::*;
use crate::id::Start;

const FIVE_SECONDS: Duration = ms(5_000);
const TEN_SECONDS: Duration = ms(10_000);

/// A cluster that has found itself and been quiet for a while.
fn settled(n: usize, seed: u64) -> Cluster {
    let mut cluster = Cluster::new(n, seed);
    cluster.run_until_whole(FIVE_SECONDS);
    cluster.run_for(ms(2_000));
    cluster
}

#[test]
fn nodes_find_each_other() {
    for (n, seed) in [(1, 1), (2, 2), (3, 3), (5, 4), (10, 5), (25, 6)] {
        let mut cluster = Cluster::new(n, seed);
        let took = cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(TEN_SECONDS);
        assert!(cluster.is_whole(), "{n} nodes, whole after {took:?}:\n{}", cluster.picture());
        for node in &cluster.nodes {
            assert_eq!((node.downs(), node.rejoins()), (0, 0));
            assert!(node.membership.members().all(|member| member.profile.is_some()));
            assert!(node.membership.members().all(|member| node.membership.is_connected(&member.process.node)));
            let doubled = 2 * n + 12;
            assert!(node.dials <= doubled, "{} dials among {n}", node.dials);
        }
    }
}

#[test]
fn nodes_that_listen_on_all_addresses_learn_where_the_others_are_met() {
    for (n, seed) in [(2, 1), (3, 2), (5, 3), (10, 4)] {
        let mut cluster = Cluster::with(n, seed, |setup| {
            setup.everywhere = true;
            // All but the first hear of each other from others only.
            setup.join.truncate(1);
        });
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(TEN_SECONDS);
        assert!(cluster.is_whole(), "{n} nodes:\n{}", cluster.picture());
        for node in &cluster.nodes {
            assert_eq!((node.downs(), node.rejoins()), (0, 0));
            let refused = |output: &Output| matches!(output, Output::Event(Event::Refused { .. }));
            assert!(!node.seen.iter().any(|(_, output)| refused(output)));
            for member in node.membership.members() {
                let met = cluster.nodes.iter().find(|other| other.name == member.process.node).unwrap().address;
                assert_eq!(member.address, met);
                assert!(node.membership.is_connected(&member.process.node));
            }
        }
        cluster.black_out();
        cluster.run_for(TEN_SECONDS);
        cluster.heal();
        cluster.run_until_whole(TEN_SECONDS);
        let name = cluster.name(n - 1);
        cluster.crash(n - 1);
        cluster.restart_as(n - 1, Start::new(1));
        cluster.run_until_whole(FIVE_SECONDS);
        assert!(cluster.nodes[n - 1].is_running(), "a former self that was met somewhere is no other process");
        assert!(cluster.nodes.iter().take(n - 1).all(|node| node.state_of(&name) == Some(MemberState::Up)));
    }
}

#[test]
fn a_member_that_nobody_could_dial_is_not_taken_in() {
    let mut cluster = settled(2, 1);
    let from = cluster.nodes[1].membership.identity().clone();
    let identity = Identity::at_birth(NodeId::new("x").unwrap(), ([0, 0, 0, 0], 7400).into(), Start::new(1));
    let entry = Entry { identity: identity.clone(), refutations: 0, state: MemberState::Up, down_ms: 0, profile: None };
    let state = packet::State {
        standing: packet::Standing { hosting: 1, live: 1 },
        entries: vec![entry],
        profiles: vec![],
        wanted: vec![],
        complete: false,
    };
    for packet in [
        Packet { from: from.clone(), body: Body::State(state) },
        // A packet of a process that was never connected.
        Packet { from: identity.clone(), body: Body::Digest(1) },
    ] {
        let sender = packet.from.node.clone();
        cluster.call(0, Input::Packet { from: sender.clone(), bytes: packet.encode().unwrap() });
        let nowhere = Output::Event(Event::Refused { from: sender, reason: Refusal::Nowhere });
        assert_eq!(cluster.nodes[0].seen.last().map(|(_, seen)| seen), Some(&nowhere));
    }
    assert_eq!(cluster.nodes[0].state_of(&identity.node), None);
}

#[test]
fn a_crashed_node_is_down_everywhere_soon() {
    for (n, seed) in [(2, 1), (3, 2), (3, 3), (5, 4), (5, 5), (10, 6), (10, 7), (25, 8)] {
        let mut cluster = settled(n, seed);
        cluster.loss = 0.01;
        cluster.crash(n - 1);
        let gone = cluster.name(n - 1);
        let down = |cluster: &Cluster| {
            let mut others = cluster.nodes[..n - 1].iter();
            others.all(|node| node.state_of(&gone) == Some(MemberState::Down))
        };
        let took = cluster.run_until(FIVE_SECONDS, down).unwrap_or_else(|| panic!("{n}\n{}", cluster.picture()));
        assert!(took >= ms(800) && took <= ms(2_500), "{n} nodes: {took:?}");
        assert!(cluster.is_whole());
        for node in &cluster.nodes[..n - 1] {
            assert_eq!((node.downs(), node.rejoins()), (1, 0));
            assert!(!node.membership.is_connected(&gone));
        }
    }
}

#[test]
fn a_crash_is_seen_in_time_by_default_too() {
    for seed in 0..5 {
        let mut cluster = Cluster::with(5, seed, |setup| setup.timing = Timing::balanced());
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(FIVE_SECONDS);
        cluster.crash(2);
        let took = cluster.run_until(TEN_SECONDS, Cluster::is_whole).unwrap();
        assert!(took >= ms(1_500) && took <= ms(4_500), "{took:?}");
    }
}

#[test]
fn a_short_freeze_brings_nobody_down() {
    for seed in 0..8 {
        let mut cluster = settled(5, seed);
        for round in 0..4 {
            cluster.freeze(round);
            cluster.run_for(ms(700));
            cluster.thaw(round);
            cluster.run_for(ms(1_000));
        }
        cluster.run_until_whole(FIVE_SECONDS);
        assert!(cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0), "seed {seed}");
    }
}

#[test]
fn a_frozen_node_brings_nobody_else_down_and_comes_back_as_the_same_process() {
    for seed in 0..8 {
        let mut cluster = settled(5, seed);
        let before = cluster.nodes[1].membership.identity().clone();
        cluster.freeze(1);
        cluster.run_for(ms(6_000));
        let name = cluster.name(1);
        assert!(cluster.nodes.iter().skip(2).all(|node| node.state_of(&name) == Some(MemberState::Down)));
        cluster.thaw(1);
        cluster.run_until_whole(FIVE_SECONDS);
        let after = cluster.nodes[1].membership.identity().clone();
        assert_eq!(after.start, before.start);
        assert!(after.incarnation > before.incarnation);
        for (nth, node) in cluster.nodes.iter().enumerate() {
            assert_eq!(node.rejoins(), usize::from(nth == 1), "seed {seed}, {}", node.name);
            assert_eq!(node.downs(), usize::from(nth != 1), "seed {seed}, {}", node.name);
            if nth != 1 {
                let changes: Vec<_> = node.changes_of(&name).into_iter().map(|(_, change)| change).collect();
                assert!(
                    changes.ends_with(&[Change::Down, Change::Rejoined, Change::Profile])
                        || changes.ends_with(&[Change::Down, Change::Rejoined]),
                    "{changes:?}"
                );
            }
        }
    }
}

#[test]
fn a_healed_blackout_ends_in_a_full_view() {
    for (n, seed) in [(2, 1), (3, 2), (3, 3), (5, 4), (10, 5), (10, 6)] {
        let mut cluster = settled(n, seed);
        cluster.black_out();
        cluster.run_for(ms(20_000));
        let alone = |node: &simulation::Node| node.membership.members().all(|member| !member.state.is_live());
        assert!(cluster.nodes.iter().all(alone), "{}", cluster.picture());
        cluster.heal();
        cluster.run_until_whole(TEN_SECONDS);
        assert!(cluster.nodes.iter().all(|node| node.rejoins() <= 2), "nobody gives way again and again");
    }
}

#[test]
fn the_larger_side_of_a_healed_split_is_not_disturbed() {
    for seed in 0..10 {
        let mut cluster = settled(5, seed);
        let minority = [seed as usize % 5, (seed as usize + 2) % 5];
        let majority: Vec<_> = (0..5).filter(|nth| !minority.contains(nth)).collect();
        cluster.cut(&minority, &majority);
        cluster.run_for(TEN_SECONDS);
        cluster.heal();
        cluster.run_until_whole(TEN_SECONDS);
        cluster.run_for(TEN_SECONDS);
        assert!(cluster.is_whole());
        for nth in majority {
            assert_eq!(cluster.nodes[nth].rejoins(), 0, "seed {seed}: {nth}");
        }
        for nth in minority {
            assert!(cluster.nodes[nth].rejoins() >= 1, "seed {seed}: {nth}");
        }
    }
}

#[test]
fn a_cut_between_two_does_not_matter_while_both_see_others() {
    for seed in 0..8 {
        let mut cluster = settled(3 + seed as usize % 3, seed);
        cluster.cut(&[0], &[1]);
        cluster.run_for(ms(30_000));
        assert!(cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0), "{}", cluster.picture());
        cluster.heal();
        cluster.run_until_whole(FIVE_SECONDS);
        assert!(
            cluster
                .run_until(FIVE_SECONDS, |cluster| cluster.nodes[0].membership.is_connected(&cluster.name(1)))
                .is_some()
        );
    }
}

#[test]
fn a_hint_finds_a_dead_member_without_waiting_for_its_probe() {
    for seed in 0..10 {
        let mut cluster = Cluster::with(10, seed, |setup| setup.timing = Timing::balanced());
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(FIVE_SECONDS);
        // The living are not harmed by hints.
        for nth in 1..10 {
            let node = cluster.name(nth);
            cluster.call(0, Input::Silent { node });
        }
        cluster.run_for(FIVE_SECONDS);
        assert!(
            cluster.nodes[0]
                .seen
                .iter()
                .all(|(_, seen)| !matches!(seen, Output::Member { change: Change::Suspect, .. }))
        );
        cluster.crash(9);
        let node = cluster.name(9);
        cluster.call(0, Input::Silent { node });
        let took = cluster.run_until(TEN_SECONDS, Cluster::is_whole).unwrap();
        assert!(took <= ms(1_700), "{took:?}");
    }
}

#[test]
fn nodes_that_stop_and_go_bring_no_healthy_one_down() {
    for seed in 0..3 {
        let mut cluster = settled(10, seed);
        cluster.loss = 0.02;
        for round in 0..8 {
            for nth in 0..3 {
                cluster.freeze(nth);
                cluster.run_for(ms(40 * nth as u64));
            }
            cluster.run_for(ms(300 + 700 * (round % 3)));
            for nth in 0..3 {
                cluster.thaw(nth);
                cluster.run_for(ms(30));
            }
            cluster.run_for(ms(400));
        }
        for nth in 3..10 {
            assert_eq!(cluster.nodes[nth].rejoins(), 0, "seed {seed}");
        }
        cluster.run_until_whole(TEN_SECONDS);
    }
}

#[test]
fn a_peer_cannot_fill_the_memory() {
    let mut cluster = settled(2, 1);
    let from = cluster.nodes[1].membership.identity().clone();
    for round in 0..3 {
        let entry = |nth: u64| {
            let node = NodeId::new(format!("x{round}-{nth}")).unwrap();
            let identity = Identity::at_birth(node, address(9), Start::new(nth));
            Entry { identity, refutations: 0, state: MemberState::Up, down_ms: 0, profile: None }
        };
        let state = packet::State {
            standing: packet::Standing { hosting: 1, live: 1 },
            entries: (0..1000).map(entry).collect(),
            profiles: vec![],
            wanted: vec![],
            complete: false,
        };
        let packet = Packet { from: from.clone(), body: Body::State(state) };
        cluster.call(0, Input::Packet { from: from.node.clone(), bytes: packet.encode().unwrap() });
    }
    let node = &cluster.nodes[0];
    assert_eq!(node.membership.members().count(), MEMBERS_MAX);
    assert!(node.seen.iter().any(|(_, seen)| matches!(seen, Output::Event(Event::TableFull { .. }))));
}

#[test]
fn late_packets_bring_nobody_down() {
    for (n, seed) in [(3, 1), (5, 2), (10, 3)] {
        let mut cluster = settled(n, seed);
        cluster.loss = 0.2;
        cluster.run_for(ms(30_000));
        assert!(cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0));
    }
}

#[test]
fn a_refuted_suspicion_never_hardens() {
    // foca 2.0.0 would tell a member that has refuted that it is Down, and it would rejoin.
    for seed in 0..6 {
        let mut cluster = settled(4, seed);
        let mut suspected = 0;
        for _ in 0..12 {
            cluster.freeze(3);
            cluster.run_for(ms(600));
            cluster.thaw(3);
            cluster.run_for(ms(1_500));
        }
        let name = cluster.name(3);
        for node in &cluster.nodes[..3] {
            suspected += node.changes_of(&name).iter().filter(|(_, change)| *change == Change::Suspect).count();
            assert_eq!(node.downs(), 0);
        }
        assert!(suspected > 0, "nothing was tested");
        assert_eq!(cluster.nodes[3].rejoins(), 0);
    }
}

#[test]
fn a_node_that_slept_hears_the_answers_before_it_judges() {
    for seed in 0..8 {
        let mut cluster = settled(5, seed);
        let suspect = cluster.name(4);
        cluster.freeze(4);
        let suspected = |cluster: &Cluster| cluster.nodes[0].state_of(&suspect) == Some(MemberState::Suspect);
        assert!(cluster.run_until(FIVE_SECONDS, suspected).is_some());
        cluster.run_for(ms(300));
        // The suspect answers while the one who waits for the answer sleeps until after the suspect's time.
        cluster.freeze(0);
        cluster.thaw(4);
        cluster.run_for(ms(700));
        cluster.thaw(0);
        let late = |(_, seen): &(Moment, Output)| matches!(seen, Output::Event(Event::Late { .. }));
        assert!(cluster.nodes[0].seen.iter().any(late));
        cluster.run_until_whole(FIVE_SECONDS);
        assert_eq!((cluster.nodes[0].downs(), cluster.nodes[4].rejoins()), (0, 0), "seed {seed}");
    }
}

#[test]
fn a_suspect_that_lives_clears_itself_by_its_answer() {
    for seed in 0..2 {
        let mut cluster = settled(25, seed);
        let suspect = cluster.name(4);
        cluster.freeze(4);
        let suspected = |cluster: &Cluster| cluster.nodes[0].state_of(&suspect) == Some(MemberState::Suspect);
        assert!(cluster.run_until(FIVE_SECONDS, suspected).is_some());
        // By now every suspecting node has asked, and the questions lie waiting.
        cluster.run_for(ms(250));
        cluster.thaw(4);
        // Gossip would take a few of its periods of 50 ms.
        let cleared = |cluster: &Cluster| {
            cluster.nodes.iter().all(|node| node.state_of(&suspect).is_none_or(|state| state == MemberState::Up))
        };
        assert!(cluster.run_until(ms(20), cleared).is_some(), "seed {seed}:\n{}", cluster.picture());
    }
}

#[test]
fn one_liar_brings_no_healthy_member_down() {
    for seed in 0..2 {
        let mut cluster = settled(25, seed);
        let victim = cluster.nodes[2].membership.identity().clone();
        let lie = Entry { identity: victim, refutations: 0, state: MemberState::Down, down_ms: 0, profile: None };
        let state = packet::State {
            standing: packet::Standing { hosting: 25, live: 25 },
            entries: vec![lie],
            profiles: vec![],
            wanted: vec![],
            complete: false,
        };
        let liar = cluster.nodes[1].membership.identity().clone();
        let packet = Packet { from: liar.clone(), body: Body::State(state) }.encode().unwrap();
        for nth in [0, 3, 9] {
            cluster.call(nth, Input::Packet { from: liar.node.clone(), bytes: packet.clone() });
        }
        cluster.run_for(FIVE_SECONDS);
        assert!(cluster.is_whole());
        assert!(cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0), "seed {seed}");
    }
}

#[test]
fn a_node_that_leaves_is_left_and_not_down() {
    for (n, seed) in [(2, 1), (3, 2), (10, 3)] {
        let mut cluster = settled(n, seed);
        let name = cluster.name(0);
        cluster.call(0, Input::Leave);
        assert_eq!(cluster.nodes[0].membership.next_deadline(), None);
        let left =
            |cluster: &Cluster| cluster.nodes[1..].iter().all(|node| node.state_of(&name) == Some(MemberState::Left));
        assert!(cluster.run_until(ms(10), left).is_some());
        cluster.run_for(TEN_SECONDS);
        assert!(left(&cluster));
        for node in &cluster.nodes[1..] {
            assert_eq!(node.downs(), 0);
        }
        let newcomer = cluster.add("z9");
        cluster.run_until_whole(FIVE_SECONDS);
        assert_eq!(cluster.nodes[newcomer].state_of(&name), Some(MemberState::Left));
    }
}

#[test]
fn a_restart_before_the_down_is_a_replacement() {
    for seed in 0..6 {
        let mut cluster = settled(3, seed);
        let former = cluster.nodes[0].membership.identity().process();
        cluster.crash(0);
        cluster.run_for(ms(300));
        cluster.restart(0);
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(TEN_SECONDS);
        assert!(cluster.is_whole());
        for node in &cluster.nodes[1..] {
            let changes = node.changes_of(&former.node);
            assert!(
                changes.iter().any(|(_, change)| *change == Change::Replaced { former: former.clone() }),
                "{changes:?}"
            );
            assert_eq!((node.downs(), node.rejoins()), (0, 0));
        }
    }
}

#[test]
fn a_node_that_meets_many_at_once_asks_few_of_them_what_they_know() {
    let mut cluster = Cluster::new(1, 1);
    let (now, membership) = (cluster.now, &mut cluster.nodes[0].membership);
    let mut asked = |now, input| {
        membership.handle(now, input);
        let asks = |output: &Output| match output {
            Output::Send { bytes, .. } => matches!(Packet::decode(bytes).unwrap().body, Body::Digest(_)),
            _ => false,
        };
        std::iter::from_fn(|| membership.poll()).filter(asks).count()
    };
    let mut meet = |now, nth| {
        let name = NodeId::new(format!("z{nth}")).unwrap();
        let peer = Identity::at_birth(name, address(nth), Start::new(1));
        asked(now, Input::Connected { peer, dialled: None })
    };
    let met: Vec<usize> = (10..110).map(|nth| meet(now, nth)).collect();
    assert_eq!(met.iter().sum::<usize>(), GREETINGS_MAX);
    let next_round = now + Timing::fast().gossip_period;
    assert_eq!(meet(next_round, 110), 2, "the newcomer, and one for all that were not asked");
}

#[test]
fn two_nodes_may_restart_at_once() {
    for seed in 0..6 {
        let mut cluster = settled(5, seed);
        cluster.crash(0);
        cluster.crash(1);
        cluster.run_for(ms(100 + 400 * (seed % 5)));
        cluster.restart(0);
        cluster.restart(1);
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(FIVE_SECONDS);
        assert!(cluster.is_whole());
        assert!(cluster.nodes.iter().all(|node| node.rejoins() == 0));
    }
}

#[test]
fn a_whole_cluster_may_restart_at_once() {
    let mut cluster = settled(3, 1);
    for nth in 0..3 {
        cluster.crash(nth);
    }
    cluster.run_for(ms(500));
    for nth in 0..3 {
        cluster.restart(nth);
    }
    cluster.run_until_whole(FIVE_SECONDS);
}

#[test]
fn of_two_processes_with_one_id_the_older_stops() {
    for seed in 0..6 {
        let mut cluster = settled(3, seed);
        let name = cluster.name(1);
        let newer = cluster.add(name.as_str());
        let stopped = |cluster: &Cluster| !cluster.nodes[1].is_running();
        assert!(cluster.run_until(FIVE_SECONDS, stopped).is_some(), "{}", cluster.picture());
        let stop = Output::Stop(StopReason::DuplicateNode { address: address(newer) });
        assert!(cluster.nodes[1].seen.iter().any(|(_, output)| *output == stop));
        cluster.crash(1);
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(FIVE_SECONDS);
        assert!(cluster.is_whole() && cluster.nodes[newer].is_running());
    }
}

#[test]
fn a_restart_after_the_clock_was_set_back_leaps_over_its_former_self() {
    for down_first in [false, true] {
        let mut cluster = settled(3, 7);
        let before = cluster.nodes[2].membership.identity().clone();
        let former = Output::Outlived { former: before.process() };
        cluster.crash(2);
        cluster.run_for(if down_first { FIVE_SECONDS } else { ms(200) });
        cluster.restart_as(2, Start::new(before.start.get() - 1_000_000));
        cluster.run_until_whole(FIVE_SECONDS);
        let after = cluster.nodes[2].membership.identity();
        assert!(cluster.nodes[2].is_running() && after.incarnation > before.incarnation && after.start < before.start);
        assert!(cluster.nodes[2].seen.iter().any(|(_, output)| *output == former));
    }
}

#[test]
fn the_age_of_a_down_reaches_newcomers() {
    let mut cluster = settled(3, 1);
    let name = cluster.name(2);
    cluster.crash(2);
    cluster.run_for(ms(12_000));
    let newcomer = cluster.add("z9");
    cluster.run_until_whole(FIVE_SECONDS);
    let age = |nth: usize| {
        let member = cluster.nodes[nth].membership.members().find(|member| member.process.node == name).unwrap();
        member.down.unwrap().age(cluster.now)
    };
    let (old, new) = (age(0), age(newcomer));
    assert!(old > ms(10_000) && old.abs_diff(new) < ms(5), "{old:?} {new:?}");
}

#[test]
fn a_forgotten_member_stays_out_and_may_come_back() {
    let mut cluster = settled(4, 1);
    let name = cluster.name(3);
    cluster.cut(&[3], &[0, 1, 2]);
    cluster.run_for(FIVE_SECONDS);
    for nth in 0..3 {
        cluster.nodes[nth].membership.forget(&name);
        assert_eq!(cluster.nodes[nth].state_of(&name), None);
    }
    cluster.run_for(FIVE_SECONDS);
    assert!(cluster.nodes[..3].iter().all(|node| node.state_of(&name).is_none()));
    cluster.heal();
    cluster.run_until_whole(TEN_SECONDS);
    assert_eq!(cluster.nodes[3].rejoins(), 1, "its old incarnation did not come back");
}

#[test]
fn profiles_and_loads_reach_everyone() {
    for (n, seed) in [(3, 1), (12, 2)] {
        let mut cluster = settled(n, seed);
        let name = cluster.name(0);
        // A round of gossip has just been, so the next one is some time off.
        cluster.call(0, Input::Profile(Profile { weight: Weight(70), ..plain_profile() }));
        cluster.call(0, Input::Profile(Profile { leaving: true, weight: Weight(50), ..plain_profile() }));
        let told = |cluster: &Cluster, told: &dyn Fn(&Profile) -> bool| {
            cluster.nodes[1..].iter().all(|node| {
                let mut members = node.membership.members();
                members
                    .any(|member| member.process.node == name && member.profile.is_some_and(|profile| told(&profile)))
            })
        };
        // All hear of it at once, and not in the rounds of gossip.
        assert!(cluster.run_until(ms(20), |cluster| told(cluster, &|profile| profile.leaving)).is_some());
        for load in 1..50 {
            cluster.call(0, Input::Load(Load(load)));
            cluster.run_for(ms(100));
        }
        assert!(cluster.run_until(ms(3_000), |cluster| told(cluster, &|profile| profile.load == Load(49))).is_some());
        let loads = cluster.nodes[1].changes_of(&name).iter().filter(|(_, change)| *change == Change::Load).count();
        assert!((2..=6).contains(&loads), "one a second: {loads}");
        let newcomer = cluster.add("z9");
        cluster.run_until_whole(FIVE_SECONDS);
        cluster.run_for(ms(2_000));
        let mut members = cluster.nodes[newcomer].membership.members();
        assert!(members.all(|member| member.profile.is_some()));
    }
}

#[test]
fn bad_bytes_from_a_peer_do_nothing_but_an_event() {
    let mut cluster = settled(3, 1);
    let from = cluster.name(1);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let fine = Packet { from: cluster.nodes[1].membership.identity().clone(), body: Body::Digest(1) };
    for length in 0..600 {
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        if length % 2 == 0 {
            // The right sender, then garbage.
            let body = Body::Swim(std::mem::take(&mut bytes));
            bytes = Packet { body, ..fine.clone() }.encode().unwrap().to_vec();
        }
        cluster.call(0, Input::Packet { from: from.clone(), bytes: bytes.into() });
    }
    let stolen = Packet { from: cluster.nodes[2].membership.identity().clone(), ..fine };
    cluster.call(0, Input::Packet { from: from.clone(), bytes: stolen.encode().unwrap() });
    let refused = cluster.nodes[0].seen.iter().filter(|(_, seen)| matches!(seen, Output::Event(Event::Refused { .. })));
    assert!(refused.count() > 550);
    let wrong = Output::Event(Event::Refused { from, reason: Refusal::WrongSender });
    assert_eq!(cluster.nodes[0].seen.last().map(|(_, seen)| seen), Some(&wrong));
    cluster.run_for(FIVE_SECONDS);
    assert!(cluster.is_whole());
    assert!(cluster.nodes.iter().all(|node| node.downs() == 0 && node.rejoins() == 0));
}

#[test]
fn one_seed_gives_one_day() {
    let day = || {
        let mut cluster = settled(5, 42);
        cluster.loss = 0.05;
        cluster.crash(1);
        cluster.run_for(FIVE_SECONDS);
        cluster.restart(1);
        cluster.run_for(FIVE_SECONDS);
        cluster.nodes.into_iter().map(|node| node.seen).collect::<Vec<_>>()
    };
    assert_eq!(day(), day());
}

#[test]
fn after_any_trouble_the_view_is_whole_again() {
    for seed in 0..30 {
        trouble_and_quiet(seed);
    }
}

/// Crashes, restarts, freezes and cuts at random; whatever happened, a quiet network ends in a full view.
fn trouble_and_quiet(seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = rng.random_range(3..8);
    let mut cluster = settled(n, seed);
    cluster.loss = 0.02;
    for _ in 0..12 {
        let nth = rng.random_range(0..n);
        match rng.random_range(0..5) {
            0 if cluster.nodes[nth].is_running() => cluster.crash(nth),
            0 | 1 if !cluster.nodes[nth].is_running() => cluster.restart(nth),
            2 if cluster.nodes[nth].is_running() => {
                cluster.freeze(nth);
                cluster.run_for(ms(rng.random_range(50..4_000)));
                cluster.thaw(nth);
            }
            3 => {
                let (one, other): (Vec<_>, Vec<_>) = (0..n).partition(|_| rng.random_bool(0.5));
                cluster.cut(&one, &other);
            }
            _ => cluster.heal(),
        }
        cluster.run_for(ms(rng.random_range(10..3_000)));
    }
    cluster.heal();
    cluster.loss = 0.0;
    if cluster.run_until(TEN_SECONDS, Cluster::is_whole).is_none() {
        panic!("seed {seed}:\n{}", cluster.picture());
    }
    cluster.run_for(FIVE_SECONDS);
    assert!(cluster.is_whole(), "seed {seed}:\n{}", cluster.picture());
}
