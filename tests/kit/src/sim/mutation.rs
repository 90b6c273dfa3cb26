//! Bugs put back, one at a time, to see that the oracles find them.
//!
//! A [`Mutation`] takes one [`Rule`] away from every node of a world and plays scenarios that favour the trouble in which the
//! rule matters. It is found by a seed in which an oracle reports what it does not report with all rules kept.

use std::collections::BTreeSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registry_runtime::Timing;
use registry_runtime::testing::{Rule, Rules};

use super::host::TRUE_RATE;
use super::plan::{Fault, Planned};
use super::{Report, Scenario, Settings, dice};

/// A bug.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// Its name.
    pub name: &'static str,
    /// The rule that is taken away.
    pub rule: Rule,
    /// The promise that it breaks.
    pub breaks: &'static str,
    /// The oracles of that promise: what others notice besides proves nothing of these.
    pub by: &'static [&'static str],
    /// In what trouble it shows.
    trouble: Trouble,
    /// The first seed that has found it, when it was last hunted from the first one on.
    pub seed: u64,
}

/// What befalls the clusters of a mutation.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Nothing.
    None,
    /// Nodes are killed.
    Crashes,
    /// Nodes leave and come back.
    Leaves,
    /// Nodes stand still for a little longer than nobody minds.
    Pauses,
    /// One node and the others do not hear one another.
    Splits,
}

/// All that whole clusters are tried with.
pub const MUTATIONS: [Mutation; 15] = [
    Mutation {
        name: "ignore-epoch",
        rule: Rule::Epoch,
        breaks: "an attempt carries the epoch it was sent under, and owners refuse others",
        by: &["fenced"],
        trouble: Trouble::Leaves,
        seed: 3,
    },
    Mutation {
        name: "ignore-lease",
        rule: Rule::Lease,
        breaks: "the owner answers only while more than half of its set lend it their word",
        by: &["fresh", "linearizable"],
        trouble: Trouble::Splits,
        seed: 9,
    },
    Mutation {
        name: "skip-seal",
        rule: Rule::Seal,
        breaks: "before a planned move the owner starts nothing new",
        by: &["handed-over"],
        trouble: Trouble::Leaves,
        seed: 3,
    },
    Mutation {
        name: "ignore-lane",
        rule: Rule::Alone,
        breaks: "updates of a key run one at a time",
        by: &["alone"],
        trouble: Trouble::None,
        seed: 1,
    },
    Mutation {
        name: "wall-clock-deadlines",
        rule: Rule::Deadline,
        breaks: "every call ends by its deadline",
        by: &["ends"],
        trouble: Trouble::None,
        seed: 1,
    },
    Mutation {
        name: "ignore-receipt",
        rule: Rule::Receipt,
        breaks: "a retry gets the first reply and has no second effect",
        by: &["one-effect", "repetition"],
        trouble: Trouble::None,
        seed: 1,
    },
    Mutation {
        name: "resend-after-dispatch",
        rule: Rule::SentOnce,
        breaks: "an action that may have run is sent again only where that does no harm",
        by: &["once"],
        trouble: Trouble::Splits,
        seed: 29,
    },
    Mutation {
        name: "no-may-mean-maybe",
        rule: Rule::NoMeansNo,
        breaks: "`executed() == No`: no node ever starts that command",
        by: &["never-started"],
        trouble: Trouble::Splits,
        seed: 4,
    },
    Mutation {
        name: "own-mark",
        rule: Rule::MarkIsLowest,
        breaks: "the receipt of a call is kept while it may be repeated",
        by: &["plausible"],
        trouble: Trouble::Splits,
        seed: 3,
    },
    Mutation {
        name: "suspect-is-down",
        rule: Rule::Suspicion,
        breaks: "suspicion moves nothing",
        by: &["suspicion"],
        trouble: Trouble::Pauses,
        seed: 1,
    },
    Mutation {
        name: "ignore-reservation",
        rule: Rule::Reservation,
        breaks: "under `wait_for_node` a slot waits for its node",
        by: &["reserved"],
        trouble: Trouble::Crashes,
        seed: 1,
    },
    Mutation {
        name: "ack-before-majority",
        rule: Rule::MajorityHolds,
        breaks: "an acknowledged change is not lost",
        by: &["no-lost-update", "linearizable"],
        trouble: Trouble::Splits,
        seed: 1,
    },
    Mutation {
        name: "receipt-stays",
        rule: Rule::ReceiptTravels,
        breaks: "a retry that reaches the next owner has no second effect",
        by: &["one-effect", "no-second-effect"],
        trouble: Trouble::Splits,
        seed: 1,
    },
    Mutation {
        name: "receipt-missed",
        rule: Rule::ReceiptFills,
        breaks: "a backup is filled with all that its owner has, also with what comes meanwhile",
        by: &["one-effect", "no-second-effect"],
        trouble: Trouble::Leaves,
        seed: 11,
    },
    Mutation {
        name: "ignore-seen",
        rule: Rule::NothingOlder,
        breaks: "who reads from any replica never sees less than before",
        by: &["own-past"],
        trouble: Trouble::Pauses,
        seed: 28,
    },
];

