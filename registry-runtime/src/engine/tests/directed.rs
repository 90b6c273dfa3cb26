//! One story each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sim::{MS, Micros, Options, Sim, registry};
use crate::engine::opening::Why;
use crate::engine::output::{Event, Output, StopReason};
use crate::engine::ownership::Input;
use crate::engine::places::MOVES_MAX;
use crate::engine::set::Set;
use crate::engine::table::SlotState;
use crate::engine::view::MemberState;
use crate::id::{Incarnation, Slot, Start};
use crate::spec::{Failover, Then};

pub(crate) const SECOND: Micros = 1000 * MS;

/// A cluster that has founded all its slots.
fn founded(options: Options) -> Sim {
    let mut sim = Sim::new(1, options);
    settle(&mut sim, 5 * SECOND);
    sim
}

/// Waits until every slot is served by one node and all know it.
pub(crate) fn settle(sim: &mut Sim, span: Micros) {
    let settled = sim.run_until(span, Sim::is_settled);
    assert!(settled, "{:?}, unsettled after {} ms: {:?}", sim.fault, span / MS, sim.unsettled());
}

/// Waits until the owners are the plan's and every set is full.
fn balance(sim: &mut Sim, span: Micros) {
    let balanced = sim.run_until(span, |sim| slots(sim).all(|slot| is_as_planned(sim, slot)));
    assert!(balanced, "{:?}, not as planned: {:?}", sim.fault, slots(sim).find(|slot| !is_as_planned(sim, *slot)));
}

pub(crate) fn is_as_planned(sim: &Sim, slot: Slot) -> bool {
    let Some(owner) = sim.owner(slot) else { return false };
    let engine = sim.nodes[owner].engine.as_ref().unwrap();
    let rank: Vec<_> = engine.plan(&registry()).unwrap().rank(slot).cloned().collect();
    let size = usize::from(sim.options.replicas).min(rank.len());
    let set = &sim.nodes[owner].serving[&slot].set;
    rank.first() == Some(set.owner()) && set.len() == size && rank[..size].iter().all(|process| set.contains(process))
}

pub(crate) fn slots(sim: &Sim) -> impl Iterator<Item = Slot> + use<> {
    (0..sim.options.slots).map(Slot::new)
}

fn owned_by(sim: &Sim, index: usize) -> Vec<Slot> {
    slots(sim).filter(|slot| sim.owner(*slot) == Some(index)).collect()
}

fn count(sim: &Sim, is: impl Fn(&Event) -> bool) -> usize {
    sim.nodes.iter().flat_map(|node| &node.events).filter(|event| is(event)).count()
}

fn losses(sim: &Sim) -> usize {
    count(sim, |event| matches!(event, Event::PossibleLoss { .. }))
}

fn opened(sim: &Sim, index: usize, why: Why) -> usize {
    let of_node = sim.nodes[index].events.iter();
    of_node.filter(|event| matches!(event, Event::Opened { why: reason, .. } if *reason == why)).count()
}

fn wait_for_node(then: Then) -> Options {
    Options { failover: Failover::WaitForNode { wait: Duration::from_secs(5), then }, ..Options::default() }
}

#[test]
fn three_found_and_each_owns_what_the_plan_says() {
    let mut sim = founded(Options::default());
    balance(&mut sim, SECOND);
    assert!((0..3).all(|index| (5..=9).contains(&owned_by(&sim, index).len())), "bounded by 1.1 times 8, rounded up");
    let foundings: usize = (0..3).map(|index| opened(&sim, index, Why::Founding)).sum();
    assert_eq!(foundings, 24, "each slot is founded once");
}

#[test]
fn one_alone_founds_its_own() {
    let sim = founded(Options { nodes: 1, charter: 1, ..Options::default() });
    assert_eq!(owned_by(&sim, 0).len(), 24);
}

#[test]
fn two_of_three_found_and_the_third_gets_its_share() {
    let mut sim = Sim::new(1, Options { nodes: 2, ..Options::default() });
    settle(&mut sim, 5 * SECOND);
    sim.add();
    balance(&mut sim, 10 * SECOND);
    assert!(owned_by(&sim, 2).len() >= 5);
    assert_eq!(losses(&sim), 0);
}

#[test]
fn a_slot_whose_stream_cannot_begin_is_opened_anew() {
    for nodes in [1, 3] {
        let mut sim = Sim::new(1, Options { nodes, charter: nodes, ..Options::default() });
        sim.unbegun = 40;
        settle(&mut sim, 10 * SECOND);
        assert_eq!(sim.unbegun, 0);
        assert!(slots(&sim).all(|slot| sim.owner(slot).is_some()));
        assert_eq!(losses(&sim), 0);
    }
}

