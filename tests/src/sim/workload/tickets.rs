//! Sums with idempotency keys: whoever does not know what became of a call repeats it under the same key.

use rand::RngExt;
use registry_runtime::{Context, Executed, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Task};
use super::sum::Sum;
use super::work::{Refusal, Statement, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place};

/// How many sums there are.
const KEYS: u64 = 6;

/// How often a call is repeated at most.
const REPEATS_MAX: u32 = 3;

registry! {
    /// Sums, all zero at first.
    pub(super) tickets {
        resource Ticket;
        sharding consistent_hashing(slots = 8);
    }
}

/// A sum.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Ticket {
    #[key]
    id: u64,
    sum: Sum,
}

impl From<u64> for Ticket {
    fn from(id: u64) -> Self {
        Self { id, sum: Sum::default() }
    }
}

#[commands]
impl Ticket {
    /// Adds an amount. No call's number is part of what is asked, or a repetition would ask for something else.
    pub(super) async fn add(&mut self, effect: u64, amount: i64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        self.sum.add((effect, amount), work, History::running_effect(cx, effect), cx).await
    }

    /// Tells the sum.
    pub(super) fn sum(&self, call: u64, cx: &Context) -> Told {
        self.sum.tell(History::running(cx, call), cx)
    }

    /// Tells everything.
    pub(super) fn statement(&self, call: u64, cx: &Context) -> Statement {
        self.sum.state(History::running(cx, call), cx)
    }
}

fn place(key: u64) -> Place {
    Place { registry: tickets::Registry::NAME, key }
}

pub(super) async fn turn(caller: &mut Caller) {
    let (key, client) = (caller.key(KEYS), tickets::client(&caller.node));
    if caller.once_in(4) {
        let task = Task { place: place(key), op: Op::Read, effect: None, timeout_ms: caller.timeout_ms() };
        let call = caller.call(task, move |call, _| client.sum(key, call), Told::parts);
        caller.wait(call).await;
        return;
    }
    // High numbers are names of effects, low ones those of calls.
    let effect = caller.rng.random::<u64>() | 1 << 63;
    let (amount, work) = (caller.rng.random_range(1..5), caller.work());
    for _ in 0..REPEATS_MAX {
        let op = Op::Add(amount);
        let task = Task { place: place(key), op, effect: Some(effect), timeout_ms: caller.timeout_ms() };
        let client = client.clone();
        let call = caller.call(task, move |_, effect| client.add(key, effect, amount, work), Told::parts);
        let outcome = caller.wait(call).await;
        // Now and then what is known is asked once more.
        if outcome.executed() == Executed::Yes && !caller.once_in(12) {
            return;
        }
    }
}

pub(super) fn slots(node: &Node) -> Vec<String> {
    let client = tickets::client(node);
    (0..KEYS).map(|key| super::line(place(key), &client.registry().explain(key))).collect()
}

pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    let client = tickets::client(&caller.node);
    for key in 0..KEYS {
        caller.note_slot(place(key), client.registry().explain(key).slot.get());
        let client = client.clone();
        caller.audit_one(place(key), move |call| client.statement(key, call)).await?;
    }
    Ok(())
}
