//! Who may found: the `join` list, as the set that stands before every first opening.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::id::{NodeId, Process};
use crate::time::Moment;

/// The entries of the `join` list and the processes that were found behind them.
///
/// It works like a replica set: an entry is the process that was first found there, and a restarted one does not answer
/// for the entry, lest two foundings count one entry twice. What differs is that exactly half is never enough, since
/// entries have no smallest id before they are known.
///
/// Who is refused, for what it is, by a cluster that stands founds nothing beside it: when a change that the others refuse is rolled out node by
/// node, the new ones are most of the list in the end, and theirs would be a second cluster, without the data of the first. The others are
/// thought to stand until somebody is let in where they were, or for as long as a silent member is waited for.
///
/// An entry of which nobody can tell for whom it stands counts for nobody, and a node that stands behind several counts for the first
/// of them: it might take itself for most of a cluster that it does not see.
#[derive(Debug)]
pub(crate) struct Charter {
    entries: Vec<Option<Entry>>,
    /// Since when more than half of the entries were ready to found.
    ready_since: Option<Moment>,
    /// Where a cluster stands that will not have this node, as far as was heard, and until when that counts.
    shut: BTreeMap<SocketAddr, Moment>,
    /// Whether there is any, as last looked.
    is_shut_out: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    first: Process,
    latest: Process,
    /// Whether it stands for the latest process for sure.
    is_sure: bool,
    /// Whether it is, besides, the first that stands for that node.
    counts: bool,
}

/// The longest `join` list that is read: with more, founding would wait for more than 32 nodes.
pub(crate) const CHARTER_MAX: usize = 64;

