//! A command that is run again makes its calls again, under the same ids.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry_macros::{Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Node;
use crate::resource::{CommandError, Context, Invocation};
use crate::transport::Identity;

registry! {
    purses { resource Purse; replicas 1; }
}

/// A sum that grows.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Purse {
    #[key]
    id: u64,
    sum: u64,
}

impl From<u64> for Purse {
    fn from(id: u64) -> Self {
        Self { id, sum: 0 }
    }
}

/// What a command leaves of itself.
type Left = Arc<Mutex<Option<Context>>>;

#[commands]
impl Purse {
    /// Leaves its context for the test to call from.
    fn leave(cx: &Context) {
        *cx.state::<Left>().lock().unwrap() = Some(cx.clone());
    }

    fn put(&mut self, amount: u64) -> u64 {
        self.sum += amount;
        self.sum
    }

    fn take(&mut self, amount: u64) -> u64 {
        self.sum -= amount;
        self.sum
    }
}

#[tokio::test]
async fn the_calls_of_a_second_run_meet_the_receipts_of_the_first_on_their_own_node_too() {
    let left = Left::default();
    let identity = Identity::shared_secret("a secret for a test");
    let builder = Node::builder("n1").identity(identity).state(Arc::clone(&left)).host(purses::registry());
    let node = builder.start().await.unwrap();
    purses::client(&node).leave().await.unwrap();
    let outer = left.lock().unwrap().take().unwrap();
    // Each run of a command has a context of its own, which counts its calls from the first.
    let context = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        let (origin, caller, id) = (outer.origin(), outer.node(), outer.command_id());
        Invocation { origin, key: None, caller, epoch: outer.epoch(), deadline, id, attempt: 1 }.context()
    };
    let run = || {
        let purses = purses::client(context());
        async move { (purses.put(7, 10).await, purses.put(7, 5).await) }
    };
    assert_eq!(run().await, (Ok(10), Ok(15)));
    assert_eq!(run().await, (Ok(10), Ok(15)), "a second run has no second effect");
    assert_eq!(purses::client(&node).put(7, 1).await, Ok(16));

    let other = || purses::client(context());
    assert_eq!(other().take(7, 10).await, Err(CommandError::IdempotencyKeyReused), "another command in its place");
    assert_eq!(other().put(7, 11).await, Err(CommandError::IdempotencyKeyReused), "other arguments");
    assert_eq!(purses::client(&node).put(7, 1).await, Ok(17), "and neither has run");
    node.shutdown().await;
}
