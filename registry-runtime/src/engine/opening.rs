//! One opening of one slot: the proposer's side.
//!
//! Phase one collects promises from enough of every set that may hold data: the last active one, and each later one that
//! an answer names, and with them how new the data of each is. The newest is fetched, unless it is here. Phase two installs
//! it on the new set. When more than half of that has stored it, the slot is open. Until then the opener keeps asking.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::failover::Case;
use super::noted::NotedSets;
use super::row::Active;
use super::set::Set;
use super::view::Life;
use crate::id::{Epoch, Position, Process};
use crate::message::Noted;
use crate::rules::{Rule, Rules};
use crate::time::Moment;

/// The most sets that the answers to one opening may name together: seven members with eight noted sets each. One more
/// ends the attempt.
const NAMED_MAX: usize = 56;

/// An opening under way.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    epoch: Epoch,
    set: Set,
    why: Why,
    phase: Phase,
    promises: BTreeMap<Process, Promise>,
    /// Whether this node's own store is to refuse what is below: the opener's own promise comes when it does.
    is_fencing: bool,
    /// The sets that answers have named.
    named: NotedSets,
    /// Who has stored it.
    stored: BTreeSet<Process>,
    /// The epoch that was handed over to this node.
    handed_over: Option<Epoch>,
    /// Who cannot promise before its word to an owner is over, with the epoch it gave it for.
    waiting: BTreeMap<Process, (Epoch, Process)>,
    /// Who has been asked since the last retry.
    asked: BTreeSet<Process>,
    retry: Retry,
    /// The set of which too few have promised, if it goes on without.
    loses: Option<Set>,
    /// When its epoch was drawn; `None` when that does not matter any more.
    drawn: Option<Moment>,
}

/// What a promise said.
#[derive(Clone, Copy, Debug)]
struct Promise {
    /// The last set that its giver knows to be active.
    active: Option<Epoch>,
    /// The epoch and position of the data that it holds.
    accepted: (Epoch, Position),
}

/// What an opening is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// No one has opened the slot before.
    Founding,
    /// The owner is gone.
    Failover,
    /// This node is the owner and does not serve any more, or was waited for.
    Return,
    /// A backup is lost or missing.
    Repair,
    /// The plan wants another backup.
    Rebalance,
    /// The owner with this epoch handed the slot over.
    HandedOver(Epoch),
    /// The slot was to be handed over and was not taken, or an attempt to open it again came to nothing.
    TakeBack,
    /// A test said so.
    #[cfg(test)]
    Told,
}

/// How far an opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It asks for promises.
    Collecting,
    /// It takes over the newest data from one that has promised.
    Fetching,
    /// It asks the new set to store what was taken over.
    Installing,
}

/// Whether promises suffice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Promises {
    /// Not yet.
    TooFew,
    /// Enough of every set has promised.
    Enough,
    /// This set can never give enough, and all that is left of it has: data may be lost.
    WhatThereIs(Set),
}

