//! A cluster in which every side of a partition serves is cut apart; after the heal, all that anybody was told is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registry_runtime::{Node, Resource, Timing, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::stage::{Stage, settle};
use crate::sim::network::Way;
use crate::sim::{World, dice};

/// How many baskets there are: several in each slot, so that one side changes what the other leaves alone.
const KEYS: u64 = 40;

/// The sizes of the clusters, from and to.
const NODES: (u16, u16) = (3, 5);

/// How often the cluster is cut apart, at most; each time otherwise.
const CUTS_MAX: u32 = 3;

/// How long one cut lasts, from and to: some are over before anybody is Down, most leave time for both sides to serve.
const CUT_MS: (u64, u64) = (500, 8_000);

/// How long all is well between two cuts, from and to: sometimes too short for the sides to come together.
const CALM_MS: (u64, u64) = (100, 4_000);

/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(1);

/// How often each caller calls.
const CALL_EVERY_MS: (u64, u64) = (5, 100);

/// How long is looked for what is missing; beyond the goal, so that a miss has a number.
const PATIENCE_MS: u64 = 60_000;

/// How often is looked.
const LOOK_MS: u64 = 50;

registry! {
    pub(super) baskets {
        resource Basket;
        sharding consistent_hashing(slots = 8);
        on_partition serve_all;
    }
}

/// A set that only grows, so that two of them can be merged.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand, merge = Self::merge)]
pub(super) struct Basket {
    #[key]
    id: u64,
    entries: BTreeSet<u64>,
}

impl From<u64> for Basket {
    fn from(id: u64) -> Self {
        Self { id, entries: BTreeSet::new() }
    }
}

impl Basket {
    fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }
}

#[commands]
impl Basket {
    /// Puts something in.
    pub(super) fn put(&mut self, entry: u64) {
        self.entries.insert(entry);
    }

    /// Tells everything that is in it.
    pub(super) fn entries(&self) -> BTreeSet<u64> {
        self.entries.clone()
    }
}

/// What callers were told is in the baskets.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<BTreeMap<u64, BTreeSet<u64>>>>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, BTreeSet<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after the last heal all that anybody was told was there.
pub(super) fn play(mut stage: Stage) -> Result<u64, String> {
    let nodes = stage.rng.random_range(NODES.0..=NODES.1);
    let mut world = stage.settled_with(nodes, Timing::fast(), |builder| builder.host(baskets::registry()))?;
    let (told, stop) = (Told::default(), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (1..=nodes)
        .zip(world.nodes())
        .map(|(host, node)| {
            let (told, stop) = (told.clone(), Arc::clone(&stop));
            world.host(host).spawn(call(node, dice(stage.seed, "caller", host.into()), told, stop))
        })
        .collect();
    for _ in 0..stage.rng.random_range(1..=CUTS_MAX) {
        let side: BTreeSet<u16> = side(&mut stage.rng, nodes);
        let apart = |way: &Way| side.contains(&way.0) != side.contains(&way.1);
        let ways: BTreeSet<Way> =
            (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| (from, to))).filter(apart).collect();
        world.network().cut(&ways);
        world.run(stage.rng.random_range(CUT_MS.0..CUT_MS.1));
        world.network().mend(&ways);
        world.run(stage.rng.random_range(CALM_MS.0..CALM_MS.1));
    }
    let healed_ms = world.now_ms();
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        world.finish(caller, PATIENCE_MS)?;
    }
    if told.lock().values().map(BTreeSet::len).sum::<usize>() == 0 {
        return Err("nobody was told anything".to_owned());
    }
    while let Some(missing) = missing(&mut world, &told)? {
        if world.now_ms() - healed_ms >= PATIENCE_MS {
            return Err(missing);
        }
        world.run(LOOK_MS);
    }
    let took_ms = world.now_ms() - healed_ms;
    settle(&mut world)?;
    // It must stay there, too: what is taken in late must not take anything away.
    missing(&mut world, &told)?.map_or(Ok(took_ms), Err)
}

/// Some of the hosts, and not all.
fn side(rng: &mut ChaCha8Rng, nodes: u16) -> BTreeSet<u16> {
    let first = rng.random_range(1..=nodes);
    let others = (1..=nodes).filter(|host| *host != first && rng.random_range(0..3) == 0);
    others.take(usize::from(nodes) - 2).chain([first]).collect()
}

/// Puts one thing after another into some basket, and notes what it was told is in.
async fn call(node: Node, mut rng: ChaCha8Rng, told: Told, stop: Arc<AtomicBool>) {
    let client = baskets::client(&node);
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(rng.random_range(CALL_EVERY_MS.0..CALL_EVERY_MS.1))).await;
        let (key, entry) = (rng.random_range(0..KEYS), rng.random());
        if client.put(key, entry).timeout(CALL_TIME).await.is_ok() {
            told.lock().entry(key).or_default().insert(entry);
        }
    }
}

/// What a caller on the first host does not find.
fn missing(world: &mut World, told: &Told) -> Result<Option<String>, String> {
    let node = world.nodes().into_iter().next().ok_or("nobody is left")?;
    let told = told.clone();
    let look = world.host(1).spawn(async move {
        let client = baskets::client(&node);
        let all = told.lock().clone();
        for (key, entries) in all {
            match client.entries(key).timeout(CALL_TIME).await {
                Ok(there) => {
                    let missing = entries.difference(&there).count();
                    if missing > 0 {
                        return Some(format!("{missing} of {} are missing in basket {key}", entries.len()));
                    }
                }
                Err(error) => return Some(format!("basket {key} does not answer: {error}")),
            }
        }
        None
    });
    world.finish(look, PATIENCE_MS)
}
