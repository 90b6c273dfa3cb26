//! A series of runs, judged as a whole.

use std::collections::BTreeMap;
use std::fmt;

use super::expected::{AWAITS_RECEIPTS, RUNS_MIN};
use super::{Findings, INVARIANTS};

/// What was found over a series of runs.
#[derive(Clone, Debug, Default)]
pub struct Score {
    runs: u64,
    /// For each invariant in how many runs it was broken, and the first of them.
    broken: BTreeMap<&'static str, (u64, u64)>,
    undecided: u64,
}

impl Score {
    /// Takes in what was found in the run of a seed.
    pub fn add(&mut self, seed: u64, findings: &Findings) {
        self.runs += 1;
        self.undecided += u64::from(!findings.undecided.is_empty());
        let names: std::collections::BTreeSet<_> = findings.faults.iter().map(|fault| fault.invariant).collect();
        for name in names {
            self.broken.entry(name).or_insert((0, seed)).0 += 1;
        }
    }

    /// How many runs there were.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// What is wrong with the series as a whole: invariants that were broken though they must hold, and, in a series that is
    /// long enough, ones on the list of [`expected`](super::expected) that were never broken.
    pub fn complaints(&self) -> Vec<String> {
        let unexpected =
            self.broken.iter().filter(|(name, _)| !AWAITS_RECEIPTS.contains(name)).map(|(name, (count, first))| {
                format!("`{name}` was broken in {count} of {} runs, first by seed {first}", self.runs)
            });
        let idle = AWAITS_RECEIPTS.iter().filter(|name| self.runs >= RUNS_MIN && !self.broken.contains_key(*name)).map(
            |name| {
                format!("`{name}` held in all of {} runs: take it off the list of what is expected to fail", self.runs)
            },
        );
        unexpected.chain(idle).collect()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for invariant in &INVARIANTS {
            let expected =
                if AWAITS_RECEIPTS.contains(&invariant.name) { "  (expected until receipts land)" } else { "" };
            match self.broken.get(invariant.name) {
                Some((count, first)) => {
                    writeln!(f, "{:<18} broken in {count}, first by seed {first}{expected}", invariant.name)?
                }
                None => writeln!(f, "{:<18} held{expected}", invariant.name)?,
            }
        }
        writeln!(f, "{} runs, {} with something undecided", self.runs, self.undecided)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sim::history::Stamp;
    use crate::sim::oracle::Fault;

    fn findings(invariants: &[&'static str]) -> Findings {
        let fault = |invariant: &&'static str| Fault { invariant, at: Stamp::default(), what: String::new() };
        Findings { faults: invariants.iter().map(fault).collect(), undecided: Vec::new() }
    }

    #[test]
    fn names_are_unique_and_the_list_names_what_exists() {
        let names: BTreeSet<_> = INVARIANTS.iter().map(|invariant| invariant.name).collect();
        assert_eq!(names.len(), INVARIANTS.len());
        assert!(AWAITS_RECEIPTS.iter().all(|name| names.contains(name)));
    }

    #[test]
    fn what_must_hold_may_not_break_and_what_is_expected_must() {
        let mut score = Score::default();
        for seed in 0..RUNS_MIN {
            score.add(seed, &findings(if seed == 3 { &AWAITS_RECEIPTS } else { &[] }));
        }
        assert_eq!(score.complaints(), [""; 0]);
        score.add(77, &findings(&["alone", "alone", "linearizable"]));
        assert_eq!(score.complaints(), [format!("`alone` was broken in 1 of {} runs, first by seed 77", RUNS_MIN + 1)]);

        let mut score = Score::default();
        for seed in 0..RUNS_MIN - 1 {
            score.add(seed, &findings(&[]));
        }
        assert_eq!(score.complaints(), [""; 0], "too few runs to tell");
        score.add(RUNS_MIN, &findings(&[]));
        assert_eq!(score.complaints().len(), AWAITS_RECEIPTS.len());
    }
}
