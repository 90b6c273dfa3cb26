//! The answer to "where would this key go, and why".

use std::fmt;

use crate::id::{Epoch, NodeId, Slot};

/// Where commands on a key go, as far as the asked node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The key's slot.
    pub slot: Slot,
    /// The members in the order in which the plan would have them own the slot.
    pub rank: Vec<NodeId>,
    /// The node that has the slot open, or had it last.
    pub owner: Option<NodeId>,
    /// The nodes of the set that the slot was last opened with, owner first.
    pub replicas: Vec<NodeId>,
    /// The epoch that the slot is open in; zero before its first opening.
    pub epoch: Epoch,
    /// One clause that says how this came about; with `degraded` where fewer replicas keep the slot than the registry asks for.
    pub why: String,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} -> ", self.slot)?;
        match &self.owner {
            Some(owner) => write!(f, "{owner}")?,
            None => f.write_str("nobody")?,
        }
        write!(f, " (epoch {}; replicas ", self.epoch)?;
        list(f, &self.replicas)?;
        f.write_str("; rank ")?;
        list(f, &self.rank)?;
        write!(f, "): {}", self.why)
    }
}

fn list(f: &mut fmt::Formatter<'_>, nodes: &[NodeId]) -> fmt::Result {
    if nodes.is_empty() {
        return f.write_str("none");
    }
    for (place, node) in nodes.iter().enumerate() {
        let gap = if place == 0 { "" } else { ", " };
        write!(f, "{gap}{node}")?;
    }
    Ok(())
}
