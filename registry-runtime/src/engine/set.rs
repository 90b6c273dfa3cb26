//! The replica set of one opening, and what counts as enough of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::id::Process;
use crate::message::SET_MEMBERS_MAX;

/// One to seven processes of different nodes, the owner first. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Set(Arc<[Process]>);

impl Set {
    /// Takes the members in order; `None` when there are none, more than seven, or two of one node.
    pub(crate) fn new(members: Vec<Process>) -> Option<Self> {
        let nodes: BTreeSet<_> = members.iter().map(|process| &process.node).collect();
        let fits = (1..=SET_MEMBERS_MAX).contains(&members.len()) && nodes.len() == members.len();
        fits.then(|| Self(members.into()))
    }

    /// `owner`, then as many of `others` as are needed for `size` members in all.
    pub(crate) fn of(owner: &Process, others: impl IntoIterator<Item = Process>, size: usize) -> Self {
        let mut members = vec![owner.clone()];
        for other in others {
            if members.len() >= size.min(SET_MEMBERS_MAX) {
                break;
            }
            if members.iter().all(|member| member.node != other.node) {
                members.push(other);
            }
        }
        Self(members.into())
    }

    /// The process that opened it.
    #[expect(clippy::indexing_slicing, reason = "no constructor makes an empty set")]
    pub(crate) fn owner(&self) -> &Process {
        &self.0[0]
    }

    /// The members in order, owner first.
    pub(crate) fn members(&self) -> &[Process] {
        &self.0
    }

    /// The members, owner first, to be kept.
    pub(crate) fn shared(&self) -> Arc<[Process]> {
        Arc::clone(&self.0)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the process is one of them.
    pub(crate) fn contains(&self, process: &Process) -> bool {
        self.0.contains(process)
    }

    /// Whether the members for which `has` holds are more than half: enough to serve and to acknowledge.
    pub(crate) fn is_majority(&self, has: impl Fn(&Process) -> bool) -> bool {
        2 * self.count(has) > self.len()
    }

    /// Whether the members for which `has` holds are enough for promises: more than half, or exactly half with the
    /// smallest node id among them. Of the two halves of a set only one holds that id, and any half meets any majority,
    /// so two openings still meet in a member; and of two nodes one can go on alone.
    pub(crate) fn is_promised(&self, has: impl Fn(&Process) -> bool) -> bool {
        let count = 2 * self.count(&has);
        count > self.len() || (count == self.len() && self.0.iter().min().is_some_and(has))
    }

    fn count(&self, has: impl Fn(&Process) -> bool) -> usize {
        self.0.iter().filter(|member| has(member)).count()
    }
}

/// `a@1+b@2`.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, member)| write!(f, "{}{member}", if at > 0 { "+" } else { "" }))
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Keeps one copy of each set, since thousands of slots share a few.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    known: BTreeSet<Set>,
    /// When so many are known, those that nobody else holds are dropped.
    sweep_at: usize,
}

/// Below this many sets a sweep is not worth its time.
const SWEEP_MIN: usize = 1024;

impl Sets {
    /// The shared copy of `set`.
    pub(crate) fn share(&mut self, set: Set) -> Set {
        if let Some(known) = self.known.get(&set) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.known.retain(|set| Arc::strong_count(&set.0) > 1);
            self.sweep_at = 2 * self.known.len();
        }
        self.known.insert(set.clone());
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NodeId, Start};

    fn set(names: &str) -> Set {
        let members = names.chars().map(|name| process(&name.to_string())).collect();
        Set::new(members).unwrap()
    }

    fn process(name: &str) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }
    }

    #[test]
    fn enough_is_more_than_half_and_for_promises_also_the_half_with_the_smallest_id() {
        let check = |members: &str, have: &str, majority: bool, promised: bool| {
            let has = |member: &Process| have.contains(member.node.as_str());
            assert_eq!(set(members).is_majority(has), majority, "{have} of {members}");
            assert_eq!(set(members).is_promised(has), promised, "{have} of {members}");
        };
        check("a", "", false, false);
        check("a", "a", true, true);
        check("ba", "b", false, false);
        check("ba", "a", false, true);
        check("ba", "ab", true, true);
        check("cab", "a", false, false);
        check("cab", "bc", true, true);
        check("dcba", "dc", false, false);
        check("dcba", "da", false, true);
        check("dcba", "dcb", true, true);
    }

    #[test]
    fn a_set_has_one_to_seven_different_nodes() {
        assert!(Set::new(Vec::new()).is_none());
        assert!(Set::new(vec![process("a"), process("a")]).is_none());
        let many = |count: usize| Set::new((0..count).map(|i| process(&i.to_string())).collect());
        assert!(many(SET_MEMBERS_MAX).is_some());
        assert!(many(SET_MEMBERS_MAX + 1).is_none());
        assert_eq!(Set::of(&process("b"), [process("b"), process("a"), process("c")], 2), set("ba"));
    }
}
