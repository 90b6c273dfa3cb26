//! What a node has promised and knows about one slot: the acceptor's side of opening.
//!
//! Every node keeps a row for every slot of every registry that it knows, hosting or not.

use super::noted::NotedSets;
use super::set::Set;
use crate::id::{Epoch, Process};
use crate::message::{NOTED_MAX, Noted, Refusal, Reign};
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
    /// The founding whose line is followed: what may be held here is of it, but for what is of epochs up to `foreign`.
    founded: Option<Epoch>,
    /// The last opening that this node took part in.
    installed: Epoch,
    /// Of another line are all openings up to this one that this node took part in.
    foreign: Epoch,
    /// Later sets that were named to this node.
    noted: NotedSets,
    /// The opening that this node takes part in and whose owner may count on this node's word.
    lent: Option<Promised>,
}

/// A set that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    /// The opening.
    pub(crate) reign: Reign,
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
    /// The last opening that it knows.
    pub(crate) known: Option<Reign>,
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
        if self.knows_more_than(ask.known) {
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
        self.noted.forget_attempts(ask.opener, ask.known.map(|known| known.epoch));
        let founded = ask.known.map_or(ask.epoch, |known| known.founded);
        self.note(Reign { founded, epoch: ask.epoch }, ask.set, rules)?;
        Ok(self.give_word(ask.epoch, ask.opener))
    }

    /// Takes part in an opening that has its promises. Says who has lost this node's word by that.
    ///
    /// A lease is not waited for: the opener has majorities whose leases to others are over, so no other majority can
    /// count on this node.
    pub(crate) fn install(
        &mut self,
        opener: &Process,
        reign: Reign,
        set: &Set,
        rules: Rules,
    ) -> Result<Superseded, Refusal> {
        let epoch = reign.epoch;
        self.met = self.met.max(epoch);
        if self.active_epoch() > Some(epoch) || self.reign().is_some_and(|known| known.is_older_line(reign)) {
            return Err(Refusal::Outdated);
        }
        self.refuse_lower(epoch, opener, rules)?;
        self.note(reign, set, rules)?;
        let superseded = self.give_word(epoch, opener);
        self.follow(reign.founded);
        self.installed = epoch;
        self.lent = Some(Promised { epoch, opener: opener.clone() });
        Ok(superseded)
    }

    /// Learns that a set was opened. Returns whether it is news. `changes` tells whether this line is gone over to from that of the active set.
    pub(crate) fn learn(&mut self, reign: Reign, set: &Set, changes: impl FnOnce(&Active) -> bool) -> bool {
        let epoch = reign.epoch;
        self.met = self.met.max(epoch);
        let is_news = match &self.active {
            None => true,
            Some(known) if known.reign.founded == reign.founded => known.reign.epoch < epoch,
            Some(known) => changes(known),
        };
        if is_news {
            self.active = Some(Active { reign, set: set.clone() });
            self.follow(reign.founded);
            self.noted.forget_until(epoch);
            // Of an earlier opening's set a majority has promised this one, so its owner has no use for one word more.
            self.lent.take_if(|lent| lent.epoch < epoch);
        }
        is_news
    }

    /// Makes room for one more set, where there is none and `is_over` tells of lives that have ended.
    pub(crate) fn make_room(&mut self, is_over: impl Fn(&Process) -> bool) {
        if self.noted.len() >= NOTED_MAX {
            self.noted.fold(is_over);
        }
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

    /// The last opening that is known.
    pub(crate) fn reign(&self) -> Option<Reign> {
        self.active.as_ref().map(|active| active.reign)
    }

    /// The epoch of the last set known to be active.
    pub(crate) fn active_epoch(&self) -> Option<Epoch> {
        self.reign().map(|reign| reign.epoch)
    }

    /// The founding whose line is followed.
    pub(crate) fn founded(&self) -> Option<Epoch> {
        self.founded
    }

    /// What is taken over from now on is of the line of this founding.
    pub(crate) fn follow(&mut self, founded: Epoch) {
        if self.founded.replace(founded).is_some_and(|before| before != founded) {
            self.foreign = self.installed;
        }
    }

    /// Whether data of the stream of this epoch is of another line than this node follows.
    pub(crate) fn is_foreign(&self, epoch: Epoch) -> bool {
        epoch <= self.foreign
    }

    /// Every set noted below `epoch`.
    pub(crate) fn noted_below(&self, epoch: Epoch) -> impl Iterator<Item = &Noted<Set>> {
        self.noted.below(epoch)
    }

    /// To whom this epoch is promised, as the highest one.
    pub(crate) fn promised(&self, epoch: Epoch) -> Option<&Process> {
        self.promised.as_ref().filter(|promised| promised.epoch == epoch).map(|promised| &promised.opener)
    }

    /// Whether an opener that knows so much would ask the wrong sets.
    fn knows_more_than(&self, theirs: Option<Reign>) -> bool {
        self.reign().is_some_and(|own| theirs.is_none_or(|theirs| own.ends(theirs)))
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

    fn note(&mut self, reign: Reign, set: &Set, rules: Rules) -> Result<(), Refusal> {
        let may_become_active =
            self.reign().is_none_or(|known| known.founded != reign.founded || known.epoch < reign.epoch);
        if !may_become_active || !rules.keeps(Rule::SetNoted) || self.noted.add(reign.epoch, set, NOTED_MAX) {
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

    /// An opening of the one line that these tests have.
    fn reign(epoch: Epoch) -> Reign {
        Reign { founded: Epoch::new(1), epoch }
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
        let (known, released) = (some(known).map(reign), some(released));
        let ask = Ask { opener: set.owner(), epoch: epoch(number), set: &set, known, released };
        row.promise(ask, |_| lease, Rules::ALL).map(|superseded| superseded.is_some())
    }

    fn install(row: &mut Row, number: u64, names: &str) -> Result<bool, Refusal> {
        let set = set(names);
        row.install(set.owner(), reign(epoch(number)), &set, Rules::ALL).map(|superseded| superseded.is_some())
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
        assert!(row.learn(reign(epoch(5)), &set("abc"), |_| false));
        assert!(!row.learn(reign(epoch(4)), &set("b"), |_| false));
        assert_eq!(promise(&mut row, 6, "ba", 0, 0, false), Err(Refusal::Outdated));
        assert_eq!(promise(&mut row, 6, "ba", 4, 0, false), Err(Refusal::Outdated));
        assert_eq!(promise(&mut row, 6, "ba", 5, 0, false), Ok(false));
    }

    #[test]
    fn a_node_that_dies_in_each_of_its_lives_while_it_opens_uses_up_no_places() {
        let life = |start| Process { node: NodeId::new("x").unwrap(), start: Start::new(start) };
        let mut row = Row::default();
        for number in 1..30 {
            let set = Set::new(vec![life(number), process("b"), process("c")]).unwrap();
            let ask = Ask { opener: set.owner(), epoch: epoch(number), set: &set, known: None, released: None };
            row.make_room(|process| process.node == *"x" && process.start < life(number).start);
            assert_eq!(row.promise(ask, |_| false, Rules::ALL), Ok(None), "life {number}");
        }
        let spans: Vec<_> = row.noted_below(epoch(99)).map(|noted| (noted.first.get(), noted.last.get())).collect();
        assert_eq!(spans.iter().map(|(first, _)| first).min(), Some(&1), "{spans:?}");
        assert_eq!(spans.iter().map(|(_, last)| last).max(), Some(&29), "{spans:?}");
        // What others have tried asks for more.
        for (number, name) in (40..48).zip('d'..) {
            row.make_room(|process| process.node == *"x");
            assert_eq!(promise(&mut row, number, &name.to_string(), 0, 0, false).is_ok(), number < 47, "{number}");
        }
    }

    #[test]
    fn who_follows_a_line_goes_over_to_another_only_where_it_is_told_to() {
        let line = |founded, number| Reign { founded: epoch(founded), epoch: epoch(number) };
        let (old, younger) = (set("a"), set("bc"));
        let ask = |known, set| Ask { opener: Set::owner(set), epoch: epoch(70), set, known, released: None };
        let mut row = Row::default();
        assert_eq!(row.install(younger.owner(), line(50, 55), &younger, Rules::ALL), Ok(None));
        assert!(row.learn(line(50, 60), &younger, |_| false));
        assert!(!row.learn(line(20, 30), &old, |_| false) && !row.learn(line(51, 90), &set("d"), |_| false));
        assert_eq!(row.promise(ask(Some(line(20, 30)), &old), |_| false, Rules::ALL), Ok(None));
        assert_eq!(row.noted_below(epoch(99)).count(), 1, "it may become active");
        assert!(!row.is_foreign(epoch(55)));
        assert!(row.learn(line(20, 30), &old, |known| known.set == younger));
        assert_eq!((row.founded(), row.met()), (Some(epoch(20)), epoch(90)));
        assert!(row.is_foreign(epoch(55)) && !row.is_foreign(epoch(56)), "what is held is of the other line");
        assert_eq!(row.promise(ask(Some(line(50, 60)), &younger), |_| false, Rules::ALL), Err(Refusal::Outdated));
        assert_eq!(row.install(younger.owner(), line(50, 95), &younger, Rules::ALL), Err(Refusal::Outdated));
        assert_eq!(row.install(old.owner(), line(20, 96), &old, Rules::ALL), Ok(None));
        assert!(!row.is_foreign(epoch(96)));
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
        assert!(row.learn(reign(epoch(24)), &set("g"), |_| false));
        let left: Vec<_> = row.noted_below(epoch(99)).map(|noted| (noted.first.get(), noted.last.get())).collect();
        assert_eq!(left, [(25, 25), (26, 26), (30, 30)], "what came before an active set is void");
    }
}
