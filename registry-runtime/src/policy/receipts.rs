//! What a slot remembers of finished commands, so that a retry gets the first reply and has no second effect.
//!
//! A caller numbers its calls of a slot and says with each which is the lowest that is still open (the mark). So whoever keeps the
//! receipts *knows*: at or below the mark nobody asks any more, above it there is a receipt or the command has not taken effect.
//! The same idea, with the same mark, is in RIFL (Lee and others, SOSP 2015).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::id::{CommandId, IdempotencyName, Mark};
use crate::time::Moment;

/// How long a receipt outlives its call. No attempt arrives later than this after its time is over: the longest that a frame can lie
/// somewhere is the idle timeout of a connection, and this is four times as long.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// The most receipts of one slot: ten times what a well-filled lane holds of calls under way, for each of a hundred callers. What
/// finds the slot full is refused, for a receipt that is asked for may not go.
pub(crate) const RECEIPTS_MAX: usize = 1 << 16;

/// The most bytes of replies that the receipts of one slot keep: sixteen of the largest replies.
pub(crate) const REPLY_BYTES_KEPT_MAX: usize = 64 << 20;

/// The most numbers of one session without their receipts: what a caller's session may end in one slot while one call of it stays open, at
/// half a MiB. Beyond that the slot says of the lowest ones, and of whatever is open below them, that it cannot tell: a second effect would
/// be worse.
pub(crate) const EXPIRED_MAX: usize = 1 << 16;

/// A command as its receipt is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The command's id, the same in every attempt.
    pub(crate) id: CommandId,
    /// The lowest of the session's numbers that is still open in the slot.
    pub(crate) mark: Mark,
    /// The user's own name for the command, if it has one.
    pub(crate) name: Option<IdempotencyName>,
    /// A hash of the command, its key and its arguments, if a command makes it: another run of that command may make another call in its
    /// place, which has the same id.
    pub(crate) content: Option<u64>,
}

/// What the caller of a finished command was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The encoded reply.
    Done(Bytes),
    /// The encoded error of the command's own.
    Rejected(Bytes),
    /// There was no instance.
    NotFound,
    /// There was an instance.
    AlreadyExists,
}

/// What is known of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It has not taken effect: run it.
    New,
    /// It ran, and this was the answer.
    Told(Told),
    /// Its receipt is gone, if there was one.
    Expired,
    /// Its name, or its id, belongs to another command.
    Reused,
    /// It has not taken effect, and there is no room for its receipt.
    Full,
}

/// The receipts of one slot.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    sessions: BTreeMap<u64, Session>,
    /// When to look at which session again. It may be earlier than there is something to do.
    due: BTreeSet<(Moment, u64)>,
    named: BTreeMap<u128, Named>,
    /// The named ones in the order in which their time is over.
    named_due: VecDeque<(Moment, u128)>,
    room: Room,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    receipts: usize,
    reply_bytes: usize,
}

/// What is kept of one session.
#[derive(Debug, Default)]
struct Session {
    /// Of numbers up to this one nothing is known any more.
    forgotten: u64,
    /// Numbers above that which have ended and whose receipts were kept for long enough, rising. They are remembered until the mark passes,
    /// since a lower number may be of a call that still waits for its first run.
    expired: VecDeque<u64>,
    /// By rising number.
    kept: VecDeque<Kept>,
    /// When the last of its calls that were seen is over.
    until: Moment,
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    content: Option<u64>,
    until: Moment,
    told: Told,
}

#[derive(Debug)]
struct Named {
    content: u64,
    told: Told,
}

impl Told {
    fn bytes(&self) -> usize {
        match self {
            Self::Done(bytes) | Self::Rejected(bytes) => bytes.len(),
            Self::NotFound | Self::AlreadyExists => 0,
        }
    }
}

impl Receipts {
    /// What is known of a command. Its mark lets go of what nobody asks for any more.
    pub(crate) fn look(&mut self, ask: &Ask) -> Known {
        if let Some(session) = self.sessions.get_mut(&ask.id.session) {
            let passed = ask.mark.get().saturating_sub(1);
            while let Some(first) = session.kept.pop_front_if(|first| first.sequence <= passed) {
                self.room.free(&first.told);
            }
            while session.expired.pop_front_if(|number| *number <= passed).is_some() {}
            session.forgotten = session.forgotten.max(passed);
            if session.has_expired(ask.id.sequence) {
                return Known::Expired;
            }
            if let Ok(at) = session.find(ask.id.sequence)
                && let Some(kept) = session.kept.get(at)
            {
                // Not told, for the answer to another command would be false; and not run, for it may be the same command in other words
                // (a map in another order), whose effect is there. So it is never started, as with a name that is used twice.
                return if kept.content == ask.content { Known::Told(kept.told.clone()) } else { Known::Reused };
            }
        }
        match ask.name.and_then(|name| Some((name, self.named.get(&name.name)?))) {
            Some((name, named)) if named.content == name.content => Known::Told(named.told.clone()),
            Some(_) => Known::Reused,
            None if self.room.is_full() => Known::Full,
            None => Known::New,
        }
    }

