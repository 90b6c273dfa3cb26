//! Where a copy of a slot comes from, so that two copies can tell up to where they were one.
//!
//! Where every side of a partition serves, a slot's stream may fork: each side opens it in epochs of its own and writes on from the same
//! record. A copy's lineage names the epochs that it went through, each with the last record that was taken over from it. What two
//! lineages have in common is where they forked.

use std::collections::VecDeque;

use super::replica::Stamp;
use crate::id::Position;

/// The epochs of a lineage that are kept: a partition makes a handful on each side. What forked before the oldest of them counts as never
/// having been one.
pub(crate) const EPOCHS_MAX: usize = 32;

/// The epochs that a copy went through, rising, each with its last record that is in the copy.
///
/// An owner that opens its slot again takes over what it has under way, and that comes into its copy, and into those that it fills, record by
/// record. So an epoch may end behind the copy's own end; of such a one that much counts which the copy reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    ends: VecDeque<Stamp>,
}

/// How two copies of a slot are related.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// Whatever is in the other copy is in this one, or was replaced by what came after it.
    Contained,
    /// They were one up to this record, and each may have changed since; from the beginning, if that is not known.
    ForkedAt(Position),
}

impl Lineage {
    /// The copy reaches this far now. What is below the last epoch is no news.
    pub(crate) fn reach(&mut self, stamp: Stamp) {
        match self.ends.back_mut() {
            Some(last) if last.0 == stamp.0 => last.1 = last.1.max(stamp.1),
            Some(last) if last.0 > stamp.0 => {}
            _ => self.ends.push_back(stamp),
        }
        while self.ends.len() > EPOCHS_MAX {
            self.ends.pop_front();
        }
    }

    /// Another epoch begins on what was taken over, of which the copy has only as much as its new stamp says: the rest comes as records of
    /// that epoch.
    pub(crate) fn begin(&mut self, base: Stamp, stamp: Stamp) {
        // What an opening that came to nothing was to carry over does not come any more.
        self.ends.iter_mut().for_each(|end| end.1 = end.1.min(base.1));
        self.reach(base);
        self.reach(stamp);
    }

    /// Of a copy that went through these.
    pub(crate) fn of(ends: impl IntoIterator<Item = Stamp>) -> Self {
        let mut this = Self::default();
        ends.into_iter().for_each(|end| this.reach(end));
        this
    }

