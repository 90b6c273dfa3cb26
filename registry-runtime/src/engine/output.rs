//! What an engine wants done, and what it has to tell, as plain values.

use super::opening::Why;
use super::set::Set;
use super::store::Task;
use crate::id::{Epoch, NodeId, RegistryName, Slot};
use crate::message::Message;

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
    /// Do this with slots of a registry.
    Slots(RegistryName, Task),
    /// What callers are told about this registry has changed: read the table again.
    TableChanged(RegistryName),
    /// Something to be recorded.
    Event(Event),
    /// This process must not go on.
    Stop(StopReason),
    /// Everything was handed over, or the time for it is up.
    Left,
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
        /// With which set.
        set: Set,
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
        /// A set that may have data, of which too few are left.
        short: Set,
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
