//! One caller on a host, and how it writes down what it asks and hears.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registry_runtime::{Call, Node};
use tokio::time::{sleep, timeout};

use super::Workload;
use super::work::{Mood, Statement, Work};
use crate::sim::History;
use crate::sim::history::{Ask, CallId, Op, Outcome, Place, Ran, Reply, Stamp};

/// How long an audit may ask for one instance, in milliseconds: the cluster is settled by then, so only lost packets delay it.
pub(super) const AUDIT_MS: u64 = 5_000;

/// How often an audit asks one thing.
const AUDIT_TRIES: u32 = 6;

/// A call with its notes, begun at its first poll.
pub(super) type Noted<T> = Pin<Box<dyn Future<Output = (Outcome, Option<T>)> + Send>>;

/// One caller on a host.
pub struct Caller {
    pub(super) node: Node,
    pub(super) rng: ChaCha8Rng,
    pub(super) history: Arc<History>,
    host: Arc<str>,
    number: u32,
    /// What it knows of numbers that only grow.
    knows: BTreeMap<Place, i64>,
}

/// What one call is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) place: Place,
    pub(super) op: Op,
    /// The idempotency key, if the call has one.
    pub(super) effect: Option<u64>,
    pub(super) timeout_ms: u64,
}

impl Task {
    /// A part of an audit.
    pub(super) fn audits(place: Place, op: Op) -> Self {
        Self { place, op, effect: None, timeout_ms: AUDIT_MS }
    }
}

impl Caller {
    /// A caller on the node's host. Its number tells it from the others there, of earlier lives too.
    pub fn new(node: Node, number: u32, rng: ChaCha8Rng, history: &Arc<History>) -> Self {
        let host = node.id().as_str().into();
        Self { node, rng, history: Arc::clone(history), host, number, knows: BTreeMap::new() }
    }

