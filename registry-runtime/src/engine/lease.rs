//! Leases: the word that members give an owner for a short time, from both sides.
//!
//! A member that has stored an opening lends the opener its word with every answer to a heartbeat, for all slots
//! together, and promises those slots to nobody else until that time is over. An owner may show acknowledged state only
//! while more than half of the slot's set, itself included, has lent its word. So whoever is promised the slot next has
//! waited until the owner had lost its right.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::set::Set;
use crate::id::{Epoch, Process, RegistryName, Slot};
use crate::message::{Lend, SUPERSEDED_MAX, Superseded};
use crate::rules::{Rule, Rules};
use crate::time::Moment;

/// How many heartbeats are remembered: more than are sent within a lease in any preset (6).
const BEATS_KEPT: usize = 16;

/// The share of a lease that its borrower counts on, in percent. Clock rates may differ by 10 % from true time either way:
/// a slow borrower's 80 are less than 89 true, a fast lender's 100 more than 90.
const COUNTED_PERCENT: u32 = 80;

/// The borrower's side: who has lent this node its word, and until when.
#[derive(Debug, Default)]
pub(crate) struct Borrowed {
    /// When the last heartbeats were sent.
    beats: VecDeque<(u64, Moment)>,
    sequence: u64,
    lenders: BTreeMap<Process, Word>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    until: Moment,
    /// The newest version of the lender's list that was acted on.
    heard: u64,
}

impl Borrowed {
    /// Counts a heartbeat that is sent now, to however many.
    pub(crate) fn beat(&mut self, now: Moment) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.beats.push_back((self.sequence, now));
        if self.beats.len() > BEATS_KEPT {
            self.beats.pop_front();
        }
        self.sequence
    }

    /// The version of the lender's list up to which this node has acted.
    pub(crate) fn heard(&self, lender: &Process) -> u64 {
        self.lenders.get(lender).map_or(0, |word| word.heard)
    }

    /// Takes in an answer whose list has been acted on.
    pub(crate) fn lent(&mut self, now: Moment, lender: &Process, lend: &Lend, lease: Duration, rules: Rules) {
        let word = self.lenders.entry(lender.clone()).or_default();
        word.heard = word.heard.max(lend.version);
        let sent = self.beats.iter().find(|(sequence, _)| *sequence == lend.sequence).map(|(_, sent)| *sent);
        if let (Some(sent), true) = (sent, lend.complete) {
            let keeps = rules.keeps(Rule::LeaseMargin);
            let end = if keeps { sent + lease * COUNTED_PERCENT / 100 } else { now + lease };
            word.until = word.until.max(end);
        }
    }

    /// Until when a process has lent its word.
    pub(crate) fn until_of(&self, lender: &Process) -> Moment {
        self.lenders.get(lender).map_or_else(Moment::default, |word| word.until)
    }

    /// Until when more than half of the set has lent its word, counting those that `stored` this opening.
    pub(crate) fn until(&self, me: &Process, set: &Set, stored: impl Fn(&Process) -> bool, rules: Rules) -> Moment {
        let word = |member: &Process| match stored(member) {
            true if member == me => Moment::FOREVER,
            true => self.until_of(member),
            false => Moment::default(),
        };
        let mut ends: Vec<Moment> = set.members().iter().map(word).collect();
        ends.sort_unstable_by(|left, right| right.cmp(left));
        let needed = if rules.keeps(Rule::MajorityLends) { set.len() / 2 + 1 } else { set.len().div_ceil(2) };
        ends.get(needed - 1).copied().unwrap_or_default()
    }

    /// Drops what processes that will not come back have lent.
    pub(crate) fn forget(&mut self, is_over: impl Fn(&Process) -> bool) {
        self.lenders.retain(|lender, _| !is_over(lender));
    }
}

/// The lender's side: to whom this node has lent its word, and until when.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    owners: BTreeMap<Process, Debt>,
}

#[derive(Debug, Default)]
struct Debt {
    until: Moment,
    version: u64,
    /// The slots on which the owner must not count any more, with the version at which each came in.
    superseded: BTreeMap<(RegistryName, Slot), (Epoch, u64)>,
}

impl Lent {
    /// Whether this node's word to the owner still holds.
    pub(crate) fn runs(&self, owner: &Process, now: Moment) -> bool {
        self.owners.get(owner).is_some_and(|debt| now < debt.until)
    }

    /// Notes that the owner has lost this node's word for one slot, by a promise of `epoch` to another.
    pub(crate) fn supersede(&mut self, owner: &Process, registry: &RegistryName, slot: Slot, epoch: Epoch) {
        let debt = self.owners.entry(owner.clone()).or_default();
        debt.version = debt.version.saturating_add(1);
        debt.superseded.insert((registry.clone(), slot), (epoch, debt.version));
    }

