//! A command as a value: what `#[commands]` writes down for each method.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Invocation, Resource, Shape};
use crate::codec::{self, DecodeError, EncodeError};

/// A boxed future that can be spawned.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A resource with a `#[commands]` block.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no commands",
    label = "no `#[commands]` block for this type",
    note = "put `#[commands]` on its impl block"
)]
pub trait Commands: Resource {
    /// The typed client.
    type Client;

    /// Shows every command to the visitor, in the order of the block.
    #[doc(hidden)]
    fn each<V: Visitor<Self>>(visitor: &mut V);
}

/// Sees every command of a resource with its types.
pub trait Visitor<R: Resource> {
    /// Sees one command.
    fn command<A, T, E>(&mut self, command: &'static Command<R, A, T, E>)
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static;
}

/// One command: `A` is the tuple of its travelling arguments, `T` its reply, `E` its own error.
#[derive(Debug)]
pub struct Command<R: Resource, A: 'static, T: 'static, E: 'static> {
    /// The wire name within the registry.
    pub name: &'static str,
    /// Its place in the block, counted from 0; places may be empty where `#[cfg]` took a command away.
    pub number: u16,
    /// Whether a repetition does no harm.
    pub idempotent: bool,
    /// How its own error travels.
    pub error: ErrorCodec<E>,
    /// The types of arguments, reply and error as written, for the shape fingerprint of types that cannot be traced.
    pub written: &'static str,
    /// What it does.
    pub run: Run<R, A, T, E>,
}

impl<R: Resource, A, T, E> Command<R, A, T, E> {
    /// The kind of the command.
    pub fn kind(&self) -> Kind {
        match self.run {
            Run::Create(..) | Run::CreateAsync(..) => Kind::Create,
            Run::Read(_) | Run::ReadAsync(_) => Kind::Read,
            Run::Update(_) | Run::UpdateAsync(_) => Kind::Update,
            Run::Destroy(_) | Run::DestroyAsync(_) => Kind::Destroy,
            Run::Action(_) | Run::ActionAsync(_) => Kind::Action,
        }
    }
}

/// The five kinds of command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Makes an instance.
    Create,
    /// Looks at an instance.
    Read,
    /// Changes an instance.
    Update,
    /// Ends an instance.
    Destroy,
    /// Touches no instance.
    Action,
}

/// What a command does. Synchronous bodies see the invocation in place; asynchronous ones own a `Context`.
#[derive(Debug)]
#[expect(clippy::type_complexity, reason = "each function's type says once what a kind of command is")]
pub enum Run<R: Resource, A, T, E> {
    /// Makes an instance; the second function makes the reply from it.
    Create(fn(R::Key, A, &Invocation<'_>) -> Result<R, E>, fn(&R) -> T),
    /// Makes an instance, in its own time.
    CreateAsync(fn(R::Key, A, &Invocation<'_>) -> Boxed<Result<R, E>>, fn(&R) -> T),
    /// Looks at the committed state.
    Read(fn(&R, A, &Invocation<'_>) -> Result<T, E>),
    /// Looks at the committed state, in its own time.
    ReadAsync(fn(Arc<R>, A, &Invocation<'_>) -> Boxed<Result<T, E>>),
    /// Changes a copy.
    Update(fn(&mut R, A, &Invocation<'_>) -> Result<T, E>),
    /// Changes a copy, in its own time, and gives it back.
    UpdateAsync(fn(R, A, &Invocation<'_>) -> Boxed<(R, Result<T, E>)>),
    /// Consumes a copy.
    Destroy(fn(R, A, &Invocation<'_>) -> Result<T, E>),
    /// Consumes a copy, in its own time.
    DestroyAsync(fn(R, A, &Invocation<'_>) -> Boxed<Result<T, E>>),
    /// Touches no instance.
    Action(fn(A, &Invocation<'_>) -> Result<T, E>),
    /// Touches no instance, in its own time.
    ActionAsync(fn(A, &Invocation<'_>) -> Boxed<Result<T, E>>),
}

impl<R: Resource, A, T, E> Run<R, A, T, E> {
    /// Whether the body ends where it is called.
    pub fn is_sync(&self) -> bool {
        matches!(self, Self::Create(..) | Self::Read(_) | Self::Update(_) | Self::Destroy(_) | Self::Action(_))
    }
}

/// How a command's own error travels. `Infallible` has no encoding, so the functions are written down rather than bound.
#[derive(Debug)]
pub struct ErrorCodec<E: 'static> {
    /// Encodes an error.
    pub(crate) encode: fn(&E) -> Result<Vec<u8>, EncodeError>,
    /// Decodes an error that a peer sent.
    pub(crate) decode: fn(&[u8]) -> Result<E, DecodeError>,
    /// Traces its shape, for the fingerprint.
    pub(crate) shape: fn() -> Option<Shape>,
}

// Written out, because a derive would ask for an `E` that can be copied.
impl<E> Clone for ErrorCodec<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorCodec<E> {}

impl<E: Serialize + DeserializeOwned> ErrorCodec<E> {
    /// For an error that travels.
    pub const fn travelling() -> Self {
        let encode = |error: &E| {
            let mut bytes = Vec::new();
            codec::encode_shallow(error, &mut bytes, usize::MAX).map(|()| bytes)
        };
        Self { encode, decode: |bytes| codec::decode(bytes), shape: Shape::of::<E> }
    }
}

impl ErrorCodec<std::convert::Infallible> {
    /// For a command that has no error of its own.
    pub const fn never() -> Self {
        Self {
            encode: |error| match *error {},
            decode: |_| Err(DecodeError::Malformed(postcard::Error::DeserializeBadEncoding)),
            shape: || Some(Shape::NEVER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    enum Because {
        Of(Box<Because>),
        Nothing,
    }

    #[test]
    fn an_error_travels() {
        let codec = ErrorCodec::<Because>::travelling();
        let bytes = (codec.encode)(&Because::Of(Box::new(Because::Nothing))).unwrap();
        assert_eq!((codec.decode)(&bytes), Ok(Because::Of(Box::new(Because::Nothing))));
        assert_eq!((codec.decode)(&[bytes, vec![0]].concat()), Err(DecodeError::Trailing { bytes: 1 }));
    }

    #[test]
    fn a_made_up_error_costs_neither_stack_nor_memory() {
        assert_eq!((ErrorCodec::<Because>::travelling().decode)(&vec![0; 1 << 20]), Err(DecodeError::TooDeep));
        let endless = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let decoded = (ErrorCodec::<Vec<()>>::travelling().decode)(&endless);
        assert_eq!(decoded, Err(DecodeError::TooManyElements));
    }
}
