//! Nodes that come back.

use std::time::Duration;

use registry_testkit::{counters, eventually, every_slot_answers, one_key_per_slot, state_of};

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_restarted_at_once_rejoin() {
    let cluster = crate::three_nodes().await;
    let stayed = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&stayed);
    every_slot_answers(Duration::from_secs(10), &stayed, &keys).await;
    let before = [1, 2].map(|index| cluster.node(index).incarnation());

    tokio::join!(cluster.kill(1), cluster.kill(2));
    let (one, two) = tokio::join!(cluster.restart(1), cluster.restart(2));
    one.unwrap();
    two.unwrap();

    let nodes = crate::nodes(&cluster, &[0, 1, 2]);
    eventually(Duration::from_secs(30), async || {
        for node in &nodes {
            if state_of(&nodes[0], node.id().as_str()).as_deref() != Some("Up") {
                return Err(format!("{} is not up again", node.id()));
            }
        }
        crate::hold_one_view_and_table(&nodes, &keys)
    })
    .await;
    for (index, before) in [1, 2].into_iter().zip(before) {
        assert!(cluster.node(index).incarnation() > before, "a restart brings a higher incarnation");
    }
    for node in &nodes {
        every_slot_answers(Duration::from_secs(20), &counters::client(node), &keys).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_owns_slots_again() {
    let cluster = crate::three_nodes().await;
    let caller = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&caller);
    every_slot_answers(Duration::from_secs(10), &caller, &keys).await;
    cluster.kill(2).await;
    every_slot_answers(Duration::from_secs(10), &caller, &keys).await;
    cluster.restart(2).await.unwrap();
    let back = cluster.node(2).id().clone();
    eventually(Duration::from_secs(30), async || {
        let owned = keys.iter().filter(|key| caller.registry().owner(*key).as_ref() == Some(&back)).count();
        if owned > 0 { Ok(()) } else { Err(format!("{back} owns nothing")) }
    })
    .await;
    every_slot_answers(Duration::from_secs(10), &counters::client(cluster.node(2)), &keys).await;
}
