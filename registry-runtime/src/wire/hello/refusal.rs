//! Why a node will not work with another.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{NAME_BYTES_MAX, NodeId, Start};
use crate::time::CLOCK_AHEAD_MAX;

/// Why a node will not work with another; "ours" is the side that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    /// It speaks another version of the protocol.
    #[error("protocol version {yours} meets {ours}")]
    Protocol {
        /// The version of the side that was refused.
        yours: u16,
        /// The version of the side that refuses.
        ours: u16,
    },
    /// It puts keys into slots in another way.
    #[error("key hash version {yours} meets {ours}")]
    Hash {
        /// The version of the side that was refused.
        yours: u16,
        /// The version of the side that refuses.
        ours: u16,
    },
    /// It belongs to another cluster.
    #[error("a node of the cluster `{yours}` meets one of `{ours}`")]
    Cluster {
        /// The cluster of the side that was refused.
        yours: String,
        /// The cluster of the side that refuses.
        ours: String,
    },
    /// Its certificate does not bear the name that it gives itself.
    #[error("the certificate is not that of `{claimed}`")]
    Certificate {
        /// The name that the hello claims.
        claimed: NodeId,
    },
    /// A node has dialled itself: its own address stands in its list.
    #[error("this is the node itself")]
    Myself,
    /// Another process runs under the same node id. Of the two the one that started earlier has to stop.
    #[error("another process runs under this node id: {yours} meets {ours}")]
    NameTaken {
        /// The process that was refused.
        yours: Life,
        /// The process that refuses.
        ours: Life,
    },
    /// The two have another connection that stays, or are just making it.
    #[error("the nodes have another connection already")]
    Duplicate,
    /// A later start of the same node is known: this process has to stop.
    #[error("a later start of this node is known, at {later}")]
    Outlived {
        /// Where that one listens.
        later: SocketAddr,
    },
    /// A registry that both host is not kept in the same way.
    #[error("the registry `{name}` differs in {what}")]
    Registry {
        /// The registry's wire name.
        name: String,
        /// What differs.
        what: String,
    },
    /// It began in the future by this node's clock, further than clocks may differ: each would take the other's epochs for nonsense.
    #[error("the clocks differ by more than {} days: one is wrong", CLOCK_AHEAD_MAX.as_secs() / 86_400)]
    Clock,
    /// The hello names more, or longer, things than the limits allow.
    #[error("the hello is over a limit")]
    OverLimits,
    /// The hello does not decode.
    #[error("the hello does not decode")]
    Malformed,
    /// The node is shutting down or has no room for another peer.
    #[error("the node takes no connections now")]
    Closed,
}

/// The most bytes of what is said about a difference: names and numbers of two registries fit in several times.
const WHAT_BYTES_MAX: usize = 1024;

impl Refusal {
    /// Whether it is for what both are, so that it lasts for as long as they live. Of another cluster nobody wants to be a part.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Self::Protocol { .. } | Self::Hash { .. } | Self::Registry { .. } | Self::Clock | Self::OverLimits => true,
            Self::Cluster { .. } | Self::Certificate { .. } | Self::Myself | Self::NameTaken { .. } => false,
            Self::Duplicate | Self::Outlived { .. } | Self::Malformed | Self::Closed => false,
        }
    }

    /// Whether its texts are no longer than any node makes them. They end up in logs.
    pub(crate) fn is_within_limits(&self) -> bool {
        match self {
            Self::Cluster { yours, ours } => yours.len().max(ours.len()) <= NAME_BYTES_MAX,
            Self::Registry { name, what } => name.len() <= NAME_BYTES_MAX && what.len() <= WHAT_BYTES_MAX,
            _ => true,
        }
    }
}

/// One of two processes under one node id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    /// When it began.
    pub(crate) start: Start,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the start {} at {}", self.start.get(), self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_longer_than_any_node_makes_them() {
        let cluster = |length| Refusal::Cluster { yours: "x".repeat(length), ours: String::new() };
        let registry = |name, what| Refusal::Registry { name: "x".repeat(name), what: "x".repeat(what) };
        assert!(cluster(NAME_BYTES_MAX).is_within_limits() && !cluster(NAME_BYTES_MAX + 1).is_within_limits());
        assert!(registry(NAME_BYTES_MAX, WHAT_BYTES_MAX).is_within_limits() && Refusal::Duplicate.is_within_limits());
        assert!(
            !registry(NAME_BYTES_MAX + 1, 1).is_within_limits() && !registry(1, WHAT_BYTES_MAX + 1).is_within_limits()
        );
    }
}
