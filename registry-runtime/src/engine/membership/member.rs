//! What is known of a member.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, Process, RegistryName};
use crate::spec;
use crate::time::Moment;

/// A member as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The node and the life of its memory.
    pub(crate) process: Process,
    /// Rises at every start and at every return from a wrong Down.
    pub(crate) incarnation: Incarnation,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What this node believes of it.
    pub(crate) state: MemberState,
    /// Since when this incarnation has been Down; `None` while it is Up or Suspect.
    pub(crate) down: Option<Downtime>,
    /// What it says of itself; `None` until that has arrived.
    pub(crate) profile: Option<Arc<Profile>>,
}

/// What a node believes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MemberState {
    /// It answers.
    Up,
    /// It missed a probe. This moves nothing: it either refutes or becomes Down.
    Suspect,
    /// It was silent for too long. Final for this incarnation.
    Down,
    /// It said goodbye. Final for this incarnation.
    Left,
}

impl MemberState {
    /// Whether the member counts as alive.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Up | Self::Suspect)
    }
}

/// What has just happened to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was unknown before, or the Down of this very incarnation was taken back.
    Up,
    /// It missed a probe.
    Suspect,
    /// It answered a suspicion.
    Refuted,
    /// It is Down, or the age of its Down has turned out to be larger.
    Down,
    /// It said goodbye.
    Left,
    /// The same process is back with a higher incarnation after it had been declared Down.
    Rejoined,
    /// Another process of the same node has taken its place.
    Replaced {
        /// The process that is gone.
        former: Process,
    },
    /// It says something new of itself.
    Profile,
    /// It reports another load.
    Load,
}

/// How long an incarnation has been Down: an age that was heard of, and when it was heard.
///
/// The age and not the moment of the Down, because that may lie before this node's clock began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Downtime {
    age: Duration,
    at: Moment,
}

impl Downtime {
    /// The longest age that is believed of a peer, so that a wild number does no harm.
    pub(crate) const AGE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// Down for `age` as of `at`.
    pub(crate) fn new(age: Duration, at: Moment) -> Self {
        Self { age: age.min(Self::AGE_MAX), at }
    }

    /// How long it has been Down.
    pub(crate) fn age(self, now: Moment) -> Duration {
        self.age.saturating_add(now.since(self.at))
    }
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// The registries it hosts.
    pub(crate) hosted: Vec<HostedRegistry>,
    /// Whether it only calls, and neither hosts nor owns.
    pub(crate) client_only: bool,
    /// Whether it is handing its slots over on its way out.
    pub(crate) leaving: bool,
    /// How much it wishes to own.
    pub(crate) weight: Weight,
    /// How busy it is.
    pub(crate) load: Load,
    /// The release it runs.
    pub(crate) version: String,
    /// Counts what the node has said of itself in this life, loads left out. The membership keeps it.
    pub(crate) revision: u64,
    /// Counts the loads that the node has reported in this life. The membership keeps it.
    pub(crate) load_revision: u64,
}

impl Profile {
    /// The most registries that one node may host: more than any program has blocks of `registry!`.
    pub(crate) const HOSTED_MAX: usize = 128;
    /// The longest release name, in bytes.
    pub(crate) const VERSION_BYTES_MAX: usize = 64;

    /// Whether it keeps the limits.
    pub(crate) fn fits(&self) -> bool {
        self.hosted.len() <= Self::HOSTED_MAX && self.version.len() <= Self::VERSION_BYTES_MAX
    }
}

/// A registry that a node hosts, with all that the nodes must agree on to plan its slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostedRegistry {
    /// The wire name.
    pub(crate) name: RegistryName,
    /// The number of slots.
    pub(crate) slots: u32,
    /// The size of a replica set.
    pub(crate) replicas: u8,
    /// What happens to the slots of a Down node.
    pub(crate) failover: HostedFailover,
    /// Whether every side of a partition goes on with what it has.
    pub(crate) serves_all: bool,
    /// Whether the weights of the members count (`load_balancing least_busy`).
    pub(crate) weighs: bool,
}

/// What happens to the slots of a Down node, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HostedFailover {
    /// They open elsewhere.
    AutoReassign,
    /// They stay reserved for the node.
    WaitForNode {
        /// For how long after the first Down of the incarnation.
        wait: Duration,
        /// Whether they open elsewhere afterwards.
        reassign: bool,
    },
}

impl From<spec::Failover> for HostedFailover {
    fn from(said: spec::Failover) -> Self {
        match said {
            spec::Failover::AutoReassign => Self::AutoReassign,
            spec::Failover::WaitForNode { wait, then } => {
                Self::WaitForNode { wait, reassign: matches!(then, spec::Then::Reassign) }
            }
        }
    }
}

/// How much a node wishes to own, in hundredths of a normal share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Weight(pub(crate) u16);

impl Weight {
    /// A normal share.
    pub(crate) const NORMAL: Self = Self(100);
}

/// How busy a node is, in the units in which the data plane compares nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Load(pub(crate) u16);
