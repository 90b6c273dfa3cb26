//! Tables are compared by digests, and only what differs travels.
//!
//! Heartbeats tell one digest for each table. Where a peer's is another, the peer is asked with the digests of this node's runs of slots,
//! and tells its rows of the runs that differ. Only so much is asked for at a time: a newcomer to a large cluster, or either half of one
//! that was split, would else be told the same rows by everybody.

use std::time::Duration;

use super::super::outbox::send;
use super::super::shared::AskAgain;
use super::Ownership;
use super::hear::Bad;
use crate::id::{Process, RegistryName};
use crate::message::{Body, Digests, ROWS_TOLD_MAX, SLOTS_MAX, Told, Word};
use crate::time::Moment;

/// How many heartbeats' time a difference of tables that were equal must last until it is asked about, since what is on its way arrives
/// sooner; and how long an answer is waited for before another peer may be asked.
const PATIENCE_BEATS: u32 = 4;

/// How long an answer may take whose parts come, in the same measure.
const ANSWER_PATIENCES: u32 = 8;

/// How often the time until the next question doubles, for a peer that leaves questions unanswered, and for one whose answers bring nothing:
/// up to eight seconds with `Timing::balanced`. Longer pauses would outlive their cause.
const DOUBLINGS_MAX: u32 = 3;

/// How often a peer is asked on at once because its answer was a part: often enough for the largest table.
const PARTS_MAX: u32 = SLOTS_MAX.div_ceil(ROWS_TOLD_MAX as u32);

/// How many rows may be asked for at a time: so much may be on its way to this node at once.
const ROWS_ASKED_MAX: usize = 4 * ROWS_TOLD_MAX;

/// How many of them of one peer, so that none keeps all others from being asked, whatever it says.
const ROWS_ASKED_OF_ONE_MAX: usize = ROWS_ASKED_MAX / 2;

/// A question where a table differs.
#[derive(Debug)]
pub(super) struct Asked {
    whom: Process,
    at: Moment,
    /// When a part of the answer came last.
    heard: Moment,
    /// Whether the answer has brought anything yet.
    is_news: bool,
    /// Tells its answer from one that came late.
    number: u64,
    /// How many rows it may bring.
    rows: usize,
}

impl Ownership {
    /// Takes in the digests of a peer's tables.
    pub(super) fn hear_tables(&mut self, from: &Process, tables: Vec<(RegistryName, u64)>) {
        let patience = self.patience();
        let Self { shared, registries, .. } = self;
        let now = shared.now;
        let Some(peer) = shared.peer_mut(from) else { return };
        peer.tables = tables.into_iter().filter(|(_, digest)| *digest != 0).collect();
        peer.ask.retain(|name, _| registries.contains_key(name) || peer.tables.contains_key(name));
        for (name, registry) in registries {
            if peer.digest(name) == registry.table().digest() {
                peer.ask.insert(name.clone(), AskAgain { from: now + patience, fruitless: 0, parts: 0 });
            }
        }
        self.look_whether_agreed(from);
        self.ask(from);
    }

    /// Takes in that a peer has told some rows of a registry, which may be a part of an answer.
    pub(super) fn hear_part(&mut self, from: &Process, name: &RegistryName, is_news: bool) {
        if let Some(asked) = self.asked.get_mut(name).filter(|asked| asked.whom == *from) {
            asked.heard = self.shared.now;
            asked.is_news |= is_news;
        }
    }

    /// Takes in that a peer has told its rows.
    pub(super) fn hear_told(&mut self, from: &Process, told: &Told) {
        let Told { registry: name, number, whole } = told;
        let (patience, now, questions) = (self.patience(), self.shared.now, self.questions);
        let Some(peer) = self.shared.peer_mut(from) else { return };
        if *number <= questions {
            // In time or not, it answers.
            (peer.unanswered, peer.ask_from) = (0, now);
        }
        let is_answered = |asked: &Asked| asked.whom == *from && asked.number == *number;
        if !self.asked.get(name).is_some_and(is_answered) {
            return;
        }
        let is_news = self.asked.remove(name).is_some_and(|asked| asked.is_news);
        let before = peer.ask.get(name).copied();
        let (fruitless, parts) = before.map_or((0, 0), |before| (before.fruitless, before.parts));
        let again = if is_news && !whole && parts < PARTS_MAX {
            AskAgain { from: now, fruitless: 0, parts: parts.saturating_add(1) }
        } else {
            // What differs may be what the peer does not know.
            let fruitless = if is_news { 0 } else { fruitless.saturating_add(1) };
            AskAgain { from: now + doubled(patience, fruitless), fruitless, parts: 0 }
        };
        peer.ask.insert(name.clone(), again);
        self.look_whether_agreed(from);
        self.ask(from);
    }

    /// A connection is new: what was asked over the one before is not answered any more.
    pub(super) fn forget_asked(&mut self, whom: &Process) {
        self.asked.retain(|_, asked| asked.whom.node != whom.node);
    }