/// How long the faults of a mutation's scenario last: a handful of failovers.
const TROUBLE_MS: u64 = 10_000;

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// No oracle noticed anything.
    Held,
    /// These oracles did, and one of those is among them that must.
    Found(BTreeSet<&'static str>),
    /// Only others did.
    Beside(BTreeSet<&'static str>),
    /// They do without the mutation, too.
    Spoiled,
}

impl Mutation {
    /// The mutation of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MUTATIONS.iter().find(|mutation| mutation.name == name)
    }

    /// Plays a seed with the mutation and, if something is broken, without it.
    pub fn tries(&self, seed: u64) -> Trial {
        let play = |rules| noticed(&self.scenario(seed, rules).play(Settings::default()));
        let found = play(Rules::ALL.without(self.rule));
        match found.is_empty() {
            true => Trial::Held,
            false if !play(Rules::ALL).is_empty() => Trial::Spoiled,
            false if self.by.iter().any(|oracle| found.contains(oracle)) => Trial::Found(found),
            false => Trial::Beside(found),
        }
    }

    /// What the seed stands for here.
    pub fn scenario(&self, seed: u64, rules: Rules) -> Scenario {
        let rng = &mut dice(seed, "mutation", 0);
        let founders = rng.random_range(3..=5);
        let rates = vec![TRUE_RATE; usize::from(founders)];
        let faults = self.trouble.draw(rng, founders);
        let timing = ("fast", Timing::fast());
        let safety_ms = TROUBLE_MS;
        Scenario {
            founders,
            timing,
            rates,
            tiny: false,
            quiet: false,
            safety_ms,
            faults,
            rules,
            ..Scenario::draw(seed)
        }
    }
}

/// The oracles that found something; a failed assertion in the code is none of them.
fn noticed(report: &Report) -> BTreeSet<&'static str> {
    let mut names: BTreeSet<_> = report.findings.faults.iter().map(|fault| fault.invariant).collect();
    if report.broken.iter().any(|promise| promise.starts_with("liveness")) {
        names.insert("liveness");
    }
    names
}

impl Trouble {
    fn draw(self, rng: &mut ChaCha8Rng, founders: u16) -> Vec<Planned> {
        let mut faults = Vec::new();
        let mut at_ms = 2_000;
        while at_ms < TROUBLE_MS {
            let host = rng.random_range(1..=founders);
            let (fault, for_ms) = match self {
                Self::None => break,
                Self::Crashes => (Fault::Crash { host }, rng.random_range(1_500..3_500)),
                Self::Leaves => (Fault::Leave { host }, rng.random_range(1_000..2_000)),
                Self::Pauses => (Fault::Freeze { host }, rng.random_range(700..1_100)),
                Self::Splits => (Fault::Split { side: [host].into() }, rng.random_range(2_000..4_000)),
            };
            faults.push(Planned { at_ms, for_ms, fault });
            at_ms += rng.random_range(1_000..2_500);
        }
        faults
    }
}
