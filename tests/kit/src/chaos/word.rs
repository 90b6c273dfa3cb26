//! What a node process and its parent say to one another.

use std::net::SocketAddr;
use std::time::Duration;

use registry_runtime::Timing;
use serde::{Deserialize, Serialize};

use crate::sim::history::{Note, Stamp};
use crate::sim::oracle::Digest;
use crate::sim::{Sighting, Workload};

/// What a node process is made from: the first thing that it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recipe {
    pub(super) host: u16,
    /// How many lives the host has had, this one included.
    pub(super) life: u32,
    pub(super) listen: SocketAddr,
    pub(super) join: Vec<SocketAddr>,
    pub(super) tempo: Tempo,
    pub(super) seed: u64,
    /// Where the machine's clock stood when the run began.
    pub(super) origin: Duration,
    pub(super) hosts: Hosts,
}

/// A timing, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tempo {
    /// [`Timing::fast`].
    Fast,
    /// [`Timing::balanced`].
    Balanced,
}

impl Tempo {
    /// The timing of that name.
    pub fn read(name: &str) -> Option<Self> {
        match name {
            "fast" => Some(Self::Fast),
            "balanced" => Some(Self::Balanced),
            _ => None,
        }
    }

    pub(super) fn timing(self) -> Timing {
        match self {
            Self::Fast => Timing::fast(),
            Self::Balanced => Timing::balanced(),
        }
    }
}

/// What a node hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hosts {
    /// The registries of the simulator; its callers carry out these workloads.
    Workloads(Vec<Workload>),
    /// Counters, for whoever measures from outside.
    Counters,
    /// Accounts, whose tellers are outside.
    Bank,
}

/// What a parent says to a node process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Let the callers begin.
    Begin,
    /// Let the callers come to their ends.
    Rest,
    /// Say what the node believes.
    Tell { round: u64 },
    /// Read the last state of every instance.
    Audit,
    /// Leave the cluster, and end.
    Leave,
}

/// What a node process says to its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// The node listens.
    Ready,
    /// Something is written down.
    Noted { at: Stamp, note: Note },
    /// The node noted something of itself or others.
    Sighted(Sighting),
    /// The callers have come to their ends.
    Rested,
    /// What the node believes.
    Believes { round: u64, digest: Digest },
    /// The last states are written down, or one could not be read.
    Audited(Result<(), String>),
    /// A task panicked.
    Panicked(String),
}

/// A host's name, which is its node's id too.
pub(super) fn name(host: u16) -> String {
    format!("n{host}")
}