    /// Calls again and again, until it is told to stop.
    pub async fn run(mut self, workloads: Vec<Workload>, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) && !workloads.is_empty() {
            sleep(Duration::from_millis(self.rng.random_range(5..150))).await;
            let chosen = self.rng.random_range(0..workloads.len());
            workloads[chosen].turn(&mut self).await;
        }
    }

    /// Changes every instance once more, and reads its last state.
    ///
    /// # Errors
    ///
    /// Says which instance did not answer.
    pub async fn audit(mut self, workloads: &[Workload]) -> Result<(), String> {
        for workload in workloads {
            workload.audit(&mut self).await?;
        }
        Ok(())
    }

    /// A key, of few, so that callers meet.
    pub(super) fn key(&mut self, keys: u64) -> u64 {
        self.rng.random_range(0..keys)
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: u32) -> bool {
        self.rng.random_range(0..times) == 0
    }

    /// A timeout: some too short to be met, most long enough for a failover.
    pub(super) fn timeout_ms(&mut self) -> u64 {
        match self.rng.random_range(0..20) {
            0 => self.rng.random_range(1..10),
            1..5 => self.rng.random_range(20..200),
            5..16 => self.rng.random_range(300..2_000),
            _ => 5_000,
        }
    }

    /// What a command does besides: mostly nothing, sometimes it outlasts its caller or a hand-over.
    pub(super) fn work(&mut self) -> Work {
        let nap_ms = match self.rng.random_range(0..40) {
            0..28 => 0,
            28..38 => self.rng.random_range(1..20),
            _ => self.rng.random_range(200..1_500),
        };
        let mood = if self.once_in(80) { Mood::Panics } else { Mood::Well };
        Work { nap_ms, mood }
    }

    /// What an update is asked to do: the operation, or now and then to balk, and its besides.
    pub(super) fn update(&mut self, op: Op) -> (Op, Work) {
        let work = self.work();
        match self.once_in(30) {
            true => (Op::Balk, Work { mood: Mood::Balks, ..work }),
            false => (op, work),
        }
    }

    /// Prepares a call. `make` is given the call's number and the name of its effect, which are to travel with the command.
    pub(super) fn call<T, E>(
        &self,
        task: Task,
        make: impl FnOnce(u64, u64) -> Call<T, E> + Send + 'static,
        tells: impl FnOnce(&T) -> (Reply, Option<Ran>) + Send + 'static,
    ) -> Noted<T>
    where
        T: Send + 'static,
        E: Debug + Send + 'static,
    {
        let Task { place, op, effect, timeout_ms } = task;
        let (history, host, client) = (Arc::clone(&self.history), Arc::clone(&self.host), self.number);
        Box::pin(async move {
            let id = history.begin(Ask { host, client, place, op, effect, timeout_ms });
            let mut open = Open { history, id: Some(id) };
            let mut call = make(id.0, effect.unwrap_or(id.0)).timeout(Duration::from_millis(timeout_ms));
            if let Some(effect) = effect {
                call = call.idempotency_key(effect.to_string());
            }
            let mut value = None;
            let outcome = Outcome::of(call.await, |reply| {
                let parts = tells(&reply);
                value = Some(reply);
                parts
            });
            open.end(outcome.clone());
            (outcome, value)
        })
    }

    /// Waits for a call, or, now and then, loses patience and drops it.
    pub(super) async fn wait<T>(&mut self, call: Noted<T>) -> Outcome {
        if !self.once_in(16) {
            return call.await.0;
        }
        let patience_ms = self.rng.random_range(0..60);
        match timeout(Duration::from_millis(patience_ms), call).await {
            Ok((outcome, _)) => outcome,
            Err(_) => Outcome::Dropped,
        }
    }

    /// Remembers what it was told of a number that only grows.
    pub(super) fn told(&mut self, place: Place, number: i64) {
        let knows = self.knows.entry(place).or_default();
        *knows = number.max(*knows);
    }

    /// Notes what it saw of a number that only grows, and what it knew.
    pub(super) fn looked(&mut self, place: Place, saw: i64) {
        let knew = self.knows.get(&place).copied().unwrap_or_default();
        self.history.look(&self.host, place, knew, saw);
        self.told(place, saw);
    }

    /// Notes an instance's slot.
    pub(super) fn note_slot(&self, place: Place, slot: u32) {
        self.history.slot(place, slot);
    }

    /// Reads an instance's last state, by a call that is prepared anew for every attempt.
    pub(super) async fn audit_one<E>(
        &mut self,
        place: Place,
        statement: impl Fn(u64) -> Call<Statement, E> + Clone + Send + 'static,
    ) -> Result<(), String>
    where
        E: Debug + Send + 'static,
    {
        let task = Task::audits(place, Op::Read);
        let (since, said) = self.insist(task, move |call, _| statement(call), Statement::parts).await?;
        let Statement { number, effects, .. } = said;
        self.history.audit(place, since, number, effects);
        Ok(())
    }

    /// Calls until it is answered, by a call that is prepared anew for every attempt. When the last one began, and its reply.
    pub(super) async fn insist<T, E>(
        &self,
        task: Task,
        make: impl FnOnce(u64, u64) -> Call<T, E> + Clone + Send + 'static,
        tells: impl FnOnce(&T) -> (Reply, Option<Ran>) + Copy + Send + 'static,
    ) -> Result<(Stamp, T), String>
    where
        T: Send + 'static,
        E: Debug + Send + 'static,
    {
        let mut last = Outcome::Dropped;
        for _ in 0..AUDIT_TRIES {
            let since = self.history.clock().stamp();
            match self.call(task, make.clone(), tells).await {
                (_, Some(value)) => return Ok((since, value)),
                (outcome, None) => last = outcome,
            }
        }
        Err(format!("{} does not answer: {last}", task.place))
    }
}

/// A call that has begun; dropped before its end, it was dropped by its caller.
struct Open {
    history: Arc<History>,
    id: Option<CallId>,
}

impl Open {
    fn end(&mut self, outcome: Outcome) {
        if let Some(id) = self.id.take() {
            self.history.end(id, outcome);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Outcome::Dropped);
    }
}
