//! Records of a slot's stream, and fillings of a whole slot, as bytes.
//!
//! What frames them and carries them is the node's: see [`Line`].

use std::fmt::Debug;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shelf::Receipt;
use crate::codec::{self, DecodeError, EncodeError, Raw};
use crate::id::{CommandId, Epoch, IdempotencyName, Mark, Position, Process, Slot};
use crate::policy::receipts::{Ask, Saved, Told};
use crate::policy::replica::Stamp;

/// The most bytes that one instance may have when it is encoded, in a registry whose instances have replicas. A record takes it in one
/// piece, so it is what a command may be.
pub(super) const STATE_BYTES_MAX: usize = 4 << 20;

/// About how many bytes of instances and receipts one part of a filling carries: little enough not to hold up the records of other slots
/// behind it for longer than some milliseconds at 1 Gbit/s.
pub(super) const PART_BYTES: usize = 256 << 10;

/// The way to one backup of one registry. Nothing here blocks, and nothing runs a user's code: it is called with a slot's lock held, which
/// is what keeps a slot's records in order.
pub(crate) trait Line: Debug + Send + Sync {
    /// Who is at the other end.
    fn process(&self) -> &Process;

    /// Sends a record behind all before it. `false` when it cannot be sent now.
    fn record(&self, slot: Slot, epoch: Epoch, position: Position, body: &[u8]) -> bool;

    /// Asks how far the backup reaches in this epoch. `false` when it cannot be asked now.
    fn ask(&self, slot: Slot, epoch: Epoch) -> bool;

    /// Says that a filling begins; its parts follow. `false` when it cannot be said now.
    fn begin(&self, slot: Slot, filling: Filling) -> bool;
}

/// A filling of a whole slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filling {
    /// The opening for which it is made.
    pub(crate) epoch: Epoch,
    /// Tells it from earlier ones for the same opening.
    pub(crate) number: u64,
    /// What the copy's stamp is when it is filled, without the records that come meanwhile.
    pub(crate) stamp: Stamp,
}

/// One part of a filling.
#[derive(Debug)]
pub(crate) struct Portion {
    /// Which one, from 1.
    pub(crate) part: u32,
    /// Whether it is the last.
    pub(crate) last: bool,
    /// Instances and receipts.
    pub(crate) body: Vec<u8>,
}

/// A record without its place: what one command did to one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) key: Raw<'a>,
    /// The new state; `None` when the instance is gone.
    pub(super) state: Option<Raw<'a>>,
    receipt: Option<Entry<'a>>,
}

/// A command's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry<'a> {
    id: CommandId,
    mark: Mark,
    name: Option<IdempotencyName>,
    content: Option<u64>,
    #[serde(borrow)]
    told: Word<'a>,
    left: Duration,
    window: Duration,
}

/// [`Told`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word<'a> {
    Done(#[serde(borrow)] Raw<'a>),
    Rejected(#[serde(borrow)] Raw<'a>),
    NotFound,
    AlreadyExists,
}

/// One thing in a part of a filling: an instance, or one of [`Saved`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Item<'a> {
    Instance {
        #[serde(borrow)]
        key: Raw<'a>,
        #[serde(borrow)]
        state: Raw<'a>,
    },
    Session {
        session: u64,
        derived: bool,
        forgotten: u64,
        expired: Vec<u64>,
        left: Duration,
    },
    Kept {
        session: u64,
        sequence: u64,
        content: Option<u64>,
        left: Duration,
        #[serde(borrow)]
        told: Word<'a>,
    },
    Named {
        name: u128,
        content: u64,
        left: Duration,
        #[serde(borrow)]
        told: Word<'a>,
    },
}

impl<'a> Body<'a> {
    pub(super) fn new(key: &'a [u8], state: Option<&'a [u8]>, receipt: Option<&'a Receipt>) -> Self {
        let entry = receipt.map(|Receipt { ask, told, left, window }| Entry {
            id: ask.id,
            mark: ask.mark,
            name: ask.name,
            content: ask.content,
            told: told.into(),
            left: *left,
            window: *window,
        });
        Self { key: Raw(key), state: state.map(Raw), receipt: entry }
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encoded(self)
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }

    pub(super) fn receipt(&self) -> Option<Receipt> {
        let Entry { id, mark, name, content, told, left, window } = self.receipt?;
        Some(Receipt { ask: Ask { id, mark, name, content }, told: told.into(), left, window })
    }
}

impl<'a> From<&'a Told> for Word<'a> {
    fn from(told: &'a Told) -> Self {
        match told {
            Told::Done(bytes) => Self::Done(Raw(bytes)),
            Told::Rejected(bytes) => Self::Rejected(Raw(bytes)),
            Told::NotFound => Self::NotFound,
            Told::AlreadyExists => Self::AlreadyExists,
        }
    }
}

impl From<Word<'_>> for Told {
    fn from(word: Word<'_>) -> Self {
        match word {
            Word::Done(Raw(bytes)) => Self::Done(bytes.to_vec().into()),
            Word::Rejected(Raw(bytes)) => Self::Rejected(bytes.to_vec().into()),
            Word::NotFound => Self::NotFound,
            Word::AlreadyExists => Self::AlreadyExists,
        }
    }
}

impl<'a> From<&'a Saved> for Item<'a> {
    fn from(saved: &'a Saved) -> Self {
        match *saved {
            Saved::Session { session, derived, forgotten, ref expired, left } => {
                Self::Session { session, derived, forgotten, expired: expired.clone(), left }
            }
            Saved::Kept { session, sequence, content, left, ref told } => {
                Self::Kept { session, sequence, content, left, told: told.into() }
            }
            Saved::Named { name, content, left, ref told } => Self::Named { name, content, left, told: told.into() },
        }
    }
}

impl Item<'_> {
    /// Reads the items of a part.
    pub(super) fn read_all(bytes: &[u8]) -> Result<Vec<Item<'_>>, DecodeError> {
        codec::decode(bytes)
    }

    /// What is to be remembered, if it is no instance.
    pub(super) fn saved(self) -> Option<Saved> {
        Some(match self {
            Self::Instance { .. } => return None,
            Self::Session { session, derived, forgotten, expired, left } => {
                Saved::Session { session, derived, forgotten, expired, left }
            }
            Self::Kept { session, sequence, content, left, told } => {
                Saved::Kept { session, sequence, content, left, told: told.into() }
            }
            Self::Named { name, content, left, told } => Saved::Named { name, content, left, told: told.into() },
        })
    }
}
