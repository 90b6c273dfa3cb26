//! Sums whose slots are reserved for a node that is away: for a while, or until it returns.

use rand::RngExt;
use registry_runtime::{Context, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Task};
use super::sum::Sum;
use super::work::{Refusal, Statement, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place};

/// How many sums each registry has.
const KEYS: u64 = 4;

/// How long `kept` waits, in milliseconds.
pub(super) const WAIT_MS: u64 = 5_000;

registry! {
    /// Sums that wait five seconds for their owner.
    pub(super) kept {
        resource Pot;
        sharding consistent_hashing(slots = 4);
        failover wait_for_node(5s);
    }

    /// Sums that wait until their owner returns, and say so after two seconds.
    pub(super) pinned {
        resource Pot;
        sharding consistent_hashing(slots = 4);
        failover wait_for_node(2s, then = fail);
    }
}

/// A sum.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Pot {
    #[key]
    id: u64,
    sum: Sum,
}

impl From<u64> for Pot {
    fn from(id: u64) -> Self {
        Self { id, sum: Sum::default() }
    }
}

#[commands]
impl Pot {
    /// Adds an amount.
    pub(super) async fn add(
        &mut self,
        call: u64,
        effect: u64,
        amount: i64,
        work: Work,
        cx: &Context,
    ) -> Result<Told, Refusal> {
        self.sum.add((effect, amount), work, History::running(cx, call), cx).await
    }

    /// Tells everything.
    pub(super) fn statement(&self, call: u64, cx: &Context) -> Statement {
        self.sum.state(History::running(cx, call), cx)
    }
}

/// Both registries, by their names and clients.
fn both(node: &Node) -> [(&'static str, PotClient); 2] {
    [(kept::Registry::NAME, kept::client(node)), (pinned::Registry::NAME, pinned::client(node))]
}

pub(super) fn slots(node: &Node) -> Vec<String> {
    let lines = both(node).map(|(registry, client)| {
        (0..KEYS).map(move |key| super::line(Place { registry, key }, &client.registry().explain(key)))
    });
    lines.into_iter().flatten().collect()
}

pub(super) async fn turn(caller: &mut Caller) {
    let [kept, pinned] = both(&caller.node);
    let (registry, client) = if caller.once_in(3) { pinned } else { kept };
    let place = Place { registry, key: caller.key(KEYS) };
    // Longer than others wait, so that some calls see their owner return.
    let timeout_ms = if caller.once_in(4) { 12_000 } else { caller.timeout_ms() };
    if caller.once_in(4) {
        let task = Task { place, op: Op::Read, effect: None, timeout_ms };
        let call = caller.call(task, move |call, _| client.statement(place.key, call), Statement::parts);
        caller.wait(call).await;
        return;
    }
    let amount = caller.rng.random_range(1..10);
    let (op, work) = caller.update(Op::Add(amount));
    let task = Task { place, op, effect: None, timeout_ms };
    let add = move |call, effect| client.add(place.key, call, effect, amount, work);
    let call = caller.call(task, add, Told::parts);
    caller.wait(call).await;
}

pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    for (registry, client) in both(&caller.node) {
        for key in 0..KEYS {
            let (place, client) = (Place { registry, key }, client.clone());
            caller.note_slot(place, client.registry().explain(key).slot.get());
            let adding = client.clone();
            let add = move |call, effect| adding.add(key, call, effect, 1, Work::default());
            caller.insist(Task::audits(place, Op::Add(1)), add, Told::parts).await?;
            caller.audit_one(place, move |call| client.statement(key, call)).await?;
        }
    }
    Ok(())
}
