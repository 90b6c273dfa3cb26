//! What an engine wants done, and what it has to tell, as plain values.

use super::opening::Why;
use super::set::Set;
use super::store::{Adopt, Begin, Fence, Fetch};
use crate::id::{Epoch, NodeId, RegistryName, Slot};
use crate::message::Message;
use crate::time::Moment;

/// One thing to be done, in the order in which they come out: a slot is closed before a message says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send this to a node; if there is no connection it may be dropped.
    Send {
        /// The node.
        to: NodeId,
        /// The message.
        message: Message,
    },
    /// From now on take nothing of lower epochs for these slots, and answer with `Input::Fenced`.
    Fence {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Fence>,
    },
    /// Take these slots' content over from another process's store, and say `Input::Fetched` for each that is here.
    Fetch {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Fetch>,
    },
    /// Begin these slots' record streams in new epochs, with what is here.
    Begin {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Begin>,
    },
    /// Follow these slots' record streams in new epochs.
    Adopt {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Adopt>,
    },
    /// Serve these slots in their new epochs, whether they were served before or not. Only from here on is anything
    /// acknowledged in those epochs: earlier, no later opener need hear of what is held in them.
    Open {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Opened>,
    },
    /// Stop serving these slots at once; what runs is cancelled and its result discarded, and so is what was never
    /// acknowledged of their record streams.
    Close {
        /// The registry.
        registry: RegistryName,
        /// The slots with the epochs that are over.
        slots: Vec<(Slot, Epoch)>,
    },
    /// Drop the content of these slots, which are closed: a set without this process has stored them since. What lower
    /// epochs are refused stays.
    Forget {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Slot>,
    },
    /// Start nothing new on these slots, let what runs end, and answer with `Input::Drained` for each.
    Seal {
        /// The registry.
        registry: RegistryName,
        /// The slots with their epochs.
        slots: Vec<(Slot, Epoch)>,
    },
    /// Acknowledged state of these slots may be shown until this moment, in the epoch that was opened last.
    Lease {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Slot>,
        /// The end; it only ever rises within an epoch.
        until: Moment,
    },
    /// What callers are told about this registry has changed: read the table again.
    TableChanged(RegistryName),
    /// Something to be recorded.
    Event(Event),
    /// This process must not go on.
    Stop(StopReason),
    /// Everything was handed over, or the time for it is up.
    Left,
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

/// Why a process must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A newer process has this node's id.
    DuplicateNode,
}

/// Something that telemetry records, pages show, and tests look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// This node has opened a slot.
    Opened {
        /// The registry.
        registry: RegistryName,
        /// The slot.
        slot: Slot,
        /// The epoch.
        epoch: Epoch,
        /// What for.
        why: Why,
    },
    /// This node does not serve a slot any more.
    Closed {
        /// The registry.
        registry: RegistryName,
        /// The slot.
        slot: Slot,
        /// The epoch.
        epoch: Epoch,
        /// For what reason.
        why: Closing,
    },
    /// A slot was opened with less than the data of a majority: acknowledged updates may be lost.
    PossibleLoss {
        /// The registry.
        registry: RegistryName,
        /// The slot.
        slot: Slot,
        /// The epoch.
        epoch: Epoch,
    },
    /// An opening met a higher epoch and will be tried again.
    Outbid {
        /// The registry.
        registry: RegistryName,
        /// The slot.
        slot: Slot,
        /// The epoch of the attempt.
        epoch: Epoch,
    },
    /// A slot's owner has sealed it and asked the next to open it.
    HandedOver {
        /// The registry.
        registry: RegistryName,
        /// The slot.
        slot: Slot,
        /// The next owner.
        to: NodeId,
    },
    /// This node has seen too few members for too long and serves nothing.
    Halted,
    /// It sees enough members again.
    Resumed,
    /// A peer said something that no sound peer says; it was ignored.
    BadInput {
        /// The peer.
        from: NodeId,
        /// What was wrong with it.
        what: &'static str,
    },
}

/// Why a slot is not served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Another has opened it.
    Opened,
    /// A higher epoch was promised to another.
    Superseded,
    /// This node was declared Down.
    DeclaredDown,
    /// This node sees too little of the cluster.
    Halted,
    /// This node leaves.
    Leaving,
}
