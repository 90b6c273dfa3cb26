//! Nobody hears anybody for a minute; then all see one another again, unaided.

use std::collections::BTreeSet;

use rand::RngExt;
use registry_runtime::Timing;

use super::stage::{Stage, not_whole, settle};

/// How long it lasts: every connection is given up, and every member Down in the eyes of every other.
const DARK_MS: u64 = 60_000;

/// How long after the heal is looked for the full view; beyond the goal, so that a miss has a number.
const PATIENCE_MS: u64 = 60_000;

/// How often is looked: a look takes longer than a step, and a goal of seconds does not need single milliseconds.
const LOOK_MS: u64 = 10;

/// How long after the heal all nodes held the full view again. They must also serve again, in their own time.
pub(super) fn play(mut stage: Stage, nodes: u16) -> Result<u64, String> {
    let timing = if stage.rng.random_range(0..2) == 0 { Timing::fast() } else { Timing::balanced() };
    let mut world = stage.settled(nodes, timing)?;
    let ways: BTreeSet<_> = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| (from, to))).collect();
    world.network().cut(&ways);
    world.run(DARK_MS);
    if not_whole(&world.nodes()).is_none() {
        return Err("nobody noticed that it is dark".to_owned());
    }
    world.network().mend(&ways);
    let healed_ms = world.now_ms();
    while let Some(missing) = not_whole(&world.nodes()) {
        if world.now_ms() - healed_ms >= PATIENCE_MS {
            return Err(missing);
        }
        world.run(LOOK_MS);
    }
    let took_ms = world.now_ms() - healed_ms;
    settle(&mut world)?;
    Ok(took_ms)
}
