//! What the tellers were told, to be compared with what the accounts say.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Statement;

/// How many broken promises are told one by one.
const TOLD_MAX: usize = 20;

/// The steps that were taken, given up, or are still open.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// The account of each step, and what is known of it.
    steps: BTreeMap<u64, (u64, Known)>,
    transfers: u64,
    repeated: u64,
    longest: Duration,
    errors: BTreeMap<String, u64>,
}

/// What the teller of a step knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was sent, and nobody has said what became of it.
    Open,
    /// It was acknowledged.
    Taken,
    /// Every answer promised that it never runs, and nobody sends it again.
    Never,
}

/// The book in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The transfers that were carried through.
    pub transfers: u64,
    /// The steps that were acknowledged.
    pub taken: usize,
    /// The steps that were given up, because no node ever runs them.
    pub never: usize,
    /// The calls that repeated a step.
    pub repeated: u64,
    /// The longest that one step took.
    pub longest: Duration,
    /// The errors that tellers heard, by kind.
    pub errors: BTreeMap<String, u64>,
}

impl Book {
    pub(super) fn know(&self, step: u64, account: u64, known: Known) {
        self.with(|entries| _ = entries.steps.insert(step, (account, known)));
    }

    /// Notes what a step took, and how often it was repeated.
    pub(super) fn took(&self, took: Duration, repeated: u64) {
        self.with(|entries| {
            entries.longest = entries.longest.max(took);
            entries.repeated += repeated;
        });
    }

    pub(super) fn transferred(&self) {
        self.with(|entries| entries.transfers += 1);
    }

    pub(super) fn heard(&self, error: String) {
        self.with(|entries| *entries.errors.entry(error).or_default() += 1);
    }

    pub(super) fn figures(&self) -> Figures {
        self.with(|entries| {
            let count = |wanted| entries.steps.values().filter(|(_, known)| *known == wanted).count();
            Figures {
                transfers: entries.transfers,
                taken: count(Known::Taken),
                never: count(Known::Never),
                repeated: entries.repeated,
                longest: entries.longest,
                errors: entries.errors.clone(),
            }
        })
    }

    /// What the accounts say otherwise than the tellers were told.
    pub(super) fn differences(&self, statements: &BTreeMap<u64, Statement>) -> Vec<String> {
        let mut seen: BTreeMap<(u64, u64), u32> = BTreeMap::new();
        let mut total = 0;
        for (account, statement) in statements {
            total += statement.balance;
            statement.steps.iter().for_each(|step| *seen.entry((*step, *account)).or_default() += 1);
        }
        let mut wrong = Vec::new();
        if total != 0 {
            wrong.push(format!("conserved: the accounts hold {total} together and not 0"));
        }
        self.with(|entries| {
            for (step, (account, known)) in &entries.steps {
                let times = seen.remove(&(*step, *account)).unwrap_or_default();
                let what = match (known, times) {
                    (Known::Taken, 1) | (Known::Never, 0) => continue,
                    (Known::Taken, 0) => "lost: it was acknowledged and is not there",
                    (Known::Never, _) => "untrue: it was to run never and is there",
                    (Known::Open, _) => "undecided: nobody ever said what became of it",
                    (_, _) => "twice: it is there more than once",
                };
                wrong.push(format!("{what}: step {step} of account {account}"));
            }
        });
        wrong.extend(seen.keys().map(|(step, account)| format!("odd: account {account} has step {step} of nobody")));
        if wrong.len() > TOLD_MAX {
            let more = wrong.len() - TOLD_MAX;
            wrong.truncate(TOLD_MAX);
            wrong.push(format!("and {more} more"));
        }
        wrong
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entries) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(known: Known, balance: i64, steps: &[u64]) -> String {
        let book = Book::default();
        book.know(7, 1, known);
        let statement = Statement { balance, steps: steps.to_vec() };
        book.differences(&BTreeMap::from([(1, statement)])).join("; ")
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        assert_eq!(differences(Known::Taken, 0, &[7]), "");
        assert_eq!(differences(Known::Never, 0, &[]), "");
        for (known, balance, steps, word) in [
            (Known::Taken, 0, vec![], "lost"),
            (Known::Taken, 0, vec![7, 7], "twice"),
            (Known::Never, 0, vec![7], "untrue"),
            (Known::Open, 0, vec![7], "undecided"),
            (Known::Taken, 5, vec![7], "conserved"),
            (Known::Taken, 0, vec![7, 8], "odd"),
        ] {
            assert!(differences(known, balance, &steps).starts_with(word), "{word}");
        }
    }
}
