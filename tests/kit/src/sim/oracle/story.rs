//! Runs that are told by hand, for the oracles' own tests.

use std::sync::Arc;

use registry_runtime::{Epoch, Executed};

use super::evidence::{Digest, Evidence, Kind, Rules};
use crate::sim::history::{Ask, CallId, Clock, Ending, Fate, History, Op, Outcome, Place, Ran, Reply, RunId, Whose};
use crate::sim::sighting::{Change, Seen, Sighting, SlotOf};

/// A run that is told by hand. Callers are clients of `n1`, instances are of the registry `ledger`, all in slot 0.
pub(crate) struct Story {
    history: Arc<History>,
    sightings: Vec<Sighting>,
    digests: Vec<Digest>,
    pub(crate) rules: Rules,
}

pub(crate) const REGISTRY: &str = "ledger";

impl Story {
    pub(crate) fn new() -> Self {
        let mut rules = Rules::default();
        rules.kinds.insert(REGISTRY.to_owned(), Kind::Counter);
        Self { history: History::new(Clock::new()), sightings: Vec::new(), digests: Vec::new(), rules }
    }

    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        self.history.clock().advance_to(ms);
        self
    }

    pub(crate) fn call(&mut self, key: u64, op: Op, timeout_ms: u64) -> CallId {
        self.call_as(key, op, timeout_ms, None)
    }

    pub(crate) fn call_as(&mut self, key: u64, op: Op, timeout_ms: u64, effect: Option<u64>) -> CallId {
        let place = Place { registry: REGISTRY, key };
        self.history.slot(place, 0);
        self.history.begin(Ask { host: "n1".into(), client: 1, place, op, effect, timeout_ms })
    }

    pub(crate) fn end(&mut self, call: CallId, outcome: Outcome) -> &mut Self {
        self.history.end(call, outcome);
        self
    }

    /// Ends well, having run there.
    pub(crate) fn ok(&mut self, call: CallId, number: i64, node: &str, epoch: u64) -> &mut Self {
        let ran = Some(Ran { node: node.to_owned(), epoch });
        self.end(call, Outcome::Ok { reply: Reply::Number(number), ran })
    }

    pub(crate) fn fail(&mut self, call: CallId, executed: Executed) -> &mut Self {
        self.end(call, Outcome::Failed { executed, says: None, error: "told so".to_owned() })
    }

    pub(crate) fn begin_run(&mut self, call: CallId, node: &str, epoch: u64) -> RunId {
        self.history.run_begin(node, Whose::Call(call), epoch, 1)
    }

    pub(crate) fn end_run(&mut self, run: RunId) -> &mut Self {
        self.history.run_end(run, Ending::Returned);
        self
    }

    /// A run from begin to end.
    pub(crate) fn run(&mut self, call: CallId, node: &str, epoch: u64) -> &mut Self {
        let run = self.begin_run(call, node, epoch);
        self.end_run(run)
    }

    /// A call with its run, answered.
    pub(crate) fn done(&mut self, key: u64, op: Op, number: i64, node: &str, epoch: u64) -> &mut Self {
        let call = self.call(key, op, 500);
        self.run(call, node, epoch).ok(call, number, node, epoch)
    }

    pub(crate) fn fate(&mut self, host: &str, fate: Fate) -> &mut Self {
        self.history.host(host, fate);
        self
    }

    /// A caller on `n1` knows so much of a number and sees this.
    pub(crate) fn look(&mut self, key: u64, knew: i64, saw: i64) -> &mut Self {
        self.history.look(&"n1".into(), Place { registry: REGISTRY, key }, knew, saw);
        self
    }

    pub(crate) fn audit(&mut self, key: u64, number: i64, effects: &[u64]) -> &mut Self {
        let since = self.history.clock().stamp();
        self.history.audit(Place { registry: REGISTRY, key }, since, Some(number), effects.to_vec());
        self
    }

    pub(crate) fn sees(&mut self, node: &str, what: Seen) -> &mut Self {
        let at = self.history.clock().stamp();
        self.sightings.push(Sighting { at, node: node.to_owned(), what });
        self
    }

    pub(crate) fn opens(&mut self, node: &str, epoch: u64, why: &str) -> &mut Self {
        let set = format!("{node}@{}", self.history.clock().now_ms());
        self.opens_with(node, epoch, why, &set)
    }

    /// The same with this set of processes, each as `node@start`.
    pub(crate) fn opens_with(&mut self, node: &str, epoch: u64, why: &str, set: &str) -> &mut Self {
        self.sees(node, Seen::Opened { slot: slot(), epoch, why: why.to_owned(), set: set.to_owned() })
    }

    /// A node opens the slot with less than most of these had.
    pub(crate) fn may_lose(&mut self, node: &str, epoch: u64, short: &str) -> &mut Self {
        self.sees(node, Seen::PossibleLoss { slot: slot(), epoch, short: short.to_owned() })
    }

    pub(crate) fn member(&mut self, node: &str, member: &str, change: Change) -> &mut Self {
        self.sees(node, Seen::Member { member: member.to_owned(), start: 1, change })
    }

    pub(crate) fn believes(&mut self, node: &str, view: &str, slots: &str) -> &mut Self {
        self.digests.push(Digest { node: node.to_owned(), view: view.to_owned(), slots: slots.to_owned() });
        self
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            records: self.history.records(),
            sightings: self.sightings.clone(),
            excuses: Vec::new(),
            digests: self.digests.clone(),
            end_ms: self.history.clock().now_ms(),
            rules: self.rules.clone(),
        }
    }
}

pub(crate) fn slot() -> SlotOf {
    SlotOf { registry: REGISTRY.to_owned(), slot: 0 }
}

/// A slot that n3 takes from n2, who opens it again after that.
#[derive(Clone, Copy)]
pub(crate) struct Retaken {
    why: &'static str,
    drawn_ms: u64,
    had: bool,
    closed: bool,
    crashed: bool,
}

impl Retaken {
    /// n2 had closed it and begun to open it before n3 did, which has crashed since.
    pub(crate) const EXCUSED: Self = Self { why: "Return", drawn_ms: 1_500, had: true, closed: true, crashed: true };

    /// The same with one thing otherwise each, and what.
    pub(crate) fn others() -> [(Self, &'static str); 5] {
        let excused = Self::EXCUSED;
        [
            (Self { why: "Failover", ..excused }, "for another reason"),
            (Self { drawn_ms: 2_500, ..excused }, "begun later"),
            (Self { had: false, ..excused }, "never its own"),
            (Self { closed: false, ..excused }, "not closed"),
            (Self { crashed: false, ..excused }, "taken from one that lives"),
        ]
    }

    pub(crate) fn story(self) -> Story {
        let Self { why, drawn_ms, had, closed, crashed } = self;
        let drawn_at = |ms| Epoch::from_parts(ms, 0).get();
        let first = if had { "n2" } else { "n4" };
        let mut story = Story::new();
        story.at(1_000).opens(first, drawn_at(900), "Founding").member("n3", first, Change::Down);
        if closed {
            let why = "DeclaredDown".to_owned();
            story.at(1_400).sees(first, Seen::Closed { slot: slot(), epoch: drawn_at(900), why });
        }
        story.at(2_000).opens("n3", drawn_at(1_200), "Failover");
        if crashed {
            story.at(2_600).fate("n3", Fate::Crashed);
        }
        story.at(3_000).opens("n2", drawn_at(drawn_ms), why);
        story
    }
}