#[test]
fn a_slot_that_nobody_can_be_sent_stays_and_is_served() {
    for replicas in [1, 3] {
        let mut sim = Sim::new(1, Options { nodes: 1, charter: 1, replicas, ..Options::default() });
        settle(&mut sim, 5 * SECOND);
        sim.unfit = slots(&sim).filter(|slot| slot.index().is_multiple_of(2)).collect();
        sim.add();
        sim.add();
        let unfit = sim.unfit.clone();
        let fits = |slot: &Slot| !unfit.contains(slot);
        let moved = sim.run_until(20 * SECOND, |sim| slots(sim).filter(fits).all(|slot| is_as_planned(sim, slot)));
        assert!(
            moved,
            "{replicas}: {:?}",
            slots(&sim).filter(|slot| fits(slot) && !is_as_planned(&sim, *slot)).collect::<Vec<_>>()
        );
        for slot in &unfit {
            let stays = sim.owner(*slot) == Some(0) && sim.nodes[0].serving[slot].set.len() == 1;
            assert!(stays, "{replicas}: {slot}");
        }
        let before = sim.counts.acknowledgements;
        unfit.iter().for_each(|slot| _ = sim.write(*slot).expect("its owner has the right to"));
        assert_eq!(sim.counts.acknowledgements, before + unfit.len(), "all are acknowledged at once");

        sim.unfit.clear();
        balance(&mut sim, 20 * SECOND);
        assert_eq!((losses(&sim), sim.fault.as_ref()), (0, None));
    }
}

#[test]
fn who_cannot_read_a_slot_does_not_keep_it_and_others_do() {
    let mut sim = Sim::new(1, Options { nodes: 1, charter: 1, replicas: 2, ..Options::default() });
    settle(&mut sim, 5 * SECOND);
    slots(&sim).for_each(|slot| _ = sim.write(slot).expect("its owner has the right to"));
    let stranger = sim.add();
    sim.strangers.insert(stranger);
    let other = sim.add();
    let strange = sim.nodes[stranger].process.clone();
    let fresh = sim.nodes[other].process.clone();
    let without = |sim: &Sim| {
        slots(sim).all(|slot| {
            let owner = sim.owner(slot).filter(|owner| *owner != stranger);
            let set = owner.map(|owner| sim.nodes[owner].serving[&slot].set.clone());
            set.is_some_and(|set| set.contains(&fresh) && !set.contains(&strange))
        })
    };
    assert!(sim.run_until(14 * SECOND, without), "in the time for which one is passed over");

    sim.strangers.clear();
    balance(&mut sim, 40 * SECOND);
    assert!(slots(&sim).any(|slot| sim.owner(slot) == Some(stranger)));
    assert_eq!((losses(&sim), sim.fault.as_ref()), (0, None));
}

#[test]
fn a_replica_that_cannot_read_what_comes_is_given_up() {
    let mut sim = Sim::new(1, Options { nodes: 2, charter: 2, replicas: 2, ..Options::default() });
    settle(&mut sim, 10 * SECOND);
    let slot = slots(&sim).find(|slot| sim.owner(*slot) == Some(0)).expect("one of two owns some");
    sim.strangers.insert(1);
    let before = sim.counts.acknowledgements;
    sim.write(slot).expect("its owner has the right to");
    assert_eq!(sim.counts.acknowledgements, before, "the other has not kept it");
    assert!(sim.run_until(5 * SECOND, |sim| sim.nodes[0].serving.get(&slot).is_some_and(|it| it.set.len() == 1)));
    sim.write(slot).expect("its owner has the right to");
    assert!(sim.counts.acknowledgements > before, "alone it keeps what it has");
    assert_eq!((losses(&sim), sim.fault.as_ref()), (0, None));
}

#[test]
fn what_fits_again_goes_along_when_its_node_leaves() {
    let mut sim = Sim::new(1, Options { nodes: 1, charter: 1, replicas: 1, ..Options::default() });
    settle(&mut sim, 5 * SECOND);
    slots(&sim).for_each(|slot| _ = sim.write(slot).expect("its owner has the right to"));
    sim.unfit = slots(&sim).collect();
    sim.add();
    sim.run(5 * SECOND);
    assert_eq!(owned_by(&sim, 0).len(), 24, "nothing fits");
    sim.unfit.clear();
    sim.leave(0);
    assert!(sim.run_until(10 * SECOND, |sim| sim.nodes[0].left));
    settle(&mut sim, 5 * SECOND);
    assert_eq!((owned_by(&sim, 1).len(), losses(&sim), sim.fault.as_ref()), (24, 0, None));
}

