//! When to look at which session again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::session::{QUEUE_KEPT, QUEUE_SPARE};
use crate::time::Moment;

/// Sessions by the time at which to look at them. A session may be noted under several; which of them is meant is for it to say.
// A heap, for a slot with one caller has one entry, and a tree makes room for eleven at once.
#[derive(Debug, Default)]
pub(super) struct Due(BinaryHeap<Reverse<(Moment, u64)>>);

impl Due {
    /// Has a session looked at.
    pub(super) fn note(&mut self, at: Moment, session: u64) {
        self.0.push(Reverse((at, session)));
    }

    /// When a session is due next, or was once said to be.
    pub(super) fn soonest(&self) -> Option<Moment> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out the next one that is due by now.
    pub(super) fn next(&mut self, now: Moment) -> Option<(Moment, u64)> {
        let first = self.0.peek_mut().filter(|first| first.0.0 <= now)?;
        let Reverse(next) = PeekMut::pop(first);
        self.give_back();
        Some(next)
    }

    /// Notes each session under one time and no other.
    pub(super) fn note_anew(&mut self, meant: impl Iterator<Item = (Moment, u64)>) {
        self.0.clear();
        self.0.extend(meant.map(Reverse));
        self.give_back();
    }

    /// How many times are noted.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives back what a burst has left.
    fn give_back(&mut self) {
        let (used, room) = (self.0.len(), self.0.capacity());
        if room > QUEUE_KEPT && used < room / QUEUE_SPARE {
            self.0.shrink_to(used.saturating_mul(2));
        }
    }
}
