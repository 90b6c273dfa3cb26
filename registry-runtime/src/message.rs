//! What engines say to one another: plain data, which `wire` encodes and no engine ever sees as bytes.
//!
//! Everything about slots travels in a [`Batch`]: one registry, a dictionary of replica sets, and many [`Word`]s, each
//! about one slot. An opening of four thousand slots is then a handful of frames.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Position, Process, RegistryName, Slot, Start};

/// The most words in one batch: with a set of three and no noted sets a word takes about 25 bytes, so a full batch is
/// about 25 KiB, small enough not to hold up a heartbeat behind it.
pub(crate) const WORDS_MAX: usize = 1024;

/// The most sets in one batch's dictionary. Bounds what a peer may make this node keep for one batch.
pub(crate) const SETS_MAX: usize = 1024;

/// About how large a batch may grow before it is cut, in bytes: a quarter of the largest frame, since the estimate is rough.
pub(crate) const BATCH_BYTES: usize = 48 * 1024;

/// The largest replica set.
pub(crate) const SET_MEMBERS_MAX: usize = 7;

/// The most noted sets that one row keeps and one promise names. Beyond that a promise is refused, which is always safe.
pub(crate) const NOTED_MAX: usize = 8;

/// The most entries that one [`Lend`] carries; a lender with more to tell lends nothing until it has told them.
pub(crate) const SUPERSEDED_MAX: usize = 2048;

/// The most registries that a cluster may have.
pub(crate) const REGISTRIES_MAX: usize = 256;

/// The most slots of all registries that a node knows and does not host: sixteen of the largest, or as many registries as there may be with
/// 4,096 slots, the default. Each costs a row, so whoever makes up registries makes a node spend some 200 MiB at most.
pub(crate) const FOREIGN_SLOTS_MAX: u32 = 1 << 20;

/// The most slots that a registry may have.
pub(crate) const SLOTS_MAX: u32 = 65_536;

/// The most processes that are told to be forgotten, and that are remembered so before it is known that they are Down: as many as the member
/// list has room for.
pub(crate) const FORGOTTEN_MAX: usize = 1024;

/// The most rows that answer digests, those of a registry with the default number of slots: 100 to 250 KiB as a rule, and 2 MiB with seven
/// replicas and the longest names, a quarter of what a channel holds. Who needs more asks again.
pub(crate) const ROWS_TOLD_MAX: usize = 4 * WORDS_MAX;

/// How many neighbouring slots share one digest when two tables are compared.
pub(crate) const SLOTS_PER_BUCKET: u32 = 64;

/// One message between two engines, from one start to one start.
///
/// The node ids are those of the authenticated connection. A process ignores what is not addressed to its own start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The life that sent it.
    pub(crate) from: Start,
    /// The life that it is meant for.
    pub(crate) to: Start,
    /// What it says.
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// I am alive; lend me your word.
    Heartbeat(Heartbeat),
    /// You have my word for the length of a lease.
    Lend(Lend),
    /// These are digests of my table; tell me where yours differs.
    Digests(Digests),
    /// That was my answer to your digests.
    Told(Told),
    /// Words about many slots of one registry.
    Batch(Batch),
    /// Nobody needs to wait for these.
    Forgotten(Forgotten),
}

/// Members that were Down for so long, while the sender saw a majority, that nobody needs to wait for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forgotten {
    /// For how long at least. Those who see too few others stop in time only for those who wait as long as they do.
    pub(crate) after: Duration,
    /// The members.
    pub(crate) processes: Vec<Process>,
}

/// Asks for a lease on every slot that the sender owns, and compares tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heartbeat {
    /// Counts the sender's heartbeats; names the moment of sending.
    pub(crate) sequence: u64,
    /// The newest version of the receiver's list of superseded slots that the sender has acted on.
    pub(crate) heard: u64,
    /// A digest of the sender's table for each registry that it knows.
    pub(crate) tables: Vec<(RegistryName, u64)>,
}

/// Answers a [`Heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lend {
    /// Which heartbeat is answered.
    pub(crate) sequence: u64,
    /// The version of the list up to its last entry here.
    pub(crate) version: u64,
    /// Slots for which the lender has promised a higher epoch to another since it stored the receiver's opening.
    pub(crate) superseded: Vec<Superseded>,
    /// Whether the list is whole. Only then is anything lent.
    pub(crate) complete: bool,
}

