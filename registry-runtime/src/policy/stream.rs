//! The owner's end of a slot's record stream: which records are out, who has them, and which are acknowledged.
//!
//! Records have positions that count up without a gap. A backup says how far it reaches, one number for all before it; a record is
//! acknowledged when more than half of the set that the slot was opened with, the owner included, reach it.

use smallvec::{SmallVec, smallvec};

use crate::id::{Epoch, Position};
use crate::rules::{Rule, Rules};

/// A stream towards the backups of one opening.
#[derive(Debug)]
pub(crate) struct Stream {
    epoch: Epoch,
    /// Up to here the opening took over.
    base: Position,
    /// The last record.
    last: Position,
    /// Up to here more than half have it.
    acknowledged: Position,
    backups: SmallVec<[Backup; 2]>,
    rules: Rules,
}

/// Another member of the set.
#[derive(Clone, Copy, Debug, Default)]
struct Backup {
    /// How far it is known to reach.
    reaches: Option<Position>,
    /// Whether it is sent each record as it comes.
    flows: bool,
    /// Whether it is sent all that lies before, too, and says nothing until it has that.
    fills: bool,
    /// How often it was looked after in vain since it has last come further.
    stands: u32,
}

impl Backup {
    /// What is to be sent to one that reaches so far. Records after `kept` can still be sent.
    fn catch_up(&mut self, kept: Position, reaches: Position) -> Heard {
        if self.flows {
            return Heard::default();
        }
        self.flows = reaches >= kept;
        Heard { resume_after: self.flows.then_some(reaches), fill: !self.flows, stored: false }
    }
}

/// How often a backup is looked after in vain until what it was sent counts as lost. With one look a second this is longer than what waits
/// in a channel takes over a slow line; while a slot is being sent, every part of it counts as progress.
const STANDS_MAX: u32 = 30;

/// What a backup's word leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// It reaches the opening's base, and did not before.
    pub(crate) stored: bool,
    /// It is to be sent all records after this one, and each that comes.
    pub(crate) resume_after: Option<Position>,
    /// It misses what is not kept any more, so it has to be filled.
    pub(crate) fill: bool,
}

