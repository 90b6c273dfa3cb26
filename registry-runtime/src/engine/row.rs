//! What a node has promised and knows about one slot: the acceptor's side of opening.
//!
//! Every node keeps a row for every slot of every registry that it knows, hosting or not.

use super::noted::NotedSets;
use super::set::Set;
use crate::id::{Epoch, Process};
use crate::message::{NOTED_MAX, Noted, Refusal};
use crate::rules::{Rule, Rules};

/// A slot's row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// The highest epoch met for this slot, from wherever.
    met: Epoch,
    /// The highest epoch promised, and to whom.
    promised: Option<Promised>,
    /// The last set known to be active.
    active: Option<Active>,
    /// Later sets that were named to this node.
    noted: NotedSets,
    /// The opening that this node takes part in and whose owner may count on this node's word.
    lent: Option<Promised>,
}

/// A set that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    /// The opening's epoch.
    pub(crate) epoch: Epoch,
    /// Its set.
    pub(crate) set: Set,
}

/// An opening by its epoch and its opener. The two belong together: should two openers ever draw one epoch, only one of
/// them is promised it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Promised {
    epoch: Epoch,
    opener: Process,
}

/// An opening as it asks for a promise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Who opens.
    pub(crate) opener: &'a Process,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// The set that it will use.
    pub(crate) set: &'a Set,
    /// The last active set that it knows, by epoch.
    pub(crate) known: Option<Epoch>,
    /// The epoch whose owner has given it up.
    pub(crate) released: Option<Epoch>,
}

/// An owner that may no longer count on this node's word for the slot, and must be told so.
pub(crate) type Superseded = Option<Process>;

impl Row {
    /// Promises the epoch: from here on lower ones are refused. Says who has lost this node's word by that.
    ///
    /// `lease_runs` tells whether this node's word to a process still holds.
    pub(crate) fn promise(
        &mut self,
        ask: Ask<'_>,
        lease_runs: impl Fn(&Process) -> bool,
        rules: Rules,
    ) -> Result<Superseded, Refusal> {
        self.met = self.met.max(ask.epoch);
        // Such an opener would ask the wrong sets. It hears of the right one and asks again, and a newcomer that founds
        // what was founded long ago disturbs nobody.
        if self.active_epoch() > ask.known {
            return Err(Refusal::Outdated);
        }
        self.refuse_lower(ask.epoch, ask.opener, rules)?;
        if let Some(lent) = &self.lent
            && rules.keeps(Rule::LenderWaits)
            && lent.opener != *ask.opener
            && ask.released != Some(lent.epoch)
            && lease_runs(&lent.opener)
        {
            return Err(Refusal::Lent(lent.epoch, lent.opener.clone()));
        }
        self.noted.forget_attempts(ask.opener, ask.known);
        self.note(ask.epoch, ask.set, rules)?;
        Ok(self.give_word(ask.epoch, ask.opener))
    }

    /// Takes part in an opening that has its promises. Says who has lost this node's word by that.
    ///
    /// A lease is not waited for: the opener has majorities whose leases to others are over, so no other majority can
    /// count on this node.
    pub(crate) fn install(
        &mut self,
        opener: &Process,
        epoch: Epoch,
        set: &Set,
        rules: Rules,
    ) -> Result<Superseded, Refusal> {
        self.met = self.met.max(epoch);
        if self.active_epoch() > Some(epoch) {
            return Err(Refusal::Outdated);
        }
        self.refuse_lower(epoch, opener, rules)?;
        self.note(epoch, set, rules)?;
        let superseded = self.give_word(epoch, opener);
        self.lent = Some(Promised { epoch, opener: opener.clone() });
        Ok(superseded)
    }

    /// Learns that a set was opened. Returns whether it is news.
    pub(crate) fn learn(&mut self, epoch: Epoch, set: &Set) -> bool {
        self.met = self.met.max(epoch);
        let is_news = self.active_epoch() < Some(epoch);
        if is_news {
            self.active = Some(Active { epoch, set: set.clone() });
            self.noted.forget_until(epoch);
            // Of an earlier opening's set a majority has promised this one, so its owner has no use for one word more.
            self.lent.take_if(|lent| lent.epoch < epoch);
        }
        is_news
    }

    /// Remembers an epoch, so that the next draw is above it.
    pub(crate) fn meet(&mut self, epoch: Epoch) {
        self.met = self.met.max(epoch);
    }

    /// The highest epoch met.
    pub(crate) fn met(&self) -> Epoch {
        self.met
    }

    /// The last set known to be active.
    pub(crate) fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// The epoch of the last set known to be active.
    pub(crate) fn active_epoch(&self) -> Option<Epoch> {
        self.active.as_ref().map(|active| active.epoch)
    }

    /// Every set noted below `epoch`.
    pub(crate) fn noted_below(&self, epoch: Epoch) -> impl Iterator<Item = &Noted<Set>> {
        self.noted.below(epoch)
    }

    /// To whom this epoch is promised, as the highest one.
    pub(crate) fn promised(&self, epoch: Epoch) -> Option<&Process> {
        self.promised.as_ref().filter(|promised| promised.epoch == epoch).map(|promised| &promised.opener)
    }

