//! A series of runs, judged as a whole.

use std::collections::BTreeMap;
use std::fmt;

use super::{Findings, INVARIANTS};

/// What was found over a series of runs.
#[derive(Clone, Debug, Default)]
pub struct Score {
    runs: u64,
    /// For each invariant in how many runs it was broken, and the first of them.
    broken: BTreeMap<&'static str, (u64, u64)>,
    undecided: u64,
    /// The invariants that these runs cannot be judged by.
    unjudged: &'static [&'static str],
}

impl Score {
    /// Of runs that cannot be judged by these invariants.
    pub fn not_judging(unjudged: &'static [&'static str]) -> Self {
        Self { unjudged, ..Self::default() }
    }

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

    /// What is wrong with the series as a whole: the invariants that were broken, and that something could not be judged.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |(name, (count, first)): (&&str, &(u64, u64))| {
            let promise = INVARIANTS.iter().find(|invariant| invariant.name == *name);
            let promise = promise.map_or(String::new(), |promise| format!(": {}", promise.statement));
            format!("`{name}` was broken in {count} of {} runs, first by seed {first}{promise}", self.runs)
        };
        let undecided = format!("something could not be judged in {} of {} runs", self.undecided, self.runs);
        self.broken.iter().map(complaint).chain((self.undecided > 0).then_some(undecided)).collect()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for invariant in &INVARIANTS {
            match self.broken.get(invariant.name) {
                Some((count, first)) => writeln!(f, "{:<18} broken in {count}, first by seed {first}", invariant.name)?,
                None if self.unjudged.contains(&invariant.name) => writeln!(f, "{:<18} not judged", invariant.name)?,
                None => writeln!(f, "{:<18} held", invariant.name)?,
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
    fn names_are_unique() {
        let names: BTreeSet<_> = INVARIANTS.iter().map(|invariant| invariant.name).collect();
        assert_eq!(names.len(), INVARIANTS.len());
    }

    #[test]
    fn what_was_broken_is_said_once_for_the_series() {
        let mut score = Score::default();
        score.add(1, &findings(&[]));
        assert_eq!(score.complaints(), [""; 0]);
        score.add(77, &findings(&["alone", "alone"]));
        score.add(78, &findings(&["alone"]));
        let [complaint] = &score.complaints()[..] else { panic!("one complaint") };
        assert!(complaint.starts_with("`alone` was broken in 2 of 3 runs, first by seed 77: "), "{complaint}");
    }
}
