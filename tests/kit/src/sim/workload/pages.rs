//! Numbers that only grow, read from any replica: nobody is to see less than before.
//!
//! What is read on a replica ran on no owner, so these reads take no part in what the other oracles look at; the changes do.

use std::time::Duration;

use registry_runtime::{Context, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{AUDIT_MS, Caller, Task};
use super::sum::Sum;
use super::work::{Refusal, Statement, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place, Reply};

/// How many numbers there are.
const KEYS: u64 = 6;

registry! {
    /// Numbers, all zero at first.
    pub(super) pages {
        resource Page;
        sharding consistent_hashing(slots = 8);
        load_balancing round_robin;
        reads replicas;
    }
}

/// A number that only grows.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Page {
    #[key]
    id: u64,
    turns: Sum,
}

impl From<u64> for Page {
    fn from(id: u64) -> Self {
        Self { id, turns: Sum::default() }
    }
}

#[commands]
impl Page {
    /// Adds one.
    pub(super) async fn turn(&mut self, call: u64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        self.turns.add((call, 1), work, History::running(cx, call), cx).await
    }

    /// Tells the number.
    pub(super) fn turns(&self) -> i64 {
        self.turns.total()
    }

    /// Tells everything that the owner has: what changes nothing may be asked as a change, and then no replica answers.
    pub(super) fn statement(&mut self, call: u64, cx: &Context) -> Statement {
        self.turns.state(History::running(cx, call), cx)
    }
}

fn place(key: u64) -> Place {
    Place { registry: pages::Registry::NAME, key }
}

pub(super) async fn turn(caller: &mut Caller) {
    let (key, client) = (caller.key(KEYS), pages::client(&caller.node));
    let timeout_ms = caller.timeout_ms();
    if !caller.once_in(3) {
        let (client, work) = (client.clone(), caller.work());
        let task = Task { place: place(key), op: Op::Add(1), effect: None, timeout_ms };
        let call = caller.call(task, move |call, _| client.turn(key, call, work), Told::parts);
        if let Some(Reply::Number(turns)) = caller.wait(call).await.reply() {
            caller.told(place(key), turns);
        }
        if caller.once_in(2) {
            return;
        }
    }
    if let Ok(turns) = client.turns(key).timeout(Duration::from_millis(timeout_ms)).await {
        caller.looked(place(key), turns);
    }
}

pub(super) fn slots(node: &Node) -> Vec<String> {
    let client = pages::client(node);
    (0..KEYS).map(|key| super::line(place(key), &client.registry().explain(key))).collect()
}

pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    let client = pages::client(&caller.node);
    for key in 0..KEYS {
        caller.note_slot(place(key), client.registry().explain(key).slot.get());
        let turning = client.clone();
        let turn = move |call, _| turning.turn(key, call, Work::default());
        let (_, told) = caller.insist(Task::audits(place(key), Op::Add(1)), turn, Told::parts).await?;
        if let (Reply::Number(turns), _) = told.parts() {
            caller.told(place(key), turns);
        }
        match client.turns(key).timeout(Duration::from_millis(AUDIT_MS)).await {
            Ok(turns) => caller.looked(place(key), turns),
            Err(error) => return Err(format!("{} is not read: {error:?}", place(key))),
        }
        let client = client.clone();
        caller.audit_one(place(key), move |call| client.statement(key, call)).await?;
    }
    Ok(())
}
