//! Nodes without a [`testing::Cluster`](registry_runtime::testing::Cluster), where a test needs their settings in its hands.

use std::net::{SocketAddr, UdpSocket};

use registry_runtime::{Identity, Node, NodeBuilder, Timing};

/// What the nodes of a test trust one another by.
pub const SECRET: &str = "a long secret that only the tests know";

/// A node with the tests' secret and fast timing; without a `join` list it founds a cluster of its own.
pub fn builder(id: &str) -> NodeBuilder {
    Node::builder(id).identity(Identity::shared_secret(SECRET)).timing(Timing::fast())
}

/// Addresses of this machine that nobody listens on now, each another.
pub fn free_addresses(count: usize) -> Vec<SocketAddr> {
    // All are held until the last one is known, or the same port might come twice.
    let held: Vec<UdpSocket> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|socket| socket.local_addr().unwrap()).collect()
}