/// A slot for which another was promised a higher epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Superseded {
    /// The registry.
    pub(crate) registry: RegistryName,
    /// The slot.
    pub(crate) slot: Slot,
    /// The epoch that was promised.
    pub(crate) epoch: Epoch,
}

/// A table in short: one digest for each run of [`SLOTS_PER_BUCKET`] slots. No slots and no digests stand for a table that is not known at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digests {
    /// The registry.
    pub(crate) registry: RegistryName,
    /// Counts the sender's questions; its answer names it.
    pub(crate) number: u64,
    /// How many slots the sender believes it to have.
    pub(crate) slots: u32,
    /// The digests in slot order.
    pub(crate) buckets: Vec<u64>,
}

/// The end of an answer to [`Digests`], behind the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The registry.
    pub(crate) registry: RegistryName,
    /// Which question is answered.
    pub(crate) number: u64,
    /// Whether that was all.
    pub(crate) whole: bool,
}

/// Words about slots of one registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The registry.
    pub(crate) registry: RegistryName,
    /// How many slots the sender believes it to have.
    pub(crate) slots: u32,
    /// The sets that the words name by index, members in order, owner first.
    pub(crate) sets: Vec<Vec<Process>>,
    /// The words.
    pub(crate) words: Vec<(Slot, Word<u16>)>,
}

/// What is said about one slot; `S` is a set, or its index in the batch's dictionary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word<S> {
    /// Phase one of an opening: promise me this epoch.
    Collect {
        /// The opening's epoch.
        epoch: Epoch,
        /// The set that it will use.
        set: S,
        /// The epoch of the last active set that the opener knows.
        known: Option<Epoch>,
        /// An earlier epoch that its owner has given up, so that a lease on it need not be waited for.
        released: Option<Epoch>,
    },
    /// The epoch is promised, and this is what the promiser knows.
    Promise {
        /// The epoch.
        epoch: Epoch,
        /// The last set that the promiser knows to be active.
        active: Option<(Epoch, S)>,
        /// Every set noted below this epoch.
        noted: Vec<Noted<S>>,
        /// The epoch and position of the data that it holds.
        accepted: (Epoch, Position),
    },
    /// The epoch is not promised, or not installed.
    Refuse {
        /// The epoch that was asked for.
        epoch: Epoch,
        /// Why not.
        refusal: Refusal,
        /// The last set that the refuser knows to be active.
        active: Option<(Epoch, S)>,
    },
    /// Phase two of an opening: store what it took over, and follow its record stream.
    Install {
        /// The opening's epoch.
        epoch: Epoch,
        /// Its set.
        set: S,
        /// The epoch and position of what the opener took over.
        base: (Epoch, Position),
    },
    /// This set was opened.
    Active {
        /// The opening's epoch.
        epoch: Epoch,
        /// Its set.
        set: S,
    },
    /// The sender has sealed the slot: open it.
    HandOver {
        /// The epoch that the sender gives up.
        epoch: Epoch,
        /// Its set.
        set: S,
    },
}

/// A set that was named by openings which may or may not have become active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted<S> {
    /// The set.
    pub(crate) set: S,
    /// The lowest epoch that named it.
    pub(crate) first: Epoch,
    /// The highest epoch that named it.
    pub(crate) last: Epoch,
}

/// Why an opening is refused. Refusing is always safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// This epoch, as high or higher, is promised to another.
    Promised(Epoch),
    /// The opener does not know the newest active set.
    Outdated,
    /// The opening with this epoch, by this process, has the refuser's word for a while yet.
    Lent(Epoch, Process),
    /// [`NOTED_MAX`] sets are noted already.
    Full,
}

