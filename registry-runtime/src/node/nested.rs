//! What the calls of a command have from it: their ids, which a second run repeats, and their trace.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry_macros::{Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Node;
use crate::policy::receipts::GRACE;
use crate::resource::{CommandError, Context, Invocation};
use crate::transport::Identity;

registry! {
    purses { resource Purse; replicas 1; }
    tills { resource Purse; replicas 1; }
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

/// What commands leave of themselves, in order.
type Left = Arc<Mutex<Vec<Context>>>;

#[commands]
impl Purse {
    /// Leaves its context for the test to call from.
    fn leave(cx: &Context) {
        cx.state::<Left>().lock().unwrap().push(cx.clone());
    }

    /// Leaves its context, and calls a command elsewhere that calls one here again.
    async fn go(cx: &Context) -> bool {
        Self::leave(cx);
        tills::client(cx).go_back(1).await.is_ok()
    }

    async fn go_back(&mut self, cx: &Context) -> bool {
        Self::leave(cx);
        purses::client(cx).leave().await.is_ok()
    }

    /// Puts something into a purse, and leaves no receipt of its own.
    async fn pass(to: u64, amount: u64, cx: &Context) -> Option<u64> {
        purses::client(cx).put(to, amount).await.ok()
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

/// The context of another run of a command: its own, which counts its calls from the first.
fn again(outer: &Context, deadline: Instant) -> Context {
    let (origin, caller, epoch, id) = (outer.origin(), outer.node(), outer.epoch(), outer.command_id());
    Invocation {
        origin,
        key: None,
        caller,
        epoch,
        deadline,
        repeats_until: deadline,
        root: outer.root(),
        id,
        attempt: 1,
    }
    .context()
}

/// Between the two runs lies more than what the command in the middle had left, and all that receipts are kept for beyond it.
#[tokio::test(start_paused = true)]
async fn the_calls_of_its_calls_meet_their_receipts_for_as_long_as_the_outermost_command_may_run_again() {
    let left = Left::default();
    let identity = Identity::shared_secret("a secret for a test");
    let builder = Node::builder("n1").identity(identity).state(Arc::clone(&left)).host(purses::registry());
    let node = builder.start().await.unwrap();
    purses::client(&node).leave().await.unwrap();
    let outer = left.lock().unwrap().pop().unwrap();
    let deadline = Instant::now() + Duration::from_secs(600);
    let run = async || purses::client(again(&outer, deadline)).pass(7, 10).timeout(Duration::from_secs(1)).await;
    assert_eq!(run().await, Ok(Some(10)));
    tokio::time::sleep(2 * GRACE).await;
    assert_eq!(run().await, Ok(Some(10)), "a second run has no second effect");
    assert_eq!(purses::client(&node).put(7, 1).await, Ok(11));
    node.shutdown().await;
}

#[tokio::test]
async fn the_calls_of_a_second_run_meet_the_receipts_of_the_first_on_their_own_node_too() {
    let left = Left::default();
    let identity = Identity::shared_secret("a secret for a test");
    let builder = Node::builder("n1").identity(identity).state(Arc::clone(&left)).host(purses::registry());
    let node = builder.start().await.unwrap();
    purses::client(&node).leave().await.unwrap();
    let outer = left.lock().unwrap().pop().unwrap();
    let context = || again(&outer, Instant::now() + Duration::from_secs(20));
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

#[tokio::test]
async fn calls_inherit_the_trace_from_node_to_node() {
    let (here, there) = (Left::default(), Left::default());
    let identity = || Identity::shared_secret("a secret for a test");
    let builder = Node::builder("n1").identity(identity()).state(Arc::clone(&here)).host(purses::registry());
    let first = builder.start().await.unwrap();
    let seeds = [first.local_addr().to_string()];
    let builder = Node::builder("n2").identity(identity()).state(Arc::clone(&there)).host(tills::registry());
    let second = builder.join(seeds).start().await.unwrap();
    assert_eq!(purses::client(&second).go().timeout(Duration::from_secs(20)).await, Ok(true));
    let at = |left: &Left| left.lock().unwrap().clone();
    let contexts = [&at(&here)[..1], &at(&there), &at(&here)[1..]].concat();
    let ways: Vec<_> = contexts.iter().map(|context| (context.caller().as_str(), context.node().as_str())).collect();
    assert_eq!(ways, [("n2", "n1"), ("n1", "n2"), ("n2", "n1")]);
    let mut ids: Vec<_> = contexts.iter().map(Context::command_id).collect();
    let beginning = ids[0];
    assert!(contexts.iter().all(|context| context.root() == beginning));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    first.shutdown().await;
    second.shutdown().await;
}