#[test]
fn who_is_shut_out_helps_nobody_to_found() {
    let mut sim = Sim::new(1, Options::default());
    for index in [1, 2] {
        sim.handle(index, Input::ShutOut("127.0.0.1:9".parse().expect("it is an address")));
    }
    sim.run(20 * SECOND);
    assert_eq!(sim.unsettled().len(), 24, "the one that is not cannot found alone");
    sim.handle(1, Input::LetIn("127.0.0.1:9".parse().expect("it is an address")));
    settle(&mut sim, 5 * SECOND);
}

#[test]
fn one_of_three_founds_nothing() {
    let mut sim = Sim::new(1, Options { nodes: 1, ..Options::default() });
    sim.run(60 * SECOND);
    assert_eq!(sim.unsettled().len(), 24);
}

#[test]
fn who_joins_gets_its_share_and_nothing_is_lost() {
    let mut sim = founded(Options { slots: 128, ..Options::default() });
    sim.add();
    balance(&mut sim, 20 * SECOND);
    assert!((25..=36).contains(&owned_by(&sim, 3).len()));
    assert_eq!(losses(&sim), 0);
    assert!(count(&sim, |event| matches!(event, Event::HandedOver { .. })) > 0);
}

#[test]
fn the_slots_of_a_dead_node_open_at_its_backups() {
    let mut sim = founded(Options::default());
    let orphans = owned_by(&sim, 0);
    sim.kill(0);
    settle(&mut sim, 3 * SECOND);
    balance(&mut sim, 5 * SECOND);
    assert!(orphans.iter().all(|slot| sim.owner(*slot) != Some(0)));
    assert_eq!(losses(&sim), 0);
    sim.boot(0);
    balance(&mut sim, 10 * SECOND);
    assert_eq!(losses(&sim), 0);
}

#[test]
fn the_minority_stops_and_the_majority_goes_on() {
    let mut sim = founded(Options { nodes: 5, charter: 5, ..Options::default() });
    sim.partition(&[&[0, 1], &[2, 3, 4]]);
    sim.run(8 * SECOND);
    let (mut lost, mut kept) = (0, 0);
    for slot in slots(&sim) {
        match sim.owner(slot) {
            Some(0 | 1) => assert_eq!(sim.state(2, slot), SlotState::NoMajority),
            Some(_) => {
                kept += 1;
                lost += usize::from(sim.state(0, slot) == SlotState::NoMajority);
            }
            None => panic!("slot {slot} is open nowhere"),
        }
    }
    assert!(kept >= 12, "three of five hold most majorities: {kept}");
    assert_eq!(lost, kept, "and the two others say so");
    sim.heal();
    balance(&mut sim, 20 * SECOND);
    assert_eq!(losses(&sim), 0);
}

#[test]
fn who_is_cut_off_may_acknowledge_for_one_lease_and_no_longer() {
    let options = Options { clock_error: 40, delay: (0, 30 * MS), ..Options::default() };
    let lease = u64::try_from(options.timing.lease.as_micros()).unwrap();
    for seed in 0..20 {
        let mut sim = Sim::new(seed, options.clone());
        settle(&mut sim, 10 * SECOND);
        balance(&mut sim, 10 * SECOND);
        let mine = owned_by(&sim, 0);
        assert!(!mine.is_empty() && mine.iter().all(|slot| sim.has_right(0, *slot)));
        sim.partition(&[&[0], &[1, 2]]);
        // What was under way arrives yet, so this is the moment from which the lease counts at the latest.
        sim.run(lease);
        assert_eq!(mine.iter().find(|slot| sim.has_right(0, **slot)), None, "seed {seed}");
        // It is not by being declared Down, nor by having found the others Down, that it has stopped.
        assert!(mine.iter().all(|slot| sim.nodes[0].serving.contains_key(slot)), "seed {seed}");
        sim.run(60 * SECOND);
        assert!(slots(&sim).all(|slot| !sim.has_right(0, slot) && sim.state(0, slot) != SlotState::Open));
    }
}

#[test]
fn where_all_serve_each_side_of_a_partition_has_every_slot_and_one_has_them_when_it_is_over() {
    let options = Options { serves_all: true, ..Options::default() };
    let (lease, forget_after) = (options.timing.lease, options.timing.forget_after);
    let mut sim = founded(options);
    sim.partition(&[&[0], &[1, 2]]);
    let serves =
        |sim: &Sim, nodes: &[usize]| slots(sim).all(|slot| nodes.iter().any(|node| sim.has_right(*node, slot)));
    assert!(sim.run_until(10 * SECOND, |sim| serves(sim, &[0]) && serves(sim, &[1, 2])), "both sides serve");
    // Neither stops when the other has been gone for long.
    sim.run(u64::try_from(forget_after.as_micros()).unwrap());
    assert!(serves(&sim, &[0]) && serves(&sim, &[1, 2]));
    assert!(slots(&sim).all(|slot| sim.state(0, slot) == SlotState::Open));
    sim.heal();
    settle(&mut sim, 20 * SECOND);
    sim.run(u64::try_from(lease.as_micros()).unwrap());
    assert!(slots(&sim).all(|slot| (0..3).filter(|node| sim.has_right(*node, slot)).count() == 1));
}

