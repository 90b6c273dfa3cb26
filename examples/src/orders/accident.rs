//! A node process that is killed in the middle of the work, and comes back.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use registry_runtime::{MemberState, Node, NodeId};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, ClusterError};
use super::load::Load;

/// The share of the orders that are placed before the node is killed: one in so many.
const KILLED_AFTER: u64 = 3;

/// How long it may take until that many are placed, and until the others have noticed.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What was done to whom.
#[derive(Clone, Debug)]
pub struct Accident {
    /// The node.
    pub node: String,
    /// How many orders were placed before.
    pub placed_before: u64,
    /// How long it was away, from the kill until its new process listened.
    pub away: Duration,
}

impl Accident {
    /// Kills a node with SIGKILL once a third of `orders` are placed, and starts it again when the caller's node has heard that it is Down
    /// and no slot of the orders is left with it.
    pub async fn happen(cluster: &Cluster, caller: &Node, load: &Load, orders: u64) -> Result<Self, AccidentError> {
        let victim = cluster.addresses().len() / 2;
        let node = cluster.name(victim);
        let deadline = Instant::now() + NOTICE_TIMEOUT;
        while load.placed() < orders / KILLED_AFTER {
            wait(deadline, "enough orders to be placed").await?;
        }
        let (placed_before, killed) = (load.placed(), Instant::now());
        cluster.kill(victim).await.map_err(AccidentError::Cluster)?;
        let deadline = killed + NOTICE_TIMEOUT;
        while !is_down(caller, &node) {
            wait(deadline, "the node to be declared down").await?;
        }
        while load.order_slots().of(&node) > 0 {
            wait(deadline, "its orders to move").await?;
        }
        cluster.restart(victim).await.map_err(AccidentError::Cluster)?;
        Ok(Self { node, placed_before, away: killed.elapsed() })
    }
}

fn is_down(caller: &Node, node: &str) -> bool {
    let is_it = |id: &NodeId| id.as_str() == node;
    caller.members().iter().any(|member| is_it(&member.id) && member.state == MemberState::Down)
}

async fn wait(deadline: Instant, what: &'static str) -> Result<(), AccidentError> {
    if Instant::now() > deadline {
        return Err(AccidentError::TimedOut(what));
    }
    sleep(PAUSE).await;
    Ok(())
}

/// Why the accident did not go as it should.
#[derive(Debug)]
pub enum AccidentError {
    /// The process could not be killed or started again.
    Cluster(ClusterError),
    /// Something was waited for in vain.
    TimedOut(&'static str),
}

impl fmt::Display for AccidentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(error) => write!(f, "{error}"),
            Self::TimedOut(what) => write!(f, "waited for {} s for {what}", NOTICE_TIMEOUT.as_secs()),
        }
    }
}

impl Error for AccidentError {}
