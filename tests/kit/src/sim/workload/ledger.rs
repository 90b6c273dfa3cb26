//! Accounts and transfers between them.

use rand::RngExt;
use registry_runtime::{Context, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Noted, Task};
use super::sum::Sum;
use super::work::{Refusal, Statement, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place};
use crate::together;

/// How many accounts there are.
const KEYS: u64 = 8;

registry! {
    /// Accounts, all empty at first.
    pub(super) accounts {
        resource Account;
        sharding consistent_hashing(slots = 8);
    }
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Account {
    #[key]
    id: u64,
    balance: Sum,
}

impl From<u64> for Account {
    fn from(id: u64) -> Self {
        Self { id, balance: Sum::default() }
    }
}

#[commands]
impl Account {
    /// Adds an amount.
    pub(super) async fn add(
        &mut self,
        call: u64,
        effect: u64,
        amount: i64,
        work: Work,
        cx: &Context,
    ) -> Result<Told, Refusal> {
        self.balance.add((effect, amount), work, History::running(cx, call), cx).await
    }

    /// Takes an amount, if there is as much.
    pub(super) fn take(&mut self, call: u64, effect: u64, amount: i64, cx: &Context) -> Result<Told, Refusal> {
        self.balance.take((effect, amount), History::running(cx, call), cx)
    }

    /// Tells the balance.
    pub(super) fn balance(&self, call: u64, cx: &Context) -> Told {
        self.balance.tell(History::running(cx, call), cx)
    }

    /// Tells everything.
    pub(super) fn statement(&self, call: u64, cx: &Context) -> Statement {
        self.balance.state(History::running(cx, call), cx)
    }
}

fn place(key: u64) -> Place {
    Place { registry: accounts::Registry::NAME, key }
}

pub(super) async fn turn(caller: &mut Caller) {
    match caller.rng.random_range(0..10) {
        0..2 => read(caller).await,
        2..5 => {
            let call = add(caller, None);
            caller.wait(call).await;
        }
        5 => {
            // Several on one key without waiting: they start in this order.
            let key = caller.key(KEYS);
            let count = caller.rng.random_range(2..6);
            let calls = (0..count).map(|_| add(caller, Some(key))).collect();
            together(calls).await;
        }
        _ => transfer(caller).await,
    }
}

/// Prepares an addition.
fn add(caller: &mut Caller, key: Option<u64>) -> Noted<Told> {
    let key = key.unwrap_or_else(|| caller.key(KEYS));
    let amount = caller.rng.random_range(1..100);
    let ((op, work), timeout_ms) = (caller.update(Op::Add(amount)), caller.timeout_ms());
    let client = accounts::client(&caller.node);
    let task = Task { place: place(key), op, effect: None, timeout_ms };
    caller.call(task, move |call, effect| client.add(key, call, effect, amount, work), Told::parts)
}

async fn read(caller: &mut Caller) {
    let (key, timeout_ms) = (caller.key(KEYS), caller.timeout_ms());
    let client = accounts::client(&caller.node);
    let task = Task { place: place(key), op: Op::Read, effect: None, timeout_ms };
    let call = caller.call(task, move |call, _| client.balance(key, call), Told::parts);
    caller.wait(call).await;
}

/// Takes from one and, if that is sure, gives to another.
async fn transfer(caller: &mut Caller) {
    let (from, to) = (caller.key(KEYS), caller.key(KEYS));
    let (amount, timeout_ms) = (caller.rng.random_range(1..60), caller.timeout_ms());
    let client = accounts::client(&caller.node);
    let task = Task { place: place(from), op: Op::Take(amount), effect: None, timeout_ms };
    let taking = client.clone();
    let take = caller.call(task, move |call, effect| taking.take(from, call, effect, amount), Told::parts);
    if !caller.wait(take).await.is_ok() {
        return;
    }
    let task = Task { place: place(to), op: Op::Add(amount), effect: None, timeout_ms: caller.timeout_ms() };
    let give = move |call, effect| client.add(to, call, effect, amount, Work::default());
    caller.call(task, give, Told::parts).await;
}

pub(super) fn slots(node: &Node) -> Vec<String> {
    let client = accounts::client(node);
    (0..KEYS).map(|key| super::line(place(key), &client.registry().explain(key))).collect()
}

pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    let client = accounts::client(&caller.node);
    for key in 0..KEYS {
        caller.note_slot(place(key), client.registry().explain(key).slot.get());
        let adding = client.clone();
        let add = move |call, effect| adding.add(key, call, effect, 1, Work::default());
        caller.insist(Task::audits(place(key), Op::Add(1)), add, Told::parts).await?;
        let client = client.clone();
        caller.audit_one(place(key), move |call| client.statement(key, call)).await?;
    }
    Ok(())
}
