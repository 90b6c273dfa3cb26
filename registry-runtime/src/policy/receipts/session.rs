//! What a slot keeps of one session: the receipts that it may still ask for.

use std::collections::VecDeque;
use std::time::Duration;

use super::Told;
use super::room::{EXPIRED_BYTES, RECEIPT_BYTES, Room, Share};
use crate::id::Mark;
use crate::time::Moment;

/// The most numbers of one session without their receipts: what a caller's session may end in one slot while one call of it stays open, at
/// half a MiB. Beyond that the slot says of the lowest ones, and of whatever is open below them, that it cannot tell: a second effect would
/// be worse.
pub(super) const EXPIRED_MAX: usize = 1 << 16;

/// How much room an empty queue of a session keeps: enough for a steady trickle, so that a burst is not paid for ever.
pub(super) const QUEUE_KEPT: usize = 8;

/// How many times more room than entries a queue may have.
pub(super) const QUEUE_SPARE: usize = 8;

/// How often receipts whose time is over are looked for among those of one session, at most: a look goes through all of them, since calls
/// with a longer timeout may have lower numbers.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is kept of one session.
#[derive(Debug)]
pub(super) struct Session {
    /// What it takes its room of: a session is of calls alike.
    pub(super) share: Share,
    /// Of numbers up to this one nothing is known any more.
    pub(super) forgotten: u64,
    /// Numbers above that which have ended and whose receipts were kept for long enough, rising. They are remembered until the mark passes,
    /// since a lower number may be of a call that still waits for its first run.
    pub(super) expired: VecDeque<u64>,
    /// By rising number.
    kept: VecDeque<Kept>,
    /// When to look at it next. It may be earlier than there is something to do.
    pub(super) due: Moment,
    /// When the last of its calls that were seen is over.
    pub(super) until: Moment,
}

/// One receipt.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sequence: u64,
    pub(super) content: Option<u64>,
    pub(super) until: Moment,
    pub(super) told: Told,
}

impl Session {
    /// One of which nothing is kept yet and of whose numbers, from that one up, everything will be known.
    pub(super) fn new(share: Share, mark: Mark, due: Moment) -> Self {
        let forgotten = mark.get().saturating_sub(1);
        Self { share, forgotten, expired: VecDeque::new(), kept: VecDeque::new(), due, until: Moment::default() }
    }

    /// Whether a number's receipt is gone, if there was one.
    pub(super) fn has_expired(&self, sequence: u64) -> bool {
        sequence <= self.forgotten || self.expired.binary_search(&sequence).is_ok()
    }

    /// A number's receipt.
    pub(super) fn find(&self, sequence: u64) -> Option<&Kept> {
        self.kept.get(self.place(sequence).ok()?)
    }

    /// Its receipts, by rising number.
    pub(super) fn receipts(&self) -> impl ExactSizeIterator<Item = &Kept> {
        self.kept.iter()
    }

    /// Keeps a receipt, unless that number has one.
    pub(super) fn keep(&mut self, kept: Kept, room: &mut Room) {
        let Err(at) = self.place(kept.sequence) else { return };
        room.take(self.share, RECEIPT_BYTES.saturating_add(kept.told.bytes()));
        if self.kept.capacity() == 0 {
            // Most have one at a time, and there are as many sessions as callers, in each slot.
            self.kept.reserve_exact(1);
        }
        self.kept.insert(at, kept);
    }

    /// Lets go of what lies below the mark.
    pub(super) fn pass(&mut self, mark: Mark, room: &mut Room) {
        let passed = mark.get().saturating_sub(1);
        while let Some(first) = self.kept.pop_front_if(|first| first.sequence <= passed) {
            room.free(self.share, RECEIPT_BYTES.saturating_add(first.told.bytes()));
        }
        while self.expired.pop_front_if(|number| *number <= passed).is_some() {
            room.free(self.share, EXPIRED_BYTES);
        }
        self.forgotten = self.forgotten.max(passed);
        give_back(&mut self.kept);
        give_back(&mut self.expired);
    }

    /// The same for a session that says so beside its calls: where nothing is left, none of the room is kept, either, for no call of it has
    /// come to the slot for a while.
    pub(super) fn pass_idle(&mut self, mark: Mark, room: &mut Room) {
        self.pass(mark, room);
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
        if self.expired.is_empty() {
            self.expired = VecDeque::new();
        }
    }

    /// Lets go of the receipts whose time is over; their numbers stay. Says when to look again, unless the session is over.
    pub(super) fn expire_due(&mut self, now: Moment, room: &mut Room) -> Option<Moment> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut soonest = None;
        kept.retain(|receipt| {
            let stays = receipt.until > now;
            if stays {
                soonest = soonest.into_iter().chain([receipt.until]).min();
            } else {
                room.free(self.share, RECEIPT_BYTES.saturating_add(receipt.told.bytes()));
                self.expire(receipt.sequence, room);
            }
            stays
        });
        give_back(&mut kept);
        self.kept = kept;
        self.due = soonest.map_or(self.until, |soonest| soonest.max(now + LOOK_EVERY));
        (self.due > now).then_some(self.due)
    }

    /// Remembers of a number that it has ended. When there are too many of these, the lowest is forgotten.
    pub(super) fn expire(&mut self, sequence: u64, room: &mut Room) {
        if let Err(at) = self.expired.binary_search(&sequence) {
            room.take(self.share, EXPIRED_BYTES);
            self.expired.insert(at, sequence);
        }
        if self.expired.len() > EXPIRED_MAX
            && let Some(lowest) = self.expired.pop_front()
        {
            room.free(self.share, EXPIRED_BYTES);
            self.forgotten = self.forgotten.max(lowest);
        }
    }

    /// Where a number's receipt is, or would be.
    fn place(&self, sequence: u64) -> Result<usize, usize> {
        self.kept.binary_search_by_key(&sequence, |kept| kept.sequence)
    }

    #[cfg(test)]
    pub(super) fn room_for_receipts(&self) -> usize {
        self.kept.capacity()
    }
}

/// Gives back what a burst has left, once that is most of the room: so the cost is spread over what went. An empty queue that stays small
/// begins anew at its first place, so that it is the same memory that is used each time.
fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        queue.clear();
    }
    if queue.capacity() > QUEUE_KEPT && queue.len() < queue.capacity() / QUEUE_SPARE {
        queue.shrink_to(queue.len().saturating_mul(2));
    }
}
