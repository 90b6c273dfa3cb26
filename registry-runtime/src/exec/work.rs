//! Runs the body of a command so that nothing but its value gets out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tracing::Span;

use super::outcome::Outcome;
use super::reply::Reply;
use super::shelf::Change;
use crate::codec;
use crate::policy::receipts::Told;
use crate::resource::{Boxed, Invocation, Resource, Run};

/// A body that has been started.
pub(super) enum Work<R: Resource, T, E> {
    /// It came to its end.
    Ran(Ran<R, T, E>),
    /// It needs polling.
    Flying(Flight<R, T, E>),
}

/// What a body left that came to its end.
pub(super) struct Ran<R, T, E> {
    result: Result<T, E>,
    /// `Keep` whenever the result is an error.
    change: Change<R>,
}

/// A body that needs polling.
pub(super) enum Flight<R: Resource, T, E> {
    Create(Boxed<Result<R, E>>, fn(&R) -> T),
    Update(Boxed<(R, Result<T, E>)>),
    Destroy(Boxed<Result<T, E>>),
    /// A read or an action.
    Plain(Boxed<Result<T, E>>),
}

impl<R: Resource, T, E> Work<R, T, E> {
    /// Starts the body, in a span, on `state`, which is `None` for an absent instance; `None` when it panicked.
    pub(super) fn start<A>(
        span: &Span,
        run: &Run<R, A, T, E>,
        state: Option<Arc<R>>,
        key: Option<&R::Key>,
        args: A,
        invocation: &Invocation<'_>,
    ) -> Option<Self> {
        contain(|| span.in_scope(|| Self::run(run, state, key, args, invocation)))
    }

    fn run<A>(
        run: &Run<R, A, T, E>,
        state: Option<Arc<R>>,
        key: Option<&R::Key>,
        args: A,
        invocation: &Invocation<'_>,
    ) -> Self {
        match (run, key) {
            (Run::Create(body, show), Some(key)) => Self::Ran(Ran::created(body(key.clone(), args, invocation), *show)),
            (Run::CreateAsync(body, show), Some(key)) => {
                Self::Flying(Flight::Create(body(key.clone(), args, invocation), *show))
            }
            (Run::Read(body), Some(key)) => Self::Ran(Ran::kept(match state {
                Some(state) => body(&state, args, invocation),
                None => body(&fresh::<R>(key), args, invocation),
            })),
            (Run::ReadAsync(body), Some(key)) => {
                let state = state.unwrap_or_else(|| Arc::new(fresh(key)));
                Self::Flying(Flight::Plain(body(state, args, invocation)))
            }
            (Run::Update(body), Some(key)) => {
                let mut copy = copy(state, key);
                let result = body(&mut copy, args, invocation);
                Self::Ran(Ran::updated(copy, result))
            }
            (Run::UpdateAsync(body), Some(key)) => {
                Self::Flying(Flight::Update(body(copy(state, key), args, invocation)))
            }
            (Run::Destroy(body), Some(key)) => Self::Ran(Ran::destroyed(body(copy(state, key), args, invocation))),
            (Run::DestroyAsync(body), Some(key)) => {
                Self::Flying(Flight::Destroy(body(copy(state, key), args, invocation)))
            }
            (Run::Action(body), _) => Self::Ran(Ran::kept(body(args, invocation))),
            (Run::ActionAsync(body), _) => Self::Flying(Flight::Plain(body(args, invocation))),
            (_, None) => unreachable!("a command on an instance has a key: `begin` looked"),
        }
    }
}

/// The copy that an exclusive command works on.
fn copy<R: Resource>(state: Option<Arc<R>>, key: &R::Key) -> R {
    match state {
        Some(state) => R::clone(&state),
        None => fresh(key),
    }
}

/// An instance that no command has touched.
pub(super) fn fresh<R: Resource>(key: &R::Key) -> R {
    match R::FRESH {
        Some(make) => make(key.clone()),
        None => unreachable!("an absent instance was `NotFound` before"),
    }
}

/// Whether an instance is as if no command had touched it. Nothing need be kept of such a one: whoever looks for it finds the same.
fn is_fresh<R: Resource>(state: &R, key: &R::Key) -> bool {
    R::FRESH.is_some_and(|make| codec::is_same(state, &make(key.clone())))
}