impl Charter {
    /// A list of so many entries, at least one; those over [`CHARTER_MAX`] are ignored.
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            entries: vec![None; entries.clamp(1, CHARTER_MAX)],
            ready_since: None,
            shut: BTreeMap::new(),
            is_shut_out: false,
        }
    }

    /// Learns which process an entry stands for, or that nobody can tell.
    pub(crate) fn learn(&mut self, entry: usize, process: Option<Process>) {
        match (self.entries.get_mut(entry), process) {
            (Some(Some(known)), process) => known.learn(process),
            (Some(unknown), Some(process)) => *unknown = Some(Entry::new(process)),
            (Some(None), None) | (None, _) => {}
        }
        let mut nodes = BTreeSet::new();
        for entry in self.entries.iter_mut().flatten() {
            entry.counts = entry.is_sure && nodes.insert(entry.latest.node.clone());
        }
    }

    /// A cluster stands at an address that will not have this node; that counts until then. Where so many say so that one more is not remembered,
    /// it does not matter.
    pub(crate) fn shut_out(&mut self, address: SocketAddr, until: Moment) {
        if self.shut.len() < CHARTER_MAX || self.shut.contains_key(&address) {
            self.shut.insert(address, until);
        }
    }

    /// Who is at an address is connected.
    pub(crate) fn let_in(&mut self, address: SocketAddr) {
        self.shut.remove(&address);
    }

    /// The processes that can be asked.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.counted().map(|entry| &entry.latest)
    }

    fn counted(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten().filter(|entry| entry.counts)
    }

    /// Whether enough entries have promised: more than half by the process first found there; or, where too many have
    /// restarted for that, more than half by anybody and every other one is `excused`.
    pub(crate) fn is_promised(&self, has: impl Fn(&Process) -> bool, excused: impl Fn(&Process) -> bool) -> bool {
        let count = |answers: &dyn Fn(&Entry) -> bool| self.counted().filter(|entry| answers(entry)).count();
        let all = self.entries.len();
        // An entry that was found to stand for another node since says nothing of the first.
        let by_first = count(&|entry| entry.first.node == entry.latest.node && has(&entry.first));
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
        self.shut.retain(|_, until| *until > now);
        self.is_shut_out = !self.shut.is_empty();
        let count = self.processes().filter(|process| answered(process)).count();
        if 2 * count <= self.entries.len() {
            self.ready_since = None;
        } else if count == self.entries.len() {
            self.ready_since = Some(Moment::default());
        } else {
            self.ready_since = self.ready_since.or(Some(now));
        }
    }

    /// Whether a cluster stands that will not have this node, as last looked.
    pub(crate) fn is_shut_out(&self) -> bool {
        self.is_shut_out
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

impl Entry {
    fn new(process: Process) -> Self {
        Self { first: process.clone(), latest: process, is_sure: true, counts: false }
    }

    fn learn(&mut self, process: Option<Process>) {
        self.is_sure = process.is_some();
        if let Some(process) = process
            && (self.latest.node != process.node || self.latest.start < process.start)
        {
            self.latest = process;
        }
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
        charter.learn(0, Some(process("a", 1)));
        charter.learn(1, Some(process("b", 1)));
        charter.learn(1, Some(process("b", 2)));
        let check = |charter: &Charter, have: &[(&str, u64)], excused: &str, expected: bool| {
            let has = |process: &Process| {
                have.iter().any(|(name, start)| process.node == **name && process.start.get() == *start)
            };
            assert_eq!(charter.is_promised(has, |process| process.node == *excused), expected, "{have:?}");
        };
        check(&charter, &[("a", 1), ("b", 1)], "", true);
        check(&charter, &[("a", 1), ("b", 2)], "", false);
        charter.learn(2, Some(process("c", 7)));
        check(&charter, &[("a", 1), ("b", 2)], "", false);
        check(&charter, &[("a", 1), ("b", 2)], "c", true);
        check(&charter, &[("a", 1), ("b", 2), ("c", 7)], "", true);
        check(&charter, &[("a", 1)], "c", false);
    }

    /// Whether this node, which is "a", may found at once with nobody but itself, and whether its own promise is enough.
    fn check_alone(charter: &mut Charter, expected: bool) {
        let is_me = |process: &Process| *process == self::process("a", 1);
        charter.look(Moment::default(), is_me);
        assert_eq!(charter.ready_since().is_some(), expected);
        assert_eq!(charter.is_promised(is_me, |_| false), expected);
        assert_eq!(charter.is_seen(|node| *node == *"a"), expected);
    }

    #[test]
    fn an_entry_of_which_nobody_can_tell_for_whom_it_stands_counts_for_nobody() {
        let mut charter = Charter::new(1);
        charter.learn(0, None);
        check_alone(&mut charter, false);
        charter.learn(0, Some(process("a", 1)));
        check_alone(&mut charter, true);
        charter.learn(0, None);
        check_alone(&mut charter, false);
        assert_eq!(charter.processes().count(), 0);
        charter.learn(0, Some(process("a", 1)));
        check_alone(&mut charter, true);
        charter.learn(1, Some(process("a", 1)));
        check_alone(&mut charter, true);
    }

    #[test]
    fn who_is_shut_out_stays_so_until_it_is_let_in_or_time_is_over() {
        let mut charter = Charter::new(1);
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let until = Moment::default() + std::time::Duration::from_secs(30);
        let is_in = |charter: &mut Charter, now: Moment| {
            charter.look(now, |_| true);
            !charter.is_shut_out()
        };
        assert!(is_in(&mut charter, Moment::default()));
        charter.shut_out(at(1), until);
        charter.shut_out(at(2), until);
        assert!(!is_in(&mut charter, Moment::default()));
        charter.let_in(at(1));
        assert!(!is_in(&mut charter, Moment::default()), "the other still says so");
        charter.let_in(at(2));
        assert!(is_in(&mut charter, Moment::default()));
        charter.shut_out(at(1), until);
        assert!(!is_in(&mut charter, Moment::default()));
        assert!(is_in(&mut charter, until));
    }

    #[test]
    fn a_restart_is_not_forgotten_while_nobody_can_tell() {
        let mut charter = Charter::new(3);
        charter.learn(0, Some(process("a", 1)));
        charter.learn(0, None);
        charter.learn(0, Some(process("a", 2)));
        charter.learn(1, Some(process("b", 1)));
        let is_promised = |start: u64| {
            let have = [process("a", start), process("b", 1)];
            charter.is_promised(|process| have.contains(process), |_| false)
        };
        assert!(is_promised(1));
        assert!(!is_promised(2));
    }

    #[test]
    fn a_node_behind_several_entries_counts_once() {
        let mut charter = Charter::new(3);
        for entry in 0..3 {
            charter.learn(entry, Some(process("a", 1)));
        }
        check_alone(&mut charter, false);
        assert_eq!(charter.processes().count(), 1);
        // The first of them turns out to be another: the next one counts.
        charter.learn(0, Some(process("b", 1)));
        assert_eq!(charter.processes().count(), 2);
        assert!(!charter.is_promised(|process| *process == self::process("a", 1), |_| false), "one promise is one");
        charter.learn(0, None);
        assert_eq!(charter.processes().count(), 1);
    }
}
