//! Where actions run.

use std::collections::BTreeMap;
use std::sync::Arc;

use registry_runtime::testing::Cluster;
use registry_runtime::{Context, Resource, commands, registry};
use registry_testkit::{Probe, builder, eventually};
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    rotating {
        resource Clerk;
        sharding singleton;
        load_balancing round_robin;
    }

    idlest {
        resource Clerk;
        sharding singleton;
        load_balancing least_busy;
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Clerk {
    #[key]
    id: u8,
}

impl From<u8> for Clerk {
    fn from(id: u8) -> Self {
        Self { id }
    }
}

#[commands]
impl Clerk {
    fn desk(cx: &Context) -> String {
        cx.node().to_string()
    }

    /// Stays at its desk until the gate lets it go.
    async fn stay(cx: &Context) -> String {
        let probe = cx.state::<Arc<Probe>>();
        let _inside = probe.enter();
        probe.pass().await;
        cx.node().to_string()
    }

    fn badge(&self) -> u8 {
        self.id
    }

    /// Stays where the clerk lives until the gate lets it go.
    async fn rest(&self, cx: &Context) {
        let probe = cx.state::<Arc<Probe>>();
        let _inside = probe.enter();
        probe.pass().await;
    }
}

#[tokio::test]
async fn round_robin_rotates_over_the_hosts() {
    let cluster = Cluster::builder().nodes(3).host(rotating::registry()).start().await.unwrap();
    let clerks = rotating::client(cluster.node(0));
    let mut desks = Vec::new();
    for _ in 0..30 {
        desks.push(clerks.desk().await.unwrap());
    }
    let mut seen = BTreeMap::new();
    for desk in &desks {
        *seen.entry(desk.as_str()).or_insert(0) += 1;
    }
    assert_eq!(seen.into_values().collect::<Vec<i32>>(), [10, 10, 10], "{desks:?}");
    assert!(desks.windows(3).all(|turn| turn[0] != turn[1] && turn[1] != turn[2] && turn[0] != turn[2]), "{desks:?}");
}

#[tokio::test]
async fn least_busy_avoids_the_busy_host() {
    const CALLS: usize = 100;
    let probe = Arc::new(Probe::default());
    let cluster = Cluster::builder().nodes(2).host(idlest::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let clerks = idlest::client(cluster.node(0));
    let busy = tokio::spawn(clerks.stay().timeout(PATIENCE));
    eventually(PATIENCE, async || if probe.entered() == 1 { Ok(()) } else { Err("nobody stays") }).await;

    let mut desks = Vec::new();
    for _ in 0..CALLS {
        desks.push(clerks.desk().await.unwrap());
    }
    probe.open(1);
    let busy = busy.await.unwrap().unwrap();
    let idle = desks.iter().filter(|desk| **desk != busy).count();
    // A node may say that it is busy with the very call that asks; fewer than half mean that the load did not count.
    assert!(idle > CALLS / 2, "{idle} of {CALLS} went to the idle host");
}

/// Nothing that the own node's callers have under way says how busy others keep it.
#[tokio::test]
async fn least_busy_avoids_the_own_node_too() {
    const RESTING: usize = 8;
    const IN_A_ROW: usize = 20;
    let probe = Arc::new(Probe::default());
    let cluster = Cluster::builder().nodes(2).host(idlest::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let handle = idlest::client(cluster.node(0));
    let busy = eventually(PATIENCE, async || handle.registry().owner(1).ok_or("nobody has the clerk")).await;
    let (own, other) = match cluster.node(0).id() == &busy {
        true => (cluster.node(0), cluster.node(1)),
        false => (cluster.node(1), cluster.node(0)),
    };
    let resting: Vec<_> =
        (0..RESTING).map(|_| tokio::spawn(idlest::client(&other).rest(1).timeout(PATIENCE))).collect();
    eventually(PATIENCE, async || if probe.entered() == RESTING { Ok(()) } else { Err("not all rest") }).await;

    let clerks = idlest::client(&own);
    eventually(PATIENCE, async || {
        for _ in 0..IN_A_ROW {
            if clerks.desk().await.unwrap() != other.id().as_str() {
                return Err("it still calls itself idle");
            }
        }
        Ok(())
    })
    .await;
    probe.open(RESTING);
    for rest in resting {
        rest.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn actions_run_where_the_registry_is_hosted() {
    let host = builder("actions-host").host(rotating::registry()).start().await.unwrap();
    let caller = builder("actions-caller").host(idlest::registry()).join([host.local_addr()]).start().await.unwrap();
    caller.wait_for_members(2).await.unwrap();
    let (rotating, idlest) = (rotating::client(&caller), idlest::client(&caller));
    for _ in 0..10 {
        let desk = eventually(PATIENCE, async || rotating.desk().await).await;
        assert_eq!(desk, "actions-host");
        let desk = eventually(PATIENCE, async || idlest.desk().await).await;
        assert_eq!(desk, "actions-caller");
    }
    assert_eq!(eventually(PATIENCE, async || rotating.badge(3).await).await, 3);
}

/// How long it would wait for them is the engine's affair, and tested there.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_lets_its_actions_end() {
    let probe = Arc::new(Probe::default());
    let cluster =
        Cluster::builder().nodes(2).host(rotating::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let clerks = rotating::client(cluster.node(0));
    // In turn: one of two calls runs on the node that leaves.
    let calls = [clerks.stay(), clerks.stay()].map(tokio::spawn);
    eventually(PATIENCE, async || if probe.entered() == 2 { Ok(()) } else { Err("not inside") }).await;
    let leaver = cluster.node(1).clone();
    let leaves = tokio::spawn(async move { leaver.leave().await });
    probe.open(2);
    let mut desks = Vec::new();
    for call in calls {
        desks.push(call.await.unwrap().unwrap());
    }
    desks.sort();
    assert_eq!(desks, [cluster.node(0).id().to_string(), cluster.node(1).id().to_string()]);
    assert_eq!(leaves.await.unwrap(), Ok(()));
}
