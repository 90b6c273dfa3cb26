use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::id::{NodeId, Start};

fn process(index: usize) -> Process {
    Process { node: NodeId::new(format!("node-{index}")).unwrap(), start: Start::new(1) }
}

fn registry(salt: u64) -> RegistryName {
    RegistryName::new(&format!("orders-{salt}")).unwrap()
}

fn plan(salt: u64, slots: u32, members: impl IntoIterator<Item = usize>) -> Plan {
    let members: Vec<_> = members.into_iter().map(process).collect();
    Plan::new(&registry(salt), slots, members.iter().map(|process| (process, Weight::NORMAL)))
}

fn owners(plan: &Plan, slots: u32) -> Vec<Process> {
    (0..slots).map(|slot| plan.owner(Slot::new(slot)).unwrap().clone()).collect()
}

fn shares(plan: &Plan, slots: u32) -> BTreeMap<Process, u32> {
    let mut shares = BTreeMap::new();
    for owner in owners(plan, slots) {
        *shares.entry(owner).or_default() += 1;
    }
    shares
}

/// How many slots move when one member joins, beside the fewest possible: the joiner's fair share.
fn movement(salt: u64, slots: u32, members: usize) -> (f64, f64) {
    let without = owners(&plan(salt, slots, 0..members), slots);
    let with = owners(&plan(salt, slots, 0..=members), slots);
    let moved = without.iter().zip(&with).filter(|(before, after)| before != after).count();
    let joined = with.iter().filter(|owner| **owner == process(members)).count();
    // A join must fill the joiner, a leave must empty it; what moves is the same.
    let fair = f64::from(slots) / (members as f64 + 1.0);
    (moved as f64 / fair, moved as f64 / joined as f64)
}

#[test]
fn the_logarithm_is_one() {
    for shift in 0..10_000_u64 {
        let hash = mix(shift) >> (shift % 64);
        let exact = 64.0 - ((hash | 1) as f64).log2();
        let ours = neg_log2(hash) as f64 / 2f64.powi(32);
        assert!((exact - ours).abs() < 1e-5, "{hash}: {exact} and {ours}");
        assert!(neg_log2(hash) >= neg_log2(hash.saturating_add(1 << 20)));
        assert!(neg_log2(hash) >= !hash >> 32);
    }
}

/// The figures that every platform and release must find: a change of one moves slots in a cluster of mixed versions.
#[test]
fn golden() {
    assert_eq!([LOG2[1], LOG2[64], LOG2[128], LOG2[255]], [24_157_254, 1_382_670_639, 2_512_394_809, 4_282_853_258]);
    let plan = plan(7, 8, 0..5);
    let owners: Vec<_> = (0..8).map(|slot| plan.owner(Slot::new(slot)).unwrap().node.to_string()).collect();
    assert_eq!(owners.join(" "), "node-0 node-3 node-1 node-1 node-2 node-2 node-4 node-4");
}

#[test]
fn movement_stays_near_the_unavoidable() {
    let check = |members, slots, limit: f64, mean_limit: f64| {
        let ratios: Vec<_> = (0..8).map(|salt| movement(salt, slots, members).0).collect();
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        println!("{members} members, {slots} slots: worst {worst:.3}, mean {mean:.3}");
        assert!(worst <= limit && mean <= mean_limit, "{members} members: {ratios:?}");
    };
    check(3, 4096, 1.3, 1.3);
    check(16, 4096, 1.3, 1.3);
    check(128, 16_384, 1.6, 1.6);
}

#[test]
fn the_rank_names_each_member_once_and_the_owner_first() {
    let plan = plan(1, 256, 0..9);
    for slot in (0..256).map(Slot::new) {
        let rank: Vec<_> = plan.rank(slot).collect();
        assert_eq!(rank.first().copied(), plan.owner(slot));
        let distinct: std::collections::BTreeSet<_> = rank.iter().collect();
        assert_eq!((rank.len(), distinct.len()), (9, 9));
    }
    assert_eq!(plan.owner(Slot::new(256)), None);
    assert_eq!(Plan::new(&registry(1), 4, []).rank(Slot::new(0)).count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nobody_is_over_the_bound_and_weights_count(
        salt in 0..1000_u64,
        slots in 1..3000_u32,
        weights in prop::collection::vec(100..4000_u16, 1..40),
    ) {
        let members: Vec<_> = (0..weights.len()).map(process).collect();
        let weighted = members.iter().zip(weights.iter().map(|weight| Weight::from_thousandths(*weight)));
        let plan = Plan::new(&registry(salt), slots, weighted);
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let shares = shares(&plan, slots);
        prop_assert_eq!(shares.values().sum::<u32>(), slots);
        for (process, weight) in members.iter().zip(&weights) {
            let bound = (1.1 * f64::from(slots) * f64::from(*weight) / total - 1e-6).ceil();
            let share = f64::from(shares.get(process).copied().unwrap_or_default());
            prop_assert!(share <= bound, "{process}: {share} over {bound}");
            // With some hundred slots the shares are near the weights: six standard deviations, and the bound's overflow.
            let fair = bound / 1.1;
            prop_assert!(share >= fair * 0.9 - 6.0 * fair.sqrt() - 1.0, "{process}: {share} of {fair}");
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(
        salt in 0..1000_u64,
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let sorted = plan(salt, 300, 0..12);
        let shuffled = plan(salt, 300, order);
        for slot in (0..300).map(Slot::new) {
            prop_assert!(sorted.rank(slot).eq(shuffled.rank(slot)));
        }
    }

    #[test]
    fn without_a_member_only_a_few_more_slots_than_its_own_move(salt in 0..200_u64) {
        prop_assert!(movement(salt, 4096, 3).0 <= 1.3);
        prop_assert!(movement(salt, 4096, 16).0 <= 1.3);
    }
}
