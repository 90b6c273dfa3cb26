//! What happens to keys whose node dies: both strategies seen at work.
//!
//! Two registries keep the same resource. `carts` is `auto_reassign`: when a node is Down, its carts open elsewhere. `desks` is
//! `wait_for_node`: they stay reserved for the node, because they are of no use on another.

use std::error::Error;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{Call, CommandError, Context, NodeId, Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

registry! {
    /// Open elsewhere when their node is Down.
    carts {
        resource Visits;
        failover auto_reassign;
    }

    /// Wait for their node: half a minute, then open elsewhere after all.
    desks {
        resource Visits;
        failover wait_for_node(30s, then = reassign);
    }
}

/// Who came by. On demand: an instance comes into being with its first command, so after a failover there is always one.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Visits {
    #[key]
    name: String,
    count: u64,
}

impl From<String> for Visits {
    fn from(name: String) -> Self {
        Self { name, count: 0 }
    }
}

#[commands]
impl Visits {
    /// Counts a visit and says which node did. A call that was on its way when its node is lost is sent to the next owner, and counts once.
    fn visit(&mut self, cx: &Context) -> String {
        self.count += 1;
        cx.node().to_string()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::builder().nodes(3).host(carts::registry()).host(desks::registry()).start().await?;
    reassigned(&cluster).await?;
    waited_for(&cluster).await?;
    Ok(())
}

/// `auto_reassign`: the next visit is served by another node.
async fn reassigned(cluster: &Cluster) -> Result<(), Box<dyn Error>> {
    let before = carts::client(cluster.node(0)).visit("ada").await?;
    let victim = cluster.index_of(&NodeId::new(&before)?);
    cluster.kill(victim).await; // no goodbye, as with kill -9

    // The others notice the silence, declare the node Down, and open its slots among themselves. The call waits for that as long as its
    // timeout lets it; on a machine that is too slow for it, it is made again.
    let carts = carts::client(cluster.node(next(cluster, victim)));
    let after = until_answered(|| carts.visit("ada")).await?;
    assert_ne!(before, after);

    // The node may come back under its name; its carts stay where they are until the cluster is balanced again.
    cluster.restart(victim).await?;
    cluster.settled().await;
    Ok(())
}

/// `wait_for_node`: the next visit waits, and is served by the same node.
async fn waited_for(cluster: &Cluster) -> Result<(), Box<dyn Error>> {
    let before = desks::client(cluster.node(0)).visit("ada").await?;
    let victim = cluster.index_of(&NodeId::new(&before)?);
    cluster.kill(victim).await;

    // A caller waits inside its own deadline, no longer. Nobody else serves the key meanwhile.
    let desks = desks::client(cluster.node(next(cluster, victim)));
    let impatient = desks.visit("ada").timeout(Duration::from_secs(2)).await;
    assert!(impatient.is_err(), "the key is reserved, yet {impatient:?} answered");

    // The node returns within its time, and its desks with it.
    cluster.restart(victim).await?;
    cluster.settled().await;
    let after = until_answered(|| desks.visit("ada")).await?;
    assert_eq!(before, after);
    Ok(())
}

/// How long the story waits for an answer before it is told wrongly.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls again until there is an answer.
async fn until_answered<T, E>(call: impl Fn() -> Call<T, E>) -> Result<T, CommandError<E>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
            outcome => return outcome,
        }
    }
}

/// The node after that one.
fn next(cluster: &Cluster, index: usize) -> usize {
    (index + 1) % cluster.len()
}
