//! Nodes that come back.

use std::net::UdpSocket;
use std::time::Duration;

use registry_testkit::{builder, counters, eventually, every_slot_answers, one_key_per_slot, state_of};

/// Connections that a cut has left with long timeouts stay for several of these.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_free_when_its_node_has_stopped_also_after_a_cut() {
    let cluster = crate::three_nodes().await;
    let nodes = crate::nodes(&cluster, &[0, 1, 2]);
    cluster.partition(&[&[0], &[1, 2]]).await;
    eventually(crate::PATIENCE, async || match state_of(&nodes[1], "node-0").as_deref() {
        Some("Up") => Err("nothing is noticed yet"),
        _ => Ok(()),
    })
    .await;
    cluster.heal().await;
    for (index, node) in nodes.iter().enumerate() {
        cluster.kill(index).await;
        let bound = UdpSocket::bind(node.local_addr());
        assert!(bound.is_ok(), "node {index}: {bound:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_right_after_a_start_waits_for_who_hosts_the_registry() {
    let first = builder("first").start().await.unwrap();
    let host = builder("host").join([first.local_addr()]).host(counters::registry()).start().await.unwrap();
    counters::client(&first).bump(1).timeout(crate::PATIENCE).await.unwrap();
    for round in 0..3 {
        // It hears of the host from the other one.
        let late = builder(&format!("late-{round}")).client_only().join([first.local_addr()]).start().await.unwrap();
        counters::client(&late).bump(1).timeout(crate::PATIENCE).await.unwrap();
        late.shutdown().await;
    }
    tokio::join!(first.shutdown(), host.shutdown());
}

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
