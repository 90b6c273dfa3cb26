//! Who is suspected, for how long, and what is done about it before it hardens.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;

use super::identity::Identity;
use super::links::DIAL_PATIENCE;
use crate::id::NodeId;
use crate::time::{Moment, Timing};

/// The suspects of this node.
///
/// Every node that hears of a suspicion times it itself, asks the suspect directly, and declares it Down when its own time
/// is up: so the Down does not hang on the one node that saw the first probe fail.
#[derive(Debug)]
pub(super) struct Suspicions {
    open: BTreeMap<NodeId, Suspicion>,
    /// How long a suspect has, as long as this node trusts itself.
    patience: Duration,
    /// How long a direct answer may take.
    answer: Duration,
}

#[derive(Debug)]
struct Suspicion {
    identity: Identity,
    refutations: u16,
    /// Since when, put off by whatever this node has slept since.
    since: Moment,
    /// Whether this node's own probe has failed.
    own: bool,
    /// When to ask the suspect again.
    ask: Moment,
    /// When it was first asked over a connection.
    asked: Option<Moment>,
    /// Whether somebody has already declared it Down.
    condemned: bool,
    /// Whether this node has ever been connected with it.
    met: bool,
}

/// How much longer a suspect has that this node has never been connected with and that nobody has declared Down: as long as a dial
/// may take. Where many start at once, most hear of one another long before they meet; nobody can answer on a connection that is
/// not there yet, and those that have met the suspect judge it much sooner.
const STRANGER_TIME: Duration = DIAL_PATIENCE;

/// How often a suspect is asked within its time.
const QUESTIONS: u32 = 4;

/// What has become due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask it whether it is alive.
    Ask(Identity, u16),
    /// It is Down.
    Down {
        /// Who.
        identity: Identity,
        /// In which state of refutation.
        refutations: u16,
        /// Whether others have said so before.
        known: bool,
    },
}

impl Suspicions {
    /// No suspects.
    pub(super) fn new(timing: &Timing) -> Self {
        Self { open: BTreeMap::new(), patience: timing.suspicion, answer: timing.probe_rtt.saturating_mul(2) }
    }

    /// Opens a suspicion, unless this very one is open. The suspect is asked after a random while, because a whole
    /// cluster hears of it at about the same time.
    pub(super) fn open(
        &mut self,
        now: Moment,
        identity: &Identity,
        refutations: u16,
        met: bool,
        rng: &mut impl RngExt,
    ) {
        let same = |open: &Suspicion| open.identity == *identity && open.refutations == refutations;
        if self.open.get(&identity.node).is_some_and(same) {
            return;
        }
        let wait = self.pause().mul_f64(rng.random_range(0.0..1.0));
        let suspicion = Suspicion {
            identity: identity.clone(),
            refutations,
            since: now,
            own: false,
            ask: now + wait,
            asked: None,
            condemned: false,
            met,
        };
        self.open.insert(identity.node.clone(), suspicion);
    }

    /// This node's own probe has failed: the suspect is asked at once. Whether this is new.
    pub(super) fn note_failure(&mut self, now: Moment, identity: &Identity, refutations: u16) -> bool {
        match self.open.get_mut(&identity.node) {
            Some(open) if open.identity == *identity && open.refutations == refutations && !open.own => {
                open.own = true;
                if open.asked.is_none() {
                    open.ask = now;
                }
                true
            }
            _ => false,
        }
    }

    /// Somebody has declared the suspect Down: it is asked at once, and has only the time of a direct answer left. One that
    /// cannot be asked, for want of a connection, keeps the time of any suspect.
    pub(super) fn condemn(&mut self, now: Moment, node: &NodeId) {
        if let Some(open) = self.open.get_mut(node) {
            open.condemned = true;
            if open.asked.is_none() {
                open.ask = now;
            }
        }
    }

    /// There is a connection with the suspect now: so it lived a moment ago, and can be asked from now on.
    pub(super) fn meet(&mut self, now: Moment, node: &NodeId) {
        if let Some(open) = self.open.get_mut(node).filter(|open| !open.met) {
            open.met = true;
            open.since = now;
            open.ask = now;
        }
    }

    /// Closes the suspicion of a node.
    pub(super) fn close(&mut self, node: &NodeId) {
        self.open.remove(node);
    }

    /// How many members have failed this node's own probes.
    pub(super) fn failures(&self) -> usize {
        self.open.values().filter(|open| open.own).count()
    }

    /// What is due now; `factor` stretches the suspects' time by this node's own trouble. Only who `can_hear` is asked.
    pub(super) fn take_due(&mut self, now: Moment, factor: u32, can_hear: impl Fn(&NodeId) -> bool) -> Vec<Verdict> {
        let mut due = Vec::new();
        let pause = self.pause();
        let (patience, answer) = (self.patience, self.answer);
        self.open.retain(|node, open| {
            let (identity, refutations) = (open.identity.clone(), open.refutations);
            let hardened = open.hardens(patience, answer, factor) <= now;
            if hardened {
                due.push(Verdict::Down { identity, refutations, known: open.condemned });
            } else if open.ask <= now {
                open.ask = now + pause;
                if can_hear(node) {
                    open.asked.get_or_insert(now);
                    due.push(Verdict::Ask(identity, refutations));
                }
            }
            !hardened
        });
        due
    }

    /// When something falls due.
    pub(super) fn next(&self, factor: u32) -> Option<Moment> {
        self.open.values().map(|open| open.ask.min(open.hardens(self.patience, self.answer, factor))).min()
    }

