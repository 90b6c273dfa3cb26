//! The calls of a node that are still open, by slot: so an owner can be told which receipts nobody will ask for any more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::{Mark, Slot};

/// The open calls of one registry that may leave a receipt.
#[derive(Debug)]
pub(super) struct Session {
    /// How often the mark of all slots is to be told yet.
    untold: AtomicU8,
    /// One for each slot. Two declarations of one name may differ in their slots: then several slots of the larger one share an entry, and
    /// a mark that speaks for all of them is only lower than it might be.
    slots: Box<[Mutex<Open>]>,
}

/// The numbers of a slot's open calls, rising. As many as there are calls under way.
type Open = VecDeque<u64>;

/// How much room for open calls a slot without any keeps: enough for a steady trickle, so that a burst is not paid for ever.
const OPEN_KEPT: usize = 8;

/// How often the mark of all slots is told without a call: once, and once more, since what tells it may be lost.
const TELLINGS: u8 = 2;

impl Session {
    pub(super) fn new(slots: u32) -> Self {
        Self { untold: AtomicU8::new(0), slots: (0..slots).map(|_| Mutex::default()).collect() }
    }

    /// Opens a call, whose number is drawn by `draw`; numbers rise from call to call.
    #[inline]
    pub(super) fn open(&self, slot: Slot, draw: impl FnOnce() -> u64) -> u64 {
        // Drawn under the lock, so that the numbers of a slot rise in the order in which they are put down.
        let Some(mut open) = self.slot(slot) else { return draw() };
        let number = draw();
        open.push_back(number);
        // Looked at first: the line of memory is shared by all who call.
        if self.untold.load(Ordering::Relaxed) != TELLINGS {
            self.untold.store(TELLINGS, Ordering::Relaxed);
        }
        number
    }

    /// A number below which no call is open, in any slot, nor will be; `None` where that has been told. `drawn` tells the last number that was
    /// drawn.
    pub(super) fn mark_of_all(&self, drawn: impl FnOnce() -> u64) -> Option<Mark> {
        let untold = self.untold.load(Ordering::Relaxed).checked_sub(1)?;
        self.untold.store(untold, Ordering::Relaxed);
        // What is drawn from here on is above that. What was drawn before is put down, or its slot is locked until it is.
        let next = drawn().saturating_add(1);
        let slots = self.slots.iter().map(|open| open.lock().unwrap_or_else(PoisonError::into_inner));
        let lowest = slots.filter_map(|open| open.front().copied()).min();
        if lowest.is_some() {
            self.untold.store(TELLINGS, Ordering::Relaxed);
        }
        Some(Mark::new(lowest.unwrap_or(next).min(next)))
    }

    /// The lowest number that is open, which `number` is as well.
    #[inline]
    pub(super) fn mark(&self, slot: Slot, number: u64) -> Mark {
        let lowest = self.slot(slot).and_then(|open| open.front().copied());
        Mark::new(lowest.unwrap_or(number).min(number))
    }

    /// Closes a call: nobody will ask for its receipt any more.
    #[inline]
    pub(super) fn close(&self, slot: Slot, number: u64) {
        if let Some(mut open) = self.slot(slot)
            && let Ok(at) = open.binary_search(&number)
        {
            open.remove(at);
            if open.is_empty() && open.capacity() > OPEN_KEPT {
                *open = Open::new();
            }
        }
    }

    fn slot(&self, slot: Slot) -> Option<MutexGuard<'_, Open>> {
        let at = slot.index().checked_rem(self.slots.len())?;
        // Nothing in there can panic halfway.
        self.slots.get(at).map(|open| open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn the_mark_is_the_lowest_number_that_is_open_in_the_slot() {
        let session = Session::new(2);
        let (slot, other) = (Slot::new(0), Slot::new(1));
        for number in [3, 5, 8] {
            assert_eq!(session.open(slot, || number), number);
        }
        assert_eq!(session.open(other, || 6), 6);
        assert_eq!(session.mark(slot, 8), Mark::new(3));
        session.close(slot, 5);
        assert_eq!(session.mark(slot, 8), Mark::new(3));
        session.close(slot, 3);
        assert_eq!(session.mark(slot, 8), Mark::new(8));
        assert_eq!(session.mark(other, 6), Mark::new(6));
    }

    #[test]
    fn the_mark_of_all_slots_lies_below_what_is_open_in_any_and_below_what_comes() {
        let session = Session::new(2);
        let (slot, other) = (Slot::new(0), Slot::new(1));
        assert_eq!(session.mark_of_all(|| 9), None, "nobody has called");
        session.open(slot, || 10);
        session.open(other, || 11);
        for _ in 0..3 {
            assert_eq!(session.mark_of_all(|| 11), Some(Mark::new(10)));
        }
        session.close(slot, 10);
        assert_eq!(session.mark_of_all(|| 11), Some(Mark::new(11)));
        session.close(other, 11);
        assert_eq!(session.mark_of_all(|| 11), Some(Mark::new(12)));
        assert_eq!(session.mark_of_all(|| 15), Some(Mark::new(16)), "once more, for the first may be lost");
        assert_eq!(session.mark_of_all(|| 15), None);
        session.open(slot, || 16);
        session.close(slot, 16);
        assert_eq!(session.mark_of_all(|| 16), Some(Mark::new(17)));
    }

    /// A number is drawn before it is put down, and a look at the slot may fall between.
    #[test]
    fn no_mark_of_all_slots_ever_passes_an_open_call() {
        const CALLERS: u32 = 3;
        const CALLS: usize = 20_000;
        let (session, sequence) = (Session::new(CALLERS), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for slot in (0..CALLERS).map(Slot::new) {
                let (session, sequence) = (&session, &sequence);
                scope.spawn(move || {
                    for _ in 0..CALLS {
                        let number = session.open(slot, || sequence.fetch_add(1, Ordering::Relaxed) + 1);
                        let told = session.mark_of_all(|| sequence.load(Ordering::Relaxed));
                        assert!(told.is_none_or(|mark| mark <= Mark::new(number)), "{told:?} while {number} is open");
                        session.close(slot, number);
                    }
                });
            }
        });
        let last = sequence.into_inner();
        assert_eq!(session.mark_of_all(|| last), Some(Mark::new(last + 1)), "all have ended");
    }

    #[test]
    fn a_burst_is_not_paid_for_ever() {
        let (session, slot) = (Session::new(1), Slot::new(0));
        let numbers: Vec<u64> = (1..=1_000).collect();
        numbers.iter().for_each(|number| _ = session.open(slot, || *number));
        numbers.iter().for_each(|number| session.close(slot, *number));
        assert!(session.slot(slot).unwrap().capacity() <= OPEN_KEPT);
    }
}