impl Stream {
    /// The stream of an opening that took over so much, towards so many backups. An owner that goes on may have more, up to `last`.
    pub(crate) fn new(epoch: Epoch, base: Position, last: Position, backups: usize, rules: Rules) -> Self {
        let acknowledged = Position::default();
        Self { epoch, base, last: last.max(base), acknowledged, backups: smallvec![Backup::default(); backups], rules }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last record.
    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// Up to here more than half have it.
    pub(crate) fn acknowledged(&self) -> Position {
        self.acknowledged
    }

    /// Takes a place for a new record.
    pub(crate) fn propose(&mut self) -> Position {
        self.last = self.last.next();
        self.last
    }

    /// Whether a backup is sent each record as it comes.
    pub(crate) fn flows(&self, backup: usize) -> bool {
        self.backups.get(backup).is_some_and(|backup| backup.flows)
    }

    /// Whether a backup lacks nothing but records that are on their way to it.
    pub(crate) fn is_on_the_way_to(&self, backup: usize) -> bool {
        let lacks = |backup: &Backup| backup.flows && !backup.fills && backup.reaches < Some(self.last);
        self.backups.get(backup).is_some_and(lacks)
    }

    /// A backup cannot be reached, or has missed something: nothing is sent to it until it has said how far it reaches, or is filled.
    pub(crate) fn interrupt(&mut self, backup: usize) {
        if let Some(backup) = self.backups.get_mut(backup) {
            backup.flows = false;
        }
    }

    /// Looks after a backup: whether it is to be asked how far it reaches, for it is sent nothing, or does not come further.
    pub(crate) fn look_after(&mut self, at: usize) -> bool {
        let last = self.last;
        let Some(backup) = self.backups.get_mut(at) else { return false };
        backup.stands = if backup.flows && backup.reaches < Some(last) { backup.stands.saturating_add(1) } else { 0 };
        backup.flows &= backup.stands < STANDS_MAX;
        !backup.flows
    }

    /// More of a filling is on its way to a backup, which cannot say anything of it before it has all.
    pub(crate) fn carries(&mut self, backup: usize) {
        if let Some(backup) = self.backups.get_mut(backup) {
            backup.stands = 0;
        }
    }

    /// A backup is sent all that there is, and each record as it comes.
    pub(crate) fn fill(&mut self, backup: usize) {
        if let Some(backup) = self.backups.get_mut(backup) {
            (backup.flows, backup.fills) = (true, true);
        }
    }

    /// Whether every backup has all that the opening took over.
    pub(crate) fn is_stored_by_all(&self) -> bool {
        self.backups.iter().all(|backup| backup.reaches >= Some(self.base))
    }

    /// A backup says how far it reaches in this epoch; records after `kept` can still be sent again.
    pub(crate) fn hear(&mut self, at: usize, kept: Position, reaches: Position) -> Heard {
        let (base, last) = (self.base, self.last);
        let Some(backup) = self.backups.get_mut(at).filter(|_| reaches <= last) else { return Heard::default() };
        let before = backup.reaches;
        backup.reaches = before.max(Some(reaches));
        backup.fills = false;
        if backup.reaches > before {
            backup.stands = 0;
        }
        let stored = reaches >= base && before.is_none_or(|before| before < base);
        let heard = Heard { stored, ..backup.catch_up(kept, reaches) };
        self.count();
        heard
    }

    /// A backup has what the opening took over up to here, which lies before its end. That counts for nothing in this epoch yet: in it, only who
    /// has all of the base has any record.
    pub(crate) fn hear_trails(&mut self, at: usize, kept: Position, reaches: Position) -> Heard {
        let base = self.base;
        let backup = self.backups.get_mut(at).filter(|_| reaches < base);
        backup.map(|backup| backup.catch_up(kept, reaches)).unwrap_or_default()
    }

    /// Raises what is acknowledged to what more than half reach.
    pub(crate) fn count(&mut self) {
        let others_needed = self.backups.len().div_ceil(2);
        let reached = |position: Position| {
            let backups = self.backups.iter().filter(|backup| backup.reaches >= Some(position));
            backups.count() >= others_needed || !self.rules.keeps(Rule::MajorityHolds)
        };
        let ends = self.backups.iter().filter_map(|backup| backup.reaches).chain([self.last]);
        let acknowledged = ends.filter(|end| reached(*end)).max();
        self.acknowledged = acknowledged.map_or(self.acknowledged, |end| end.max(self.acknowledged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    fn stream(backups: usize) -> Stream {
        Stream::new(Epoch::new(1), at(4), at(4), backups, Rules::ALL)
    }

    #[test]
    fn more_than_half_acknowledge() {
        let mut stream = stream(2);
        assert!(stream.hear(0, at(4), at(4)).stored && stream.hear(1, at(4), at(4)).stored);
        assert_eq!((stream.propose(), stream.propose()), (at(5), at(6)));
        assert_eq!(stream.acknowledged(), at(4));
        assert_eq!(stream.hear(1, at(4), at(5)), Heard::default());
        assert_eq!(stream.acknowledged(), at(5));
        stream.hear(0, at(5), at(6));
        assert_eq!(stream.acknowledged(), at(6), "with the owner that is two of three");
        stream.hear(1, at(6), at(9));
        assert_eq!(stream.acknowledged(), at(6), "nobody has what was not written");
    }

    #[test]
    fn both_of_two_are_needed_and_one_alone_is_enough_of_one() {
        let mut two = stream(1);
        two.propose();
        two.count();
        assert_eq!(two.acknowledged(), at(0));
        two.hear(0, at(4), at(5));
        assert_eq!(two.acknowledged(), at(5));
        let mut one = stream(0);
        one.propose();
        one.count();
        assert_eq!(one.acknowledged(), at(5));
    }

    #[test]
    fn who_has_missed_little_is_sent_it_and_who_has_missed_much_is_filled() {
        let mut stream = stream(2);
        stream.hear(0, at(4), at(4));
        for _ in 0..3 {
            stream.propose();
        }
        stream.hear(0, at(4), at(6));
        assert_eq!(stream.acknowledged(), at(6));
        assert_eq!(stream.hear(1, at(6), at(4)), Heard { stored: true, resume_after: None, fill: true });
        assert!(!stream.flows(1));
        stream.fill(1);
        assert_eq!(stream.hear(1, at(6), at(6)), Heard::default());
        stream.interrupt(0);
        assert_eq!(stream.hear(0, at(6), at(6)), Heard { stored: false, resume_after: Some(at(6)), fill: false });
    }

    #[test]
    fn records_are_on_their_way_to_who_flows_and_has_the_rest() {
        let mut stream = stream(2);
        assert!(!stream.is_on_the_way_to(0), "it is sent nothing");
        stream.hear(0, at(4), at(4));
        stream.propose();
        assert!(stream.is_on_the_way_to(0));
        stream.hear(0, at(4), at(5));
        assert!(!stream.is_on_the_way_to(0));
        stream.fill(1);
        assert!(!stream.is_on_the_way_to(1), "that takes long");
        stream.hear(1, at(5), at(5));
        stream.propose();
        assert!(stream.is_on_the_way_to(1));
        stream.interrupt(1);
        assert!(!stream.is_on_the_way_to(1));
    }

    #[test]
    fn who_does_not_come_further_is_asked_in_the_end_unless_it_is_being_filled() {
        let mut stream = stream(1);
        stream.fill(0);
        for _ in 1..STANDS_MAX {
            assert!(!stream.look_after(0));
        }
        stream.carries(0);
        for _ in 1..STANDS_MAX {
            assert!(!stream.look_after(0));
        }
        assert!(stream.look_after(0) && !stream.flows(0));
    }

    #[test]
    fn what_was_taken_over_is_sent_again_as_far_as_it_is_kept_and_counts_when_all_is_there() {
        let mut stream = Stream::new(Epoch::new(2), at(6), at(7), 2, Rules::ALL);
        assert_eq!(stream.hear_trails(0, at(4), at(3)), Heard { fill: true, ..Heard::default() });
        assert_eq!(stream.hear_trails(0, at(4), at(6)), Heard::default(), "that is all of it");
        assert_eq!(stream.hear_trails(0, at(4), at(5)), Heard { resume_after: Some(at(5)), ..Heard::default() });
        stream.count();
        assert_eq!(stream.acknowledged(), at(0));
        assert!(stream.hear(0, at(4), at(6)).stored);
        assert_eq!(stream.acknowledged(), at(6));
    }

    #[test]
    fn who_does_not_reach_the_base_has_not_stored_the_opening() {
        let mut stream = Stream::new(Epoch::new(2), at(4), at(4), 2, Rules::ALL);
        stream.fill(0);
        assert!(!stream.hear(0, at(3), at(3)).stored);
        assert!(stream.hear(0, at(3), at(4)).stored);
        assert!(!stream.hear(0, at(4), at(4)).stored);
    }
}
