//! What an engine wants done with the slots of a registry in its process, and what it is told of them.
//!
//! The store is outside: it holds each slot's content with a stamp, which is the epoch and position of its last record, and
//! a fence, which is the epoch below which it takes nothing. Content with one stamp is the same in all stores.

use super::set::Set;
use crate::id::{Epoch, Position, Process, Slot};
use crate::time::Moment;

/// Something to be done with slots, in the order in which it comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// From now on take nothing of lower epochs, and answer with [`Report::Fenced`].
    Fence(Vec<Fence>),
    /// Take the content over from another process's store, and say [`Report::Fetched`] for each that is here.
    Fetch(Vec<Fetch>),
    /// Begin record streams in new epochs, with what is here, and say [`Report::Stored`] for each member that holds it.
    Begin(Vec<Begin>),
    /// Follow record streams in new epochs, and let their owners know.
    Adopt(Vec<Adopt>),
    /// Serve in new epochs, whether served before or not. Only from here on is anything acknowledged in those epochs: earlier,
    /// no later opener need hear of what is held in them.
    Open(Vec<Opened>),
    /// Stop serving at once, in these epochs; what runs is cancelled and its result discarded, and so is what was never
    /// acknowledged of the record streams.
    Close(Vec<(Slot, Epoch)>),
    /// Drop the content, of closed slots: a set without this process has stored it since. What lower epochs are refused stays.
    Forget(Vec<Slot>),
    /// Start nothing new, in these epochs, let what runs end and the next owner have all of it, and answer with [`Report::Drained`] for each.
    Seal(Vec<Seal>),
    /// Acknowledged state may be shown until this moment, in the epoch that was opened last. Within an epoch it only rises.
    Lease(Vec<Slot>, Moment),
}

/// What has become of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// This node's store takes nothing below these epochs any more.
    Fenced(Vec<Fenced>),
    /// What the opening with this epoch takes over is here.
    Fetched(Slot, Epoch),
    /// The stream of the opening with this epoch cannot begin: what was to be taken over is not here.
    Unbegun(Slot, Epoch),
    /// A member holds all that an opening of this node's took over.
    Stored(Stored),
    /// A member cannot be sent what the opening with this epoch took over, now or soon.
    Unfillable(Slot, Epoch, Process),
    /// A member cannot read something of what this opening's owner sends.
    Unreadable(Slot, Epoch, Process),
    /// What ran on a slot that was sealed in this epoch has ended.
    Drained(Slot, Epoch),
}

/// A slot that is about to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The slot.
    pub(crate) slot: Slot,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// Who is to own it next.
    pub(crate) to: Process,
}

/// A slot that this node has opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The slot.
    pub(crate) slot: Slot,
    /// Its epoch, the fencing number.
    pub(crate) epoch: Epoch,
    /// Its set, this process first.
    pub(crate) set: Set,
}

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
    /// the owner that it is stored; whoever holds some of the new epoch says so again; whoever lacks only the last records
    /// is sent these, if the owner has them; others are filled.
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
