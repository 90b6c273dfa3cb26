//! Instances that come and go.

use rand::RngExt;
use registry_runtime::{Context, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Task};
use super::work::{Refusal, Told, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place, Ran, Reply};

/// How many keys instances come and go under.
const KEYS: u64 = 6;

registry! {
    /// Cards, none at first.
    pub(super) cards {
        resource Card;
        sharding consistent_hashing(slots = 8);
    }
}

/// A value under a key.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub(super) struct Card {
    #[key]
    id: u64,
    value: u64,
    /// Where it was created.
    node: String,
    epoch: u64,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[commands]
impl Card {
    /// Creates it.
    pub(super) async fn issue(id: u64, call: u64, value: u64, work: Work, cx: &Context) -> Result<Self, Refusal> {
        let running = History::running(cx, call);
        work.end(running).await?;
        Ok(Self { id, value, node: cx.node().to_string(), epoch: cx.epoch().get() })
    }

    /// Replaces the value.
    pub(super) async fn write(&mut self, call: u64, value: u64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        let running = History::running(cx, call);
        self.value = value;
        work.end(running).await?;
        Ok(Told::number(number(self.value), cx))
    }

    /// Removes it and tells the last value.
    pub(super) async fn void(self, call: u64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        let running = History::running(cx, call);
        work.end(running).await?;
        Ok(Told::number(number(self.value), cx))
    }

    /// Tells the value.
    pub(super) fn value(&self, call: u64, cx: &Context) -> Told {
        History::running(cx, call).returned();
        Told::number(number(self.value), cx)
    }
}

fn place(key: u64) -> Place {
    Place { registry: cards::Registry::NAME, key }
}

pub(super) async fn turn(caller: &mut Caller) {
    let (key, value) = (caller.key(KEYS), caller.rng.random_range(0..1_000));
    let (client, timeout_ms) = (cards::client(&caller.node), caller.timeout_ms());
    let task = |op| Task { place: place(key), op, effect: None, timeout_ms };
    match caller.rng.random_range(0..8) {
        0..2 => {
            let work = caller.work();
            let issued = |card: &Card| {
                (Reply::Number(number(card.value)), Some(Ran { node: card.node.clone(), epoch: card.epoch }))
            };
            let call =
                caller.call(task(Op::Create(value)), move |call, _| client.issue(key, call, value, work), issued);
            caller.wait(call).await;
        }
        2..5 => {
            let (op, work) = caller.update(Op::Write(value));
            let call = caller.call(task(op), move |call, _| client.write(key, call, value, work), Told::parts);
            caller.wait(call).await;
        }
        5 => {
            let (op, work) = caller.update(Op::Destroy);
            let call = caller.call(task(op), move |call, _| client.void(key, call, work), Told::parts);
            caller.wait(call).await;
        }
        _ => {
            let call = caller.call(task(Op::Read), move |call, _| client.value(key, call), Told::parts);
            caller.wait(call).await;
        }
    }
}

pub(super) fn slots(node: &Node) -> Vec<String> {
    let client = cards::client(node);
    (0..KEYS).map(|key| super::line(place(key), &client.registry().explain(key))).collect()
}

/// What a card carries is no list of effects: only that it comes, goes and answers, or says that it is not there, is of interest.
pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    let client = cards::client(&caller.node);
    for key in 0..KEYS {
        caller.note_slot(place(key), client.registry().explain(key).slot.get());
        let task = |op| Task::audits(place(key), op);
        let (issuing, voiding, reading) = (client.clone(), client.clone(), client.clone());
        let issued = |card: &Card| (Reply::Number(number(card.value)), None);
        let work = Work::default();
        let (issue, _) =
            caller.call(task(Op::Create(1)), move |call, _| issuing.issue(key, call, 1, work), issued).await;
        let (void, _) = caller.call(task(Op::Destroy), move |call, _| voiding.void(key, call, work), Told::parts).await;
        let (read, _) = caller.call(task(Op::Read), move |call, _| reading.value(key, call), Told::parts).await;
        // That it is there already, or not there, is an answer, too.
        if let Some(outcome) = [issue, void, read].iter().find(|outcome| outcome.reply().is_none()) {
            return Err(format!("{} does not answer: {outcome}", place(key)));
        }
    }
    Ok(())
}
