//! Slots that are founded again, by processes that have forgotten it or never knew, while somebody has them.

use super::directed::{SECOND, all_hold_the_same, balance, log, losses, settle, slots, write};
use super::sim::{Options, Sim};
use crate::id::Slot;

/// Whether some of these nodes may acknowledge in every slot.
fn serve(sim: &Sim, nodes: &[usize]) -> bool {
    slots(sim).all(|slot| nodes.iter().any(|node| sim.has_right(*node, slot)))
}

/// What is written after the two have met.
fn check_that_the_older_goes_on(mut sim: Sim, before: &[(Slot, u64)], lost: usize) {
    balance(&mut sim, 60 * SECOND);
    assert_eq!(losses(&sim), lost, "who gives up what the younger has acknowledged says so");
    let all: Vec<_> = slots(&sim).collect();
    let after = write(&mut sim, all);
    sim.run(SECOND);
    for (index, slot) in slots(&sim).enumerate() {
        assert_eq!(log(&mut sim, slot), [before[index].1, after[index].1], "slot {slot}");
    }
    assert!(all_hold_the_same(&mut sim));
}

#[test]
fn who_founds_out_of_sight_of_a_cluster_gives_way_to_it() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed, Options { founds_twice: true, ..Options::default() });
        settle(&mut sim, 5 * SECOND);
        let all: Vec<_> = slots(&sim).collect();
        for leaving in [1, 2] {
            sim.leave(leaving);
            let is_rid = |sim: &Sim| slots(sim).all(|slot| !sim.has_right(leaving, slot)) && serve(sim, &[0]);
            sim.run_until(20 * SECOND, is_rid);
            sim.run(5 * SECOND);
            sim.kill(leaving);
        }
        let before = write(&mut sim, all.clone());
        // Most of the list restarts where the last one cannot be seen.
        sim.partition(&[&[0], &[1, 2]]);
        for index in [1, 2] {
            // Which founding is older is judged by the founders' clocks.
            sim.nodes[index].birth_ms = sim.nodes[0].birth_ms;
            sim.boot(index);
        }
        assert!(sim.run_until(10 * SECOND, |sim| serve(sim, &[1, 2])), "seed {seed}: they found");
        assert!(serve(&sim, &[0]), "seed {seed}: it goes on, with all that was acknowledged");
        for index in [1, 2] {
            for slot in &all {
                if sim.has_right(index, *slot) {
                    sim.store(index, *slot).write(1_000_000);
                }
            }
        }
        sim.run(SECOND);
        sim.heal();
        check_that_the_older_goes_on(sim, &before, all.len());
    }
}

/// A node without a list founds whenever it starts, and its fellows have gone on without it.
#[test]
fn who_founds_alone_gives_way_to_those_who_joined_its_former_life() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed, Options { charter: 1, nodes: 1, founds_twice: true, ..Options::default() });
        settle(&mut sim, 5 * SECOND);
        sim.add();
        sim.add();
        balance(&mut sim, 20 * SECOND);
        let all: Vec<_> = slots(&sim).collect();
        let before = write(&mut sim, all.clone());
        sim.run(SECOND);
        sim.kill(0);
        assert!(sim.run_until(20 * SECOND, |sim| serve(sim, &[1, 2])));
        sim.partition(&[&[0], &[1, 2]]);
        sim.boot(0);
        assert!(sim.run_until(SECOND, |sim| serve(sim, &[0])), "seed {seed}: it founds before it has met anybody");
        assert!(serve(&sim, &[1, 2]), "seed {seed}");
        sim.heal();
        check_that_the_older_goes_on(sim, &before, all.len());
    }
}

/// All hosts restart, and who only calls still knows whom it called.
#[test]
fn a_line_of_which_nobody_is_left_takes_nothing_from_those_who_found_anew() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed, Options::default());
        let client = sim.add_client();
        settle(&mut sim, 5 * SECOND);
        (0..3).for_each(|host| sim.kill(host));
        sim.run(SECOND);
        // All that was acknowledged is gone, and none of it was to stay.
        slots(&sim).for_each(|slot| sim.oracle.pardons(slot));
        // They meet one another before they meet the client.
        let hosts = [0, 1, 2];
        hosts.iter().for_each(|host| sim.cut.extend([(client, *host), (*host, client)]));
        hosts.into_iter().for_each(|host| sim.boot(host));
        let serve_all = |sim: &Sim| slots(sim).all(|slot| hosts.iter().any(|node| sim.has_right(*node, slot)));
        assert!(sim.run_until(20 * SECOND, serve_all), "seed {seed}: they found anew");
        let all: Vec<_> = slots(&sim).collect();
        let written = write(&mut sim, all);
        sim.run(SECOND);
        sim.heal();
        settle(&mut sim, 20 * SECOND);
        for (slot, value) in written {
            assert_eq!(log(&mut sim, slot), [value], "seed {seed}");
        }
    }
}
