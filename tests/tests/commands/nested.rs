//! Commands that call other registries.

use std::convert::Infallible;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Context, Executed, Resource, commands, registry};
use registry_testkit::counters;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::PATIENCE;

registry! {
    outer {
        resource Outer;
        sharding consistent_hashing(slots = 16);
    }

    inner {
        resource Inner;
        sharding consistent_hashing(slots = 16);
    }
}

/// What the inner command knows about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    left_ms: u64,
    caller: String,
    id: String,
    node: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Inner {
    #[key]
    id: u64,
}

impl From<u64> for Inner {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

#[commands]
impl Inner {
    fn look(&mut self, cx: &Context) -> Seen {
        Seen {
            left_ms: cx.deadline().saturating_duration_since(Instant::now()).as_millis() as u64,
            caller: cx.caller().to_string(),
            id: cx.command_id().to_string(),
            node: cx.node().to_string(),
        }
    }

    async fn hang(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Outer {
    #[key]
    id: u64,
    passed: u64,
}

impl From<u64> for Outer {
    fn from(id: u64) -> Self {
        Self { id, passed: 0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Failed {
    executed: String,
}

#[commands]
impl Outer {
    /// Calls with the inner registry's own default, with a shorter timeout and with a longer one.
    async fn pass(&mut self, at: u64, cx: &Context) -> Result<(String, [Seen; 3]), Failed> {
        let inner = inner::client(cx);
        let failed = |error: CommandError<Infallible>| Failed { executed: format!("{:?}", error.executed()) };
        let plain = inner.look(at).await.map_err(failed)?;
        let shorter = inner.look(at).timeout(Duration::from_secs(1)).await.map_err(failed)?;
        let longer = inner.look(at).timeout(Duration::from_secs(3_600)).await.map_err(failed)?;
        self.passed += 1;
        Ok((cx.node().to_string(), [plain, shorter, longer]))
    }

    /// Waits for a command that never ends, whatever its own timeout says.
    async fn follow(&mut self, at: u64, cx: &Context) -> u64 {
        let _ = inner::client(cx).hang(at).timeout(Duration::from_secs(3_600)).await;
        self.passed += 1;
        self.passed
    }

    async fn count(&mut self, at: u64, cx: &Context) -> u64 {
        let _ = counters::client(cx).bump(at).await;
        let _ = counters::client(cx.clone()).bump(at).await;
        counters::client(cx).count(at).await.unwrap_or_default()
    }

    fn passed(&self) -> u64 {
        self.passed
    }
}

async fn three_nodes() -> Cluster {
    Cluster::builder()
        .nodes(3)
        .host(outer::registry())
        .host(inner::registry())
        .host(counters::registry())
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn nested_calls_inherit_the_deadline() {
    let cluster = three_nodes().await;
    let outer = outer::client(cluster.node(0));
    for key in 0..9 {
        let (node, [plain, shorter, longer]) = outer.pass(key, key + 1).timeout(Duration::from_secs(60)).await.unwrap();
        for seen in [&plain, &longer] {
            assert!(
                (10_000..=60_000).contains(&seen.left_ms),
                "neither the registry's default nor a longer timeout: {seen:?}"
            );
        }
        assert!(shorter.left_ms <= 1_000, "a timeout shortens: {shorter:?}");
        for seen in [&plain, &shorter, &longer] {
            assert_eq!(seen.caller, node, "the caller of a nested call is the node that runs the outer command");
        }
        assert!(plain.id != shorter.id && shorter.id != longer.id && plain.id != longer.id, "ids are the calls' own");
    }
}

#[tokio::test]
async fn the_outer_deadline_ends_both() {
    let cluster = three_nodes().await;
    let outer = outer::client(cluster.node(0));
    for key in 0..3 {
        let error = outer.follow(key, key).timeout(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error, CommandError::DeadlineExceeded { executed: Executed::Maybe });
        assert_eq!(outer.passed(key).await, Ok(0), "a passed deadline leaves the instance");
        // The inner lane is free again, or this would run into its own deadline.
        let seen = inner::client(cluster.node(1)).look(key).timeout(PATIENCE).await.unwrap();
        assert_eq!(seen.caller, cluster.node(1).id().as_str());
    }
}

#[tokio::test]
async fn a_command_calls_registries_of_other_crates() {
    let cluster = three_nodes().await;
    let outer = outer::client(cluster.node(2));
    for key in 0..6 {
        assert_eq!(outer.count(key, key).await, Ok(2));
    }
}
