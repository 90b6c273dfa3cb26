//! Settings that no node starts with.

use std::net::UdpSocket;
use std::time::Duration;

use registry_runtime::{Identity, Node, NodeBuilder, registry};
use registry_tests::{Counter, builder, counters};

/// The node does not start, and the error names what is wrong.
async fn refuses_to_start(builder: NodeBuilder, named: &str) {
    let refused = builder.start().await.err().unwrap_or_else(|| panic!("it started in spite of {named}"));
    let text = refused.to_string();
    assert!(text.contains(named), "{text} does not name {named}");
}

#[tokio::test]
async fn a_taken_port() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    refuses_to_start(builder("taken-socket").listen(address), &address.to_string()).await;

    let node = builder("taken-node").host(counters::registry()).start().await.unwrap();
    refuses_to_start(builder("taken-late").listen(node.local_addr()), &node.local_addr().to_string()).await;
    // Who was there first is not disturbed.
    registry_tests::every_slot_answers(Duration::from_secs(10), &counters::client(&node), &[1]).await;
}

#[tokio::test]
async fn a_missing_identity() {
    refuses_to_start(Node::builder("nobody"), "identity").await;
}

#[tokio::test]
async fn a_join_list_that_can_never_be_met() {
    for entry in ["localhost", "10.0.0.1", "localhost:", ":7400", "localhost:http"] {
        refuses_to_start(builder("join").join([entry]), "no port").await;
    }
    let nobody = builder("join").require_join(Duration::from_secs(1));
    refuses_to_start(nobody, "without a join list").await;
}

#[tokio::test]
async fn a_bad_node_id() {
    let long = "n".repeat(64);
    for id in ["", " ", "a b", "a.b", "a/b", "nöde", "a\n", long.as_str()] {
        refuses_to_start(builder(id), "node id").await;
    }
    for id in ["a", "A-1_z", "n".repeat(63).as_str()] {
        builder(id).start().await.unwrap().shutdown().await;
    }
}

#[tokio::test]
async fn a_useless_identity() {
    let garbage = Identity::pem(b"no certificate".as_slice(), b"at".as_slice(), b"all".as_slice());
    assert!(Node::builder("garbage").identity(garbage).start().await.is_err());
}

registry! {
    tally {
        resource Counter;
    }
}

// A block of its own: within one, the macro refuses a second registry of one wire name.
registry! {
    tally_again {
        resource Counter;
        sharding singleton;
        name "tally";
    }
}

#[tokio::test]
async fn two_registries_of_one_wire_name() {
    refuses_to_start(builder("double").host(tally::registry()).host(tally_again::registry()), "tally").await;
    refuses_to_start(builder("double").host(tally::registry()).host(tally::registry()), "tally").await;
}
