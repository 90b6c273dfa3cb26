//! What must hold, one file for each promise: a run's evidence goes in, findings come out.
//!
//! Every file begins with the promise in words and where it comes from. [`INVARIANTS`] lists them all.

mod agreement;
mod alone;
mod answered;
mod caller_order;
mod conserved;
mod ends;
mod epochs_rise;
mod evidence;
mod fenced;
mod fresh;
mod handed_over;
mod linearizable;
mod loss_is_earned;
mod never_started;
mod no_lost_update;
mod no_second_effect;
mod once;
mod one_effect;
mod one_owner;
mod own_past;
mod plausible;
mod repetition;
mod reserved;
mod score;
#[cfg(test)]
pub(super) mod story;
mod suspicion;
mod tenure;

use std::fmt;

pub use evidence::{Digest, Evidence, Kind, Rules};
pub use score::Score;

use super::history::Stamp;

/// One promise.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name in findings.
    pub name: &'static str,
    /// What is promised.
    pub statement: &'static str,
    /// Where.
    pub source: &'static str,
    judge: fn(&Evidence, &mut Findings),
}

/// All of them.
pub const INVARIANTS: [Invariant; 23] = [
    ends::INVARIANT,
    never_started::INVARIANT,
    answered::INVARIANT,
    alone::INVARIANT,
    one_owner::INVARIANT,
    epochs_rise::INVARIANT,
    fresh::INVARIANT,
    repetition::INVARIANT,
    one_effect::INVARIANT,
    fenced::INVARIANT,
    handed_over::INVARIANT,
    caller_order::INVARIANT,
    once::INVARIANT,
    suspicion::INVARIANT,
    reserved::INVARIANT,
    agreement::INVARIANT,
    loss_is_earned::INVARIANT,
    no_lost_update::INVARIANT,
    no_second_effect::INVARIANT,
    conserved::INVARIANT,
    linearizable::INVARIANT,
    own_past::INVARIANT,
    plausible::INVARIANT,
];

/// What was found in one run.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Promises that were broken.
    pub faults: Vec<Fault>,
    /// What could not be decided within its budget.
    pub undecided: Vec<String>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub invariant: &'static str,
    /// When it showed.
    pub at: Stamp,
    /// What is wrong, in a sentence that names the calls, runs and nodes.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}: {}", self.at, self.invariant, self.what)
    }
}

impl Findings {
    /// Judges a run by every invariant.
    pub fn of(evidence: &Evidence) -> Self {
        let mut findings = Self::default();
        for (at, oddity) in &evidence.records.oddities {
            findings.fault(&BOOKKEEPING, *at, oddity.clone());
        }
        for invariant in &INVARIANTS {
            (invariant.judge)(evidence, &mut findings);
        }
        findings.faults.sort_by_key(|fault| fault.at);
        findings
    }

    fn fault(&mut self, invariant: &Invariant, at: Stamp, what: String) {
        self.faults.push(Fault { invariant: invariant.name, at, what });
    }
}

/// What cannot be noted cannot be judged: a command that nobody called, or a call that ends without a begin.
const BOOKKEEPING: Invariant = Invariant {
    name: "bookkeeping",
    statement: "what runs was called, and what ends has begun",
    source: "the oracles themselves",
    judge: |_, _| {},
};

/// What one invariant finds in a story; for its tests.
#[cfg(test)]
fn found(invariant: &Invariant, evidence: &Evidence) -> Vec<String> {
    let mut findings = Findings::default();
    (invariant.judge)(evidence, &mut findings);
    assert!(findings.undecided.is_empty(), "{:?}", findings.undecided);
    findings.faults.into_iter().map(|fault| fault.what).collect()
}
