//! A graceful leave under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{Context, LeaveError, Resource, commands, registry};
use registry_testkit::parcels::parcels;
use registry_testkit::{
    Probe, Runs, builder, counters, eventually, every_slot_answers, one_key_per_slot, owner_of, state_of,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

registry! {
    doors { resource Door; }
}

/// Something to stand before.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
struct Door {
    #[key]
    id: u64,
}

#[commands]
impl Door {
    /// Takes a while. Nothing remembers how it ended, so whoever has not heard does not know.
    async fn pass(cx: &Context) -> u32 {
        let _inside = cx.state::<Arc<Probe>>().enter();
        tokio::time::sleep(WALK).await;
        7
    }
}

/// How many tasks call at once, half of them at each staying node.
const CALLERS: usize = 8;
/// How many calls must have ended before the node leaves, and again after it has left.
const CALLS: usize = 400;

/// An upper bound for a leave, below the time after which a leaving node goes even so.
const LEAVES: Duration = Duration::from_secs(15);

/// How long it takes through a door: longer than a node without work takes to leave.
const WALK: Duration = Duration::from_millis(500);

/// With three replicas the one that leaves is in every set, and nobody is left to take its place there.
#[tokio::test(flavor = "multi_thread")]
async fn one_node_after_another_leaves_without_waiting_for_a_replacement() {
    let cluster = crate::three_nodes().await;
    let last = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&last);
    every_slot_answers(Duration::from_secs(10), &last, &keys).await;
    for index in [2, 1] {
        tokio::time::timeout(LEAVES, cluster.leave(index)).await.expect("it goes on to its own time limit").unwrap();
        every_slot_answers(Duration::from_secs(10), &last, &keys).await;
    }
    assert!(owner_of(&last, keys[0]).await == cluster.node(0).id().as_str());
    let left = tokio::time::timeout(LEAVES, cluster.leave(0)).await.expect("it goes on to its own time limit");
    assert!(matches!(left, Err(LeaveError::NobodyLeft { .. })), "what was here is gone with the last one: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_ask_a_node_to_leave_hear_of_the_same_outcome() {
    let cluster = crate::three_nodes().await;
    let node = cluster.node(2);
    let outcomes = tokio::join!(node.leave(), node.leave(), cluster.leave(2));
    assert_eq!(outcomes, (Ok(()), Ok(()), Ok(())));
    let again = node.leave().await.unwrap_err();
    assert!(again.to_string().contains("stopped already"), "{again}");
}

#[tokio::test]
async fn a_cluster_of_one_has_nobody_to_hand_over_to() {
    let cluster = Cluster::builder().nodes(1).host(counters::registry()).start().await.unwrap();
    every_slot_answers(Duration::from_secs(5), &counters::client(cluster.node(0)), &[1]).await;
    assert_eq!(cluster.node(0).clone().leave().await, Ok(()));
}

/// Who hosts something else takes nothing over, so nobody is waited for, and what was here is told.
#[tokio::test]
async fn the_last_host_of_a_registry_leaves_a_cluster_that_has_others() {
    let last = builder("leave-last").host(counters::registry()).start().await.unwrap();
    let other = builder("leave-other").host(parcels::registry()).join([last.local_addr()]).start().await.unwrap();
    other.wait_for_members(2).await.unwrap();
    every_slot_answers(Duration::from_secs(10), &counters::client(&other), &[1]).await;
    let left = tokio::time::timeout(LEAVES, last.leave()).await.expect("it goes on to its own time limit");
    assert!(matches!(left, Err(LeaveError::NobodyLeft { .. })), "{left:?}");
}

/// Who leaves waits for the answers to its own calls, which nobody could ask for again.
#[tokio::test]
async fn the_calls_of_a_node_that_leaves_are_answered() {
    let probe = Arc::new(Probe::default());
    let host = builder("leave-host").host(doors::registry()).state(Arc::clone(&probe)).start().await.unwrap();
    let leaver = builder("leave-caller").client_only().join([host.local_addr()]).start().await.unwrap();
    leaver.wait_for_members(2).await.unwrap();
    let doors = doors::client(&leaver);
    let call = tokio::spawn(async move { doors.pass().timeout(LEAVES).await });
    let is_in = async || if probe.entered() == 1 { Ok(()) } else { Err("the call has not come") };
    eventually(LEAVES, is_in).await;
    assert_eq!(leaver.leave().await, Ok(()));
    assert_eq!(call.await.unwrap(), Ok(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_leave_under_load_gives_no_errors() {
    let runs = Arc::new(Runs::default());
    let cluster =
        Cluster::builder().nodes(3).host(counters::registry()).state(Arc::clone(&runs)).start().await.unwrap();
    let keys = Arc::new(one_key_per_slot(&counters::client(cluster.node(0))));
    let leaver = cluster.node(2).id().to_string();

    let ended = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let counters = counters::client(cluster.node(caller % 2));
        let (keys, ended, enough) = (Arc::clone(&keys), Arc::clone(&ended), Arc::clone(&enough));
        callers.spawn(async move {
            let mut errors = Vec::new();
            for &key in keys.iter().cycle().skip(caller * keys.len() / CALLERS) {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                if let Err(error) = counters.bump(key).await {
                    errors.push(format!("key {key}: {error:?}"));
                }
                ended.fetch_add(1, Ordering::Relaxed);
            }
            errors
        });
    }
    let more_calls = async || {
        let target = ended.load(Ordering::Relaxed) + CALLS;
        eventually(Duration::from_secs(30), async || match ended.load(Ordering::Relaxed) {
            now if now >= target => Ok(()),
            now => Err(format!("{now} of {target} calls have ended")),
        })
        .await;
    };

    more_calls().await;
    cluster.leave(2).await.unwrap();
    more_calls().await;
    enough.store(true, Ordering::Relaxed);
    let errors: Vec<String> = callers.join_all().await.into_iter().flatten().collect();
    assert!(errors.is_empty(), "{} calls failed while a node left: {errors:?}", errors.len());

    runs.assert_one_node_per_epoch();
    let stayed = counters::client(cluster.node(0));
    let owners: BTreeSet<String> =
        every_slot_answers(Duration::from_secs(5), &stayed, &keys).await.into_iter().map(|ran| ran.node).collect();
    assert!(!owners.contains(&leaver), "{leaver} has left and answers");
    assert_ne!(state_of(&cluster.node(0), &leaver).as_deref(), Some("Up"));
    assert_ne!(owner_of(&stayed, keys[0]).await, leaver);
}
