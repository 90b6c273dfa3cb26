//! The sessions that a slot keeps receipts of.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::room::{EXPIRED_BYTES, Room, SESSION_BYTES, Share};
use super::session::Session;
use crate::id::Mark;
use crate::time::Moment;

/// For how many entries the heap keeps room in any case.
const ROOM_KEPT: usize = 8;

/// How many times more room than entries it may have.
const ROOM_SPARE: usize = 8;

/// The sessions that a slot keeps receipts of, and when to look at which again.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By number. Boxed, for a map makes room for eleven at once, and many a slot has one caller.
    known: BTreeMap<u64, Box<Session>>,
    /// One entry for each session. It may be earlier than there is something to do.
    due: BinaryHeap<Reverse<(Moment, u64)>>,
}

impl Sessions {
    /// A session that is known.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Session> {
        self.known.get_mut(&number).map(Box::as_mut)
    }

    /// A session, which begins if it is not known. A new one is looked at by `until`.
    pub(super) fn begin(
        &mut self,
        (number, share, mark): (u64, Share, Mark),
        until: Moment,
        room: &mut Room,
    ) -> &mut Session {
        self.known.entry(number).or_insert_with(|| {
            self.due.push(Reverse((until, number)));
            room.take(share, SESSION_BYTES);
            Box::new(Session::new(share, mark))
        })
    }

    /// All of them, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Session)> {
        self.known.iter().map(|(number, session)| (*number, &**session))
    }

    /// When something is due next.
    pub(super) fn soonest(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets go of the receipts and sessions whose time is over.
    pub(super) fn forget_due(&mut self, now: Moment, room: &mut Room) {
        while self.soonest().is_some_and(|at| at <= now)
            && let Some(Reverse((_, number))) = self.due.pop()
        {
            let Some(session) = self.known.get_mut(&number) else { continue };
            session.expire_due(now, room);
            let again = session.due();
            if again > now {
                self.due.push(Reverse((again, number)));
            } else {
                let expired = session.expired.len().saturating_mul(EXPIRED_BYTES);
                room.free(session.share, SESSION_BYTES.saturating_add(expired));
                self.known.remove(&number);
            }
        }
        if self.due.capacity() > ROOM_KEPT && self.due.len() < self.due.capacity() / ROOM_SPARE {
            self.due.shrink_to(self.due.len().saturating_mul(2));
        }
    }

    /// Whether there is none, and none is waited for.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.due.is_empty()
    }
}
