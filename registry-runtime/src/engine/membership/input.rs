//! What happens to a membership.

use std::net::SocketAddr;

use bytes::Bytes;

use super::identity::Identity;
use super::member::{Load, Profile};
use crate::id::NodeId;

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A connection with an authenticated peer stands, and the peer has said who it is. From now on packets to that node
    /// go over this connection, also when there was one before. When it closes and another one with that node is left,
    /// that one is reported again.
    Connected {
        /// The peer.
        peer: Identity,
        /// The address that this side had dialled.
        dialled: Option<SocketAddr>,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The node, as in [`super::Output::Dial`].
        node: Option<NodeId>,
        /// The address, as in [`super::Output::Dial`].
        address: SocketAddr,
    },
    /// The last connection with a node is gone.
    Disconnected {
        /// The node.
        node: NodeId,
    },
    /// A peer has sent a packet.
    Packet {
        /// The peer, as its certificate names it.
        from: NodeId,
        /// The packet.
        bytes: Bytes,
    },
    /// A connected member owes an answer for longer than it should, says the data plane. It is asked, and suspected if it
    /// stays silent; that is all.
    #[cfg_attr(not(test), expect(dead_code, reason = "the data plane's hints are of the next release"))]
    Silent {
        /// The member.
        node: NodeId,
    },
    /// The join list has been looked up again.
    Join(Vec<SocketAddr>),
    /// This node has something new to say of itself; load and revisions in there do not count.
    Profile(Profile),
    /// This node's load has changed.
    Load(Load),
    /// This node says goodbye. Nothing happens after that.
    Leave,
    /// The deadline has come.
    Tick,
}
