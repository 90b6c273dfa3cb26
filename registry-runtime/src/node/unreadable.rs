//! What one node can read and another cannot.

use std::cell::Cell;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use registry_macros::{Resource, commands, registry};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{Node, NodeBuilder};
use crate::time::Timing;
use crate::transport::Identity;

/// A state whose reader has become stricter than those that wrote it.
#[derive(Clone, Serialize)]
struct Rule(u64);

thread_local! {
    /// Whether this thread's reader is the later one.
    static IS_LATER: Cell<bool> = const { Cell::new(false) };
}

const ODD: u64 = 13;

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match u64::deserialize(from)? {
            ODD if IS_LATER.get() => Err(D::Error::custom("no such rule")),
            number => Ok(Self(number)),
        }
    }
}

registry! {
    crate crate;

    rules { resource Ruled; sharding singleton; }
}

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(crate = crate)]
struct Ruled {
    #[key]
    id: u64,
    rule: Rule,
    changes: u64,
}

#[commands(crate = crate)]
impl Ruled {
    fn make(id: u64, rule: u64) -> Self {
        Self { id, rule: Rule(rule), changes: 0 }
    }

    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    fn end(self) {}
}

fn node(id: &str) -> NodeBuilder {
    let identity = Identity::shared_secret("a secret among the tests of what cannot be read");
    Node::builder(id).identity(identity).timing(Timing::fast()).host(rules::registry())
}

/// The node with the later reader: of the two it is not the one that is to own the slot.
const LATER: &str = "other";

/// Changes enough that the attempt to bring the slot over falls among them.
const CHANGES: u64 = 200;

/// A node whose reader is the later one, on a thread of its own, until it is told to go or its teller is dropped.
fn later(address: SocketAddr) -> (thread::JoinHandle<()>, oneshot::Sender<()>) {
    let (over, until) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        IS_LATER.set(true);
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let newcomer = node(LATER).join([address]).start().await.unwrap();
            let _ = until.await;
            newcomer.shutdown().await;
        });
    });
    (thread, over)
}

async fn until(is_so: impl Fn() -> bool) {
    let comes = async {
        while !is_so() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), comes).await.expect("it comes to that");
}

#[tokio::test]
async fn a_newcomer_that_cannot_read_a_slot_keeps_nobody_from_changing_it() {
    let owner = node("owner").start().await.unwrap();
    let rules = rules::client(&owner);
    rules.make(1, 1).await.unwrap();
    rules.make(2, ODD).await.unwrap();
    let (newcomer, over) = later(owner.local_addr());
    owner.wait_for_members(2).await.unwrap();
    for change in 1..=CHANGES {
        assert_eq!(rules.change(1).timeout(Duration::from_secs(3)).await, Ok(change));
        sleep(Duration::from_millis(20)).await;
    }
    // Once it can read it, it gets it.
    rules.end(2).await.unwrap();
    until(|| rules.registry().explain(1).replicas.len() == 2).await;
    assert_eq!(rules.change(1).await, Ok(CHANGES + 1));
    drop(over);
    newcomer.join().unwrap();
}

#[tokio::test]
async fn a_replica_that_cannot_read_a_change_is_given_up_for_a_while() {
    let owner = node("owner").start().await.unwrap();
    let rules = rules::client(&owner);
    rules.make(1, 1).await.unwrap();
    let (newcomer, over) = later(owner.local_addr());
    let stays = || rules.registry().owner(1) == Some(owner.id().clone());
    until(|| rules.registry().explain(1).replicas.len() == 2 && stays()).await;
    // Without the other's word for it none of these could be acknowledged.
    rules.make(2, ODD).timeout(Duration::from_secs(10)).await.unwrap();
    assert_eq!(rules.change(1).await, Ok(1));
    assert_eq!(rules.registry().explain(1).replicas.len(), 1);
    drop(over);
    newcomer.join().unwrap();
}
