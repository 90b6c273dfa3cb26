//! A context without a cluster, for unit tests of command bodies.

use std::fmt::{self, Debug, Display};
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Caller, Port, Sealed, Way};
use crate::id::{CommandId, Epoch, NodeId};
use crate::resource::{Context, Invocation, Origin, States};

/// How far off the deadline of a context for tests is: nothing in a unit test should come near it.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Makes a context for unit tests of command bodies: on the node `test`, called by itself, with an hour left.
///
/// Calls that a command makes with it end as `Unavailable`: there is no cluster behind it. For those use a one-node
/// [`Cluster`](super::Cluster).
///
/// It stands for a `&Context`. Its own `key` and `state` set it up; to ask for them as a command does, make it a `Context`.
///
/// ```
/// use registry_runtime::Context;
///
/// fn greet(name: &str, cx: &Context) -> String {
///     format!("{} {name}, from {}", cx.state::<String>(), cx.key())
/// }
///
/// let cx = registry_runtime::testing::context().key(7).state("hello".to_owned());
/// assert_eq!(greet("Ada", &cx), "hello Ada, from 7");
/// let owned: Context = cx.into();
/// assert_eq!(owned.key(), "7");
/// ```
pub fn context() -> TestContext {
    TestContext::new(String::new(), States::default())
}

/// A [`Context`] that can still be set up; it can be used wherever a `&Context` is asked for.
#[derive(Clone)]
pub struct TestContext {
    key: String,
    states: States,
    context: Context,
}

impl TestContext {
    fn new(key: String, states: States) -> Self {
        let node = NodeId::test();
        let port = Box::new(Weak::<Port>::new());
        let origin = Arc::new(Origin { node: node.clone(), states: states.clone(), port });
        let deadline = Instant::now() + DEADLINE;
        let id = CommandId { session: 0, sequence: 1 };
        let context = Invocation {
            origin: &origin,
            key: Some(&key),
            caller: &node,
            epoch: Epoch::ZERO,
            deadline,
            repeats_until: deadline,
            root: id,
            rerun: false,
            id,
            attempt: 1,
        }
        .context();
        Self { key, states, context }
    }

    /// The key that the command is to find, as text: a key that is text or a number reads as it does on a node. A node shows
    /// any other key by its `Debug`; for those hand in `format!("{key:?}")`.
    #[must_use]
    pub fn key(self, key: impl Display) -> Self {
        Self::new(key.to_string(), self.states)
    }

    /// A value that the command is to find with `cx.state::<T>()`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(state);
        Self::new(self.key, self.states)
    }
}

impl Deref for TestContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Sealed for TestContext {}

impl Caller for TestContext {
    fn way(&self) -> Way {
        Context::way(self)
    }
}

impl From<TestContext> for Context {
    fn from(made: TestContext) -> Self {
        made.context
    }
}

impl AsRef<Context> for TestContext {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl Debug for TestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.context, f)
    }
}
