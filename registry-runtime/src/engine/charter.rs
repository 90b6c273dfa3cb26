//! Who may found: the `join` list, as the set that stands before every first opening.

use crate::id::{NodeId, Process};
use crate::time::Moment;

/// The entries of the `join` list and the processes that were found behind them.
///
/// It works like a replica set: an entry is the process that was first found there, and a restarted one does not answer
/// for the entry, lest two foundings count one entry twice. What differs is that exactly half is never enough, since
/// entries have no smallest id before they are known.
#[derive(Debug)]
pub(crate) struct Charter {
    entries: Vec<Option<Entry>>,
    /// Since when more than half of the entries were ready to found.
    ready_since: Option<Moment>,
}

#[derive(Clone, Debug)]
struct Entry {
    first: Process,
    latest: Process,
}

/// The longest `join` list that is read: with more, founding would wait for more than 32 nodes.
pub(crate) const CHARTER_MAX: usize = 64;

impl Charter {
    /// A list of so many entries, at least one; those over [`CHARTER_MAX`] are ignored.
    pub(crate) fn new(entries: usize) -> Self {
        Self { entries: vec![None; entries.clamp(1, CHARTER_MAX)], ready_since: None }
    }

    /// Learns which process answers behind an entry.
    pub(crate) fn learn(&mut self, entry: usize, process: &Process) {
        match self.entries.get_mut(entry) {
            Some(Some(entry)) if entry.latest.node == process.node && entry.latest.start >= process.start => {}
            Some(Some(entry)) => entry.latest = process.clone(),
            Some(unknown) => *unknown = Some(Entry { first: process.clone(), latest: process.clone() }),
            None => {}
        }
    }

    /// The processes that can be asked.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.entries.iter().flatten().map(|entry| &entry.latest)
    }

    /// Whether enough entries have promised: more than half by the process first found there; or, where too many have
    /// restarted for that, more than half by anybody and every other one is `excused`.
    pub(crate) fn is_promised(&self, has: impl Fn(&Process) -> bool, excused: impl Fn(&Process) -> bool) -> bool {
        let count =
            |answers: &dyn Fn(&Entry) -> bool| self.entries.iter().flatten().filter(|entry| answers(entry)).count();
        let all = self.entries.len();
        let by_first = count(&|entry| has(&entry.first));
        let by_anybody = count(&|entry| has(&entry.latest));
        let settled = count(&|entry| has(&entry.latest) || excused(&entry.latest));
        2 * by_first > all || (2 * by_anybody > all && settled == all)
    }

    /// Whether the nodes behind more than half of the entries satisfy `is_seen`, in whatever life.
    pub(crate) fn is_seen(&self, is_seen: impl Fn(&NodeId) -> bool) -> bool {
        2 * self.processes().filter(|process| is_seen(&process.node)).count() > self.entries.len()
    }

    /// Looks whether founding may begin, `answered` telling which processes have compared tables with this node.
    ///
    /// It begins when all entries have, or a `grace` after more than half have: what is founded by two of three has to
    /// be filled again for the third.
    pub(crate) fn look(&mut self, now: Moment, answered: impl Fn(&Process) -> bool) {
        let count = self.processes().filter(|process| answered(process)).count();
        if 2 * count <= self.entries.len() {
            self.ready_since = None;
        } else if count == self.entries.len() {
            self.ready_since = Some(Moment::default());
        } else {
            self.ready_since = self.ready_since.or(Some(now));
        }
    }

    /// Since when founding may be thought of, as last looked.
    pub(crate) fn ready_since(&self) -> Option<Moment> {
        self.ready_since
    }

    /// The moment from which this node may found, if it is known.
    pub(crate) fn ready_at(&self, grace: std::time::Duration) -> Option<Moment> {
        self.ready_since.map(|since| if since == Moment::default() { since } else { since + grace })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Start;

    fn process(name: &str, start: u64) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(start) }
    }

    #[test]
    fn a_restarted_process_does_not_answer_for_its_entry_unless_all_have_settled() {
        let mut charter = Charter::new(3);
        charter.learn(0, &process("a", 1));
        charter.learn(1, &process("b", 1));
        charter.learn(1, &process("b", 2));
        let check = |charter: &Charter, have: &[(&str, u64)], excused: &str, expected: bool| {
            let has = |process: &Process| {
                have.iter().any(|(name, start)| process.node == **name && process.start.get() == *start)
            };
            assert_eq!(charter.is_promised(has, |process| process.node == *excused), expected, "{have:?}");
        };
        check(&charter, &[("a", 1), ("b", 1)], "", true);
        check(&charter, &[("a", 1), ("b", 2)], "", false);
        charter.learn(2, &process("c", 7));
        check(&charter, &[("a", 1), ("b", 2)], "", false);
        check(&charter, &[("a", 1), ("b", 2)], "c", true);
        check(&charter, &[("a", 1), ("b", 2), ("c", 7)], "", true);
        check(&charter, &[("a", 1)], "c", false);
    }
}