    /// The epochs and their last records that are in the copy, rising.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Stamp> {
        self.ends.iter().map(|end| (end.0, self.has_of(end)))
    }

    /// The same, and what is still to come: for who is sent the copy, and hears of that, too.
    pub(crate) fn ends_to_come(&self) -> impl Iterator<Item = Stamp> {
        self.ends.iter().copied()
    }

    /// The last record of an epoch that is in the copy.
    fn has_of(&self, end: &Stamp) -> Position {
        self.ends.back().map_or(end.1, |tip| end.1.min(tip.1))
    }

    /// How a copy with these epochs is related to this one. Their order does not matter; none of them is trusted to be the peer's own.
    pub(crate) fn kinship(&self, other: &[Stamp]) -> Kinship {
        let end_here = |stamp: &Stamp| self.ends.iter().find(|end| end.0 == stamp.0).map(|end| self.has_of(end));
        let tip = other.iter().max();
        let shared = other.iter().filter_map(|stamp| Some(stamp.1.min(end_here(stamp)?))).max().unwrap_or_default();
        // Records are counted on from epoch to epoch, so a copy has changed since they were one only if it reaches further.
        if tip.is_none_or(|tip| tip.1 <= shared) { Kinship::Contained } else { Kinship::ForkedAt(shared) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Epoch;

    fn stamp((epoch, position): (u64, u64)) -> Stamp {
        (Epoch::new(epoch), Position::new(position))
    }

    fn lineage(stamps: &[(u64, u64)]) -> Lineage {
        Lineage::of(stamps.iter().copied().map(stamp))
    }

    #[track_caller]
    fn check(here: &[(u64, u64)], other: &[(u64, u64)], expected: Option<u64>) {
        let other: Vec<_> = other.iter().copied().map(stamp).collect();
        let expected = expected.map_or(Kinship::Contained, |at| Kinship::ForkedAt(Position::new(at)));
        assert_eq!(lineage(here).kinship(&other), expected, "{other:?} beside {here:?}");
    }

    #[test]
    fn what_was_taken_over_is_contained() {
        check(&[(1, 5), (2, 9)], &[(1, 5)], None);
        check(&[(1, 5), (2, 9)], &[(1, 3)], None);
        check(&[(1, 5), (2, 9)], &[(2, 9)], None);
        check(&[(1, 5)], &[], None);
        check(&[(1, 5), (2, 9)], &[(1, 5), (3, 5)], None);
    }

    #[test]
    fn what_went_on_alone_has_forked() {
        check(&[(1, 5), (2, 9)], &[(1, 7)], Some(5));
        check(&[(1, 5), (2, 9)], &[(1, 5), (3, 6)], Some(5));
        check(&[(1, 5), (2, 9), (5, 12)], &[(1, 5), (2, 8), (3, 20), (4, 21)], Some(8));
        check(&[(1, 7), (2, 9)], &[(1, 5), (3, 8)], Some(5));
    }

    #[test]
    fn an_epoch_that_comes_late_says_nothing_of_the_last() {
        assert_eq!(lineage(&[(2, 5), (1, 9), (2, 3)]), lineage(&[(2, 5)]));
    }

    #[test]
    fn strangers_have_nothing_in_common() {
        check(&[(7, 3)], &[(1, 5), (2, 6)], Some(0));
        check(&[], &[(1, 5)], Some(0));
        check(&[], &[(1, 0)], None);
    }

    #[test]
    fn what_is_carried_over_counts_when_it_has_come() {
        let mut carries = lineage(&[(1, 5)]);
        carries.begin(stamp((1, 7)), stamp((2, 5)));
        let other = |position| [stamp((1, position))];
        assert_eq!(carries.kinship(&other(7)), Kinship::ForkedAt(Position::new(5)));
        assert_eq!(Lineage::of(carries.ends()), lineage(&[(1, 5), (2, 5)]));
        carries.reach(stamp((2, 6)));
        assert_eq!(carries.kinship(&other(7)), Kinship::ForkedAt(Position::new(6)));
        let mut filled = Lineage::of(carries.ends_to_come());
        for copy in [&mut carries, &mut filled] {
            copy.reach(stamp((2, 9)));
            assert_eq!(*copy, lineage(&[(1, 7), (2, 9)]));
            assert_eq!(copy.kinship(&other(7)), Kinship::Contained);
            assert_eq!(copy.kinship(&other(8)), Kinship::ForkedAt(Position::new(7)));
        }
    }

    #[test]
    fn what_was_to_be_carried_over_and_never_came_does_not_count() {
        let mut failed = lineage(&[(1, 5)]);
        failed.begin(stamp((1, 7)), stamp((2, 5)));
        failed.reach(stamp((2, 6)));
        failed.begin(stamp((2, 6)), stamp((3, 6)));
        failed.reach(stamp((3, 9)));
        assert_eq!(failed, lineage(&[(1, 6), (2, 6), (3, 9)]));
    }

    #[test]
    fn only_the_last_epochs_are_kept() {
        let mut long = Lineage::default();
        (1..100).for_each(|epoch| long.reach(stamp((epoch, epoch))));
        assert_eq!(long.ends().count(), EPOCHS_MAX);
        assert_eq!(long.ends().last(), Some(stamp((99, 99))));
        long.reach(stamp((99, 120)));
        assert_eq!(long.ends().last(), Some(stamp((99, 120))));
    }
}
