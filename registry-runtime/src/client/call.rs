//! One call, from its making to its outcome.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::resource::CommandError;

/// A call that has been prepared. Nothing happens before the first poll; the timeout counts from there.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<T, E> {
    types: PhantomData<fn() -> (T, E)>,
}

impl<T, E> Call<T, E> {
    pub(super) fn skeleton() -> Self {
        Self { types: PhantomData }
    }

    /// Ends the call this long after its first poll.
    pub fn timeout(self, _timeout: Duration) -> Self {
        self
    }

    /// Ends the call at this moment.
    pub fn deadline(self, _deadline: Instant) -> Self {
        self
    }

    /// Names the command, so that a repetition from anywhere has no second effect.
    pub fn idempotency_key(self, _key: impl Into<String>) -> Self {
        self
    }
}

impl<T, E> Future for Call<T, E> {
    type Output = Result<T, CommandError<E>>;

    fn poll(self: Pin<&mut Self>, _task: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}
