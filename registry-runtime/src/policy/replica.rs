//! How far this node's copy of a slot reaches, and what it takes in beside.
//!
//! A copy is the result of a prefix of the slot's record stream; its [`Stamp`] names the prefix. What is written in one epoch is
//! written by one owner, so two copies of one stamp are the same, and of two stamps the higher one has all that was acknowledged.

use crate::id::{Epoch, Position};
use crate::rules::{Rule, Rules};

/// The epoch and position of the last record in a copy. A copy without records has a stamp of zeros.
pub(crate) type Stamp = (Epoch, Position);

/// A slot's copy on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    stamp: Stamp,
    /// Nothing below this epoch is taken.
    fence: Epoch,
    /// The last opening that this node was told to follow as a member, whether or not it had what that took over.
    followed: Epoch,
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
            self.followed = self.followed.max(epoch);
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
        self.followed == epoch
    }

    /// Where a record belongs.
    pub(crate) fn place(&self, epoch: Epoch, position: Position, rules: Rules) -> Next {
        if epoch != self.stamp.0 || epoch < self.fence {
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
        (self.stamp, self.followed) = (Stamp::default(), Epoch::default());
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
