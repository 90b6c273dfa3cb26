//! Commands under way when their owner is lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{Call, CommandError, Context, Executed, NodeId, Resource, commands, registry};
use registry_testkit::{Probe, eventually};
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    lamps {
        resource Lamp;
        sharding consistent_hashing(slots = 16);
    }

    narrow {
        resource Lamp;
        sharding consistent_hashing(slots = 16);
        concurrency 1;
        queue 1;
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

    /// Not harmless to repeat, so its receipts are looked at. Hangs where it runs first.
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

    /// Looks until the gate opens.
    async fn stare(&self, cx: &Context) {
        let probe = cx.state::<Arc<Probe>>();
        let _inside = probe.enter();
        probe.pass().await;
    }

    /// An action that is not harmless to repeat. Hangs where it first runs away from its caller, and says where that is.
    async fn flash(cx: &Context) {
        if cx.node() != cx.caller() {
            cx.state::<Arc<OnceLock<NodeId>>>().get_or_init(|| cx.node().clone());
            hang_first(cx).await;
        }
    }

    /// The whole seconds until the deadline.
    fn remaining(cx: &Context) -> u64 {
        cx.deadline().saturating_duration_since(tokio::time::Instant::now()).as_secs()
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

/// One node, the only one, stops while a command runs there.
async fn stop_under_way<T, E>(call: impl FnOnce(&LampClient) -> Call<T, E>) -> CommandError<E>
where
    T: std::fmt::Debug + Send + 'static,
    E: std::fmt::Debug + Send + 'static,
{
    let probe = Arc::new(Probe::default());
    let cluster = Cluster::builder().nodes(1).host(lamps::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let lamps = lamps::client(cluster.node(0));
    let under_way = tokio::spawn(call(&lamps).timeout(PATIENCE));
    eventually(PATIENCE, async || if probe.entered() == 1 { Ok(()) } else { Err("the command has not started") }).await;
    cluster.node(0).clone().shutdown().await;
    under_way.await.unwrap().unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_started_when_the_node_stopped_may_have_run() {
    let error = stop_under_way(|lamps| lamps.toggle(1)).await;
    assert_eq!(error.executed(), Executed::Maybe, "{error:?}");
    // Harmless to repeat, but there is nobody to repeat it.
    let error = stop_under_way(|lamps| lamps.switch_on(1)).await;
    assert_eq!(error.executed(), Executed::Maybe, "{error:?}");
}

#[tokio::test]
async fn a_timeout_beyond_the_clock_is_no_timeout() {
    let cluster = Cluster::builder().nodes(1).host(lamps::registry()).start().await.unwrap();
    let lamps = lamps::client(cluster.node(0));
    assert_eq!(lamps.is_on(1).timeout(Duration::MAX).await, Ok(false));
    let remaining = lamps.remaining().timeout(Duration::MAX).await.unwrap();
    assert!(remaining > 3_600, "{remaining} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_sent_again_for_a_receipt_answers_what_was_done() {
    let (_, outcome) = lose_owner(|lamps, id| lamps.toggle(id)).await;
    assert_eq!(outcome, Ok(true));
}

/// How long somebody waits for a place who only wants to know whether there is one.
const BRIEFLY: Duration = Duration::from_millis(50);

/// Whoever has no place for it now cannot say what became of the first attempt, and is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn updates_are_sent_again_until_there_is_a_place_for_them() {
    let probe = Arc::new(Probe::default());
    let cluster = Cluster::builder().nodes(3).host(narrow::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let lamps = narrow::client(cluster.node(0));
    let lamp_of = async |node: usize| {
        let owner = cluster.node(node).id().clone();
        let lamp = || (0..1_000).find(|id| lamps.registry().owner(id).as_ref() == Some(&owner));
        eventually(PATIENCE, async || lamp().ok_or("a node owns nothing")).await
    };
    let (lost, own, other) = (lamp_of(1).await, lamp_of(0).await, lamp_of(2).await);
    let under_way = tokio::spawn(lamps.toggle(lost).timeout(PATIENCE));
    eventually(PATIENCE, async || if probe.entered() == 1 { Ok(()) } else { Err("the command has not started") }).await;

    // Nobody else has a place to run or to wait for anything.
    let mut staring = Vec::new();
    for (node, lamp) in [(0, own), (2, other)] {
        let lamps = narrow::client(cluster.node(node));
        for _ in 0..2 {
            let lamps = lamps.clone();
            // Whoever looks whether there is a place yet may have taken it.
            let stare = async move || lamps.stare(lamp).timeout(PATIENCE).await;
            staring.push(tokio::spawn(async move { eventually(PATIENCE, stare).await }));
        }
        eventually(PATIENCE, async || match lamps.is_on(lamp).timeout(BRIEFLY).await {
            Err(CommandError::Overloaded { .. }) => Ok(()),
            heard => Err(format!("{heard:?}")),
        })
        .await;
    }
    cluster.kill(1).await;
    eventually(PATIENCE, async || match lamps.registry().owner(lost) {
        Some(owner) if owner != *cluster.node(1).id() => Ok(()),
        owner => Err(format!("{owner:?}")),
    })
    .await;
    for _ in 0..3 {
        let heard = lamps.is_on(lost).await;
        assert!(matches!(heard, Err(CommandError::Overloaded { .. })), "{heard:?}");
    }
    assert!(!under_way.is_finished());
    probe.open(staring.len());
    assert_eq!(under_way.await.unwrap(), Ok(true));
    for call in staring {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_end_as_unknown() {
    let (probe, place) = (Arc::new(Probe::default()), Arc::new(OnceLock::<NodeId>::new()));
    let cluster = Cluster::builder().nodes(3).host(lamps::registry()).state(Arc::clone(&probe));
    let cluster = cluster.state(Arc::clone(&place)).start().await.unwrap();
    let lamps = lamps::client(cluster.node(0));
    let under_way = eventually(PATIENCE, async || {
        let call = tokio::spawn(lamps.flash().timeout(PATIENCE));
        eventually(PATIENCE, async || {
            if call.is_finished() || probe.entered() == 1 { Ok(()) } else { Err("the action has not begun") }
        })
        .await;
        if call.is_finished() { Err("the action ran where it was called") } else { Ok(call) }
    })
    .await;
    cluster.kill(cluster.index_of(place.get().unwrap())).await;
    let error = under_way.await.unwrap().unwrap_err();
    assert!(matches!(error, CommandError::Unknown { .. }), "{error:?}");
    assert_eq!(error.executed(), Executed::Maybe);
}
