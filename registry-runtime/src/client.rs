//! Finds the lane: typed calls, their routes and their retries.

mod balance;
mod call;
mod caller;
mod handle;
mod losses;
mod parts;
mod peer;
mod port;
mod route;
mod routes;
mod run;
mod seen;
mod session;
mod stage;
mod target;
mod verdict;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use call::Call;
pub use caller::Caller;
pub use handle::RegistryHandle;
pub use route::Route;

pub(crate) use caller::{Sealed, Way};
pub(crate) use peer::Peer;
pub(crate) use port::{Port, Subscription};
pub(crate) use routes::{Codes, PeerRoute, Routes, SlotRoute, SlotState, Table};

use stage::Stage;

use crate::exec::Host;
use crate::resource::{Command, Commands, Context, Definition, Resource, own_commands};

/// What a generated client is made of: the way from a caller to a registry.
pub struct Client<R: Resource> {
    definition: &'static Definition<R>,
    /// The command that calls, when one does.
    within: Option<Arc<Context>>,
    /// `None` when the node is gone.
    reach: Option<Arc<Reach<R>>>,
}

/// What a node has for calls of one registry.
struct Reach<R: Resource> {
    port: Arc<Port>,
    subscription: Arc<Subscription>,
    /// The instances on this node, when it hosts the registry.
    host: Option<Arc<Host<R>>>,
}

impl<R: Resource> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { definition: self.definition, within: self.within.clone(), reach: self.reach.clone() }
    }
}

impl<R: Resource> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("registry", &self.definition.spec.name).finish_non_exhaustive()
    }
}

impl<R: Commands> Client<R> {
    /// Makes a client for calls from `at`.
    pub fn new(at: impl Caller, definition: &'static Definition<R>) -> Self {
        let Way { port, within } = at.way();
        let reach = port.map(|port| {
            let host = port.host(definition.spec.name);
            // Spread in another way, the same key lies elsewhere.
            let host = host.filter(|host| host.spec().sharding == definition.spec.sharding);
            let host = host.and_then(|host| host.host_of::<R>());
            let subscription = port.subscribe(&definition.spec, own_commands::<R>);
            Arc::new(Reach { port, subscription, host })
        });
        Self { definition, within, reach }
    }

    /// Prepares a call; nothing happens before its first poll.
    #[inline]
    pub fn call<A, T, E>(&self, command: &'static Command<R, A, T, E>, key: Option<R::Key>, arguments: A) -> Call<T, E>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        Call::new(Stage::prepared(self.clone(), command, key, arguments))
    }

    /// The client's own questions.
    pub fn handle(&self) -> RegistryHandle<'_, R> {
        RegistryHandle::new(self)
    }
}

impl<R: Commands, A, T, E> Command<R, A, T, E>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    /// [`Client::call`] seen from the command, whose types decide: so a type that cannot travel is named once, where the
    /// command is described. Only generated code calls it, by a name that no trait of a user has: one for all types that takes
    /// `self` would come first.
    #[doc(hidden)]
    pub fn __call(&'static self, client: &Client<R>, key: Option<R::Key>, arguments: A) -> Call<T, E> {
        client.call(self, key, arguments)
    }
}

/// A client type that the derive named, seen as what it is made of. Only generated code calls it.
#[doc(hidden)]
pub trait Typed {
    /// [`Client`] of the resource.
    type Untyped;

    /// The client behind the typed methods.
    fn untyped(&self) -> &Self::Untyped;
}
