//! What the transport tells the node.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::end::{HandshakeError, Reason};
use super::link::Link;
use crate::id::{LinkId, NodeId};

/// Something that happened between this node and another.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node is connected: both sides have verified and welcomed each other.
    ///
    /// When the node was connected already, the new connection takes the place of the old one, whose `Disconnected`
    /// follows.
    Connected {
        /// The connection, and who is at its other end.
        link: Link,
        /// The address that was dialled, when this node dialled.
        dialled: Option<SocketAddr>,
    },
    /// A connection has ended.
    Disconnected {
        /// The node.
        node: NodeId,
        /// Which of its connections.
        link: LinkId,
        /// Why.
        reason: Reason,
    },
    /// A frame came on a peer's control channel.
    Control {
        /// The connection.
        link: Link,
        /// The frame.
        frame: ControlFrame,
    },
    /// A stranger was refused, or broke off, before it was known. Left out, and recorded by the transport itself, when nobody takes the
    /// events.
    Refused {
        /// Where it came from.
        address: SocketAddr,
        /// Why.
        error: HandshakeError,
    },
    /// The endpoint has failed: nothing goes out or comes in any more, and nothing will.
    Ended {
        /// Why.
        reason: Arc<str>,
    },
}

/// A control frame; until it is dropped it counts against what its peer may have waiting here.
#[derive(Debug)]
pub(crate) struct ControlFrame {
    /// The bytes.
    pub(crate) bytes: Bytes,
    pub(super) _held: OwnedSemaphorePermit,
}