    /// Remembers what the caller of a command is told, for what is left of its call and a [`GRACE`]; under its name, if it has one and
    /// took effect, for `window`.
    pub(crate) fn remember(&mut self, ask: &Ask, told: Told, left: Duration, window: Duration, now: Moment) {
        self.forget_due(now);
        if let (Some(name), Told::Done(_)) = (ask.name, &told) {
            let named = Named { content: name.content, told: told.clone() };
            self.room.take(&told);
            if let Some(before) = self.named.insert(name.name, named) {
                self.room.free(&before.told);
            }
            self.named_due.push_back((now + window, name.name));
        }
        let until = now + left + GRACE;
        let due = &mut self.due;
        let session = self.sessions.entry(ask.id.session).or_insert_with(|| {
            due.insert((until, ask.id.session));
            Session { forgotten: ask.mark.get().saturating_sub(1), ..Session::default() }
        });
        session.until = session.until.max(until);
        if !session.has_expired(ask.id.sequence)
            && let Err(at) = session.find(ask.id.sequence)
        {
            self.room.take(&told);
            session.kept.insert(at, Kept { sequence: ask.id.sequence, content: ask.content, until, told });
        }
    }

    /// Lets go of what is older than anybody may ask for.
    pub(crate) fn forget_due(&mut self, now: Moment) {
        while let Some((_, name)) = self.named_due.pop_front_if(|(until, _)| *until <= now) {
            if let Some(named) = self.named.remove(&name) {
                self.room.free(&named.told);
            }
        }
        while self.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, number)) = self.due.pop_first()
        {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            while let Some(first) = session.kept.pop_front_if(|first| first.until <= now) {
                session.expire(first.sequence);
                self.room.free(&first.told);
            }
            let again = session.kept.front().map_or(session.until, |first| first.until);
            if again > now {
                self.due.insert((again, number));
            } else {
                self.sessions.remove(&number);
            }
        }
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.named.is_empty()
    }
}

impl Room {
    fn take(&mut self, told: &Told) {
        self.receipts = self.receipts.saturating_add(1);
        self.reply_bytes = self.reply_bytes.saturating_add(told.bytes());
    }

    fn free(&mut self, told: &Told) {
        self.receipts = self.receipts.saturating_sub(1);
        self.reply_bytes = self.reply_bytes.saturating_sub(told.bytes());
    }

    fn is_full(self) -> bool {
        self.receipts >= RECEIPTS_MAX || self.reply_bytes >= REPLY_BYTES_KEPT_MAX
    }
}

impl Session {
    /// Whether a number's receipt is gone, if there was one.
    fn has_expired(&self, sequence: u64) -> bool {
        sequence <= self.forgotten || self.expired.binary_search(&sequence).is_ok()
    }

    /// Remembers of a number no more than that its receipt is gone.
    fn expire(&mut self, sequence: u64) {
        if let Err(at) = self.expired.binary_search(&sequence) {
            self.expired.insert(at, sequence);
        }
        if self.expired.len() > EXPIRED_MAX
            && let Some(lowest) = self.expired.pop_front()
        {
            self.forgotten = self.forgotten.max(lowest);
        }
    }

    /// Where a number's receipt is, or would be.
    fn find(&self, sequence: u64) -> Result<usize, usize> {
        self.kept.binary_search_by_key(&sequence, |kept| kept.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(5);
    const WINDOW: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    fn ask(session: u64, sequence: u64, mark: u64) -> Ask {
        Ask { id: CommandId { session, sequence }, mark: Mark::new(mark), name: None, content: None }
    }

    fn named(sequence: u64, name: u128, content: u64) -> Ask {
        Ask { name: Some(IdempotencyName { name, content }), ..ask(9, sequence, sequence) }
    }

    fn done(reply: u8) -> Told {
        Told::Done(Bytes::copy_from_slice(&[reply]))
    }

    fn remember(receipts: &mut Receipts, ask: &Ask, reply: u8, now: Moment) {
        assert_eq!(receipts.look(ask), Known::New);
        receipts.remember(ask, done(reply), LEFT, WINDOW, now);
    }

    #[test]
    fn a_retry_gets_the_first_reply_until_the_mark_passes() {
        let mut receipts = Receipts::default();
        remember(&mut receipts, &ask(1, 1, 1), 10, at(0));
        remember(&mut receipts, &ask(1, 3, 1), 30, at(0));
        remember(&mut receipts, &ask(2, 1, 1), 20, at(0));
        assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(done(10)));
        assert_eq!(receipts.look(&ask(1, 3, 3)), Known::Told(done(30)));
        assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Expired, "number 3 said that it is closed");
        assert_eq!(receipts.look(&ask(1, 5, 4)), Known::New);
        assert_eq!(receipts.look(&ask(1, 3, 3)), Known::Expired);
        assert_eq!(receipts.look(&ask(2, 1, 1)), Known::Told(done(20)), "sessions are apart");
        assert_eq!(receipts.room, Room { receipts: 1, reply_bytes: 1 });
    }