#[test]
fn of_two_nodes_the_one_with_the_smaller_id_goes_on() {
    let options = || Options { nodes: 2, charter: 2, replicas: 2, ..Options::default() };
    let mut sim = founded(options());
    sim.kill(1);
    settle(&mut sim, 5 * SECOND);
    sim.run(60 * SECOND);
    assert_eq!(owned_by(&sim, 0).len(), 24);
    let mut sim = founded(options());
    sim.kill(0);
    sim.run(5 * SECOND);
    assert!(slots(&sim).all(|slot| sim.state(1, slot) == SlotState::NoMajority));
    sim.run(30 * SECOND);
    assert!(slots(&sim).all(|slot| sim.state(1, slot) == SlotState::Halted));
    sim.boot(0);
    settle(&mut sim, 10 * SECOND);
    assert_eq!(losses(&sim), 24, "of each set of two one has lost its memory");
}

#[test]
fn a_slot_that_is_not_taken_is_served_between_the_attempts_and_keeps_no_other_waiting() {
    let mut sim = founded(Options { nodes: 3, slots: 240, ..Options::default() });
    sim.add();
    sim.takes_nothing.insert(3);
    sim.run(60 * SECOND);
    let planned = |sim: &Sim, slot| {
        let engine = sim.nodes[0].engine.as_ref().unwrap();
        engine.plan(&registry()).unwrap().owner(slot).cloned() == Some(sim.nodes[3].process.clone())
    };
    let untaken: Vec<_> = slots(&sim).filter(|slot| planned(&sim, *slot)).collect();
    assert!(untaken.len() > 3 * MOVES_MAX / 2, "{}", untaken.len());
    // Served for most of the time, however often it is tried.
    let mut served = 0;
    for _ in 0..60 {
        sim.run(SECOND);
        served += untaken.iter().filter(|slot| (0..3).any(|node| sim.has_right(node, **slot))).count();
    }
    assert!(served > 60 * untaken.len() * 8 / 10, "{served} of {}", 60 * untaken.len());
    // And whoever dies now is replaced, as far as the plan has others.
    sim.takes_nothing.clear();
    balance(&mut sim, 120 * SECOND);
}

/// Two see the newcomers through a third, so nobody is declared Down, and cannot reach them.
#[test]
fn an_heir_that_is_cut_off_from_newcomers_opens_with_whom_it_reaches() {
    let mut sim = founded(Options { nodes: 3, charter: 3, slots: 60, ..Options::default() });
    balance(&mut sim, 10 * SECOND);
    for newcomer in [3, 4] {
        [0, 1].into_iter().for_each(|old| sim.cut.extend([(old, newcomer), (newcomer, old)]));
        sim.add();
        for (one, other) in [(0, newcomer), (1, newcomer), (newcomer, 0), (newcomer, 1)] {
            sim.tell(one, sim.member(other, MemberState::Up), 5 * MS);
        }
    }
    sim.run(10 * SECOND);
    let names = [1, 0, 2].map(|index| sim.nodes[index].process.clone());
    let is_left = |slot: &Slot| sim.nodes[1].serving[slot].set.members() == names;
    let left: Vec<_> = owned_by(&sim, 1).into_iter().filter(is_left).collect();
    assert!(left.len() > 5, "it gives up nobody for whom it cannot fill");
    sim.kill(1);
    let opened = |sim: &Sim| left.iter().all(|slot| sim.has_right(0, *slot));
    assert!(sim.run_until(10 * SECOND, opened), "two of its set are there");
}

/// Machines that died without a goodbye, and were replaced by others with other names, stay in every list of members.
#[test]
fn who_starts_after_more_names_have_died_than_live_is_told_whom_to_forget() {
    let options = Options { nodes: 7, charter: 3, ..Options::default() };
    let forget_after = u64::try_from(options.timing.forget_after.as_micros()).unwrap();
    let mut sim = founded(options);
    for pair in [[3, 4], [5, 6]] {
        pair.into_iter().for_each(|index| sim.kill(index));
        sim.run(forget_after + 5 * SECOND);
        balance(&mut sim, 20 * SECOND);
    }
    sim.boot(2);
    balance(&mut sim, 20 * SECOND);
    sim.run(forget_after);
    assert!(slots(&sim).all(|slot| is_as_planned(&sim, slot)));
    assert!(!owned_by(&sim, 2).is_empty());
    // And two of the three at once, whom nobody may tell before the third sees them both.
    sim.kill(1);
    sim.kill(2);
    sim.run(5 * SECOND);
    sim.boot(1);
    sim.boot(2);
    balance(&mut sim, 20 * SECOND);
    sim.run(forget_after);
    assert!(slots(&sim).all(|slot| is_as_planned(&sim, slot)));
    assert_eq!(count(&sim, |event| matches!(event, Event::Halted)), 0);
}

