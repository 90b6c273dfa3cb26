//! Records of a slot's stream, and fillings of a whole slot, as bytes.
//!
//! What frames them and carries them is the node's: see [`Line`].

use std::fmt::Debug;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::shelf::Receipt;
use crate::codec::Raw;
use crate::id::{Epoch, LinkId, Position, Process, Slot};
use crate::policy::receipts::Saved;
use crate::policy::replica::Stamp;

/// The most bytes that one instance may have when it is encoded, in a registry whose instances have replicas, whether there are nodes for
/// them or not. A record takes it in one piece, so it is what a command may be. Without replicas a larger one stays where it is.
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

    /// Says how far the stream is acknowledged. `false` when it cannot be said now.
    fn acknowledged(&self, slot: Slot, epoch: Epoch, position: Position) -> bool;

    /// Says that a filling begins whose parts are going to travel over this connection. `false` when it cannot be said now, or another
    /// connection is in the place of that one: what is said over two has no order.
    fn begin(&self, slot: Slot, filling: Filling, over: LinkId) -> bool;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) key: Raw<'a>,
    /// The new state; `None` when the instance is gone.
    pub(super) state: Option<Raw<'a>>,
    pub(super) receipt: Option<Receipt<Raw<'a>>>,
}

/// One thing in a part of a filling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Item<'a> {
    Instance {
        #[serde(borrow)]
        key: Raw<'a>,
        #[serde(borrow)]
        state: Raw<'a>,
    },
    Saved(#[serde(borrow)] Saved<Raw<'a>>),
    /// Where the content comes from, and up to which record its changes are not known one by one. Where every side of a partition serves.
    Past {
        ends: Vec<Stamp>,
        since: Position,
    },
    /// Which record changed an instance last, or took it away.
    Written {
        #[serde(borrow)]
        key: Raw<'a>,
        position: Position,
    },
}

/// Bytes that are kept: they share nothing with the frame that they came in.
pub(super) fn keep(bytes: &Raw<'_>) -> Bytes {
    Bytes::copy_from_slice(bytes.0)
}

/// Bytes that are only looked at.
pub(super) fn lend(bytes: &Bytes) -> Raw<'_> {
    Raw(bytes)
}
