//! A settled cluster on which a misfortune may befall.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registry_runtime::{Node, NodeBuilder, Timing};

use crate::counters;
use crate::sim::{Clock, Trace, World, dice};

/// How often the cluster is looked at while it settles: a look takes longer than a step.
const LOOK_MS: u64 = 20;

/// How long a cluster may take to settle: the longest hold-down of the engine, and a founding after it.
const SETTLE_MS_MAX: u64 = 30_000;

/// The nodes start within so long.
const START_MS: u64 = 300;

/// What a round is made from.
pub(super) struct Stage {
    pub(super) seed: u64,
    pub(super) clock: Clock,
    trace: Trace,
    pub(super) rng: ChaCha8Rng,
}

impl Stage {
    pub(super) fn new(seed: u64, clock: Clock, trace: Trace) -> Self {
        Self { seed, clock, trace, rng: dice(seed, "drill", 0) }
    }

    /// A cluster of nodes that host the counters, settled and then left alone for a while.
    pub(super) fn settled(&mut self, nodes: u16, timing: Timing) -> Result<World, String> {
        self.settled_with(nodes, timing, |builder| builder.host(counters::registry()))
    }

    /// The same with other registries.
    pub(super) fn settled_with(
        &mut self,
        nodes: u16,
        timing: Timing,
        equip: impl Fn(NodeBuilder) -> NodeBuilder + 'static,
    ) -> Result<World, String> {
        let recipe = move |_, builder| equip(NodeBuilder::timing(builder, timing));
        let mut world = World::new(self.seed, self.clock.clone(), self.trace.clone(), nodes, Box::new(recipe));
        let mut starts: Vec<(u64, u16)> =
            (0..nodes).map(|_| (self.rng.random_range(0..START_MS), world.add_host())).collect();
        starts.sort_unstable();
        for (at_ms, host) in starts {
            world.run(at_ms.saturating_sub(world.now_ms()));
            world.start(host);
        }
        settle(&mut world)?;
        // Rounds of probes and beats are somewhere else in every round.
        let quiet_ms = self.rng.random_range(1000..3000);
        world.run(quiet_ms);
        Ok(world)
    }
}

/// Lets time pass until the cluster is settled.
pub(super) fn settle(world: &mut World) -> Result<(), String> {
    for _ in 0..SETTLE_MS_MAX / LOOK_MS {
        if world.unsettled().is_none() {
            return Ok(());
        }
        world.run(LOOK_MS);
    }
    world.unsettled().map_or(Ok(()), |missing| Err(format!("not settled after {SETTLE_MS_MAX} ms: {missing}")))
}

/// What keeps these nodes, which are all, from seeing one another up, and each the same as the others.
pub(super) fn not_whole(nodes: &[Node]) -> Option<String> {
    let first = nodes.first().map(crate::view)?;
    nodes.iter().find_map(|node| {
        let view = crate::view(node);
        let whole = view == first && view.len() == nodes.len() && view.iter().all(|member| member.ends_with(" Up"));
        (!whole).then(|| format!("{} sees {view:?}", node.id()))
    })
}
