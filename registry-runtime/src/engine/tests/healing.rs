//! However a cluster was treated, once it is left alone it finds its way back.

use rand::RngExt;

use super::directed::{SECOND, is_as_planned, settle, slots};
use super::sim::{MS, Options, Sim};

/// How many seeds must heal; more by the environment variable `OWNERSHIP_SEEDS`.
const SEEDS: u64 = 40;

fn options() -> Options {
    Options {
        nodes: 5,
        charter: 5,
        slots: 8,
        clock_error: 40,
        loss: 30,
        duplication: 30,
        delay: (0, 30 * MS),
        charter_is_remembered: true,
        ..Options::default()
    }
}

#[test]
fn once_faults_end_every_slot_is_served_as_planned() {
    let seeds = std::env::var("OWNERSHIP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let mut sim = Sim::new(seed, options());
        settle(&mut sim, 10 * SECOND);
        (0..12).for_each(|_| trouble(&mut sim));
        leave_alone(&mut sim);
        let planned = sim.run_until(60 * SECOND, |sim| slots(sim).all(|slot| is_as_planned(sim, slot)));
        let missing: Vec<_> = slots(&sim).filter(|slot| !is_as_planned(&sim, *slot)).collect();
        assert!(planned, "seed {seed}: {:?}, not as planned: {missing:?}", sim.fault);
    }
}

fn trouble(sim: &mut Sim) {
    let pause = sim.rng.random_range(0..3 * SECOND);
    sim.run(pause);
    // The first one lives on: if all forget, there is nothing to find the way back to.
    let index = sim.rng.random_range(1..5);
    match sim.rng.random_range(0..4) {
        0 => sim.kill(index),
        1 => sim.boot(index),
        2 => sim.partition(&[&[index, (index + 1) % 5], &[(index + 2) % 5, (index + 3) % 5, (index + 4) % 5]]),
        _ => sim.heal(),
    }
}

fn leave_alone(sim: &mut Sim) {
    sim.heal();
    let dead: Vec<_> = (0..5).filter(|index| sim.nodes[*index].engine.is_none()).collect();
    dead.into_iter().for_each(|index| sim.boot(index));
    sim.options.loss = 0;
}
