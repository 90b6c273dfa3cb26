//! `wait_for_node`: callers wait, the node resumes, or `then` follows.

use std::time::{Duration, Instant};

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Executed, registry};
use registry_testkit::{Counter, CounterClient, eventually, owner_of, state_of};

registry! {
    kept {
        resource Counter;
        sharding consistent_hashing(slots = 16);
        failover wait_for_node(5s);
    }

    pinned {
        resource Counter;
        sharding consistent_hashing(slots = 16);
        failover wait_for_node(5s, then = fail);
    }
}

/// How long the registries above wait.
const RESERVED: Duration = Duration::from_secs(5);

async fn three_nodes() -> Cluster {
    Cluster::builder().nodes(3).host(kept::registry()).host(pinned::registry()).start().await.unwrap()
}

async fn key_of(counters: &CounterClient, owner: &str) -> u64 {
    for key in 0..10_000 {
        if owner_of(counters, key).await == owner {
            return key;
        }
    }
    panic!("{owner} owns nothing");
}

/// Kills node 0 and waits until node 1 knows it.
async fn kill_node_zero(cluster: &Cluster) -> String {
    let away = cluster.node(0).id().to_string();
    cluster.kill(0).await;
    let witness = cluster.node(1);
    eventually(Duration::from_secs(10), async || match state_of(&witness, &away) {
        Some(state) if state == "Down" => Ok(()),
        other => Err(format!("{away} is {other:?} to {}", witness.id())),
    })
    .await;
    away
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_wait_and_the_node_resumes() {
    let cluster = three_nodes().await;
    let counters = kept::client(cluster.node(1));
    let away = cluster.node(0).id().to_string();
    let key = key_of(&counters, &away).await;
    counters.bump(key).await.unwrap();
    let killed = Instant::now();
    assert_eq!(kill_node_zero(&cluster).await, away);

    let mut waiting = tokio::spawn(counters.bump(key).timeout(Duration::from_secs(20)));
    // The node is gone for two seconds; within them nobody else may answer for it.
    let early = tokio::time::timeout_at((killed + Duration::from_secs(2)).into(), &mut waiting).await;
    assert!(early.is_err(), "answered while the node was away: {early:?}");
    cluster.restart(0).await.unwrap();

    let ran = waiting.await.unwrap().unwrap();
    assert_eq!(ran.node, away, "the reserved slot opened elsewhere");
    assert_eq!(owner_of(&counters, key).await, away);
    assert_eq!(counters.bump(key).await.unwrap().node, away);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_when_the_node_stays_away() {
    let cluster = three_nodes().await;
    let (kept, pinned) = (kept::client(cluster.node(1)), pinned::client(cluster.node(1)));
    let away = cluster.node(0).id().to_string();
    let (kept_key, pinned_key) = (key_of(&kept, &away).await, key_of(&pinned, &away).await);
    kept.bump(kept_key).await.unwrap();
    pinned.bump(pinned_key).await.unwrap();
    let killed = Instant::now();
    kill_node_zero(&cluster).await;

    // Reserved: the caller's own deadline ends the wait, and nothing has run.
    for reserved in [kept.bump(kept_key), pinned.bump(pinned_key)] {
        let error = reserved.timeout(Duration::from_millis(300)).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No, "{error:?}");
    }

    // `then = reassign`.
    let ran =
        eventually(Duration::from_secs(20), async || kept.bump(kept_key).timeout(Duration::from_secs(1)).await).await;
    assert!(killed.elapsed() >= RESERVED, "the slot opened elsewhere after {:?} of {RESERVED:?}", killed.elapsed());
    assert_ne!(ran.node, away);

    // `then = fail`: not a wait any more, a refusal.
    eventually(Duration::from_secs(20), async || match pinned.bump(pinned_key).timeout(Duration::from_secs(1)).await {
        Err(CommandError::Unavailable { reason }) if format!("{reason:?}") == "OwnerAway" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    // It comes back to what waits for it.
    cluster.restart(0).await.unwrap();
    let ran =
        eventually(Duration::from_secs(20), async || pinned.bump(pinned_key).timeout(Duration::from_secs(1)).await)
            .await;
    assert_eq!(ran.node, away);
}
