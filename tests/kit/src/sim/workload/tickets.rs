//! Sums with idempotency keys: whoever does not know what became of a call repeats it under the same key, and when all is over
//! everything that was acknowledged is asked for once more.

use rand::RngExt;
use registry_runtime::{Context, Executed, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{AUDIT_MS, Caller, Task};
use super::sum::Sum;
use super::work::{Mood, Refusal, Statement, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Outcome, Place, Records};

/// How many sums there are.
const KEYS: u64 = 6;

/// How often a call is repeated at most.
const REPEATS_MAX: u32 = 3;

/// How many acknowledged additions of each sum the audit repeats, the newest first: enough to meet those of a last hand-over.
const REPEATED_MAX: usize = 32;

/// The bits of an effect's name that tell how long its command naps, in milliseconds.
const NAP_BITS: u64 = 0xfff;

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
    let name = caller.rng.random::<u64>() | 1 << 63;
    let (amount, work) = (caller.rng.random_range(1..5), caller.work());
    let effect = name & !NAP_BITS | u64::from(work.nap_ms);
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
    let (client, records) = (tickets::client(&caller.node), caller.history.records());
    for key in 0..KEYS {
        caller.note_slot(place(key), client.registry().explain(key).slot.get());
        for (effect, amount) in acknowledged(&records, place(key)) {
            repeat(caller, key, effect, amount).await?;
        }
        let client = client.clone();
        caller.audit_one(place(key), move |call| client.statement(key, call)).await?;
    }
    Ok(())
}

/// What callers were told that it was added to a sum, as far as the notes are at hand: names of effects and amounts.
fn acknowledged(records: &Records, place: Place) -> impl Iterator<Item = (u64, i64)> {
    let added =
        records.calls.iter().rev().filter(move |call| call.ask.place == place).filter_map(|call| match call.ask.op {
            Op::Add(amount) if call.outcome().is_some_and(Outcome::is_ok) => Some((call.ask.effect?, amount)),
            _ => None,
        });
    added.take(REPEATED_MAX)
}

/// Asks once more for what was acknowledged. Whatever has become of the slot since, there must be no second effect.
async fn repeat(caller: &Caller, key: u64, effect: u64, amount: i64) -> Result<(), String> {
    let task = Task { place: place(key), op: Op::Add(amount), effect: Some(effect), timeout_ms: AUDIT_MS };
    // What was acknowledged went well, so only its nap is to be told.
    let work = Work { nap_ms: u32::try_from(effect & NAP_BITS).unwrap_or_default(), mood: Mood::Well };
    let client = tickets::client(&caller.node);
    let call = move |_, effect| client.add(key, effect, amount, work);
    caller.insist(task, call, Told::parts).await.map(drop)
}
