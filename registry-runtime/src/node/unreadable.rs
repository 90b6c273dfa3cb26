//! What one node can read and another cannot.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Whether later readers are stricter.
static STRICT: AtomicBool = AtomicBool::new(true);

const ODD: u64 = 13;

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match u64::deserialize(from)? {
            ODD if IS_LATER.get() && STRICT.load(Ordering::Relaxed) => Err(D::Error::custom("no such rule")),
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
}

fn node(id: &str) -> NodeBuilder {
    let identity = Identity::shared_secret("a secret among the tests of what cannot be read");
    Node::builder(id).identity(identity).timing(Timing::fast()).host(rules::registry())
}

/// Long enough for several attempts to bring the slot over, each of which is given up at once.
const CHANGES: u64 = 200;

#[tokio::test]
async fn a_newcomer_that_cannot_read_a_slot_keeps_nobody_from_changing_it() {
    let owner = node("owner").start().await.unwrap();
    let rules = rules::client(&owner);
    rules.make(1, 1).await.unwrap();
    rules.make(2, ODD).await.unwrap();
    let (address, (over, until)) = (owner.local_addr(), oneshot::channel::<()>());
    let newcomer = std::thread::spawn(move || {
        IS_LATER.set(true);
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let newcomer = node("newcomer").join([address]).start().await.unwrap();
            until.await.unwrap();
            newcomer.shutdown().await;
        });
    });
    owner.wait_for_members(2).await.unwrap();
    for change in 1..=CHANGES {
        assert_eq!(rules.change(1).timeout(Duration::from_secs(3)).await, Ok(change));
        sleep(Duration::from_millis(20)).await;
    }
    // Once it can read it, it gets it.
    STRICT.store(false, Ordering::Relaxed);
    let is_kept = async {
        while rules.registry().explain(1).replicas.len() < 2 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), is_kept).await.expect("it is brought over again after a while");
    assert_eq!(rules.change(1).await, Ok(CHANGES + 1));
    over.send(()).unwrap();
    newcomer.join().unwrap();
}
