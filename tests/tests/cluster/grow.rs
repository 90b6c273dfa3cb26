//! A cluster that grows.

use std::collections::BTreeMap;
use std::time::Duration;

use registry_testkit::{SLOTS, counters, eventually, every_slot_answers, one_key_per_slot};

/// No member owns more than 1.1 times its fair share, rounded up.
const SHARE_OF_FOUR: usize = (SLOTS * 11).div_ceil(4 * 10);

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_to_an_added_node() {
    let cluster = crate::three_nodes().await;
    let caller = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&caller);
    every_slot_answers(Duration::from_secs(10), &caller, &keys).await;

    let added = cluster.add().await;
    assert_eq!(cluster.len(), 4);
    assert_eq!(added, 3);
    let added = cluster.node(added);
    eventually(Duration::from_secs(30), async || {
        let mut owned = BTreeMap::new();
        for key in &keys {
            let owner = caller.registry().owner(key).ok_or_else(|| format!("nobody owns key {key}"))?;
            *owned.entry(owner).or_insert(0) += 1;
        }
        let balanced = owned.contains_key(added.id()) && owned.values().all(|&slots| slots <= SHARE_OF_FOUR);
        if balanced { Ok(()) } else { Err(format!("slots by owner: {owned:?}, at most {SHARE_OF_FOUR} each")) }
    })
    .await;
    cluster.settled().await;

    let nodes = crate::nodes(&cluster, &[0, 1, 2, 3]);
    eventually(Duration::from_secs(10), async || crate::hold_one_view_and_table(&nodes, &keys)).await;
    for node in &nodes {
        let answers = every_slot_answers(Duration::from_secs(10), &counters::client(node), &keys).await;
        assert!(answers.iter().any(|ran| ran.node == added.id().as_str()), "{} owns nothing", added.id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_added_at_once_have_places_of_their_own() {
    let cluster = crate::three_nodes().await;
    let (one, other) = tokio::join!(cluster.add(), cluster.add());
    assert_eq!((one.min(other), one.max(other), cluster.len()), (3, 4, 5));
    for index in [one, other] {
        assert_eq!(cluster.node(index).id().as_str(), format!("node-{index}"));
        cluster.node(index).wait_for_members(5).await.unwrap();
        // As long as it takes, which is over.
        cluster.node(index).wait_for_members_within(5, Duration::MAX).await.unwrap();
    }
    cluster.settled().await;
}
