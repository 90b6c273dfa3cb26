//! What was written down: calls, runs, the fates of hosts, and final audits.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::Stamp;
use super::note::{Note, Whose};
use super::value::{Era, Op, Outcome, Place};

/// Names one call; it travels with the command, so that runs can be told whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u64);

/// Names one run of a command's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

/// What a caller is about to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The host that asks.
    pub host: Arc<str>,
    /// Which of the host's clients.
    pub client: u32,
    /// The instance.
    pub place: Place,
    /// The command.
    pub op: Op,
    /// What the effect is known by when several calls stand for one: an idempotency key.
    pub effect: Option<u64>,
    /// The call's timeout.
    pub timeout_ms: u64,
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Its name.
    pub id: CallId,
    /// What was asked by whom.
    pub ask: Ask,
    /// When.
    pub begun: Stamp,
    /// Its outcomes; a sound call has exactly one at its end.
    pub ends: Vec<(Stamp, Outcome)>,
}

impl CallRecord {
    /// What the call's effect is known by: its idempotency key, the entry that it appends, or else its own number.
    pub fn effect(&self) -> u64 {
        match (self.ask.effect, self.ask.op) {
            (Some(effect), _) => effect,
            (None, Op::Append(entry)) => entry,
            (None, _) => self.id.0,
        }
    }

    /// When it must have ended, by the clock of an undisturbed host.
    pub fn deadline_ms(&self) -> u64 {
        self.begun.at_ms.saturating_add(self.ask.timeout_ms)
    }

    /// The first outcome.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.ends.first().map(|(_, outcome)| outcome)
    }

    /// When it ended, if it ended with its reply.
    pub fn acknowledged(&self) -> Option<Stamp> {
        self.ends.first().filter(|(_, outcome)| outcome.is_ok()).map(|(at, _)| *at)
    }
}

impl Display for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ask { host, client, place, op, .. } = &self.ask;
        write!(f, "call {} ({host}/{client}, {place} {op})", self.id.0)
    }
}

/// How a run of a command's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It returned its reply.
    Returned,
    /// It returned its own error.
    Refused,
    /// It was cancelled, panicked, or went down with its host.
    Stopped,
}

/// One run of a command's body.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Its name.
    pub id: RunId,
    /// Whose command; with an idempotency key, the first call under it.
    pub call: CallId,
    /// The instance, as the call has it.
    pub place: Place,
    /// The command.
    pub op: Op,
    /// The host.
    pub host: String,
    /// The slot's epoch.
    pub epoch: u64,
    /// Which attempt of the call.
    pub attempt: u32,
    /// When it began.
    pub begun: Stamp,
    /// When and how it ended; `None` while it runs.
    pub ended: Option<(Stamp, Ending)>,
}

impl Display for RunRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, call, place, op, host, epoch, attempt, .. } = self;
        write!(f, "run {} of call {} ({place} {op} on {host} in {}, attempt {attempt})", id.0, call.0, Era(*epoch))
    }
}

/// What happens to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fate {
    /// Its process starts.
    Up,
    /// Its process is gone without a goodbye.
    Crashed,
    /// It does nothing, and remembers everything.
    Frozen,
    /// It goes on.
    Thawed,
    /// It was told to leave, and begins to hand over what it has.
    Leaving,
    /// It has left the cluster and stopped.
    Left,
}

impl Fate {
    /// Whether a process begins with it.
    pub fn is_birth(self) -> bool {
        self == Self::Up
    }

    /// Whether a process is lost to the others from then on.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Crashed | Self::Leaving | Self::Left)
    }
}

/// What is left of an instance when a run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The instance.
    pub place: Place,
    /// When somebody began to look: what was acknowledged before is in it, what was acknowledged later may be.
    pub since: Stamp,
    /// When its last state was read.
    pub at: Stamp,
    /// Its number, if it has one.
    pub number: Option<i64>,
    /// The effects that it carries, in their order; an effect that took place twice stands there twice.
    pub effects: Vec<u64>,
}

/// What a caller saw of a number that only grows.
#[derive(Clone, Debug)]
pub struct Look {
    /// When.
    pub at: Stamp,
    /// The caller's host.
    pub host: Arc<str>,
    /// The instance.
    pub place: Place,
    /// The most that the caller was told before.
    pub knew: i64,
    /// What it saw.
    pub saw: i64,
}

/// Everything that was written down.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The calls, in the order of their begins.
    pub calls: Vec<CallRecord>,
    /// The runs, in the order of their begins.
    pub runs: Vec<RunRecord>,
    /// The fates of hosts, in their order.
    pub fates: Vec<(Stamp, Arc<str>, Fate)>,
    /// What callers saw of numbers that only grow.
    pub looks: Vec<Look>,
    /// The final states.
    pub audits: Vec<Audit>,
    /// The first call of each effect that several calls may stand for.
    pub effects: BTreeMap<u64, CallId>,
    /// The slots of instances.
    pub slots: BTreeMap<Place, u32>,
    /// What was noted that cannot be: each is a fault of the bookkeeping or of the library.
    pub oddities: Vec<(Stamp, String)>,
}