    fn refuse_lower(&self, epoch: Epoch, opener: &Process, rules: Rules) -> Result<(), Refusal> {
        match &self.promised {
            Some(promised) if epoch < promised.epoch => Err(Refusal::Promised(promised.epoch)),
            Some(promised)
                if epoch == promised.epoch && *opener != promised.opener && rules.keeps(Rule::EpochsDiffer) =>
            {
                Err(Refusal::Promised(promised.epoch))
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, epoch: Epoch, set: &Set, rules: Rules) -> Result<(), Refusal> {
        let may_become_active = self.active_epoch() < Some(epoch);
        if !may_become_active || !rules.keeps(Rule::SetNoted) || self.noted.add(epoch, set, NOTED_MAX) {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    fn give_word(&mut self, epoch: Epoch, opener: &Process) -> Superseded {
        self.promised = Some(Promised { epoch, opener: opener.clone() });
        self.lent.take_if(|lent| lent.opener != *opener).map(|lent| lent.opener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NodeId, Start};

    fn process(name: &str) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }
    }

    fn set(names: &str) -> Set {
        Set::new(names.chars().map(|name| process(&name.to_string())).collect()).unwrap()
    }

    fn epoch(number: u64) -> Epoch {
        Epoch::new(number)
    }

    /// Asks in the name of the set's owner.
    fn promise(
        row: &mut Row,
        number: u64,
        names: &str,
        known: u64,
        released: u64,
        lease: bool,
    ) -> Result<bool, Refusal> {
        let set = set(names);
        let some = |number| (number > 0).then(|| epoch(number));
        let (known, released) = (some(known), some(released));
        let ask = Ask { opener: set.owner(), epoch: epoch(number), set: &set, known, released };
        row.promise(ask, |_| lease, Rules::ALL).map(|superseded| superseded.is_some())
    }

    fn install(row: &mut Row, number: u64, names: &str) -> Result<bool, Refusal> {
        let set = set(names);
        row.install(set.owner(), epoch(number), &set, Rules::ALL).map(|superseded| superseded.is_some())
    }

    fn lent() -> Refusal {
        Refusal::Lent(epoch(5), process("a"))
    }

    #[test]
    fn lower_epochs_and_equal_ones_of_others_are_refused() {
        let mut row = Row::default();
        assert_eq!(promise(&mut row, 5, "ab", 0, 0, false), Ok(false));
        assert_eq!(promise(&mut row, 5, "ab", 0, 0, false), Ok(false), "a repetition gets the same answer");
        assert_eq!(promise(&mut row, 5, "ba", 0, 0, false), Err(Refusal::Promised(epoch(5))));
        assert_eq!(promise(&mut row, 4, "ba", 0, 0, false), Err(Refusal::Promised(epoch(5))));
        assert_eq!(install(&mut row, 4, "ba"), Err(Refusal::Promised(epoch(5))));
        assert_eq!(row.noted_below(epoch(9)).count(), 1, "what is refused is not noted");
    }

    #[test]
    fn who_has_lent_its_word_waits_unless_the_owner_gave_up_that_very_epoch() {
        let mut row = Row::default();
        assert_eq!(install(&mut row, 5, "ab"), Ok(false));
        assert_eq!(promise(&mut row, 6, "ba", 0, 0, true), Err(lent()));
        assert_eq!(promise(&mut row, 6, "ba", 0, 4, true), Err(lent()));
        assert_eq!(promise(&mut row, 6, "ac", 0, 0, true), Ok(false), "the owner itself need not wait");
        assert_eq!(promise(&mut row, 7, "ba", 0, 0, true), Err(lent()), "it may still serve 5");
        assert_eq!(promise(&mut row, 7, "ba", 0, 5, true), Ok(true), "and is told");
        assert_eq!(promise(&mut row, 8, "cb", 0, 0, true), Ok(false), "once");
    }

    #[test]
    fn an_opener_that_does_not_know_the_active_set_is_told_it() {
        let mut row = Row::default();
        assert!(row.learn(epoch(5), &set("abc")));
        assert!(!row.learn(epoch(4), &set("b")));
        assert_eq!(promise(&mut row, 6, "ba", 0, 0, false), Err(Refusal::Outdated));
        assert_eq!(promise(&mut row, 6, "ba", 4, 0, false), Err(Refusal::Outdated));
        assert_eq!(promise(&mut row, 6, "ba", 5, 0, false), Ok(false));
    }

    #[test]
    fn attempts_of_one_opener_take_one_place_and_the_ninth_set_is_refused() {
        let mut row = Row::default();
        for number in 1..20 {
            let set = if number % 2 == 0 { "ab" } else { "ac" };
            assert_eq!(promise(&mut row, number, set, 0, 0, false), Ok(false));
        }
        for (number, name) in (20..27).zip('c'..) {
            assert_eq!(promise(&mut row, number, &name.to_string(), 0, 0, false), Ok(false));
        }
        assert_eq!(promise(&mut row, 30, "z", 0, 0, false), Err(Refusal::Full));
        assert_eq!(promise(&mut row, 30, "ad", 0, 0, false), Ok(false));
        assert!(row.learn(epoch(24), &set("g")));
        let left: Vec<_> = row.noted_below(epoch(99)).map(|noted| (noted.first.get(), noted.last.get())).collect();
        assert_eq!(left, [(25, 25), (26, 26), (30, 30)], "what came before an active set is void");
    }
}
