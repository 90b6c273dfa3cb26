//! Settings that no node starts with.

use std::net::UdpSocket;
use std::time::Duration;

use registry_runtime::{Identity, Node, NodeBuilder, registry};
use registry_testkit::{Counter, builder, counters};

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
    registry_testkit::every_slot_answers(Duration::from_secs(10), &counters::client(&node), &[1]).await;
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

/// Types that run as long as caller and owner are one node, and fail as soon as they are two.
mod unfit {
    use registry_runtime::{Resource, commands, registry};
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize, Resource)]
    #[resource(on_demand)]
    pub(super) struct Diary {
        #[key]
        day: u64,
        #[serde(skip)]
        read: u64,
    }

    impl From<u64> for Diary {
        fn from(day: u64) -> Self {
            Self { day, read: 0 }
        }
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    pub(super) enum Event {
        Rain { litres: u64 },
        Sun,
    }

    #[derive(Clone, Serialize, Deserialize)]
    pub(super) struct Entry {
        #[serde(skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        page: u64,
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Torn {
        Page(u64),
        Word(String),
    }

    #[commands]
    impl Diary {
        pub(super) fn day(&self) -> u64 {
            self.day + self.read
        }

        pub(super) fn note(&mut self, event: Event) {
            self.read = match event {
                Event::Rain { litres } => litres,
                Event::Sun => 0,
            }
        }

        pub(super) fn entries(&self) -> Vec<Entry> {
            vec![Entry { author: None, page: self.read }]
        }

        pub(super) fn tear(&mut self) -> Result<(), Torn> {
            self.read = 0;
            Err(Torn::Page(self.day))
        }
    }

    registry! {
        pub(super) diaries {
            resource Diary;
        }
    }
}

#[tokio::test]
async fn types_that_do_not_survive_the_way_between_nodes() {
    let whole = [
        "the registry `diaries`",
        "the arguments of its command `note`",
        "unfit::Event` looks for its tag",
        "the reply of its command `entries`",
        "unfit::Entry` or what it holds writes other fields than it reads",
        "the error of its command `tear`",
        "unfit::Torn` asks what comes next",
    ];
    for part in whole {
        refuses_to_start(builder("unfit").host(unfit::diaries::registry()), part).await;
    }
}
