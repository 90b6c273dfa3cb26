//! The sessions that a slot keeps receipts of.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::room::{EXPIRED_BYTES, Room, SESSION_BYTES, Share};
use super::session::Session;
use crate::id::Mark;
use crate::time::Moment;

/// The sessions that a slot keeps receipts of, and when to look at which again.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By number. Boxed, for a map makes room for eleven at once, and many a slot has one caller.
    known: BTreeMap<u64, Box<Session>>,
    /// Each of them, with its time.
    due: BTreeSet<(Moment, u64)>,
}

impl Sessions {
    /// A session that is known.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Session> {
        self.known.get_mut(&number).map(Box::as_mut)
    }

    /// A session that is known, to be looked at by `until`.
    pub(super) fn get_due(&mut self, number: u64, until: Moment) -> Option<&mut Session> {
        let session = self.known.get_mut(&number)?;
        bring_forward(&mut self.due, number, session, until);
        Some(session)
    }

    /// A session, which begins if it is not known, to be looked at by `until`.
    pub(super) fn begin(
        &mut self,
        (number, share, mark): (u64, Share, Mark),
        until: Moment,
        room: &mut Room,
    ) -> &mut Session {
        match self.known.entry(number) {
            Entry::Occupied(entry) => {
                let session = entry.into_mut();
                bring_forward(&mut self.due, number, session, until);
                session
            }
            Entry::Vacant(entry) => {
                self.due.insert((until, number));
                room.take(share, SESSION_BYTES);
                entry.insert(Box::new(Session::new(share, mark, until)))
            }
        }
    }

    /// Those of whose numbers something is said let go of what lies below.
    pub(super) fn pass(&mut self, marks: &BTreeMap<u64, Mark>, room: &mut Room) {
        // Most slots know few of the callers, and some know many more than have said anything.
        if self.known.len() <= marks.len() {
            let told = self.known.iter_mut().filter_map(|(number, session)| Some((session, marks.get(number)?)));
            told.for_each(|(session, mark)| session.pass_idle(*mark, room));
        } else {
            for (number, mark) in marks {
                self.get_mut(*number).into_iter().for_each(|session| session.pass_idle(*mark, room));
            }
        }
    }

    /// All of them, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Session)> {
        self.known.iter().map(|(number, session)| (*number, &**session))
    }

    /// When something is due next.
    pub(super) fn soonest(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Lets go of the receipts and sessions whose time is over.
    pub(super) fn forget_due(&mut self, now: Moment, room: &mut Room) {
        while self.soonest().is_some_and(|at| at <= now)
            && let Some((_, number)) = self.due.pop_first()
            && let Some(session) = self.known.get_mut(&number)
        {
            if let Some(again) = session.expire_due(now, room) {
                self.due.insert((again, number));
            } else {
                let expired = session.expired.len().saturating_mul(EXPIRED_BYTES);
                room.free(session.share, SESSION_BYTES.saturating_add(expired));
                self.known.remove(&number);
            }
        }
    }

    /// Whether there is none, and none is waited for.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.due.is_empty()
    }
}

/// Has a session looked at by `until`.
#[inline]
fn bring_forward(due: &mut BTreeSet<(Moment, u64)>, number: u64, session: &mut Session, until: Moment) {
    if until < session.due {
        due.remove(&(session.due, number));
        due.insert((until, number));
        session.due = until;
    }
}
