//! A member of the cluster as users see it.

use std::fmt;
use std::net::SocketAddr;

pub use crate::engine::MemberState;
use crate::id::{Incarnation, NodeId};

/// A member of the cluster, as one node sees it now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub id: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it is up, under suspicion, down, or has left.
    pub state: MemberState,
    /// Which of its lives this is.
    pub incarnation: Incarnation,
    /// The wire names of the registries that it hosts, in order; empty for a client-only node.
    pub registries: Vec<String>,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} is {:?} in incarnation {}", self.id, self.address, self.state, self.incarnation)
    }
}
