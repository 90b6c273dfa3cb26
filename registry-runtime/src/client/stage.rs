//! How far a call has come.
//!
//! A call allocates once: it is prepared, waits for its first attempt and ends in the same place. Only one that has to try
//! again gets a future of its own.

use std::mem;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Client;
use super::call::{Limits, Progress};
use super::parts::Parts;
use super::run::{Awaited, Run, Start};
use super::verdict::Verdict;
use crate::id::Slot;
use crate::resource::{Boxed, Command, CommandError, Commands, Context as Calling, Reason};

/// How far a call has come.
pub(super) enum Stage<R: Commands, A: 'static, T: 'static, E: 'static> {
    /// Nothing has happened yet; `None` once it has, and when there was an outcome.
    Prepared(Option<Prepared<R, A, T, E>>),
    /// The first attempt is under way.
    First(Run<R, A, T, E>, Awaited<T, E>),
    /// Further attempts.
    Driven(Boxed<Result<T, CommandError<E>>>),
}

/// A call as it was made.
pub(super) struct Prepared<R: Commands, A: 'static, T: 'static, E: 'static> {
    client: Client<R>,
    command: &'static Command<R, A, T, E>,
    key: Option<R::Key>,
    arguments: A,
    limits: Limits,
    /// The first poll, when its task had used up its turn.
    put_off: Option<Instant>,
}

impl<R: Commands, A, T, E> Stage<R, A, T, E> {
    /// A call that nothing has happened to yet.
    #[inline]
    pub(super) fn prepared(
        client: Client<R>,
        command: &'static Command<R, A, T, E>,
        key: Option<R::Key>,
        arguments: A,
    ) -> Self {
        Self::Prepared(Some(Prepared { client, command, key, arguments, limits: Limits::default(), put_off: None }))
    }
}

impl<R, A, T, E> Progress<T, E> for Stage<R, A, T, E>
where
    R: Commands,
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    fn limits(&self) -> Option<&Limits> {
        match self {
            Self::Prepared(Some(Prepared { limits, put_off: None, .. })) => Some(limits),
            _ => None,
        }
    }

    fn limits_mut(&mut self) -> Option<&mut Limits> {
        match self {
            Self::Prepared(Some(Prepared { limits, put_off: None, .. })) => Some(limits),
            _ => None,
        }
    }

    #[cold]
    fn put_off(&mut self) {
        if let Self::Prepared(Some(prepared)) = self {
            prepared.put_off.get_or_insert_with(Instant::now);
        }
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<T, CommandError<E>>> {
        if let Self::Prepared(prepared) = self
            && let Some(prepared) = prepared.take()
        {
            if let Some(outcome) = self.begin(prepared, task.waker()) {
                return Poll::Ready(outcome);
            }
            if let Self::First(_, Awaited::There(_)) = self {
                // Whoever brings the answer knows whom to wake.
                return Poll::Pending;
            }
        }
        if let Self::First(run, awaited) = self {
            let verdict = ready!(run.poll_verdict(awaited, task));
            match run.weigh(verdict) {
                Verdict::End(outcome) => return Poll::Ready(outcome),
                Verdict::Again(again) => {
                    if let Self::First(run, _) = mem::replace(self, Self::Prepared(None)) {
                        *self = Self::Driven(Box::pin(run.drive(again)));
                    }
                }
            }
        }
        match self {
            Self::Driven(driven) => driven.as_mut().poll(task),
            // The call keeps nothing of one that has ended.
            Self::Prepared(_) | Self::First(..) => Poll::Pending,
        }
    }
}

/// What a timeout beyond what the clock can count comes to: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl<R, A, T, E> Stage<R, A, T, E>
where
    R: Commands,
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    /// Makes the first attempt; a synchronous command on a key that this node owns ends here, on the caller's thread.
    #[inline]
    fn begin(&mut self, prepared: Prepared<R, A, T, E>, task: &Waker) -> Option<Result<T, CommandError<E>>> {
        let Prepared { client, command, key, arguments, limits, put_off } = prepared;
        let Client { definition, within, reach } = client;
        let Some(reach) = reach else {
            return Some(Err(CommandError::Unavailable { reason: Reason::ShuttingDown }));
        };
        let now = Instant::now();
        let first_poll = put_off.unwrap_or(now);
        let inherited = within.as_deref().map(Calling::deadline);
        let by_timeout = limits.timeout.map(|timeout| first_poll.checked_add(timeout).unwrap_or(now + FAR));
        // The earliest of what the call and the command that it is made from say; without either, the registry's default.
        let said = [by_timeout, limits.deadline, inherited].into_iter().flatten().min();
        let deadline = said.unwrap_or(first_poll + definition.spec.timeout);
        let slot = key.as_ref().map(|key| definition.slot_of(key));
        let parts = Parts::Typed(key, arguments);
        let mut run = Run::new(reach, command, slot.unwrap_or(Slot::new(0)), parts, within.as_deref(), deadline);
        if let Err(error) = run.describe(limits.idempotency_key.as_deref(), within.as_deref()) {
            return Some(Err(error));
        }
        *self = match run.set_out(now, task) {
            Start::Waits(awaited) => Self::First(run, awaited),
            Start::Ended(verdict) => match run.weigh(verdict) {
                Verdict::End(outcome) => return Some(outcome),
                Verdict::Again(again) => Self::Driven(Box::pin(run.drive(again))),
            },
        };
        None
    }
}
