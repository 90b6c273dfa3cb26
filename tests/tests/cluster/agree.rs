//! Agreement after a start.

use registry_runtime::Node;
use registry_testkit::{builder, counters, eventually, free_addresses, one_key_per_slot};

use crate::{PATIENCE, hold_one_view_and_table};

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_that_start_together_agree() {
    let addresses = free_addresses(3);
    let start = async |index: usize| -> Node {
        builder(&format!("agree-{index}"))
            .listen(addresses[index])
            .join(&addresses)
            .host(counters::registry())
            .start()
            .await
            .unwrap()
    };
    let (one, two, three) = tokio::join!(start(0), start(1), start(2));
    let keys = one_key_per_slot(&counters::client(&one));
    let nodes = [one, two, three];

    eventually(PATIENCE, async || {
        for node in &nodes {
            let up = node.members().iter().filter(|member| format!("{:?}", member.state) == "Up").count();
            if up != nodes.len() {
                return Err(format!("{} sees {up} members up", node.id()));
            }
        }
        hold_one_view_and_table(&nodes, &keys)
    })
    .await;

    let owners = nodes.each_ref().map(|node| {
        let id = node.id().clone();
        keys.iter().filter(|key| counters::client(node).registry().owner(*key).as_ref() == Some(&id)).count()
    });
    assert_eq!(owners.iter().sum::<usize>(), keys.len(), "each slot has one owner that knows it: {owners:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_starts_settled() {
    let cluster = crate::three_nodes().await;
    let nodes = crate::nodes(&cluster, &[0, 1, 2]);
    let keys = one_key_per_slot(&counters::client(&nodes[0]));
    // The routes of a registry come to a node with its first client there.
    eventually(PATIENCE, async || hold_one_view_and_table(&nodes, &keys)).await;
    for node in &nodes {
        node.wait_for_members(3).await.unwrap();
        assert_eq!(node.members().len(), 3);
        for member in node.members() {
            assert_eq!(member.registries, ["counters"], "{}", member.id);
            let itself = nodes.iter().find(|node| *node.id() == member.id).unwrap();
            assert_eq!(member.address, itself.local_addr());
            assert_eq!(member.incarnation, itself.incarnation());
        }
    }
}
