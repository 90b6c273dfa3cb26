//! How far this node's copy of a slot reaches, and what it takes in beside.
//!
//! A copy is the result of a prefix of the slot's record stream; its [`Stamp`] names the prefix. What is written in one epoch is
//! written by one owner, so two copies of one stamp are the same, and of two stamps the higher one has all that was acknowledged.

use crate::id::{Epoch, Position};
use crate::rules::{Rule, Rules};

/// The epoch and position of the last record in a copy. A copy without records has a stamp of zeros.
pub(crate) type Stamp = (Epoch, Position);

/// A slot's copy on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    stamp: Stamp,
    /// Nothing below this epoch is taken.
    fence: Epoch,
    /// The last opening that this node was told to follow as a member, whether or not it had what that took over. Boxed, since what is looked
    /// at with each record lies in one line of memory with it.
    followed: Option<Box<Opening>>,
}

/// An opening as its members hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opening {
    epoch: Epoch,
    /// What it takes over.
    base: Stamp,
}

/// What becomes of a record that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is the next one.
    Fits,
    /// It is in the copy already.
    Known,
    /// It is of another epoch than the copy, or one before it is missing.
    Refused,
}

impl Replica {
    /// How far the copy reaches.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The lowest epoch that the copy takes anything of.
    pub(crate) fn fence(&self) -> Epoch {
        self.fence
    }

    /// Takes nothing below `epoch` from now on.
    pub(crate) fn raise_fence(&mut self, epoch: Epoch) {
        self.fence = self.fence.max(epoch);
    }

    /// Counts the copy as that of an opening, if it is what the opening takes over; whether or not, nothing of earlier ones is taken any more.
    /// A repetition changes nothing.
    pub(crate) fn adopt(&mut self, epoch: Epoch, base: Stamp) -> bool {
        let may = epoch >= self.fence;
        if may {
            self.followed = Some(Box::new(Opening { epoch, base }));
            self.raise_fence(epoch);
        }
        let is_repeated = self.stamp.0 == epoch && self.stamp.1 >= base.1;
        let fits = may && (is_repeated || self.stamp == base);
        if fits && !is_repeated {
            self.restamp((epoch, base.1));
        }
        fits
    }

    /// Whether this node was told to follow the opening.
    pub(crate) fn follows(&self, epoch: Epoch) -> bool {
        self.followed.as_ref().is_some_and(|followed| followed.epoch == epoch)
    }

    /// How far the copy reaches that lacks only the last records of what an opening takes over, which was told to follow. With these it is what
    /// the opening goes on from, for content is the result of its stream.
    pub(crate) fn trails(&self, epoch: Epoch) -> Option<Position> {
        self.missing(epoch).map(|_| self.stamp.1)
    }

    /// The end of what an opening takes over, where only the last records of that are missing.
    fn missing(&self, epoch: Epoch) -> Option<Position> {
        if self.stamp.0 == epoch || self.fence > epoch {
            return None;
        }
        let Opening { epoch: followed, base } = **self.followed.as_ref()?;
        (followed == epoch && self.stamp.0 == base.0 && self.stamp.1 < base.1).then_some(base.1)
    }

    /// Where a record belongs that the owner of this opening sends: the next one of its stream, or of what it took over.
    pub(crate) fn place(&self, epoch: Epoch, position: Position, rules: Rules) -> Next {
        let is_missing = || self.missing(epoch).is_some_and(|end| position <= end);
        if epoch < self.fence || !(epoch == self.stamp.0 || is_missing()) {
            Next::Refused
        } else if position <= self.stamp.1 {
            Next::Known
        } else if position == self.stamp.1.next() || !rules.keeps(Rule::NoGaps) {
            Next::Fits
        } else {
            Next::Refused
        }
    }

    /// The copy reaches this far now.
    pub(crate) fn restamp(&mut self, stamp: Stamp) {
        self.stamp = stamp;
        self.raise_fence(stamp.0);
    }

