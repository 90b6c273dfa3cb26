//! What can go wrong with a node's own life: an error for each thing that can be asked of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{InvalidNodeId, NodeId};
use crate::transport::IdentityError;

/// Why a node did not start. Nothing of it runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The node's id breaks the rules of [`NodeId`].
    #[error(transparent)]
    NodeId(#[from] InvalidNodeId),
    /// No identity was given.
    #[error("a node needs an identity: `.identity(Identity::shared_secret(..))` or `.identity(Identity::pem(..))`")]
    MissingIdentity,
    /// The identity is of no use to this node.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The address to listen on could not be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Two registries of one wire name were given.
    #[error("two registries are called `{0}`: give one of them another wire name with `name ..;`")]
    DuplicateRegistry(&'static str),
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(String),
    /// Nobody of the join list answered, and the node was told to require it.
    #[error("nobody of the join list answered within {0:?}")]
    NobodyAnswered(Duration),
    /// Somebody of the join list answered and did not let the node in, or was not let in by it, and the node was told to require a fellow member.
    #[error("no node of the join list could be joined within {within:?}: {last}")]
    NotJoined {
        /// How long was tried.
        within: Duration,
        /// Why not, of the last one with another reason than before.
        last: String,
    },
    /// The node stopped while it waited for somebody of the join list, which it was told to require.
    #[error("the node stopped before anybody of the join list answered: {0}")]
    Stopped(Stopped),
}

/// Why a wait for members ended without them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was over.
    #[error("waited for {wanted} members and saw {}: {}", .seen.len(), names(.seen))]
    TimedOut {
        /// How many were waited for.
        wanted: usize,
        /// Who was seen, this node included.
        seen: Vec<NodeId>,
    },
    /// The node stopped meanwhile.
    #[error("the node stopped: {0}")]
    Stopped(Stopped),
}

/// Why leaving did not go as asked. The node has stopped all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveError {
    /// Not everything could be handed over in time; what was left opens elsewhere as after a crash.
    #[error("stopped with {slots} slots that nobody took over within {waited:?}")]
    TimedOut {
        /// How many slots were still here: those that it owned, and those that it kept for an owner that is gone.
        slots: usize,
        /// How long it was tried.
        waited: Duration,
    },
    /// No node was left that hosts what was here. What it kept is gone.
    #[error("stopped with {slots} slots, and no node is left that could take them over: what they kept is gone")]
    NobodyLeft {
        /// How many slots were still here: those that it owned, and those that it kept for an owner that is gone.
        slots: usize,
    },
    /// The node had stopped before.
    #[error("the node had stopped already: {0}")]
    Stopped(Stopped),
}

/// Why a node has stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// It was asked to, or its last handle was dropped.
    #[error("it was shut down")]
    Shutdown,
    /// It left the cluster.
    #[error("it left the cluster")]
    Left,
    /// Another process with the same node id started later.
    #[error("another process took over the node id `{node}` at {address}; a node id belongs to one live process")]
    DuplicateNode {
        /// The node id.
        node: NodeId,
        /// Where the other one listens.
        address: SocketAddr,
    },
    /// Its own machinery failed, which is a fault of this library. It serves nothing any more; for the others it crashed.
    #[error("it failed: {0}")]
    Failed(Arc<str>),
    /// Its socket or its endpoint failed.
    #[error("its endpoint failed: {0}")]
    Endpoint(Arc<str>),
}

fn names(seen: &[NodeId]) -> String {
    seen.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;
    use crate::transport::{Breaker, Identity};

    #[tokio::test]
    async fn a_node_whose_socket_fails_stops_and_says_why() {
        let breaker = Breaker::default();
        let builder = Node::builder("alone").identity(Identity::shared_secret("a secret of one"));
        let node = builder.socket(breaker.socket()).start().await.unwrap();
        breaker.break_off("the cable was cut");
        let stopped = node.wait_for_members(2).await;
        assert_eq!(stopped, Err(WaitError::Stopped(Stopped::Endpoint("the cable was cut".into()))));
    }
}
