//! Whom a node takes the entries of its join list for, and whether it founds by them.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::join::Resolved;
use super::notes::notes;
use super::{Node, NodeBuilder, Order};
use crate::resource::{CommandError, Reason};
use crate::time::Timing;
use crate::transport::{self, Gate, Identity, Socket};

/// A name that no lookup knows (RFC 6761, section 6.4): the test says what it stands for.
const NAME: &str = "db.invalid:7400";

/// How long a call waits where nothing is to be founded: many times as long as founding takes on loopback.
const IN_VAIN: Duration = Duration::from_secs(2);

/// How long a call waits where something is: many times as long as it takes, but not until silence is taken for death (`forget_after`).
const AT_LAST: Duration = Duration::from_secs(20);

/// Keys enough that each of two nodes is to own the slots of some.
const KEYS: u64 = 32;

/// A node on that address, with a free port, and that port.
fn node(id: &str, address: Ipv4Addr) -> (NodeBuilder, u16) {
    node_at(id, (address, 0).into())
}

fn node_at(id: &str, address: SocketAddr) -> (NodeBuilder, u16) {
    let socket = transport::bind(address).unwrap();
    let listening = socket.local_addr().unwrap();
    let builder = Node::builder(id)
        .listen(listening)
        .identity(Identity::shared_secret("a secret among the tests of founding"))
        .timing(Timing::fast())
        .host(notes::registry())
        .socket(Socket::new(socket, Gate::default()).unwrap());
    (builder, listening.port())
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Says what a name stands for.
fn resolve(node: &Node, entry: usize, addresses: &[SocketAddr]) {
    assert!(node.inner.orders.send(Order::Resolve(Resolved { entry, addresses: addresses.to_vec() })).is_ok());
}

/// Every slot that is asked for is served.
async fn serves(node: &Node) {
    for key in 0..KEYS {
        assert_eq!(notes::client(node).touch(key).timeout(AT_LAST).await, Ok(key));
    }
}

/// Nobody founds.
async fn waits(node: &Node, reason: Reason) {
    let refused = notes::client(node).touch(7).timeout(IN_VAIN).await;
    assert_eq!(refused, Err(CommandError::Unavailable { reason }));
}

#[tokio::test]
async fn a_node_that_is_named_by_its_own_host_founds() {
    let (builder, port) = node("named", Ipv4Addr::LOCALHOST);
    let node = builder.join([format!("localhost:{port}")]).start().await.unwrap();
    serves(&node).await;
}

#[tokio::test]
async fn a_node_that_reaches_only_itself_of_a_name_does_not_found() {
    let (builder, port) = node("only", Ipv4Addr::UNSPECIFIED);
    let silent = UdpSocket::bind(local(0)).unwrap();
    let node = builder.join([NAME]).start().await.unwrap();
    resolve(&node, 0, &[local(port), silent.local_addr().unwrap()]);
    waits(&node, Reason::NotJoined).await;
    // The others may be away, and no longer listed.
    resolve(&node, 0, &[local(port)]);
    waits(&node, Reason::NotJoined).await;
    // Two addresses of one node, as of one with IPv4 and IPv6.
    let other = SocketAddr::from(([127, 0, 0, 2], port));
    resolve(&node, 0, &[local(port), other]);
    serves(&node).await;
}

#[tokio::test]
async fn of_nodes_that_share_a_name_none_founds() {
    let (first, first_port) = node("shared-1", Ipv4Addr::UNSPECIFIED);
    let (second, second_port) = node("shared-2", Ipv4Addr::UNSPECIFIED);
    let nodes = [first.join([NAME]).start().await.unwrap(), second.join([NAME]).start().await.unwrap()];
    for node in &nodes {
        resolve(node, 0, &[local(first_port), local(second_port)]);
    }
    for node in &nodes {
        node.wait_for_members(2).await.unwrap();
    }
    waits(&nodes[0], Reason::Opening).await;
    waits(&nodes[1], Reason::Opening).await;
}

#[tokio::test]
async fn nodes_that_a_cluster_refuses_found_none_beside_it() {
    let (old, old_port) = node("old", Ipv4Addr::LOCALHOST);
    let old = old.timing(Timing::balanced()).join([local(old_port)]).start().await.unwrap();
    serves(&old).await;
    // They are most of the list.
    let (first, first_port) = node("new-1", Ipv4Addr::LOCALHOST);
    let (second, second_port) = node("new-2", Ipv4Addr::LOCALHOST);
    let list = [old_port, first_port, second_port].map(local);
    let nodes = [first.join(list).start().await.unwrap(), second.join(list).start().await.unwrap()];
    for node in &nodes {
        node.wait_for_members(2).await.unwrap();
    }
    waits(&nodes[0], Reason::Opening).await;
    waits(&nodes[1], Reason::Opening).await;
    serves(&old).await;
    // The last of the old ones goes, and what comes in its place is like the others.
    old.shutdown().await;
    let _third = node_at("old", local(old_port)).0.join(list).start().await.unwrap();
    serves(&nodes[0]).await;
}

#[tokio::test]
async fn who_connected_before_its_name_resolved_is_matched_afterwards() {
    const NAMES: [&str; 2] = ["first.invalid:7400", "second.invalid:7400"];
    let (first, first_port) = node("early-1", Ipv4Addr::LOCALHOST);
    let (second, second_port) = node("early-2", Ipv4Addr::LOCALHOST);
    // Where the second says that it is, no dial reaches it.
    let silent = UdpSocket::bind(local(0)).unwrap();
    let said = silent.local_addr().unwrap();
    let first = first.join(NAMES).start().await.unwrap();
    let second = second.listen(said).join(NAMES).start().await.unwrap();
    resolve(&second, 0, &[local(first_port)]);
    resolve(&second, 1, &[local(second_port)]);
    first.wait_for_members(2).await.unwrap();
    resolve(&first, 0, &[local(first_port)]);
    resolve(&first, 1, &[said]);
    // Only the first founds what it is to own, and for that it must know both.
    serves(&first).await;
}