    /// Tells a peer the rows of the runs that differ.
    pub(super) fn hear_digests(&mut self, from: &Process, digests: &Digests) -> Result<(), Bad> {
        let Digests { registry: name, number, slots, buckets } = digests;
        let Some(registry) = self.registries.get(name) else { return Ok(()) };
        let table = registry.table();
        let knows_none = *slots == 0 && buckets.is_empty();
        let fits = knows_none || (*slots == registry.slots() && buckets.len() == table.buckets().len());
        let nothing = vec![0; if knows_none { table.buckets().len() } else { 0 }];
        let mut differing = table.differing(if knows_none { &nothing } else { buckets }).filter(|_| fits);
        for (slot, active) in differing.by_ref().take(ROWS_TOLD_MAX) {
            let word = Word::Active { epoch: active.epoch, set: active.set.clone() };
            self.shared.outbox.say(from, name, registry.slots(), slot, word);
        }
        let told = Told { registry: name.clone(), number: *number, whole: differing.next().is_none() };
        self.shared.outbox.say_last(send(self.shared.me.start, from, Body::Told(told)));
        if fits { Ok(()) } else { Err("digests of a table of another size") }
    }

    /// Asks a peer where its tables differ from this node's, as far as so much may be asked for now.
    fn ask(&mut self, whom: &Process) {
        self.give_up_asking();
        let now = self.shared.now;
        let Some(peer) = self.shared.peer(whom).filter(|peer| peer.ask_from <= now) else { return };
        let differs = |(name, digest): (&RegistryName, &u64)| (self.digest(name) != *digest).then(|| name.clone());
        let is_due = |name: &RegistryName| peer.ask.get(name).is_none_or(|ask| ask.from <= now);
        let due = peer.tables.iter().filter_map(differs).filter(|name| is_due(name) && !self.asked.contains_key(name));
        let mut due: Vec<_> = due.collect();
        if due.iter().any(|name| !self.registries.contains_key(name)) && !self.has_room() {
            due.retain(|name| self.registries.contains_key(name));
        }
        for name in due {
            let rows = self.registries.get(&name).map_or(usize::MAX, |known| known.slots() as usize).min(ROWS_TOLD_MAX);
            let of_all = rows + self.asked.values().map(|asked| asked.rows).sum::<usize>();
            let of_one = self.asked.values().filter(|asked| asked.whom == *whom);
            let of_one = rows + of_one.map(|asked| asked.rows).sum::<usize>();
            if of_all <= ROWS_ASKED_MAX && of_one <= ROWS_ASKED_OF_ONE_MAX {
                self.ask_about(name, rows, whom);
            }
        }
    }

    fn ask_about(&mut self, name: RegistryName, rows: usize, whom: &Process) {
        let known = self.registries.get(&name).map(|known| (known.slots(), known.table().buckets().to_vec()));
        let (slots, buckets) = known.unwrap_or_default();
        self.questions = self.questions.saturating_add(1);
        let (at, number) = (self.shared.now, self.questions);
        let digests = Digests { registry: name.clone(), number, slots, buckets };
        self.shared.outputs.push_back(send(self.shared.me.start, whom, Body::Digests(digests)));
        self.asked.insert(name, Asked { whom: whom.clone(), at, heard: at, is_news: false, number, rows });
    }

    /// Gives up questions that nobody will answer any more. Who leaves some unanswered is asked nothing for a while, so that others are.
    fn give_up_asking(&mut self) {
        let patience = self.patience();
        let Self { shared, asked, .. } = self;
        let now = shared.now;
        asked.retain(|_, asked| {
            let Some(peer) = shared.peer_mut(&asked.whom) else { return false };
            let waits = now.since(asked.heard) < patience && now.since(asked.at) < patience * ANSWER_PATIENCES;
            if !waits && peer.ask_from <= now {
                peer.unanswered = peer.unanswered.saturating_add(1);
                peer.ask_from = now + doubled(patience, peer.unanswered);
            }
            waits
        });
    }

    /// Notes whether a peer's tables are equal to this node's: then it has told all that it knew.
    fn look_whether_agreed(&mut self, with: &Process) {
        let Self { shared, registries, .. } = self;
        let Some(peer) = shared.peer_mut(with).filter(|peer| !peer.agreed) else { return };
        let mut equal = registries.iter().map(|(name, registry)| peer.digest(name) == registry.table().digest());
        peer.agreed = equal.all(|equal| equal) && peer.tables.keys().all(|name| registries.contains_key(name));
    }

    /// The digest of a table; 0 of one that is not known.
    pub(super) fn digest(&self, name: &RegistryName) -> u64 {
        self.registries.get(name).map_or(0, |registry| registry.table().digest())
    }

    fn patience(&self) -> Duration {
        self.shared.timing.heartbeat * PATIENCE_BEATS
    }
}

fn doubled(patience: Duration, times: u32) -> Duration {
    patience * (1 << times.min(DOUBLINGS_MAX))
}
