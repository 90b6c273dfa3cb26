//! What a membership wants done or known.

use std::net::SocketAddr;

use bytes::Bytes;

use super::event::Event;
use super::member::{Change, Member};
use crate::id::{Incarnation, NodeId, Process};

/// One thing that is to be done or known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send a packet over the connection with that node; without one, drop it.
    Send {
        /// To whom.
        to: NodeId,
        /// The packet.
        bytes: Bytes,
    },
    /// Open a connection. The outcome comes back as [`super::Input::Connected`] or [`super::Input::DialFailed`].
    Dial {
        /// Who is expected there, if that is known.
        node: Option<NodeId>,
        /// Where.
        address: SocketAddr,
    },
    /// Close the connections with a process that is gone.
    Hangup {
        /// The process.
        process: Process,
    },
    /// Something has happened to a member.
    Member {
        /// The member as it is now.
        member: Member,
        /// What has happened.
        change: Change,
    },
    /// This node was declared Down and comes back with this incarnation: it owns nothing any more.
    Rejoined {
        /// The new incarnation.
        incarnation: Incarnation,
    },
    /// A life of this node is over that began later by the wall clock, which was set back since. A [`Output::Rejoined`]
    /// follows.
    Outlived {
        /// That life.
        former: Process,
    },
    /// This node must stop.
    Stop(StopReason),
    /// For those who watch.
    Event(Event),
}

/// Why a node must stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A newer process with this node's id is alive.
    DuplicateNode {
        /// Where the other one listens.
        address: SocketAddr,
    },
}