#[test]
fn two_of_three_restarted_at_once_leave_what_there_is() {
    let mut sim = founded(Options::default());
    sim.boot(0);
    sim.boot(1);
    balance(&mut sim, 20 * SECOND);
    assert_eq!(losses(&sim), 24);
}

#[test]
fn who_opens_with_what_there_is_after_long_does_it_in_an_epoch_of_that_moment() {
    let mut sim = founded(Options { nodes: 5, charter: 5, ..Options::default() });
    balance(&mut sim, 10 * SECOND);
    sim.kill(0);
    sim.kill(1);
    // Where both were in a set, the third tries, and needs one of them until it may forget them.
    sim.run(10 * SECOND);
    let met = |sim: &Sim, slot| {
        let engines = sim.nodes[2..].iter().filter_map(|node| node.engine.as_ref());
        engines.filter_map(|engine| Some(engine.table(&registry())?.row(slot)?.met())).max().unwrap()
    };
    let tried: BTreeMap<_, _> = sim.unsettled().into_iter().map(|slot| (slot, met(&sim, slot))).collect();
    assert!(!tried.is_empty());
    settle(&mut sim, 60 * SECOND);
    let lossy: Vec<_> = (2..5)
        .flat_map(|index| &sim.nodes[index].events)
        .filter_map(|event| match event {
            Event::PossibleLoss { slot, epoch, .. } => Some((*slot, *epoch)),
            _ => None,
        })
        .collect();
    assert_eq!(lossy.len(), tried.len());
    assert!(lossy.iter().all(|(slot, epoch)| *epoch > tried[slot]), "{lossy:?} after {tried:?}");
}

#[test]
fn a_quick_returner_is_filled_like_a_newcomer() {
    let mut sim = founded(Options::default());
    sim.boot(0);
    balance(&mut sim, 20 * SECOND);
    assert_eq!(losses(&sim), 0);
    assert_eq!(opened(&sim, 0, Why::Founding), owned_by(&sim, 0).len(), "only in its first life");
}

#[test]
fn a_restart_with_the_clock_set_back_is_a_restart() {
    let mut sim = founded(Options::default());
    sim.boot(0);
    balance(&mut sim, 20 * SECOND);
    let former = sim.nodes[0].process.clone();
    sim.kill(0);
    settle(&mut sim, 5 * SECOND);
    sim.boot_as(0, Start::new(2));
    // As membership does once others tell it of that life.
    sim.handle(0, Input::Outlived(former.clone()));
    balance(&mut sim, 20 * SECOND);
    assert!(former.start > sim.nodes[0].process.start && !owned_by(&sim, 0).is_empty());
    assert_eq!(losses(&sim), 0);
}

#[test]
fn who_was_wrongly_declared_down_comes_back_with_what_it_held() {
    let mut sim = founded(Options::default());
    sim.partition(&[&[0], &[1, 2]]);
    settle_on(&mut sim, &[1, 2], 5 * SECOND);
    sim.heal();
    balance(&mut sim, 20 * SECOND);
    assert_eq!(losses(&sim), 0);
    assert!(!owned_by(&sim, 0).is_empty());
}

/// Something is written to each of these slots. Returns what.
fn write(sim: &mut Sim, slots: impl IntoIterator<Item = Slot>) -> Vec<(Slot, u64)> {
    slots.into_iter().map(|slot| (slot, sim.write(slot).expect("somebody has the right to"))).collect()
}

/// What the one owner of a slot holds of it.
fn log(sim: &mut Sim, slot: Slot) -> Vec<u64> {
    let owner = sim.owner(slot).expect("the slot is open");
    sim.store(owner, slot).log.clone()
}

/// Whether all members of all sets hold the same, and nobody else holds anything.
fn all_hold_the_same(sim: &mut Sim) -> bool {
    slots(sim).all(|slot| {
        let owner = sim.owner(slot).expect("the slot is open");
        let set = sim.nodes[owner].serving[&slot].set.clone();
        let accepted = sim.store(owner, slot).accepted();
        (0..sim.nodes.len()).all(|index| {
            let expected = if set.contains(&sim.nodes[index].process) { accepted } else { Default::default() };
            sim.store(index, slot).accepted() == expected
        })
    })
}

