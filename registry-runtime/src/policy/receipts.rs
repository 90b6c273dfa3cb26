//! What a slot remembers of finished commands, so that a retry gets the first reply and has no second effect.
//!
//! A caller numbers its calls of a slot and says with each which is the lowest that is still open (the mark). So whoever keeps the
//! receipts *knows*: at or below the mark nobody asks any more, above it there is a receipt or the command has not taken effect.
//! The same idea, with the same mark, is in RIFL (Lee and others, SOSP 2015).

mod due;
mod room;
mod saved;
mod session;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{CommandId, IdempotencyName, Mark};
use crate::time::Moment;

pub(crate) use room::Budget;
pub(crate) use saved::Saved;

use room::{NAME_BYTES, Room, Share};
use session::Kept;
use sessions::Sessions;

/// How long a receipt outlives its call. No attempt arrives later than this after its time is over: the longest that a frame can lie
/// somewhere is the idle timeout of a connection, and this is four times as long.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// A command as its receipt is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What the caller of a finished command was told; `B` are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told<B = Bytes> {
    /// The encoded reply.
    Done(B),
    /// The encoded error of the command's own.
    Rejected(B),
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
// In this order, for most commands look at the first three alone, and a line of memory that is fetched costs as much as all else here.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Receipts {
    sessions: Sessions,
    /// Before this, nothing is due.
    soonest: Moment,
    room: Room,
    named: BTreeMap<u128, Named>,
    /// The named ones in the order in which their time is over.
    named_due: VecDeque<(Moment, u128)>,
}

#[derive(Debug)]
struct Named {
    content: u64,
    /// When its window is over; a name may have been used anew while an earlier entry of `named_due` waits.
    until: Moment,
    told: Told,
}

impl Ask {
    /// What its receipt would take its room of.
    fn share(&self) -> Share {
        if self.content.is_some() { Share::Derived } else { Share::Called }
    }
}

impl<B> Told<B> {
    /// The same with other bytes.
    pub(crate) fn with<'a, C>(&'a self, bytes: impl FnOnce(&'a B) -> C) -> Told<C> {
        match self {
            Self::Done(told) => Told::Done(bytes(told)),
            Self::Rejected(told) => Told::Rejected(bytes(told)),
            Self::NotFound => Told::NotFound,
            Self::AlreadyExists => Told::AlreadyExists,
        }
    }
}

impl Told {
    /// How many bytes of a reply it carries.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Done(bytes) | Self::Rejected(bytes) => bytes.len(),
            Self::NotFound | Self::AlreadyExists => 0,
        }
    }
}

impl Receipts {
    /// None yet, of a slot whose registry has that budget on the node.
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { room: Room::of(budget), ..Self::default() }
    }

    /// None yet, of the same slot.
    pub(crate) fn alike(&self) -> Self {
        Self::new(self.room.budget())
    }

    /// Lets go of all.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.room.budget());
    }

    /// What is known of a command. Its mark lets go of what nobody asks for any more.
    pub(crate) fn look(&mut self, ask: &Ask) -> Known {
        let mut share = ask.share();
        if let Some(session) = self.sessions.get_mut(ask.id.session) {
            share = session.share;
            session.pass(ask.mark, &mut self.room);
            if session.has_expired(ask.id.sequence) {
                return Known::Expired;
            }
            if let Some(kept) = session.find(ask.id.sequence) {
                // Not told, for the answer to another command would be false; and not run, for it may be the same command in other words
                // (a map in another order), whose effect is there. So it is never started, as with a name that is used twice.
                return if kept.content == ask.content { Known::Told(kept.told.clone()) } else { Known::Reused };
            }
        }
        match ask.name.and_then(|name| Some((name, self.named.get(&name.name)?))) {
            Some((name, named)) if named.content == name.content => Known::Told(named.told.clone()),
            Some(_) => Known::Reused,
            None if self.room.is_full(share) => Known::Full,
            None if ask.name.is_some() && self.room.is_full(Share::Named) => Known::Full,
            None => Known::New,
        }
    }

    /// Remembers what the caller of a command is told, for what is left of its call and a [`GRACE`]; under its name, if it has one and
    /// took effect, for `window`.
    pub(crate) fn remember(&mut self, ask: &Ask, told: Told, left: Duration, window: Duration, now: Moment) {
        self.forget_due(now);
        if let (Some(name), Told::Done(_)) = (ask.name, &told) {
            let until = now + window;
            let named = Named { content: name.content, until, told: told.clone() };
            self.room.take(Share::Named, NAME_BYTES.saturating_add(told.bytes()));
            if let Some(before) = self.named.insert(name.name, named) {
                self.room.free(Share::Named, NAME_BYTES.saturating_add(before.told.bytes()));
            }
            self.named_due.push_back((until, name.name));
            self.soonest = self.soonest.min(until);
        }
        let until = now + left + GRACE;
        self.soonest = self.soonest.min(until);
        let session = self.sessions.begin((ask.id.session, ask.share(), ask.mark), until, &mut self.room);
        session.until = session.until.max(until);
        // A backup is asked nothing: it hears of marks with the records.
        session.pass(ask.mark, &mut self.room);
        if !session.has_expired(ask.id.sequence) {
            session.keep(Kept { sequence: ask.id.sequence, content: ask.content, until, told }, &mut self.room);
        }
    }

    /// Lets go of what nobody asks for any more, by what sessions have said of all their calls.
    pub(crate) fn pass(&mut self, marks: &BTreeMap<u64, Mark>) {
        self.sessions.pass(marks, &mut self.room);
    }

    /// Lets go of what is older than anybody may ask for.
    pub(crate) fn forget_due(&mut self, now: Moment) {
        if now < self.soonest {
            return;
        }
        while let Some((until, name)) = self.named_due.pop_front_if(|(until, _)| *until <= now) {
            if let Entry::Occupied(entry) = self.named.entry(name)
                && entry.get().until == until
            {
                let named = entry.remove();
                self.room.free(Share::Named, NAME_BYTES.saturating_add(named.told.bytes()));
            }
        }
        self.sessions.forget_due(now, &mut self.room);
        let of_names = self.named_due.front().map(|(at, _)| *at);
        self.soonest = self.sessions.soonest().into_iter().chain(of_names).min().unwrap_or(Moment::FOREVER);
    }

    /// How many are kept of sessions.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.sessions.iter().map(|(_, session)| session.receipts().len()).sum()
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.named.is_empty()
    }
}
