//! What of a backup's copy may be shown to readers.
//!
//! A copy is ahead of what is acknowledged by the records that are still under way. Only what more than half of the set hold can never be
//! taken back, so the owner tells how far that is, and an instance that a later record has changed is not shown until then.

use std::collections::VecDeque;

use super::replica::Stamp;
use crate::id::{Epoch, Position};

/// How many changed keys are remembered: as many as records of one slot may be under way. Beyond that the whole slot waits.
const UNSETTLED_MAX: usize = 4096;

/// What of a slot's copy may be shown.
#[derive(Debug)]
pub(crate) struct Shown<K> {
    /// The opening whose owner has told how far its stream is acknowledged.
    epoch: Epoch,
    acknowledged: Position,
    /// Until this much is acknowledged, nothing is shown: it is not known which keys the records before it have changed.
    floor: Position,
    /// The keys that later records have changed, in the order of their positions.
    unsettled: VecDeque<(Position, K)>,
}

impl<K> Default for Shown<K> {
    fn default() -> Self {
        let (epoch, acknowledged) = Stamp::default();
        Self { epoch, acknowledged, floor: acknowledged, unsettled: VecDeque::new() }
    }
}

impl<K: Eq> Shown<K> {
    /// The copy is another one now, which reaches so far.
    pub(crate) fn replaced(&mut self, reaches: Position) {
        self.unsettled.clear();
        self.floor = reaches;
    }

    /// A record has changed an instance of the copy.
    pub(crate) fn changed(&mut self, position: Position, key: K) {
        if self.unsettled.len() >= UNSETTLED_MAX {
            self.replaced(position);
        } else {
            self.unsettled.push_back((position, key));
        }
    }

    /// The owner says how far its stream is acknowledged.
    pub(crate) fn acknowledged(&mut self, epoch: Epoch, position: Position) {
        (self.epoch, self.acknowledged) = (self.epoch, self.acknowledged).max((epoch, position));
        while self.unsettled.front().is_some_and(|(changed, _)| *changed <= self.acknowledged) {
            self.unsettled.pop_front();
        }
    }

    /// The last record that may be shown of a copy that reaches so far; `None` when nothing may.
    pub(crate) fn reaches(&self, copy: Stamp) -> Option<Stamp> {
        let (epoch, reaches) = copy;
        let sure = self.acknowledged.min(reaches);
        (self.epoch == epoch && sure >= self.floor).then_some((epoch, sure))
    }

    /// Whether an instance of the copy may be shown to who has seen so much.
    pub(crate) fn may_show(&self, key: &K, copy: Stamp, seen: Stamp) -> bool {
        self.reaches(copy).is_some_and(|sure| sure >= seen) && self.unsettled.iter().all(|(_, changed)| changed != key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, position: u64) -> Stamp {
        (Epoch::new(epoch), Position::new(position))
    }

    /// A copy of what was acknowledged up to 5 in epoch 7.
    fn shown() -> Shown<char> {
        let mut shown = Shown::default();
        shown.replaced(at(7, 5).1);
        shown.acknowledged(at(7, 5).0, at(7, 5).1);
        shown
    }

    #[test]
    fn an_instance_is_shown_when_its_last_change_is_acknowledged() {
        let mut shown = shown();
        assert!(shown.may_show(&'a', at(7, 5), at(7, 5)));
        shown.changed(Position::new(6), 'a');
        shown.changed(Position::new(7), 'b');
        assert!(!shown.may_show(&'a', at(7, 7), at(0, 0)));
        assert!(shown.may_show(&'c', at(7, 7), at(7, 5)), "nobody has changed it");
        shown.acknowledged(Epoch::new(7), Position::new(6));
        assert!(shown.may_show(&'a', at(7, 7), at(7, 6)));
        assert!(!shown.may_show(&'b', at(7, 7), at(7, 6)));
    }

    #[test]
    fn who_has_seen_more_is_shown_nothing() {
        let shown = shown();
        for (seen, may) in [(at(6, 99), true), (at(7, 5), true), (at(7, 6), false), (at(8, 0), false)] {
            assert_eq!(shown.may_show(&'a', at(7, 5), seen), may, "{seen:?}");
        }
    }

    #[test]
    fn nothing_is_shown_of_an_opening_whose_owner_has_not_told() {
        let mut shown = shown();
        shown.replaced(Position::new(5));
        assert_eq!(shown.reaches(at(8, 5)), None);
        shown.acknowledged(Epoch::new(8), Position::new(4));
        assert_eq!(shown.reaches(at(8, 5)), None, "the copy has what is not acknowledged, and nobody knows where");
        shown.acknowledged(Epoch::new(8), Position::new(6));
        assert_eq!(shown.reaches(at(8, 5)), Some(at(8, 5)));
        shown.acknowledged(Epoch::new(7), Position::new(9));
        assert_eq!(shown.reaches(at(8, 6)), Some(at(8, 6)), "word of a former owner's comes too late");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut shown = shown();
        let changes = 6..=6 + UNSETTLED_MAX as u64;
        changes.clone().for_each(|position| shown.changed(Position::new(position), 'a'));
        assert!(shown.unsettled.len() <= UNSETTLED_MAX);
        assert!(!shown.may_show(&'z', at(7, *changes.end()), at(0, 0)));
        shown.acknowledged(Epoch::new(7), Position::new(*changes.end()));
        assert!(shown.may_show(&'a', at(7, *changes.end()), at(7, *changes.end())));
    }
}