impl<R: Resource, T, E> Ran<R, T, E> {
    fn created(result: Result<R, E>, show: fn(&R) -> T) -> Self {
        match result {
            Ok(made) => Self { result: Ok(show(&made)), change: Change::Put(Arc::new(made)) },
            Err(error) => Self::kept(Err(error)),
        }
    }

    fn updated(copy: R, result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self { result: Ok(value), change: Change::Put(Arc::new(copy)) },
            Err(error) => Self::kept(Err(error)),
        }
    }

    fn destroyed(result: Result<T, E>) -> Self {
        let change = if result.is_ok() { Change::Remove } else { Change::Keep };
        Self { result, change }
    }

    fn kept(result: Result<T, E>) -> Self {
        Self { result, change: Change::Keep }
    }
}

impl<R: Resource, T, E> Flight<R, T, E> {
    /// Polls the body, in a span; `Ready(None)` when it panicked.
    pub(super) fn poll(&mut self, span: &Span, task: &mut Context<'_>) -> Poll<Option<Ran<R, T, E>>> {
        let body = || match self {
            Self::Create(future, show) => Pin::new(future).poll(task).map(|result| Ran::created(result, *show)),
            Self::Update(future) => Pin::new(future).poll(task).map(|(copy, result)| Ran::updated(copy, result)),
            Self::Destroy(future) => Pin::new(future).poll(task).map(Ran::destroyed),
            Self::Plain(future) => Pin::new(future).poll(task).map(Ran::kept),
        };
        match contain(|| span.in_scope(body)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(ran)) => Poll::Ready(Some(ran)),
            None => Poll::Ready(None),
        }
    }
}

/// What comes of a body that came to its end.
pub(super) struct Conclusion<R, D, J> {
    pub(super) outcome: Outcome<D, J>,
    pub(super) change: Change<R>,
    /// What a receipt is to say, if one is kept.
    pub(super) told: Option<Told>,
}

impl<R, D, J> Conclusion<R, D, J> {
    /// Nothing came of it.
    pub(super) fn nothing(outcome: Outcome<D, J>) -> Self {
        Self { outcome, change: Change::Keep, told: None }
    }
}

/// Makes the reply of a body that came to its end (`None`: it panicked), and says what becomes of the instance; with what a
/// receipt is to say if `keep` says that one is kept. An instance that is as good as one that no command has touched is removed.
///
/// The reply is made before the change is committed, so that one that cannot be made leaves the instance as it was.
pub(super) fn conclude<R: Resource, T, E, S: Reply<T, E>>(
    ran: Option<Ran<R, T, E>>,
    key: Option<&R::Key>,
    reply: &mut S,
    keep: bool,
) -> Conclusion<R, S::Done, S::Rejected> {
    let Some(Ran { result, mut change }) = ran else { return Conclusion::nothing(Outcome::Panicked) };
    let told = contain(|| {
        if let (Change::Put(state), Some(key)) = (&change, key) {
            assert!(state.key() == *key, "the command left its instance under another key");
            if is_fresh::<R>(state, key) {
                change = Change::Remove;
            }
        }
        match result {
            Ok(value) => reply.done(value, keep).map(|(done, kept)| (Outcome::Done(done), kept.map(Told::Done))),
            Err(error) => {
                reply.rejected(error, keep).map(|(error, kept)| (Outcome::Rejected(error), kept.map(Told::Rejected)))
            }
        }
    });
    let outcome = match told {
        Some(Ok((outcome, told))) => return Conclusion { outcome, change, told },
        Some(Err(unfit)) => unfit.outcome(),
        None => Outcome::Panicked,
    };
    discard(change);
    Conclusion::nothing(outcome)
}

/// Calls a user's code; `None` when it panicked. The panic has been reported by the process's panic hook.
pub(super) fn contain<T>(act: impl FnOnce() -> T) -> Option<T> {
    // A body sees its own copy and its own arguments, which are dropped with it. What it shares beyond them by interior
    // mutability is outside this library's protection, as the documentation of commands says.
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(value) => Some(value),
        Err(payload) => {
            bury(payload);
            None
        }
    }
}

/// Drops a user's value, whose `Drop` may panic.
pub(super) fn discard<T>(value: T) {
    let _ = contain(|| drop(value));
}

/// Drops what was thrown, which may throw again; the second time it is leaked.
fn bury(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