    /// The copy is empty again, and follows nobody; what was promised stands.
    pub(crate) fn clear(&mut self) {
        (self.stamp, self.followed) = (Stamp::default(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(epoch: u64, position: u64) -> Stamp {
        (Epoch::new(epoch), Position::new(position))
    }

    fn place(replica: &Replica, epoch: u64, position: u64) -> Next {
        replica.place(Epoch::new(epoch), Position::new(position), Rules::ALL)
    }

    #[test]
    fn takes_the_next_record_of_its_own_epoch_only() {
        let mut replica = Replica::default();
        assert!(replica.adopt(Epoch::new(5), stamp(0, 0)), "nothing is what a founder takes over");
        assert_eq!(place(&replica, 5, 1), Next::Fits);
        replica.restamp(stamp(5, 1));
        assert_eq!(place(&replica, 5, 1), Next::Known);
        assert_eq!(place(&replica, 5, 3), Next::Refused);
        assert_eq!(place(&replica, 6, 2), Next::Refused);
        replica.raise_fence(Epoch::new(6));
        assert_eq!(place(&replica, 5, 2), Next::Refused, "a promise holds");
        assert_eq!(replica.stamp(), stamp(5, 1));
    }

    #[test]
    fn who_lacks_the_last_records_of_what_is_taken_over_takes_these() {
        let mut replica = Replica::default();
        replica.restamp(stamp(5, 7));
        assert!(!replica.adopt(Epoch::new(6), stamp(5, 9)));
        assert_eq!(replica.trails(Epoch::new(6)), Some(Position::new(7)));
        assert_eq!(place(&replica, 5, 8), Next::Refused, "of nobody but the owner that it follows");
        assert_eq!(place(&replica, 6, 7), Next::Known);
        assert_eq!(place(&replica, 6, 9), Next::Refused);
        assert_eq!(place(&replica, 6, 8), Next::Fits);
        replica.restamp(stamp(5, 8));
        assert_eq!(place(&replica, 6, 10), Next::Refused, "that is not of what was taken over");
        replica.restamp(stamp(5, 9));
        assert_eq!(replica.trails(Epoch::new(6)), None);
        assert_eq!(place(&replica, 6, 10), Next::Refused, "it has not joined yet");
        assert!(replica.adopt(Epoch::new(6), stamp(5, 9)));
        assert_eq!(place(&replica, 6, 10), Next::Fits);
        assert!(!replica.adopt(Epoch::new(7), stamp(5, 11)));
        assert_eq!(replica.trails(Epoch::new(7)), None, "it has what was written in another epoch");
        assert!(!replica.adopt(Epoch::new(8), stamp(6, 11)));
        assert_eq!(replica.trails(Epoch::new(8)), Some(Position::new(9)));
        replica.raise_fence(Epoch::new(9));
        assert_eq!(replica.trails(Epoch::new(8)), None, "the slot is promised to another");
    }

    #[test]
    fn adopts_what_it_has_and_nothing_else() {
        let mut replica = Replica::default();
        replica.restamp(stamp(5, 7));
        assert!(!replica.follows(Epoch::new(6)));
        assert!(!replica.adopt(Epoch::new(6), stamp(5, 8)));
        assert!(replica.follows(Epoch::new(6)), "it is to be filled");
        assert_eq!(place(&replica, 5, 8), Next::Refused, "by the owner that it follows now");
        assert!(!replica.adopt(Epoch::new(6), stamp(4, 7)));
        assert!(!replica.adopt(Epoch::new(4), stamp(5, 7)), "below the fence");
        assert!(!replica.follows(Epoch::new(4)));
        assert!(replica.adopt(Epoch::new(6), stamp(5, 7)));
        replica.restamp(stamp(6, 9));
        assert!(replica.adopt(Epoch::new(6), stamp(5, 7)), "again");
        assert_eq!(replica.stamp(), stamp(6, 9));
        replica.clear();
        assert_eq!((replica.stamp(), replica.fence()), (stamp(0, 0), Epoch::new(6)));
        assert!(!replica.follows(Epoch::new(6)), "a filling that comes late is not taken");
    }
}
