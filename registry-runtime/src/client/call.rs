//! One call, from its making to its outcome.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::Instant;

use crate::resource::CommandError;

/// A call that has been prepared. Nothing happens before the first poll; the timeout counts from there.
///
/// Awaiting it gives the command's reply or a [`CommandError`]. Dropping it cancels the call. It borrows nothing, so it can
/// be spawned and joined. It is awaited within a tokio runtime that has its timers enabled, its node's or another: how long it waits is
/// counted there. Blocking on it within a task may wait for ever, as with all of tokio.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<T, E> {
    /// `None` once there is an outcome. All that belongs to the call lies behind it: a call is moved more often than looked at.
    progress: Option<Box<dyn Progress<T, E>>>,
}

/// What the setters of a call have said.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// The time from the first poll.
    pub(super) timeout: Option<Duration>,
    /// The moment.
    pub(super) deadline: Option<Instant>,
    /// The user's name for the command.
    pub(super) idempotency_key: Option<String>,
}

/// How far a call has come, whatever its resource and arguments are.
pub(super) trait Progress<T, E>: Send {
    /// What the setters have said, until the first poll.
    fn limits(&self) -> Option<&Limits>;

    /// Where the setters say it, until the first poll.
    fn limits_mut(&mut self) -> Option<&mut Limits>;

    /// It is polled and has to wait for its task's next turn: the first time, its time counts from here.
    fn put_off(&mut self);

    /// Goes on as far as possible. There is no poll after an outcome.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<T, CommandError<E>>>;
}

impl<T, E> Call<T, E> {
    #[inline]
    pub(super) fn new(progress: impl Progress<T, E> + 'static) -> Self {
        Self { progress: Some(Box::new(progress)) }
    }

    /// Ends the call this long after its first poll, instead of after the registry's `timeout`. Inside a command it can only
    /// shorten what is left of that command's own deadline.
    ///
    /// # Panics
    ///
    /// When the call was polled already.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits().timeout = Some(timeout);
        self
    }

    /// Ends the call at this moment. With a [`timeout`](Self::timeout) as well, the earlier of the two counts.
    ///
    /// # Panics
    ///
    /// When the call was polled already.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.limits().deadline = Some(deadline);
        self
    }

    /// Names the command, so that a repetition under the same name has no second effect: it gets the first reply. The name belongs to
    /// the instance and is remembered for the registry's `idempotency_window` (ten minutes by default), counted from the end of the
    /// command that took effect; what was refused or rejected may be tried again under its name. The same name with another command or
    /// other arguments ends as [`IdempotencyKeyReused`](CommandError::IdempotencyKeyReused); arguments are compared as they are encoded, so a
    /// `HashMap`, whose order varies, may seem to be another. Reads and actions change no instance, so a
    /// name has no effect there.
    ///
    /// The name speaks of what the command does to its own instance. Where a run comes to nothing (an `Err`, a panic, a deadline that passes),
    /// what it has called in other registries stands, and under the same name it runs anew, with calls of its own. A command that calls others
    /// takes such a name as an argument, too, and calls them under it.
    ///
    /// # Panics
    ///
    /// When the call was polled already.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.limits().idempotency_key = Some(key.into());
        self
    }

    fn limits(&mut self) -> &mut Limits {
        match self.progress.as_mut().and_then(|progress| progress.limits_mut()) {
            Some(limits) => limits,
            None => panic!("a call is set up before its first poll"),
        }
    }
}

impl<T, E> Future for Call<T, E> {
    type Output = Result<T, CommandError<E>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let call = &mut *self;
        let Some(progress) = &mut call.progress else { panic!("a call is polled again after its outcome") };
        // Most calls on the own node end in their first poll. A loop of them that never waited would keep its thread for ever, from its own
        // timeout as well as from the node's heartbeats.
        let Poll::Ready(turn) = coop::poll_proceed(task) else {
            progress.put_off();
            return Poll::Pending;
        };
        let outcome = progress.poll(task);
        if outcome.is_ready() {
            turn.made_progress();
            call.progress = None;
        }
        outcome
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.progress.as_ref().and_then(|progress| progress.limits());
        let stage = match (&self.progress, limits) {
            (Some(_), Some(_)) => "prepared",
            (Some(_), None) => "running",
            (None, _) => "ended",
        };
        f.debug_struct("Call").field("stage", &stage).field("limits", &limits).finish()
    }
}