#[test]
fn what_was_never_acknowledged_is_dropped_and_the_rest_comes_back() {
    let mut sim = founded(Options::default());
    balance(&mut sim, SECOND);
    let mine = owned_by(&sim, 0);
    let epochs: BTreeMap<_, _> = mine.iter().map(|slot| (*slot, sim.nodes[0].serving[slot].epoch)).collect();
    let before = write(&mut sim, mine.clone());
    sim.run(100 * MS);
    sim.partition(&[&[0], &[1, 2]]);
    let lost = write(&mut sim, mine.clone());
    settle_on(&mut sim, &[1, 2], 5 * SECOND);
    let after = write(&mut sim, mine.clone());
    sim.run(100 * MS);
    sim.heal();
    let is_given_up = |sim: &Sim| mine.iter().all(|slot| sim.nodes[0].stores[slot].accepted().0 != epochs[slot]);
    assert!(sim.run_until(SECOND, is_given_up), "as soon as the others' openings are learnt");
    balance(&mut sim, 20 * SECOND);
    assert_eq!(owned_by(&sim, 0), mine);
    for (index, slot) in mine.iter().enumerate() {
        assert_eq!(log(&mut sim, *slot), [before[index].1, after[index].1], "and not {:?}", lost[index]);
    }
    sim.run(SECOND);
    assert!(all_hold_the_same(&mut sim));
}

#[test]
fn an_owner_that_opens_again_goes_on_with_what_it_has() {
    let mut sim = founded(Options::default());
    balance(&mut sim, SECOND);
    let (mine, served) = (owned_by(&sim, 0), sim.nodes[0].serving.clone());
    let before = write(&mut sim, mine.clone());
    sim.kill(2);
    // It writes while it opens again, too.
    let opens = |sim: &Sim| sim.nodes[0].serving.iter().any(|(slot, serving)| serving.epoch > served[slot].epoch);
    let mut during = Vec::new();
    while !opens(&sim) {
        during.push(write(&mut sim, mine.clone()));
        sim.run(2 * MS);
    }
    balance(&mut sim, 10 * SECOND);
    // The plan of two has some of them elsewhere.
    let stayed: Vec<_> = owned_by(&sim, 0).into_iter().filter(|slot| served.contains_key(slot)).collect();
    assert!(!stayed.is_empty() && during.len() > 10);
    for (slot, first) in before.into_iter().filter(|(slot, _)| stayed.contains(slot)) {
        let later = during.iter().flatten().filter(|(other, _)| *other == slot).map(|(_, value)| *value);
        let all: Vec<_> = [first].into_iter().chain(later).collect();
        assert_eq!(log(&mut sim, slot), all, "{slot}");
    }
}

#[test]
fn a_node_that_joins_is_filled_before_it_owns_anything() {
    let mut sim = founded(Options { delay: (MS, 20 * MS), ..Options::default() });
    let all: Vec<_> = slots(&sim).collect();
    write(&mut sim, all.clone());
    sim.add();
    let handed_over = |sim: &Sim| {
        sim.nodes.iter().flat_map(|node| &node.events).filter(|event| matches!(event, Event::HandedOver { .. })).count()
    };
    let fetched = sim.counts.fetches;
    balance(&mut sim, 20 * SECOND);
    assert!(handed_over(&sim) > 0 && !owned_by(&sim, 3).is_empty());
    assert_eq!(sim.counts.fetches, fetched, "who has all takes nothing over");
    write(&mut sim, all);
    sim.run(SECOND);
    assert!(all_hold_the_same(&mut sim));
    assert_eq!(losses(&sim), 0);
}

#[test]
fn an_attempt_that_came_to_nothing_does_not_stop_an_owner() {
    let mut sim = founded(Options::default());
    balance(&mut sim, SECOND);
    let slot = owned_by(&sim, 0)[0];
    let (epoch, acknowledged) = (sim.nodes[0].serving[&slot].epoch, sim.counts.acknowledgements);
    // Its own attempt fences its stream, and ends when it is seen that nobody of the new set lives.
    let set = Set::of(&sim.nodes[0].process, [1, 2].map(|index| sim.nodes[index].process.clone()), 3);
    sim.options.loss = 1000;
    sim.handle(0, Input::ForceOpen(registry(), slot, set));
    sim.run(5 * MS);
    let value = write(&mut sim, [slot])[0].1;
    for other in [1, 2] {
        sim.handle(0, Input::MembersChanged(vec![sim.member(other, MemberState::Down)]));
    }
    sim.options.loss = 0;
    for other in [1, 2] {
        sim.nodes[other].incarnation += 1;
        sim.tell(0, sim.member(other, MemberState::Up), 5 * MS);
        sim.tell(other, sim.member(other, MemberState::Up), 0);
    }
    let is_acknowledged = |sim: &Sim| sim.counts.acknowledgements > acknowledged;
    assert!(sim.run_until(5 * SECOND, is_acknowledged), "{:?}", sim.fault);
    assert!(sim.nodes[0].serving[&slot].epoch > epoch);
    assert_eq!(sim.store(0, slot).log, [value]);
}

