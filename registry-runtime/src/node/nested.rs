//! What the calls of a command have from it: their ids, which a second run repeats, and their trace.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry_macros::{Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Node;
use crate::policy::receipts::GRACE;
use crate::resource::{CommandError, Context, Executed, Invocation, Reason};
use crate::transport::Identity;

registry! {
    purses { resource Purse; replicas 1; }
    tills { resource Purse; replicas 1; }
    drawers { resource Drawer; replicas 1; }
}

/// One that has to be made.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
struct Drawer {
    #[key]
    id: u64,
}

#[commands]
impl Drawer {
    fn shut(&mut self) {}
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
    run(outer, deadline, true)
}

/// The context of a run of a command, which may not be the first.
fn run(outer: &Context, deadline: Instant, rerun: bool) -> Context {
    let (origin, caller, epoch, id) = (outer.origin(), outer.node(), outer.epoch(), outer.command_id());
    Invocation {
        origin,
        key: None,
        caller,
        epoch,
        deadline,
        repeats_until: deadline,
        root: outer.root(),
        rerun,
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

/// Two nodes, each with one of the registries and with what its commands leave, after one call that went to and fro.
async fn gone() -> [(Node, Left); 2] {
    let (here, there) = (Left::default(), Left::default());
    let identity = || Identity::shared_secret("a secret for a test");
    let builder = Node::builder("n1").identity(identity()).state(Arc::clone(&here)).host(purses::registry());
    let first = builder.start().await.unwrap();
    let seeds = [first.local_addr().to_string()];
    let builder = Node::builder("n2").identity(identity()).state(Arc::clone(&there)).host(tills::registry());
    let second = builder.join(seeds).start().await.unwrap();
    assert_eq!(purses::client(&second).go().timeout(Duration::from_secs(20)).await, Ok(true));
    [(first, here), (second, there)]
}

/// What an earlier run has made of a call is not known to who cannot ask the owner.
#[tokio::test(start_paused = true)]
async fn the_calls_of_a_second_run_do_not_say_that_they_never_ran() {
    let left = Left::default();
    let identity = Identity::shared_secret("a secret for a test");
    let builder = Node::builder("n1").identity(identity).state(Arc::clone(&left));
    let node = builder.host(purses::registry()).host(drawers::registry()).start().await.unwrap();
    purses::client(&node).leave().await.unwrap();
    let outer = left.lock().unwrap().pop().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let (first, second) = (|| run(&outer, deadline, false), || again(&outer, deadline));
    let short = Duration::from_secs(5);

    let no_host = async |context| tills::client(context).put(7, 1).timeout(short).await;
    assert_eq!(no_host(first()).await, Err(CommandError::Unavailable { reason: Reason::NotHosted }));
    assert_eq!(no_host(second()).await, Err(CommandError::DeadlineExceeded { executed: Executed::Maybe }));
    let no_time = async |context| purses::client(context).put(7, 1).timeout(Duration::ZERO).await;
    assert_eq!(no_time(first()).await, Err(CommandError::DeadlineExceeded { executed: Executed::No }));
    assert_eq!(no_time(second()).await, Err(CommandError::DeadlineExceeded { executed: Executed::Maybe }));

    // Who has looked for a receipt says what the first run heard.
    let absent = async |context| drawers::client(context).shut(7).await;
    assert_eq!(absent(first()).await, Err(CommandError::NotFound));
    assert_eq!(absent(second()).await, Err(CommandError::NotFound));
    node.shutdown().await;
}

#[tokio::test]
async fn that_an_earlier_run_may_have_made_a_call_is_handed_down_from_node_to_node() {
    let [(first, here), (second, there)] = gone().await;
    let taken = |left: &Left| std::mem::take(&mut *left.lock().unwrap());
    let are_reruns = || [taken(&here), taken(&there)].concat().iter().map(Context::is_rerun).collect::<Vec<_>>();
    assert_eq!(are_reruns(), [false; 3]);
    purses::client(&second).leave().await.unwrap();
    let outer = taken(&here).remove(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(purses::client(again(&outer, deadline)).go().await, Ok(true));
    assert_eq!(are_reruns(), [true; 3]);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn calls_inherit_the_trace_from_node_to_node() {
    let [(first, here), (second, there)] = gone().await;
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
