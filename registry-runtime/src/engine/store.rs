//! What an engine asks of its process's store, one slot at a time, and what that answers.
//!
//! The store is outside: it holds each slot's content with a stamp, which is the epoch and position of its last record, and
//! a fence, which is the epoch below which it takes nothing. Content with one stamp is the same in all stores.

use super::set::Set;
use crate::id::{Epoch, Position, Process, Slot};

/// A slot that is promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// The slot.
    pub(crate) slot: Slot,
    /// The epoch below which nothing more is taken.
    pub(crate) epoch: Epoch,
    /// Whether this process itself opens. Then an owner goes on serving and its answer counts all that it has proposed, but
    /// it proposes and acknowledges nothing more until the slot's next `Begin`. Otherwise whatever was open has been closed
    /// before, and a stream that was begun and never opened ends here.
    pub(crate) own: bool,
}

/// A slot for which a process's store refuses lower epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fenced {
    /// The slot.
    pub(crate) slot: Slot,
    /// The epoch below which it takes nothing any more.
    pub(crate) epoch: Epoch,
    /// The epoch and position of the content that it holds.
    pub(crate) accepted: (Epoch, Position),
}

/// A slot whose newest content another process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// The slot.
    pub(crate) slot: Slot,
    /// The opening that takes it over. Once the store is fenced by a higher epoch, nothing is taken over for this one.
    pub(crate) epoch: Epoch,
    /// Who holds it. A repetition for one that is on its way changes nothing.
    pub(crate) from: Process,
    /// Its epoch and position there. Anything else is not what was promised, and not handed out. It keeps this stamp here
    /// until its `Begin`.
    pub(crate) base: (Epoch, Position),
}

/// A slot whose new record stream begins in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The slot.
    pub(crate) slot: Slot,
    /// The epoch that stamps what is here from now on, at its present position.
    pub(crate) epoch: Epoch,
    /// Who takes part, this process first.
    pub(crate) set: Set,
    /// What is here now. An owner that goes on serving has held back what came after it, and sends it in the new epoch.
    pub(crate) base: (Epoch, Position),
}

/// A slot whose new record stream this process follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adopt {
    /// The slot.
    pub(crate) slot: Slot,
    /// The stream's epoch. Nothing of lower ones is taken from now on.
    pub(crate) epoch: Epoch,
    /// What the stream goes on from. Whoever holds exactly that stamps it with the new epoch, at its position, and tells
    /// the owner that it is stored; whoever holds some of the new epoch says so again; others are filled.
    pub(crate) base: (Epoch, Position),
    /// Whose stream it is.
    pub(crate) owner: Process,
}

/// A slot that a member of its set holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The slot.
    pub(crate) slot: Slot,
    /// The opening whose stream it follows, with all that came before.
    pub(crate) epoch: Epoch,
    /// The member.
    pub(crate) by: Process,
}
