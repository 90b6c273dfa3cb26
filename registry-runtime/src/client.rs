//! Finds the lane: typed calls, their routes and their retries.

mod call;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use call::Call;

use crate::id::NodeId;
use crate::resource::{Command, Commands, Context, Definition, IntoKey, Resource};

/// What a generated client is made of: the way from a caller to a registry.
pub struct Client<R: Resource> {
    definition: &'static Definition<R>,
}

impl<R: Resource> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { definition: self.definition }
    }
}

impl<R: Commands> Client<R> {
    /// Makes a client for calls from `at`.
    pub fn new(at: impl Caller, definition: &'static Definition<R>) -> Self {
        let _ = at;
        Self { definition }
    }

    /// Prepares a call; nothing happens before its first poll.
    pub fn call<A, T, E>(&self, command: &'static Command<R, A, T, E>, key: Option<R::Key>, arguments: A) -> Call<T, E>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        let _ = (command, key, arguments);
        Call::skeleton()
    }

    /// The client's own questions.
    pub fn handle(&self) -> RegistryHandle<'_, R> {
        RegistryHandle { client: self }
    }
}

impl<R: Commands, A, T, E> Command<R, A, T, E>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    /// [`Client::call`] seen from the command, whose types decide: so a type that cannot travel is named once, where the
    /// command is described. Only generated code calls it.
    #[doc(hidden)]
    pub fn call(&'static self, client: &Client<R>, key: Option<R::Key>, arguments: A) -> Call<T, E> {
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

/// What a client can be made from: a `Node` or a `Context`, by value, reference or `Arc`.
#[diagnostic::on_unimplemented(
    message = "a client cannot be made from `{Self}`",
    label = "expected `&Node` or `&Context`"
)]
pub trait Caller {}

impl Caller for Context {}
impl<T: Caller + ?Sized> Caller for &T {}
impl<T: Caller + ?Sized> Caller for Arc<T> {}

/// A client's own questions about its registry.
pub struct RegistryHandle<'a, R: Commands> {
    client: &'a Client<R>,
}

impl<R: Commands> RegistryHandle<'_, R> {
    /// The node that owns the key, as far as this node knows.
    pub fn owner(&self, key: impl IntoKey<R::Key>) -> Option<NodeId> {
        let _ = (self.client.definition.route)(&key.into_key());
        None
    }
}
