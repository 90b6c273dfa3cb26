//! Clusters at work: they agree, carry on when nodes die, wait, leave, return or are cut off, and grow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

mod agree;
mod busy;
mod comeback;
mod everywhere;
mod failover;
mod grow;
mod leave;
mod outsize;
mod partition;
mod reading;
mod reservation;
mod restart;
mod serving;
mod survival;
mod twins;

use std::time::Duration;

use registry_runtime::Node;
use registry_runtime::testing::Cluster;
use registry_testkit::{counters, view};

/// How long a cluster may take for what it does unaided while other tests run beside it. How fast it is on a machine of
/// its own is measured in `tests/promptness.rs`.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three nodes that host counters.
async fn three_nodes() -> Cluster {
    Cluster::builder().nodes(3).host(counters::registry()).start().await.unwrap()
}

/// The nodes of a cluster by their indices.
fn nodes(cluster: &Cluster, indices: &[usize]) -> Vec<Node> {
    indices.iter().map(|&index| cluster.node(index)).collect()
}

/// Whether all nodes hold the same members and the same table; else the first difference.
fn hold_one_view_and_table(nodes: &[Node], keys: &[u64]) -> Result<(), String> {
    let mut held = nodes.iter().map(|node| {
        let table = registry_testkit::table(&counters::client(node), keys);
        (node.id(), view(node), table)
    });
    let (first, first_view, first_table) = held.next().unwrap();
    if let Some(closed) = first_table.iter().find(|line| line.contains("None")) {
        return Err(format!("{first} knows no owner: {closed}"));
    }
    for (other, other_view, other_table) in held {
        if first_view != other_view {
            return Err(format!("{first} sees {first_view:?}, {other} sees {other_view:?}"));
        }
        if let Some((one, two)) = first_table.iter().zip(&other_table).find(|(one, two)| one != two) {
            return Err(format!("{first} holds {one}, {other} holds {two}"));
        }
    }
    Ok(())
}
