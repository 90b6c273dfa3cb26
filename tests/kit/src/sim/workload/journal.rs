//! Lists that grow.

use rand::RngExt;
use registry_runtime::{Context, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Noted, Task};
use super::work::{Refusal, Statement, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place};
use crate::together;

/// How many lists there are.
const KEYS: u64 = 6;

registry! {
    /// Lists, all empty at first.
    pub(super) journals {
        resource Journal;
        sharding consistent_hashing(slots = 8);
    }
}

/// A list; an entry is the name of the effect that made it.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Journal {
    #[key]
    id: u64,
    entries: Vec<u64>,
}

impl From<u64> for Journal {
    fn from(id: u64) -> Self {
        Self { id, entries: Vec::new() }
    }
}

#[commands]
impl Journal {
    /// Adds an entry and tells how many there are.
    pub(super) async fn append(&mut self, call: u64, entry: u64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        let running = History::running(cx, call);
        self.entries.push(entry);
        work.end(running).await?;
        Ok(Told::count(self.entries.len(), cx))
    }

    /// Tells the entries, after a while.
    pub(super) async fn entries(&self, call: u64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        let running = History::running(cx, call);
        work.end(running).await?;
        Ok(Told::list(&self.entries, cx))
    }

    /// Tells everything.
    pub(super) fn statement(&self, call: u64, cx: &Context) -> Statement {
        History::running(cx, call).returned();
        Statement { told: Told::list(&self.entries, cx), number: None, effects: self.entries.clone() }
    }
}

fn place(key: u64) -> Place {
    Place { registry: journals::Registry::NAME, key }
}

pub(super) async fn turn(caller: &mut Caller) {
    let key = caller.key(KEYS);
    match caller.rng.random_range(0..10) {
        0..3 => read(caller, key).await,
        3..5 => {
            let count = caller.rng.random_range(2..8);
            let calls = (0..count).map(|_| append(caller, key)).collect();
            together(calls).await;
        }
        _ => {
            let call = append(caller, key);
            caller.wait(call).await;
        }
    }
}

/// Prepares an entry, one that never comes again.
fn append(caller: &mut Caller, key: u64) -> Noted<Told> {
    let entry = caller.rng.random::<u64>() >> 1;
    let ((op, work), timeout_ms) = (caller.update(Op::Append(entry)), caller.timeout_ms());
    let client = journals::client(&caller.node);
    let task = Task { place: place(key), op, effect: None, timeout_ms };
    caller.call(task, move |call, _| client.append(key, call, entry, work), Told::parts)
}

async fn read(caller: &mut Caller, key: u64) {
    let (work, timeout_ms) = (caller.work(), caller.timeout_ms());
    let client = journals::client(&caller.node);
    let task = Task { place: place(key), op: Op::Read, effect: None, timeout_ms };
    let call = caller.call(task, move |call, _| client.entries(key, call, work), Told::parts);
    caller.wait(call).await;
}

pub(super) fn slots(node: &Node) -> Vec<String> {
    let client = journals::client(node);
    (0..KEYS).map(|key| super::line(place(key), &client.registry().explain(key))).collect()
}

pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    let client = journals::client(&caller.node);
    for key in 0..KEYS {
        caller.note_slot(place(key), client.registry().explain(key).slot.get());
        let (appending, entry) = (client.clone(), caller.rng.random::<u64>() >> 1);
        let append = move |call, _| appending.append(key, call, entry, Work::default());
        caller.insist(Task::audits(place(key), Op::Append(entry)), append, Told::parts).await?;
        let client = client.clone();
        caller.audit_one(place(key), move |call| client.statement(key, call)).await?;
    }
    Ok(())
}