impl Opening {
    pub(crate) fn new(now: Moment, epoch: Epoch, set: Set, why: Why) -> Self {
        let handed_over = if let Why::HandedOver(epoch) = why { Some(epoch) } else { None };
        Self {
            epoch,
            set,
            why,
            phase: Phase::Collecting,
            promises: BTreeMap::new(),
            is_fencing: false,
            named: NotedSets::default(),
            stored: BTreeSet::new(),
            handed_over,
            waiting: BTreeMap::new(),
            asked: BTreeSet::new(),
            retry: Retry::default(),
            loses: None,
            drawn: Some(now),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn set(&self) -> &Set {
        &self.set
    }

    pub(crate) fn why(&self) -> Why {
        self.why
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The set without whose majority it goes on.
    pub(crate) fn loses(&self) -> Option<&Set> {
        self.loses.as_ref()
    }

    /// Whether its epoch was drawn longer ago than that, and it may still take another.
    pub(crate) fn is_older_than(&self, now: Moment, age: Duration) -> bool {
        self.drawn.is_some_and(|drawn| now.since(drawn) > age)
    }

    /// It keeps its epoch, however long it takes.
    pub(crate) fn stays(&mut self) {
        self.drawn = None;
    }

    /// When it asks again those who have not answered.
    pub(crate) fn retry(&mut self) -> &mut Retry {
        &mut self.retry
    }

    /// Whether this node's own promise is on its way.
    pub(crate) fn is_fencing(&self) -> bool {
        self.is_fencing
    }

    /// Notes that this node's own promise is on its way.
    pub(crate) fn fence(&mut self) {
        self.is_fencing = true;
    }

    /// Takes in a promise. Returns whether what it names can be kept; if not, the attempt is over.
    pub(crate) fn promised(
        &mut self,
        by: &Process,
        active: Option<Epoch>,
        noted: &[Noted<Set>],
        accepted: (Epoch, Position),
    ) -> bool {
        self.promises.insert(by.clone(), Promise { active, accepted });
        let freed = self.waiting.iter().filter(|(_, (_, owner))| owner == by);
        freed.for_each(|(process, _)| _ = self.asked.remove(process));
        noted.iter().filter(|noted| noted.first < self.epoch).all(|noted| self.named.merge(noted, NAMED_MAX))
    }

    /// Whether the process has promised this opening.
    pub(crate) fn has_promise_of(&self, process: &Process) -> bool {
        self.promises.contains_key(process)
    }

    /// Takes in that a member has stored it.
    pub(crate) fn stored(&mut self, by: &Process) {
        if self.phase == Phase::Installing && self.set.contains(by) {
            self.stored.insert(by.clone());
        }
    }

    /// Learns that a set below this opening was active: older names are void.
    pub(crate) fn learn(&mut self, active: Epoch) {
        self.named.forget_until(active);
    }

    /// Whether the promises suffice. Without a set that is known to be active the charter stands for it.
    pub(crate) fn promises(&self, case: &Case<'_>) -> Promises {
        let has = |process: &Process| self.promises.contains_key(process);
        if !case.rules.keeps(Rule::PromisesAwaited) {
            return Promises::Enough;
        }
        let excused = |process: &Process| case.is_excused(process);
        let founders_promise = || case.charter.is_promised(has, |process| case.may_lose() && excused(process));
        if case.active.is_none() && !founders_promise() {
            return Promises::TooFew;
        }
        if self.needed(case.active).all(|set| set.is_promised(has)) {
            return Promises::Enough;
        }
        let short = || self.needed(case.active).filter(|set| !set.is_promised(has));
        let is_there = |member: &Process| has(member) || excused(member);
        let is_all_there_is = short().flat_map(Set::members).all(is_there) && case.witnesses().all(has);
        match short().next() {
            Some(short) if is_all_there_is && case.may_lose() => Promises::WhatThereIs(short.clone()),
            _ => Promises::TooFew,
        }
    }

    /// Whom to ask next in this phase: those that have not answered and were not asked since the last retry.
    pub(crate) fn ask(&mut self, case: &Case<'_>) -> Vec<Process> {
        let source;
        let mut whom: BTreeSet<&Process> = match self.phase {
            Phase::Installing => self.set.members().iter().filter(|member| !self.stored.contains(*member)).collect(),
            Phase::Fetching => {
                source = self.source(case.me, case.rules).0;
                BTreeSet::from([&source])
            }
            Phase::Collecting => {
                let has = |process: &Process| self.promises.contains_key(process);
                let can = |process: &Process| has(process) || case.view.is_live(process);
                let founders = case.charter.processes().filter(|_| case.active.is_none());
                let lossy = self.needed(case.active).any(|set| !set.is_promised(can));
                let witnesses = case.witnesses().filter(|_| lossy && case.may_lose());
                let owners = self.waiting.values().map(|(_, owner)| owner);
                let members = self.needed(case.active).flat_map(Set::members);
                members.chain(owners).chain(founders).chain(witnesses).filter(|process| !has(process)).collect()
            }
        };
        whom.retain(|process| !self.asked.contains(*process) && case.view.life(process) != Life::Over);
        let whom: Vec<_> = whom.into_iter().cloned().collect();
        self.asked.extend(whom.iter().cloned());
        whom
    }

    /// Lets the process be asked again before the next retry, since something has changed for it.
    pub(crate) fn ask_again(&mut self, process: &Process) {
        self.asked.remove(process);
    }

    /// Notes that the process waits for its word to an owner to be over. That owner is asked too: once it has promised
    /// this opening, it serves nothing below it, and nobody need wait for it any more.
    pub(crate) fn waits_for(&mut self, process: &Process, lent: Epoch, owner: Process) {
        self.waiting.insert(process.clone(), (lent, owner));
        if self.released_for(process) == Some(lent) {
            self.asked.remove(process);
        }
    }

    /// The epoch to name as given up when this process is asked.
    pub(crate) fn released_for(&self, process: &Process) -> Option<Epoch> {
        let given_up = self.waiting.get(process).filter(|(_, owner)| self.promises.contains_key(owner));
        given_up.map(|(epoch, _)| *epoch).or(self.handed_over)
    }

    /// Goes on to another phase, without a majority of the set that it `loses`.
    pub(crate) fn go_on(&mut self, phase: Phase, loses: Option<Set>) {
        self.phase = phase;
        self.loses = loses;
        self.asked.clear();
        self.retry = Retry::default();
    }

    /// What is taken over: the data with the highest epoch and, within that, the highest position; from this node itself if
    /// it has it.
    pub(crate) fn source(&self, me: &Process, rules: Rules) -> (Process, (Epoch, Position)) {
        let newness = |(epoch, position): (Epoch, Position)| {
            if rules.keeps(Rule::EpochCompared) { (epoch, position) } else { (Epoch::ZERO, position) }
        };
        let counts = |process: &Process| process == me || rules.keeps(Rule::NewestFetched);
        let promises = self.promises.iter().filter(|(process, _)| counts(process));
        let best = promises.max_by_key(|(process, promise)| (newness(promise.accepted), *process == me));
        best.map_or_else(|| (me.clone(), Default::default()), |(process, promise)| (process.clone(), promise.accepted))
    }

    /// Whether enough of the new set has stored it to serve.
    pub(crate) fn is_stored(&self) -> bool {
        self.phase == Phase::Installing && self.set.is_majority(|member| self.stored.contains(member))
    }

    /// Whether so many members of the new set are gone that it can never be stored.
    pub(crate) fn is_hopeless(&self, is_live: impl Fn(&Process) -> bool) -> bool {
        !self.set.is_majority(|member| self.stored.contains(member) || is_live(member))
    }

    /// Who has stored it.
    pub(crate) fn stored_by(&self) -> &BTreeSet<Process> {
        &self.stored
    }

    /// Starts the next round of asking.
    pub(crate) fn ask_all_again(&mut self) {
        self.asked.clear();
    }

    /// The sets that may hold data: the last active one, and what was tried after it, unless who tried has promised this
    /// opening and so given up.
    fn needed<'a>(&'a self, active: Option<&'a Active>) -> impl Iterator<Item = &'a Set> {
        let given_up = |noted: &&Noted<Set>| {
            self.promises.get(noted.set.owner()).is_some_and(|promise| Some(noted.first) > promise.active)
        };
        let named = self.named.below(self.epoch).filter(move |noted| !given_up(noted)).map(|noted| &noted.set);
        active.map(|active| &active.set).into_iter().chain(named)
    }
}

/// When to try again: soon at first, then in longer and longer pauses, never in step with others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    tries: u32,
    at: Moment,
}

/// How many times a pause doubles: up to 16 times the first, about a second and a half.
const DOUBLINGS_MAX: u32 = 4;

impl Retry {
    /// Whether there was a try.
    pub(crate) fn has_tried(&self) -> bool {
        self.tries > 0
    }

    /// The moment of the next try; the first may be at once.
    pub(crate) fn at(&self) -> Moment {
        self.at
    }

    /// Forgets how often it was tried: what made for long pauses is over, and the next try comes within the `first`.
    pub(crate) fn begin_anew(&mut self, now: Moment, first: Duration) {
        (self.tries, self.at) = (0, self.at.min(now + first));
    }

    /// Counts a try. The pause after it is `first`, doubled with each try, and between half of that and one and a half
    /// times as long, as `random` has it.
    pub(crate) fn tried(&mut self, now: Moment, first: Duration, random: u64) {
        let pause = first.saturating_mul(1 << self.tries.min(DOUBLINGS_MAX));
        let thousandths = u32::try_from(500 + random % 1000).unwrap_or(1000);
        self.at = now + pause.saturating_mul(thousandths) / 1000;
        self.tries = self.tries.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_they_begin_anew() {
        let (now, first) = (Moment::from_origin(Duration::from_secs(100)), Duration::from_secs(1));
        let mut retry = Retry::default();
        for _ in 0..=DOUBLINGS_MAX {
            retry.tried(now, first, 500);
        }
        assert_eq!(retry.at(), now + first * (1 << DOUBLINGS_MAX));
        retry.begin_anew(now, first);
        assert_eq!(retry.at(), now + first, "it need not wait for longer than it would have at first");
        retry.tried(now, first, 500);
        assert_eq!(retry.at(), now + first);
        retry.begin_anew(now + Duration::from_secs(5), first);
        assert_eq!(retry.at(), now + first, "nor is a try put off");
    }
}