    /// Gives all suspects the time back in which this node did not listen.
    pub(super) fn postpone(&mut self, by: Duration) {
        for open in self.open.values_mut() {
            open.since = open.since + by;
            open.asked = open.asked.map(|asked| asked + by);
        }
    }

    fn pause(&self) -> Duration {
        self.patience / QUESTIONS
    }
}

impl Suspicion {
    fn hardens(&self, patience: Duration, answer: Duration, factor: u32) -> Moment {
        let stranger = if self.met || self.condemned { Duration::ZERO } else { STRANGER_TIME };
        let own = self.since + patience.saturating_mul(factor) + stranger;
        match self.asked {
            Some(asked) if self.condemned => own.min(asked + answer.saturating_mul(factor)),
            _ => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::id::Start;

    const MS: Duration = Duration::from_millis(1);

    fn suspect() -> Identity {
        Identity::at_birth(NodeId::new("x").unwrap(), ([127, 0, 0, 1], 1).into(), Start::new(1))
    }

    /// With `fast`: 800 ms of patience, a question every 200 ms, 120 ms for an answer to a condemned one.
    fn opened() -> Suspicions {
        let mut suspicions = Suspicions::new(&Timing::fast());
        suspicions.open(Moment::default(), &suspect(), 3, true, &mut ChaCha8Rng::seed_from_u64(1));
        suspicions
    }

    fn down(known: bool) -> Verdict {
        Verdict::Down { identity: suspect(), refutations: 3, known }
    }

    #[test]
    fn a_suspect_is_asked_a_few_times_and_then_down() {
        let start = Moment::default();
        let mut suspicions = opened();
        assert!(suspicions.note_failure(start, &suspect(), 3));
        assert!(!suspicions.note_failure(start, &suspect(), 3), "it is new once");
        let mut asked = 0;
        for ms in 0..800 {
            let due = suspicions.take_due(start + MS * ms, 1, |_| true);
            asked += due.iter().filter(|verdict| **verdict == Verdict::Ask(suspect(), 3)).count();
            assert!(!due.contains(&down(false)), "{ms}");
        }
        assert_eq!(asked, 4);
        assert_eq!(suspicions.take_due(start + MS * 800, 1, |_| true), [down(false)]);
    }

    #[test]
    fn own_trouble_and_own_sleep_stretch_its_time() {
        let start = Moment::default();
        let mut suspicions = opened();
        assert!(!suspicions.take_due(start + MS * 6399, 8, |_| true).contains(&down(false)));
        assert_eq!(suspicions.next(8), Some(start + MS * 6400));
        suspicions.postpone(MS * 1000);
        assert_eq!(suspicions.next(8), Some(start + MS * 6599), "the next question");
        assert_eq!(suspicions.next(1), Some(start + MS * 1800));
        assert_eq!(suspicions.take_due(start + MS * 1799, 1, |_| true), []);
        assert_eq!(suspicions.take_due(start + MS * 1800, 1, |_| true), [down(false)]);
    }

    #[test]
    fn a_condemned_one_has_the_time_of_an_answer() {
        let start = Moment::default();
        let mut suspicions = opened();
        suspicions.condemn(start, &suspect().node);
        assert_eq!(suspicions.take_due(start, 1, |_| true), [Verdict::Ask(suspect(), 3)]);
        assert_eq!(suspicions.take_due(start + MS * 119, 1, |_| true), []);
        assert_eq!(suspicions.take_due(start + MS * 120, 1, |_| true), [down(true)]);
    }

    #[test]
    fn a_condemned_one_out_of_reach_keeps_its_time() {
        let start = Moment::default();
        let mut suspicions = opened();
        suspicions.condemn(start, &suspect().node);
        for ms in 0..800 {
            assert_eq!(suspicions.take_due(start + MS * ms, 1, |_| false), []);
        }
        assert_eq!(suspicions.take_due(start + MS * 800, 1, |_| false), [down(true)]);
    }

    #[test]
    fn a_newer_suspicion_starts_anew() {
        let start = Moment::default();
        let mut suspicions = opened();
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        suspicions.open(start + MS * 500, &suspect(), 3, true, rng);
        assert_eq!(suspicions.take_due(start + MS * 800, 1, |_| true), [down(false)]);
        suspicions.open(start + MS * 500, &suspect(), 4, true, rng);
        assert!(matches!(suspicions.take_due(start + MS * 800, 1, |_| true)[..], [Verdict::Ask(..)] | []));
        suspicions.close(&suspect().node);
        assert_eq!(suspicions.next(1), None);
    }

    #[test]
    fn a_stranger_has_the_time_of_a_dial_more_unless_others_have_judged_it() {
        let start = Moment::default();
        let stranger = || {
            let mut suspicions = Suspicions::new(&Timing::fast());
            suspicions.open(start, &suspect(), 3, false, &mut ChaCha8Rng::seed_from_u64(1));
            suspicions
        };
        let patience = MS * 800;
        let mut unjudged = stranger();
        assert_eq!(unjudged.take_due(start + patience + STRANGER_TIME - MS, 1, |_| false), []);
        assert_eq!(unjudged.take_due(start + patience + STRANGER_TIME, 1, |_| false), [down(false)]);
        let mut judged = stranger();
        judged.condemn(start, &suspect().node);
        assert_eq!(judged.take_due(start + patience, 1, |_| false), [down(true)]);
        let mut met = stranger();
        met.meet(start + MS * 700, &suspect().node);
        assert_eq!(met.take_due(start + MS * 700, 1, |_| true), [Verdict::Ask(suspect(), 3)]);
        assert!(!met.take_due(start + MS * 1499, 1, |_| true).contains(&down(false)));
        assert_eq!(met.take_due(start + MS * 1500, 1, |_| true), [down(false)]);
    }
}
