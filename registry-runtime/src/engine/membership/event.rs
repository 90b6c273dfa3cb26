//! What a membership has to tell to those who watch it.

use std::time::Duration;

use super::packet::Refusal;
use crate::id::NodeId;

/// Something that is worth a counter and a line in a log; it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A peer's packet was dropped.
    Refused {
        /// The peer.
        from: NodeId,
        /// Why.
        reason: Refusal,
    },
    /// A member was not taken in, because the table is full.
    TableFull {
        /// Who told of it.
        from: NodeId,
        /// The member.
        node: NodeId,
    },
    /// This node was called later than it had asked for; suspects get the time back.
    Late {
        /// How much later.
        by: Duration,
        /// This node's score of trouble, 0 to 7.
        score: u32,
    },
    /// More than half of the peers fail at once, so this node doubts itself.
    SelfDoubt {
        /// This node's score of trouble, 0 to 7.
        score: u32,
    },
    /// A member was reported Down that is alive here; it is asked before that is believed.
    Doubted {
        /// The member.
        node: NodeId,
        /// Who reported it.
        by: NodeId,
    },
    /// A node that is Down here says the same of this one, and sees less of the cluster.
    Overruled {
        /// The other node.
        node: NodeId,
    },
    /// What this node was to say of itself is over the limits, and was not taken over.
    ProfileTooLarge,
    /// The SWIM library refused something.
    Swim {
        /// In its words.
        detail: String,
    },
}
