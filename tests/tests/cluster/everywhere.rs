//! Nodes that listen on all addresses of their machines.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use registry_runtime::Node;
use registry_testkit::{builder, counters, eventually, every_slot_answers, one_key_per_slot};

use crate::hold_one_view_and_table;

/// Three nodes that listen on `all`; the later ones find the first one at `met`, and each other by its word.
async fn listen_everywhere(all: IpAddr, met: IpAddr) {
    let first = start("everywhere-0", all, &[]).await;
    let join = [SocketAddr::new(met, first.local_addr().port())];
    let (second, third) = tokio::join!(start("everywhere-1", all, &join), start("everywhere-2", all, &join));
    let nodes = [first, second, third];
    for node in &nodes {
        node.wait_for_members(3).await.unwrap();
    }

    let keys = one_key_per_slot(&counters::client(&nodes[0]));
    eventually(Duration::from_secs(20), async || {
        hold_one_view_and_table(&nodes, &keys)?;
        let owners: BTreeSet<_> =
            keys.iter().filter_map(|key| counters::client(&nodes[0]).registry().owner(key)).collect();
        if owners.len() == nodes.len() { Ok(()) } else { Err(format!("only {owners:?} own slots")) }
    })
    .await;
    for node in &nodes {
        let answers = every_slot_answers(Duration::from_secs(20), &counters::client(node), &keys).await;
        let ran: BTreeSet<_> = answers.iter().map(|ran| ran.node.as_str()).collect();
        assert_eq!(ran.len(), nodes.len(), "{} reaches {ran:?}", node.id());
        for member in node.members().iter().filter(|member| member.id != *node.id()) {
            let itself = nodes.iter().find(|node| *node.id() == member.id).unwrap();
            assert_eq!(member.address, SocketAddr::new(met, itself.local_addr().port()));
        }
    }
}

async fn start(id: &str, all: IpAddr, join: &[SocketAddr]) -> Node {
    builder(id).listen(SocketAddr::new(all, 0)).join(join).host(counters::registry()).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_listen_on_all_ipv4_addresses_form_a_cluster() {
    listen_everywhere(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_listen_on_all_ipv6_addresses_form_a_cluster() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("left out: this machine has no IPv6");
        return;
    }
    listen_everywhere(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_the_founders_names_addresses_while_they_listen_on_all() {
    let join = registry_testkit::free_addresses(3);
    let start = async |index: usize| {
        let all = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), join[index].port());
        let node = builder(&format!("founder-{index}")).listen(all).join(&join).host(counters::registry());
        node.start().await.unwrap()
    };
    let (one, two, three) = tokio::join!(start(0), start(1), start(2));
    for node in [&one, &two, &three] {
        node.wait_for_members(3).await.unwrap();
        let counters = counters::client(node);
        let keys = one_key_per_slot(&counters);
        every_slot_answers(Duration::from_secs(20), &counters, &keys).await;
    }
}
