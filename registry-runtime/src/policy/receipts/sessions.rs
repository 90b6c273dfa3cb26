//! The sessions that a slot keeps receipts of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::due::Due;
use super::room::{EXPIRED_BYTES, Room, SESSION_BYTES, Share};
use super::session::Session;
use crate::id::Mark;
use crate::time::Moment;

/// How many times that no session has any more may be noted beyond one for each session: going through all of them should be worth it.
const STALE_MAX: usize = 16;

/// The sessions that a slot keeps receipts of, and when to look at which again.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By number. Boxed, for a map makes room for eleven at once, and many a slot has one caller.
    known: BTreeMap<u64, Box<Session>>,
    /// Each of them, by its time.
    due: Due,
}

impl Sessions {
    /// A session that is known.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Session> {
        self.known.get_mut(&number).map(Box::as_mut)
    }

    /// A session that is known, to be looked at by `until`.
    pub(super) fn get_due(&mut self, number: u64, until: Moment) -> Option<&mut Session> {
        self.drop_stale();
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
        self.drop_stale();
        match self.known.entry(number) {
            Entry::Occupied(entry) => {
                let session = entry.into_mut();
                bring_forward(&mut self.due, number, session, until);
                session
            }
            Entry::Vacant(entry) => {
                self.due.note(until, number);
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
        self.due.soonest()
    }

    /// Lets go of the receipts and sessions whose time is over.
    pub(super) fn forget_due(&mut self, now: Moment, room: &mut Room) {
        while let Some((at, number)) = self.due.next(now) {
            let Some(session) = self.known.get_mut(&number).filter(|session| session.due == at) else { continue };
            if let Some(again) = session.expire_due(now, room) {
                self.due.note(again, number);
            } else {
                let expired = session.expired.len().saturating_mul(EXPIRED_BYTES);
                room.free(session.share, SESSION_BYTES.saturating_add(expired));
                self.known.remove(&number);
            }
        }
    }

    /// Drops times that no session has any more, and those that one has twice, once they are most of those that are noted.
    #[inline]
    fn drop_stale(&mut self) {
        let Self { known, due } = self;
        if due.len() > known.len().saturating_mul(2).saturating_add(STALE_MAX) {
            due.note_anew(known.iter().map(|(number, session)| (session.due, *number)));
        }
    }

    /// Whether there is none, and none is waited for.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.due.len() == 0
    }
}

/// Has a session looked at by `until`. The time that it had before stays noted, and means nothing any more.
#[inline]
fn bring_forward(due: &mut Due, number: u64, session: &mut Session, until: Moment) {
    if until < session.due {
        due.note(until, number);
        session.due = until;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::policy::receipts::session::Kept;
    use crate::policy::receipts::{Budget, Told};

    /// Calls whose time is over sooner and sooner leave a stale time each.
    #[test]
    fn times_that_mean_nothing_any_more_are_bounded() {
        let (mut sessions, mut room) = (Sessions::default(), Room::of(&Arc::new(Budget::default())));
        let start = Moment::default();
        for step in (1..=1000).rev() {
            for session in 1..=3 {
                sessions.begin((session, Share::Called, Mark::NOTHING), start + Duration::from_secs(step), &mut room);
                assert!(sessions.due.len() <= 2 * 3 + STALE_MAX + 1);
            }
        }
        assert_eq!(sessions.soonest(), Some(start + Duration::from_secs(1)), "the last word counts");
        sessions.forget_due(start + Duration::from_secs(1001), &mut room);
        assert!(sessions.is_empty());
    }

    /// A call that takes long gives its session the same time again after each short one that is over.
    #[test]
    fn times_that_come_again_are_bounded() {
        let (mut sessions, mut room) = (Sessions::default(), Room::of(&Arc::new(Budget::default())));
        let (start, day, minute) = (Moment::default(), Duration::from_secs(86_400), Duration::from_secs(60));
        let mut call = |sequence, now, until| {
            sessions.forget_due(now, &mut room);
            let session = sessions.begin((1, Share::Called, Mark::NOTHING), until, &mut room);
            session.keep(Kept { sequence, content: None, until, told: Told::NotFound }, &mut room);
            (sessions.due.len(), sessions.soonest())
        };
        call(1, start, start + day);
        for step in 2..1000 {
            let now = start + minute * step;
            let (times, soonest) = call(u64::from(step), now, now + minute / 2);
            assert!(times <= 2 + STALE_MAX + 1, "{times}");
            assert_eq!(soonest, Some(now + minute / 2));
        }
    }
}
