//! Commands under way when their owner is lost.

use std::sync::Arc;

use registry_runtime::testing::Cluster;
use registry_runtime::{Call, CommandError, Context, Executed, Resource, commands, registry};
use registry_tests::{Probe, eventually};
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    lamps {
        resource Lamp;
        sharding consistent_hashing(slots = 16);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Lamp {
    #[key]
    id: u64,
    on: bool,
}

impl From<u64> for Lamp {
    fn from(id: u64) -> Self {
        Self { id, on: false }
    }
}

#[commands]
impl Lamp {
    /// Harmless to repeat. Hangs where it runs first.
    #[command(idempotent)]
    async fn switch_on(&mut self, cx: &Context) -> (String, u32) {
        hang_first(cx).await;
        self.on = true;
        (cx.node().to_string(), cx.attempt())
    }

    /// Not harmless to repeat. Hangs where it runs first.
    async fn toggle(&mut self, cx: &Context) -> bool {
        hang_first(cx).await;
        self.on = !self.on;
        self.on
    }

    /// A read, harmless by nature. Hangs where it runs first.
    async fn look(&self, cx: &Context) -> (String, u32) {
        hang_first(cx).await;
        (cx.node().to_string(), cx.attempt())
    }

    fn is_on(&self) -> bool {
        self.on
    }
}

async fn hang_first(cx: &Context) {
    let probe = cx.state::<Arc<Probe>>();
    let _inside = probe.enter();
    if probe.entered() == 1 {
        std::future::pending::<()>().await;
    }
}

/// Starts three nodes, calls a lamp of node 1 from node 0, kills node 1 while the command runs there, and returns that node's
/// id and the outcome.
async fn lose_owner<T, E>(call: impl FnOnce(&LampClient, u64) -> Call<T, E>) -> (String, Result<T, CommandError<E>>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let probe = Arc::new(Probe::default());
    let cluster = Cluster::builder().nodes(3).host(lamps::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let (lamps, owner) = (lamps::client(cluster.node(0)), cluster.node(1).id().clone());
    let id = eventually(PATIENCE, async || {
        (0..1_000).find(|id| lamps.registry().owner(id).as_ref() == Some(&owner)).ok_or("node 1 owns nothing")
    })
    .await;
    let under_way = tokio::spawn(call(&lamps, id).timeout(PATIENCE));
    eventually(PATIENCE, async || if probe.entered() == 1 { Ok(()) } else { Err("the command has not started") }).await;
    cluster.kill(1).await;
    let outcome = under_way.await.unwrap();
    // The new owner serves the key whatever became of the call.
    eventually(PATIENCE, async || lamps.is_on(id).await).await;
    (owner.to_string(), outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotent_commands_are_sent_again() {
    let (lost, outcome) = lose_owner(|lamps, id| lamps.switch_on(id)).await;
    let (node, attempt) = outcome.unwrap();
    assert_ne!(node, lost);
    assert!(attempt > 1, "the second run is attempt {attempt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_sent_again() {
    let (lost, outcome) = lose_owner(|lamps, id| lamps.look(id)).await;
    let (node, attempt) = outcome.unwrap();
    assert_ne!(node, lost);
    assert!(attempt > 1, "the second run is attempt {attempt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_commands_end_as_unknown() {
    let (_, outcome) = lose_owner(|lamps, id| lamps.toggle(id)).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, CommandError::Unknown { .. }), "{error:?}");
    assert_eq!(error.executed(), Executed::Maybe);
}