    #[test]
    fn what_lies_between_the_mark_and_the_present_is_found_in_any_order() {
        let mut receipts = Receipts::default();
        for sequence in [4, 2, 7, 3] {
            remember(&mut receipts, &ask(1, sequence, 1), sequence as u8, at(0));
        }
        for sequence in 1..=8 {
            let known = if [2, 3, 4, 7].contains(&sequence) { Known::Told(done(sequence as u8)) } else { Known::New };
            assert_eq!(receipts.look(&ask(1, sequence, 1)), known, "{sequence}");
        }
    }

    #[test]
    fn time_forgets_the_oldest_first_and_then_the_session() {
        let mut receipts = Receipts::default();
        remember(&mut receipts, &ask(1, 1, 1), 10, at(0));
        remember(&mut receipts, &ask(1, 2, 1), 20, at(30));
        receipts.forget_due(at(64));
        assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(done(10)), "5 s and a grace of 60 are not over");
        receipts.forget_due(at(65));
        assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Expired);
        assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Told(done(20)));
        receipts.forget_due(at(95));
        assert!(receipts.is_empty() && receipts.due.is_empty());
        assert_eq!(receipts.room, Room::default());
    }

    #[test]
    fn a_call_that_waits_is_not_taken_for_one_that_time_has_forgotten() {
        let mut receipts = Receipts::default();
        // Number 1 stands in line all the while.
        remember(&mut receipts, &ask(1, 2, 1), 20, at(0));
        remember(&mut receipts, &ask(1, 3, 1), 30, at(30));
        receipts.forget_due(at(65));
        assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Expired);
        assert_eq!(receipts.look(&ask(1, 3, 1)), Known::Told(done(30)));
        remember(&mut receipts, &ask(1, 1, 1), 10, at(65));
        assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(done(10)));
        assert_eq!(receipts.look(&ask(1, 4, 4)), Known::New);
        assert_eq!(receipts.look(&ask(1, 2, 1)), Known::Expired, "the mark says so now");
    }

    #[test]
    fn the_numbers_that_time_has_forgotten_are_bounded() {
        let mut session = Session::default();
        let last = EXPIRED_MAX as u64 + 2;
        // The lowest comes last: it was open for longer than all others.
        (3..=last).chain([2]).for_each(|number| session.expire(number));
        assert_eq!((session.expired.len(), session.forgotten), (EXPIRED_MAX, 2));
        assert!((2..=last).all(|number| session.has_expired(number)) && !session.has_expired(last + 1));
    }

    #[test]
    fn an_id_that_was_derived_twice_answers_for_one_command() {
        let mut receipts = Receipts::default();
        let derived = |content| Ask { mark: Mark::NOTHING, content: Some(content), ..ask(1, 1, 1) };
        remember(&mut receipts, &derived(5), 10, at(0));
        assert_eq!(receipts.look(&derived(5)), Known::Told(done(10)));
        assert_eq!(receipts.look(&derived(6)), Known::Reused);
    }

    #[test]
    fn a_name_is_remembered_for_its_window_and_means_one_command() {
        let mut receipts = Receipts::default();
        remember(&mut receipts, &named(1, 77, 5), 10, at(0));
        assert_eq!(receipts.look(&named(2, 77, 5)), Known::Told(done(10)));
        assert_eq!(receipts.look(&named(2, 77, 6)), Known::Reused);
        assert_eq!(receipts.look(&named(2, 78, 6)), Known::New);
        receipts.forget_due(at(599));
        assert_eq!(receipts.look(&named(3, 77, 5)), Known::Told(done(10)));
        receipts.forget_due(at(600));
        assert_eq!(receipts.look(&named(3, 77, 6)), Known::New);
        assert!(receipts.is_empty());
    }

    #[test]
    fn a_name_binds_only_what_took_effect() {
        let mut receipts = Receipts::default();
        let ask = named(1, 77, 5);
        receipts.remember(&ask, Told::NotFound, LEFT, WINDOW, at(0));
        assert_eq!(receipts.look(&ask), Known::Told(Told::NotFound));
        assert_eq!(receipts.look(&named(2, 77, 5)), Known::New);
    }

    #[test]
    fn a_full_slot_refuses_what_is_new_and_keeps_what_it_has() {
        let mut receipts = Receipts::default();
        let large = || Told::Done(Bytes::from(vec![0; REPLY_BYTES_KEPT_MAX]));
        receipts.remember(&ask(1, 1, 1), large(), LEFT, WINDOW, at(0));
        assert_eq!(receipts.look(&ask(2, 1, 1)), Known::Full);
        assert_eq!(receipts.look(&ask(1, 1, 1)), Known::Told(large()));
        assert_eq!(receipts.look(&ask(1, 2, 2)), Known::New, "the mark has made room");
    }
}
