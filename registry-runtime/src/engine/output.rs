//! What an engine wants done, and what it has to tell, as plain values.

use super::opening::Why;
use super::set::Set;
use crate::id::{Epoch, NodeId, Position, Process, RegistryName, Slot};
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
    /// Serve these slots in their new epochs, whether they were served before or not.
    Open {
        /// The registry.
        registry: RegistryName,
        /// The slots.
        slots: Vec<Opened>,
    },
    /// Stop serving these slots at once; what runs is cancelled and its result discarded.
    Close {
        /// The registry.
        registry: RegistryName,
        /// The slots with the epochs that are over.
        slots: Vec<(Slot, Epoch)>,
    },
    /// Drop what is kept of these slots, which are closed: another process has had them open since.
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
    /// Who holds the newest data.
    pub(crate) source: Process,
    /// The epoch and position of that data.
    pub(crate) taken_over: (Epoch, Position),
    /// Whether the instances that are here count: this process is the last that is known to have had the slot open. What
    /// became of them in another's hands it cannot know from its own memory.
    pub(crate) keep: bool,
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