fn settle_on(sim: &mut Sim, side: &[usize], span: Micros) {
    let all_there = |sim: &Sim| slots(sim).all(|slot| sim.owner(slot).is_some_and(|owner| side.contains(&owner)));
    assert!(sim.run_until(span, all_there), "{:?}, {:?}", sim.fault, sim.unsettled());
}

#[test]
fn a_node_that_is_waited_for_opens_again_when_it_returns() {
    let mut sim = founded(wait_for_node(Then::Reassign));
    let slots = owned_by(&sim, 0);
    sim.kill(0);
    sim.run(3 * SECOND);
    assert!(slots.iter().all(|slot| matches!(sim.state(1, *slot), SlotState::Reserved(_))));
    sim.boot(0);
    settle(&mut sim, 3 * SECOND);
    assert_eq!(owned_by(&sim, 0), slots);
    assert_eq!(opened(&sim, 1, Why::Failover) + opened(&sim, 2, Why::Failover), 0);
    assert_eq!(losses(&sim), 0);
}

#[test]
fn a_node_that_was_waited_for_in_vain_is_replaced() {
    let mut sim = founded(wait_for_node(Then::Reassign));
    let slots = owned_by(&sim, 0);
    sim.kill(0);
    sim.run(5 * SECOND + 900 * MS);
    assert!(slots.iter().all(|slot| matches!(sim.state(1, *slot), SlotState::Reserved(_))));
    settle(&mut sim, SECOND);
    assert_eq!(losses(&sim), 0);
}

#[test]
fn slots_may_stay_closed_until_their_node_returns() {
    let mut sim = founded(wait_for_node(Then::Fail));
    let slots = owned_by(&sim, 0);
    sim.kill(0);
    sim.run(20 * SECOND);
    assert!(slots.iter().all(|slot| sim.state(1, *slot) == SlotState::Failed));
    sim.boot(0);
    settle(&mut sim, 3 * SECOND);
    assert_eq!(owned_by(&sim, 0), slots);
    assert_eq!(losses(&sim), 0);
}

/// Its actions are no slot's, so only the node itself can tell.
#[test]
fn who_leaves_lets_what_runs_end_for_a_while() {
    for ends_in_time in [true, false] {
        let mut sim = founded(Options { nodes: 4, ..Options::default() });
        sim.handle(3, Input::Works(true));
        sim.leave(3);
        let is_rid = |sim: &Sim| owned_by(sim, 3).is_empty() && sim.unsettled().is_empty();
        assert!(sim.run_until(10 * SECOND, is_rid));
        sim.run(SECOND);
        assert!(!sim.nodes[3].left);
        if ends_in_time {
            sim.handle(3, Input::Works(false));
        }
        assert_eq!(sim.run_until(2 * SECOND, |sim| sim.nodes[3].left), ends_in_time);
        assert!(sim.run_until(5 * SECOND, |sim| sim.nodes[3].left));
    }
}

#[test]
fn who_leaves_hands_everything_over_first() {
    let mut sim = founded(Options { nodes: 4, ..Options::default() });
    balance(&mut sim, 5 * SECOND);
    sim.leave(0);
    assert!(sim.run_until(10 * SECOND, |sim| sim.nodes[0].left));
    balance(&mut sim, 5 * SECOND);
    assert_eq!(losses(&sim), 0);
    assert_eq!((1..4).map(|index| opened(&sim, index, Why::Failover)).sum::<usize>(), 0, "nobody had to step in");
}

#[test]
fn who_leaves_waits_for_no_replacement_where_there_is_none() {
    for (nodes, replicas) in [(2, 2), (2, 3), (3, 3), (3, 5), (5, 7)] {
        let mut sim = founded(Options { nodes, charter: nodes, replicas, ..Options::default() });
        balance(&mut sim, 5 * SECOND);
        sim.leave(1);
        assert!(sim.run_until(5 * SECOND, |sim| sim.nodes[1].left), "{nodes} nodes with {replicas} replicas");
        balance(&mut sim, SECOND);
        assert_eq!(losses(&sim), 0);
        let stepped_in: usize = (0..nodes).map(|index| opened(&sim, index, Why::Failover)).sum();
        assert_eq!(stepped_in, 0);
    }
}