    /// Answers a heartbeat: tells what the owner has lost, and lends if that is all.
    pub(crate) fn lend(&mut self, owner: &Process, sequence: u64, heard: u64, now: Moment, lease: Duration) -> Lend {
        let debt = self.owners.entry(owner.clone()).or_default();
        debt.superseded.retain(|_, (_, version)| *version > heard);
        let mut entries: Vec<_> = debt.superseded.iter().collect();
        entries.sort_unstable_by_key(|(_, (_, version))| *version);
        let complete = entries.len() <= SUPERSEDED_MAX;
        entries.truncate(SUPERSEDED_MAX);
        let version = if complete { debt.version } else { entries.last().map_or(heard, |(_, (_, version))| *version) };
        let tell = |((registry, slot), (epoch, _)): (&(RegistryName, Slot), &(Epoch, u64))| Superseded {
            registry: registry.clone(),
            slot: *slot,
            epoch: *epoch,
        };
        let superseded = entries.into_iter().map(tell).collect();
        if complete {
            debt.until = debt.until.max(now + lease);
        }
        Lend { sequence, version, superseded, complete }
    }

    /// Drops the debts to processes that will not come back, once they have run out: one that was replaced under its name may live on for a
    /// moment, and counts on this node's word.
    pub(crate) fn forget(&mut self, now: Moment, is_over: impl Fn(&Process) -> bool) {
        self.owners.retain(|owner, debt| now < debt.until || !is_over(owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NodeId, Start};

    fn process(name: &str) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }
    }

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    const LEASE: Duration = Duration::from_millis(1000);

    #[test]
    fn a_lease_counts_from_the_sending_and_ends_with_the_majority() {
        let (me, b, c) = (process("a"), process("b"), process("c"));
        let set = Set::new(vec![me.clone(), b.clone(), c.clone()]).unwrap();
        let mut borrowed = Borrowed::default();
        let until = |borrowed: &Borrowed, stored: &str| {
            borrowed.until(&me, &set, |member| stored.contains(member.node.as_str()), Rules::ALL)
        };
        let first = borrowed.beat(at(100));
        let second = borrowed.beat(at(300));
        let lend = |sequence, complete| Lend { sequence, version: 0, superseded: Vec::new(), complete };
        borrowed.lent(at(400), &b, &lend(first, true), LEASE, Rules::ALL);
        assert_eq!(until(&borrowed, "abc"), at(900));
        borrowed.lent(at(400), &c, &lend(second, true), LEASE, Rules::ALL);
        assert_eq!(until(&borrowed, "abc"), at(1100));
        assert_eq!([&b, &c, &me].map(|lender| borrowed.until_of(lender)), [at(900), at(1100), at(0)]);
        assert_eq!(until(&borrowed, "ab"), at(900), "who has not stored the opening does not count");
        assert_eq!(until(&borrowed, "a"), at(0));
        borrowed.lent(at(400), &b, &lend(second, false), LEASE, Rules::ALL);
        borrowed.lent(at(400), &b, &lend(99, true), LEASE, Rules::ALL);
        assert_eq!(until(&borrowed, "ab"), at(900), "neither incomplete answers nor invented ones");
        let alone = Set::new(vec![me.clone()]).unwrap();
        assert_eq!(borrowed.until(&me, &alone, |_| true, Rules::ALL), Moment::FOREVER);
    }

    #[test]
    fn a_lender_repeats_what_is_lost_until_it_was_heard() {
        let (owner, registry) = (process("a"), RegistryName::new("orders").unwrap());
        let mut lent = Lent::default();
        assert!(!lent.runs(&owner, at(0)));
        assert!(lent.lend(&owner, 1, 0, at(0), LEASE).superseded.is_empty());
        assert!(lent.runs(&owner, at(999)) && !lent.runs(&owner, at(1000)));
        lent.supersede(&owner, &registry, Slot::new(3), Epoch::new(7));
        let told = lent.lend(&owner, 2, 0, at(1000), LEASE);
        assert_eq!((told.superseded.len(), told.version), (1, 1));
        assert_eq!(lent.lend(&owner, 3, 0, at(1000), LEASE).superseded.len(), 1);
        assert_eq!(lent.lend(&owner, 4, told.version, at(1000), LEASE).superseded.len(), 0);
    }

    #[test]
    fn a_debt_outlives_the_news_that_its_owner_was_replaced() {
        let owner = process("a");
        let mut lent = Lent::default();
        lent.lend(&owner, 1, 0, at(0), LEASE);
        lent.forget(at(999), |_| true);
        assert!(lent.runs(&owner, at(999)), "it may still act on this node's word");
        lent.forget(at(1000), |_| true);
        assert!(lent.owners.is_empty());
    }

    #[test]
    fn a_lender_with_too_much_to_tell_lends_nothing_until_it_has_told_it() {
        let (owner, registry) = (process("a"), RegistryName::new("orders").unwrap());
        let mut lent = Lent::default();
        for slot in 0..=SUPERSEDED_MAX {
            lent.supersede(&owner, &registry, Slot::new(slot as u32), Epoch::new(7));
        }
        let told = lent.lend(&owner, 1, 0, at(0), LEASE);
        assert!(!told.complete && !lent.runs(&owner, at(0)));
        let rest = lent.lend(&owner, 2, told.version, at(0), LEASE);
        assert!(rest.complete && rest.superseded.len() == 1 && lent.runs(&owner, at(0)));
    }
}