impl Records {
    /// Takes in a note. Calls and runs are numbered from 1, in the order of their notes.
    pub fn take(&mut self, at: Stamp, note: Note) {
        match note {
            Note::Asked { call, ask } => {
                if let Some(effect) = ask.effect {
                    self.effects.entry(effect).or_insert(call);
                }
                self.calls.push(CallRecord { id: call, ask, begun: at, ends: Vec::new() });
            }
            Note::Ended { call, outcome } => match position(call.0).and_then(|place| self.calls.get_mut(place)) {
                Some(call) => call.ends.push((at, outcome)),
                None => self.oddities.push((at, format!("call {} ends and never began: {outcome}", call.0))),
            },
            Note::RunBegan { run, whose, host, epoch, attempt } => {
                let call = match whose {
                    Whose::Call(call) => call,
                    Whose::Effect(effect) => self.effects.get(&effect).copied().unwrap_or(CallId(0)),
                };
                let asked = self.call(call).map(|call| (call.ask.place, call.ask.op));
                let (place, op) = asked.unwrap_or_else(|| {
                    let oddity = format!("a command runs on {host} that nobody called: call {}", call.0);
                    self.oddities.push((at, oddity));
                    (Place { registry: "unknown", key: 0 }, Op::Act)
                });
                self.runs.push(RunRecord { id: run, call, place, op, host, epoch, attempt, begun: at, ended: None });
            }
            Note::RunEnded { run, ending } => {
                if let Some(run) = position(run.0).and_then(|place| self.runs.get_mut(place)) {
                    run.ended.get_or_insert((at, ending));
                }
            }
            Note::Fate { host, fate } => self.fates.push((at, host, fate)),
            Note::Looked { host, place, knew, saw } => self.looks.push(Look { at, host, place, knew, saw }),
            Note::Slot { place, slot } => _ = self.slots.insert(place, slot),
            Note::Audited { place, since, number, effects } => {
                self.audits.push(Audit { place, since, at, number, effects });
            }
        }
    }

    /// The call of that name.
    pub fn call(&self, id: CallId) -> Option<&CallRecord> {
        self.calls.get(position(id.0)?)
    }

    /// How long within a span a host was frozen, in milliseconds.
    pub fn frozen_ms(&self, host: &str, from_ms: u64, until_ms: u64) -> u64 {
        let mut since = None;
        let mut total = 0;
        let overlap = |since: u64, end: u64| end.min(until_ms).saturating_sub(since.max(from_ms));
        for (at, name, fate) in &self.fates {
            if **name != *host {
                continue;
            }
            match (since, fate) {
                (None, Fate::Frozen) => since = Some(at.at_ms),
                (Some(began), Fate::Thawed | Fate::Crashed) => {
                    total += overlap(began, at.at_ms);
                    since = None;
                }
                _ => {}
            }
        }
        total + since.map_or(0, |since| overlap(since, until_ms))
    }

    /// When a host's process ended for the first time after a moment.
    pub fn gone_after(&self, host: &str, after: Stamp) -> Option<Stamp> {
        let gone = |fate: &Fate| matches!(fate, Fate::Crashed | Fate::Left);
        self.fates.iter().find(|(at, name, fate)| **name == *host && *at > after && gone(fate)).map(|(at, ..)| *at)
    }
}

fn position(number: u64) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

/// One line for each thing that happened, in the order in which it did.
impl Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: BTreeMap<(Stamp, u64), String> = BTreeMap::new();
        let mut add = |at: Stamp, line: String| {
            let place = lines.len() as u64;
            lines.insert((at, place), line);
        };
        for call in &self.calls {
            add(call.begun, format!("{call} begins, {} ms", call.ask.timeout_ms));
            for (at, outcome) in &call.ends {
                add(*at, format!("{call} ends {outcome}"));
            }
        }
        for run in &self.runs {
            add(run.begun, format!("{run} begins"));
            if let Some((at, ending)) = run.ended {
                add(at, format!("{run} {ending:?}"));
            }
        }
        for (at, host, fate) in &self.fates {
            add(*at, format!("{host} {fate:?}"));
        }
        for Audit { place, at, number, effects, .. } in &self.audits {
            let mut line = format!("{place} ends as ");
            match number {
                Some(number) => write!(line, "{number} by {} effects", effects.len())?,
                None => write!(line, "{} effects", effects.len())?,
            }
            add(*at, line);
        }
        for Look { at, host, place, knew, saw } in &self.looks {
            add(*at, format!("{host} knows {knew} of {place} and sees {saw}"));
        }
        for (at, oddity) in &self.oddities {
            add(*at, oddity.clone());
        }
        lines.iter().try_for_each(|((at, _), line)| writeln!(f, "{at}  {line}"))
    }
}