#[test]
fn the_last_one_leaves_without_waiting() {
    let mut sim = founded(Options { nodes: 1, charter: 1, ..Options::default() });
    sim.leave(0);
    assert!(sim.run_until(SECOND, |sim| sim.nodes[0].left));
}

#[test]
fn who_leaves_waits_for_one_that_may_be_back() {
    let mut sim = founded(Options { nodes: 2, charter: 2, ..Options::default() });
    balance(&mut sim, 5 * SECOND);
    sim.kill(1);
    sim.run(2 * SECOND);
    sim.leave(0);
    sim.run(5 * SECOND);
    assert!(!sim.nodes[0].left, "nobody would have anything");
    // Of whom is back it is heard before what it hosts.
    let mut back = sim.member(1, MemberState::Up);
    back.process.start = Start::new(back.process.start.get() + 1);
    back.incarnation = Incarnation::new(back.incarnation.get() + 1);
    back.profile = None;
    sim.tell(0, back, 0);
    sim.run(SECOND);
    assert!(!sim.nodes[0].left, "it may host what is here");
    sim.boot(1);
    assert!(sim.run_until(20 * SECOND, |sim| sim.nodes[0].left));
    settle(&mut sim, 5 * SECOND);
    assert_eq!(owned_by(&sim, 1).len(), 24);
    assert_eq!(losses(&sim), 0);
}

#[test]
fn who_has_left_takes_nothing_up_again() {
    let mut sim = founded(Options { nodes: 1, charter: 1, ..Options::default() });
    let me = sim.nodes[0].process.clone();
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let now = sim.local(0);
    let mut outputs = |input| {
        engine.handle(now, input);
        std::iter::from_fn(|| engine.poll()).collect::<Vec<_>>()
    };
    assert!(outputs(Input::Leave).contains(&Output::Left));
    assert_eq!(outputs(Input::Tick), []);
    assert_eq!(outputs(Input::Connected(me)), []);
    assert_eq!(engine.next_deadline(), None);
}

#[test]
fn without_backups_a_dead_nodes_slots_open_empty() {
    let mut sim = founded(Options { replicas: 1, ..Options::default() });
    let orphans = owned_by(&sim, 0).len();
    sim.kill(0);
    balance(&mut sim, 5 * SECOND);
    assert_eq!(losses(&sim), orphans);
    sim.boot(0);
    balance(&mut sim, 10 * SECOND);
    assert_eq!(losses(&sim), orphans, "what is moved on purpose is not lost");
}

/// On the way from one node to another a slot has two replicas, and either may be lost.
#[test]
fn without_backups_a_slot_that_moves_waits_for_no_dead_node() {
    for loses_owner in [true, false] {
        let mut sim = founded(Options { replicas: 1, ..Options::default() });
        sim.add();
        let moving = |sim: &Sim| {
            slots(sim).find_map(|slot| {
                let owner = sim.owner(slot).filter(|owner| *owner != 3)?;
                (sim.nodes[owner].serving[&slot].set.len() == 2).then_some(owner)
            })
        };
        assert!(sim.run_until(10 * SECOND, |sim| moving(sim).is_some()));
        let lost = if loses_owner { moving(&sim).unwrap() } else { 3 };
        sim.kill(lost);
        balance(&mut sim, 10 * SECOND);
    }
}

#[test]
fn a_next_owner_that_dies_does_not_take_the_slot_with_it() {
    let mut sim = founded(Options::default());
    sim.add();
    let handing_over = |sim: &Sim| count(sim, |event| matches!(event, Event::HandedOver { .. })) > 0;
    assert!(sim.run_until(10 * SECOND, handing_over));
    sim.kill(3);
    balance(&mut sim, 20 * SECOND);
    assert_eq!(losses(&sim), 0);
}

/// Who opens what a leaving node hands over may not have heard yet that it leaves, and hand it back.
#[test]
fn what_is_handed_back_to_one_that_leaves_is_not_left_sealed() {
    for seed in 1..=10 {
        let mut sim = Sim::new(seed, Options { nodes: 4, ..Options::default() });
        settle(&mut sim, 5 * SECOND);
        balance(&mut sim, 5 * SECOND);
        sim.leave_unheard(0, 100 * MS);
        // Five leases are three seconds.
        assert!(sim.run_until(SECOND, |sim| sim.nodes[0].left), "seed {seed}: {:?}", sim.unsettled());
        assert_eq!(losses(&sim), 0);
    }
}

#[test]
fn a_duplicate_of_this_node_stops_it() {
    let mut sim = founded(Options::default());
    let mut newer = sim.member(0, MemberState::Up);
    newer.process.start = Start::new(u64::MAX);
    sim.tell(0, newer, 0);
    sim.run(10 * MS);
    assert_eq!(sim.nodes[0].stopped, Some(StopReason::DuplicateNode));
}
