//! A workload: sums that everybody adds to, in commands that take a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registry_runtime::{Context, Node, NodeBuilder, Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::History;
use super::history::{Ask, Op, Outcome, Place, Ran, Reply};

/// How many instances there are: few, so that callers meet.
pub const KEYS: u64 = 12;

registry! {
    /// Sums with room for everybody.
    pub tallies {
        resource Tally;
        sharding consistent_hashing(slots = 16);
    }

    /// Sums that all share one slot, where hardly anybody finds room.
    pub narrow {
        resource Tally;
        sharding consistent_hashing(slots = 1);
        queue 2;
        concurrency 1;
    }
}

/// A sum.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub struct Tally {
    #[key]
    id: u64,
    sum: i64,
}

impl From<u64> for Tally {
    fn from(id: u64) -> Self {
        Self { id, sum: 0 }
    }
}

#[commands]
impl Tally {
    /// Adds, after a while.
    pub async fn add(&mut self, call: u64, amount: i64, dwell_ms: u64, cx: &Context) -> Told {
        let running = History::running(cx, call);
        if dwell_ms > 0 {
            sleep(Duration::from_millis(dwell_ms)).await;
        }
        self.sum += amount;
        running.returned();
        Told::here(self.sum, cx)
    }

    /// Tells the sum.
    pub fn sum(&self, call: u64, cx: &Context) -> Told {
        History::running(cx, call).returned();
        Told::here(self.sum, cx)
    }
}

/// A sum, and where it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    sum: i64,
    node: String,
    epoch: u64,
}

impl Told {
    fn here(sum: i64, cx: &Context) -> Self {
        Self { sum, node: cx.node().to_string(), epoch: cx.epoch().get() }
    }

    fn parts(self) -> (Reply, Option<Ran>) {
        (Reply::Number(self.sum), Some(Ran { node: self.node, epoch: self.epoch }))
    }
}

/// Gives a node what the workload needs, but for the notes.
pub fn equip(builder: NodeBuilder) -> NodeBuilder {
    builder.host(tallies::registry()).host(narrow::registry())
}

/// One caller on a host.
pub struct Client {
    /// The host's node.
    pub node: Node,
    /// Which of the host's callers.
    pub number: u32,
    /// Whether it calls the registry where hardly anybody finds room.
    pub narrow: bool,
    /// Its own randomness.
    pub rng: ChaCha8Rng,
    /// The notes.
    pub history: Arc<History>,
}

impl Client {
    /// Calls again and again until it is told to stop.
    pub async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(self.rng.random_range(5..150))).await;
            let key = self.rng.random_range(0..KEYS);
            let timeout_ms = [60, 400, 2500][self.rng.random_range(0..3)];
            if self.rng.random_range(0..4) == 0 {
                self.read(key, timeout_ms).await;
            } else {
                let dwell_ms = [0, 0, 3, 40][self.rng.random_range(0..4)];
                self.add(key, timeout_ms, dwell_ms).await;
            }
        }
    }

    /// Adds to every sum once; says which did not answer.
    pub async fn add_to_all(mut self, timeout_ms: u64) -> Result<(), String> {
        for key in 0..KEYS {
            let slot = self.client().registry().explain(key).slot.get();
            self.history.slot(self.place(key), slot);
            let outcome = self.add(key, timeout_ms, 0).await;
            if !outcome.is_ok() {
                return Err(format!("key {key}: {outcome}"));
            }
        }
        Ok(())
    }

    async fn add(&mut self, key: u64, timeout_ms: u64, dwell_ms: u64) -> Outcome {
        let amount = self.rng.random_range(1..100);
        let call = self.history.begin(self.ask(key, Op::Add(amount), timeout_ms));
        let client = self.client();
        let result = client.add(key, call.0, amount, dwell_ms).timeout(Duration::from_millis(timeout_ms)).await;
        let outcome = Outcome::of(result, Told::parts);
        self.history.end(call, outcome.clone());
        outcome
    }

    async fn read(&mut self, key: u64, timeout_ms: u64) {
        let call = self.history.begin(self.ask(key, Op::Read, timeout_ms));
        let result = self.client().sum(key, call.0).timeout(Duration::from_millis(timeout_ms)).await;
        self.history.end(call, Outcome::of(result, Told::parts));
    }

    fn client(&self) -> TallyClient {
        if self.narrow { narrow::client(&self.node) } else { tallies::client(&self.node) }
    }

    fn ask(&self, key: u64, op: Op, timeout_ms: u64) -> Ask {
        let host = self.node.id().as_str().into();
        Ask { host, client: self.number, place: self.place(key), op, effect: None, timeout_ms }
    }

    fn place(&self, key: u64) -> Place {
        Place { registry: if self.narrow { narrow::Registry::NAME } else { tallies::Registry::NAME }, key }
    }
}
