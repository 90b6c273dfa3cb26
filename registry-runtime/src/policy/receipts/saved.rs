//! Receipts on their way to another copy of the slot.

use std::collections::btree_map::Entry;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::room::{NAME_BYTES, Share};
use super::{Kept, Named, Receipts, Told};
use crate::id::Mark;
use crate::time::Moment;

/// One thing that is remembered, with times as what is left of them, for each node has a clock of its own; `B` are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Saved<B = Bytes> {
    /// A session. Its receipts follow.
    Session {
        /// The session.
        session: u64,
        /// Whether it is a run of a command, which makes calls.
        derived: bool,
        /// Of numbers up to this one nothing is known any more.
        forgotten: u64,
        /// Numbers above that of which no more is known than that they have ended.
        expired: Vec<u64>,
        /// How long it is remembered.
        left: Duration,
    },
    /// A receipt.
    Kept {
        /// Its session.
        session: u64,
        /// Its number there.
        sequence: u64,
        /// A hash of what was commanded, if a command did.
        content: Option<u64>,
        /// How long it is kept.
        left: Duration,
        /// What its caller was told.
        told: Told<B>,
    },
    /// A name that a user gave.
    Named {
        /// The hash of the name.
        name: u128,
        /// The hash of what was commanded under it.
        content: u64,
        /// How long it is remembered.
        left: Duration,
        /// What its caller was told.
        told: Told<B>,
    },
}

impl<B> Saved<B> {
    /// The same with other bytes.
    pub(crate) fn with<'a, C>(&'a self, bytes: impl FnOnce(&'a B) -> C) -> Saved<C> {
        match *self {
            Self::Session { session, derived, forgotten, ref expired, left } => {
                Saved::Session { session, derived, forgotten, expired: expired.clone(), left }
            }
            Self::Kept { session, sequence, content, left, ref told } => {
                Saved::Kept { session, sequence, content, left, told: told.with(bytes) }
            }
            Self::Named { name, content, left, ref told } => {
                Saved::Named { name, content, left, told: told.with(bytes) }
            }
        }
    }
}

impl Receipts {
    /// Everything that is remembered.
    pub(crate) fn save(&self, now: Moment) -> Vec<Saved> {
        let mut saved = Vec::new();
        for (number, session) in self.sessions.iter() {
            let left = session.until.since(now);
            saved.push(Saved::Session {
                session: number,
                derived: session.share == Share::Derived,
                forgotten: session.forgotten,
                expired: session.expired.iter().copied().collect(),
                left,
            });
            saved.extend(session.receipts().map(|kept| Saved::Kept {
                session: number,
                sequence: kept.sequence,
                content: kept.content,
                left: kept.until.since(now),
                told: kept.told.clone(),
            }));
        }
        saved.extend(self.named_due.iter().filter_map(|(until, name)| {
            let Named { content, told, .. } = self.named.get(name).filter(|named| named.until == *until)?;
            Some(Saved::Named { name: *name, content: *content, left: until.since(now), told: told.clone() })
        }));
        saved
    }

    /// Remembers what another copy did, beside what is remembered here already.
    pub(crate) fn restore(&mut self, saved: Saved, now: Moment) {
        match saved {
            Saved::Session { session, derived, forgotten, expired, left } => {
                let share = if derived { Share::Derived } else { Share::Called };
                let (until, room) = (now + left, &mut self.room);
                self.soonest = self.soonest.min(until);
                let kept = self.sessions.begin((session, share, Mark::NOTHING), until, room);
                kept.forgotten = kept.forgotten.max(forgotten);
                kept.until = kept.until.max(until);
                expired.into_iter().for_each(|number| kept.expire(number, room));
            }
            // Its session came before it.
            Saved::Kept { session, sequence, content, left, told } => {
                let until = now + left;
                if let Some(kept) = self.sessions.get_due(session, until) {
                    self.soonest = self.soonest.min(until);
                    kept.keep(Kept { sequence, content, until, told }, &mut self.room);
                }
            }
            Saved::Named { name, content, left, told } => {
                // What is here came with a later record, or is as old.
                if let Entry::Vacant(entry) = self.named.entry(name)
                    && !left.is_zero()
                {
                    let until = now + left;
                    self.room.take(Share::Named, NAME_BYTES.saturating_add(told.bytes()));
                    entry.insert(Named { content, until, told });
                    let at = self.named_due.partition_point(|(other, _)| *other <= until);
                    self.named_due.insert(at, (until, name));
                    self.soonest = self.soonest.min(until);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LEFT, WINDOW, ask, at, done, named};
    use super::super::{Known, Receipts, Told};

    #[test]
    fn another_copy_knows_the_same_for_as_long() {
        let mut owner = Receipts::default();
        for (ask, reply) in [(ask(1, 3, 2), 30), (ask(1, 5, 2), 50), (named(4, 77, 5), 40)] {
            owner.remember(&ask, done(reply), LEFT, WINDOW, at(10));
        }
        owner.remember(&ask(2, 1, 1), Told::NotFound, LEFT, WINDOW, at(10));
        // The other clock shows something else.
        let mut backup = Receipts::default();
        owner.save(at(20)).into_iter().for_each(|saved| backup.restore(saved, at(100)));
        assert_eq!(backup.room.taken(), owner.room.taken());
        assert_eq!(backup.look(&ask(1, 1, 0)), Known::Expired);
        assert_eq!(backup.look(&ask(1, 3, 0)), Known::Told(done(30)));
        assert_eq!(backup.look(&ask(1, 4, 0)), Known::New);
        assert_eq!(backup.look(&ask(2, 1, 0)), Known::Told(Told::NotFound));
        assert_eq!(backup.look(&named(9, 77, 6)), Known::Reused);
        backup.forget_due(at(154));
        assert_eq!(backup.look(&ask(1, 3, 0)), Known::Told(done(30)));
        backup.forget_due(at(155));
        assert_eq!(backup.look(&named(9, 77, 5)), Known::Told(done(40)));
        backup.forget_due(at(690));
        assert!(backup.is_empty());
    }

    #[test]
    fn a_record_and_a_filling_with_the_same_receipt_count_it_once() {
        let mut owner = Receipts::default();
        owner.remember(&named(4, 77, 5), done(40), LEFT, WINDOW, at(0));
        let saved = owner.save(at(0));
        saved.into_iter().for_each(|saved| owner.restore(saved, at(0)));
        let mut once = Receipts::default();
        once.remember(&named(4, 77, 5), done(40), LEFT, WINDOW, at(0));
        assert_eq!(owner.room.taken(), once.room.taken());
        owner.forget_due(at(600));
        assert!(owner.is_empty());
    }

    /// A filling is cut while a name is about to be over, and the record of its next use arrives before the part that tells of the first.
    #[test]
    fn a_filling_does_not_take_the_place_of_a_name_that_was_used_since() {
        let mut owner = Receipts::default();
        owner.remember(&named(1, 77, 5), done(10), LEFT, WINDOW, at(0));
        let cut = owner.save(at(599));
        let mut backup = Receipts::default();
        backup.remember(&named(2, 77, 6), done(20), LEFT, WINDOW, at(601));
        cut.into_iter().for_each(|saved| backup.restore(saved, at(601)));
        assert_eq!(backup.look(&named(3, 77, 6)), Known::Told(done(20)));
    }
}