impl<S> Word<S> {
    /// The same word with every set exchanged; `None` as soon as one cannot be.
    pub(crate) fn try_map<T>(self, mut exchange: impl FnMut(S) -> Option<T>) -> Option<Word<T>> {
        Some(match self {
            Self::Collect { epoch, set, known, released } => {
                Word::Collect { epoch, set: exchange(set)?, known, released }
            }
            Self::Promise { epoch, active, noted, accepted } => {
                let active = try_map_active(active, &mut exchange)?;
                let noted = noted
                    .into_iter()
                    .map(|Noted { set, first, last }| Some(Noted { set: exchange(set)?, first, last }))
                    .collect::<Option<_>>()?;
                Word::Promise { epoch, active, noted, accepted }
            }
            Self::Refuse { epoch, refusal, active } => {
                Word::Refuse { epoch, refusal, active: try_map_active(active, &mut exchange)? }
            }
            Self::Install { epoch, set, base } => Word::Install { epoch, set: exchange(set)?, base },
            Self::Active { epoch, set } => Word::Active { epoch, set: exchange(set)? },
            Self::HandOver { epoch, set } => Word::HandOver { epoch, set: exchange(set)? },
        })
    }

    /// The highest epoch that the word mentions.
    pub(crate) fn epoch_max(&self) -> Epoch {
        match self {
            Self::Collect { epoch, known, released, .. } => {
                (*epoch).max(known.unwrap_or_default()).max(released.unwrap_or_default())
            }
            Self::Promise { epoch, active, noted, accepted } => {
                let active = active.as_ref().map_or(Epoch::ZERO, |(epoch, _)| *epoch);
                let noted = noted.iter().map(|noted| noted.last.max(noted.first)).max().unwrap_or_default();
                (*epoch).max(active).max(noted).max(accepted.0)
            }
            Self::Refuse { epoch, refusal, active } => {
                let active = active.as_ref().map_or(Epoch::ZERO, |(epoch, _)| *epoch);
                let refused = match refusal {
                    Refusal::Promised(other) | Refusal::Lent(other, _) => *other,
                    Refusal::Outdated | Refusal::Full => Epoch::ZERO,
                };
                (*epoch).max(active).max(refused)
            }
            Self::Install { epoch, base, .. } => (*epoch).max(base.0),
            Self::Active { epoch, .. } | Self::HandOver { epoch, .. } => *epoch,
        }
    }
}

/// Outside: whether it could be exchanged; inside: whether there was one.
fn try_map_active<S, T>(
    active: Option<(Epoch, S)>,
    mut exchange: impl FnMut(S) -> Option<T>,
) -> Option<Option<(Epoch, T)>> {
    match active {
        None => Some(None),
        Some((epoch, set)) => Some(Some((epoch, exchange(set)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;

    fn process(name: &str) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(1_790_000_000_000) }
    }

    fn words(epoch: Epoch) -> Vec<Word<u16>> {
        let noted = vec![Noted { set: 1, first: epoch, last: epoch }];
        vec![
            Word::Collect { epoch, set: 0, known: Some(epoch), released: None },
            Word::Promise { epoch, active: Some((epoch, 0)), noted, accepted: (epoch, Position::new(0)) },
            Word::Refuse { epoch, refusal: Refusal::Lent(epoch, process("node-a")), active: None },
            Word::Install { epoch, set: 0, base: (epoch, Position::new(7)) },
            Word::Active { epoch, set: 1 },
            Word::HandOver { epoch, set: 0 },
        ]
    }

    #[test]
    fn a_message_survives_its_encoding_and_a_full_batch_is_small() {
        let epoch = Epoch::from_parts(1_790_000_000_000, 1);
        let words: Vec<_> = (0..).map(Slot::new).zip(words(epoch).into_iter().cycle()).take(WORDS_MAX).collect();
        let sets = vec![["node-a", "node-b", "node-c"].map(process).to_vec(), vec![process("node-a")]];
        let registry = RegistryName::new("orders").unwrap();
        let body = Body::Batch(Batch { registry, slots: 4096, sets, words });
        let message = Message { from: Start::new(1), to: Start::new(2), body };
        let bytes = postcard::to_stdvec(&message).unwrap();
        assert!(bytes.len() < BATCH_BYTES, "{} bytes", bytes.len());
        assert_eq!(postcard::from_bytes::<Message>(&bytes).unwrap(), message);
    }

    #[test]
    fn words_exchange_their_sets_or_fail() {
        let known = |index| (index == 0).then_some("set");
        let exchanged: Vec<_> = words(Epoch::ZERO).into_iter().map(|word| word.try_map(known).is_some()).collect();
        assert_eq!(exchanged, [true, false, true, true, false, true]);
    }
}
