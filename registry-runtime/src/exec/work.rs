//! A command from its arguments to what its caller gets.
//!
//! [`Work`] is all that depends on the types of a command. What a command waits for, holds and leaves behind sees [`AnyWork`] alone, and so is
//! compiled once for each resource and not for each of its commands.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tracing::Span;

use super::contain::{contain, discard};
use super::outcome::Outcome;
use super::reply::{Reply, Unfit};
use super::shelf::Change;
use crate::codec;
use crate::policy::receipts::Told;
use crate::resource::{Boxed, Command, Invocation, Kind, Resource, Run};

/// [`Work`] without the types of arguments, reply and error. Every method but the first two runs a user's code, so it is called where that is
/// contained.
pub(super) trait AnyWork<R: Resource>: Send {
    /// What the command is, whatever its types.
    fn about(&self) -> About;

    /// Whether the body has been started and needs polling.
    fn is_flying(&self) -> bool;

    /// Shows key and arguments to who may need them again, before they are used up.
    fn spare(&mut self, key: Option<&R::Key>);

    /// Starts the body, on `state`, which is `None` for an absent instance.
    fn start(&mut self, state: Option<Arc<R>>, key: Option<&R::Key>, invocation: &Invocation<'_>) -> Step<R>;

    /// Runs a synchronous read, from its body to what the caller gets.
    fn answer(&mut self, state: Option<Arc<R>>, key: &R::Key, invocation: &Invocation<'_>) -> Result<Outcome, Unfit>;

    /// Polls a body that flies.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Change<R>>;

    /// Turns what the body returned into what the caller gets, with what a receipt is to say if `keep` says that one is kept.
    fn reply(&mut self, keep: bool) -> Result<(Outcome, Option<Told>), Unfit>;

    /// Turns what the caller was told already.
    fn again(&mut self, told: Told) -> Outcome;

    /// Drops what there is of arguments, body and result. Nobody needs it any more.
    fn drop_body(&mut self);
}

/// What a command is, whatever its types.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether the body ends where it is called.
    pub(super) is_sync: bool,
}

/// How a body started.
pub(super) enum Step<R> {
    /// It came to its end, and leaves this; `Keep` whenever it returned an error.
    Ran(Change<R>),
    /// It needs polling.
    Flying,
}

impl<R> Step<R> {
    /// What a body left that came to its end.
    pub(super) fn ran(self) -> Option<Change<R>> {
        match self {
            Self::Ran(change) => Some(change),
            Self::Flying => None,
        }
    }
}

/// A command with its arguments, and what becomes of them; `S` is what its caller gets.
pub(super) struct Work<'a, R: Resource, A: 'static, T: 'static, E: 'static, S> {
    command: &'static Command<R, A, T, E>,
    stage: Stage<R, A, T, E>,
    spare: Option<Spare<'a, R, A>>,
    pub(super) reply: S,
}

/// Sees key and arguments before they are used up.
pub(super) type Spare<'a, R, A> = &'a mut (dyn FnMut(Option<&<R as Resource>::Key>, &A) + Send + 'a);

/// How far a command is.
enum Stage<R: Resource, A, T, E> {
    /// It has not been started.
    Waiting(A),
    /// It needs polling.
    Flying(Flight<R, T, E>),
    /// It has returned this.
    Ran(Result<T, E>),
    /// There is nothing left of it.
    Over,
}

/// A body that needs polling.
enum Flight<R: Resource, T, E> {
    Create(Boxed<Result<R, E>>, fn(&R) -> T),
    Update(Boxed<(R, Result<T, E>)>),
    Destroy(Boxed<Result<T, E>>),
    /// A read or an action.
    Plain(Boxed<Result<T, E>>),
}

impl<'a, R: Resource, A, T, E, S> Work<'a, R, A, T, E, S> {
    /// A command that has not been started.
    pub(super) fn new(
        command: &'static Command<R, A, T, E>,
        args: A,
        reply: S,
        spare: Option<Spare<'a, R, A>>,
    ) -> Self {
        Self { command, stage: Stage::Waiting(args), spare, reply }
    }

    /// The same for a task, which outlives where it began; with another place for the reply.
    pub(super) fn into_task<O>(self, reply: impl FnOnce(S) -> O) -> Work<'static, R, A, T, E, O> {
        Work { command: self.command, stage: self.stage, spare: None, reply: reply(self.reply) }
    }

    /// Keeps what a body returned that came to its end.
    fn ran(&mut self, (result, change): (Result<T, E>, Change<R>)) -> Step<R> {
        self.stage = Stage::Ran(result);
        Step::Ran(change)
    }

    /// Keeps a body that needs polling.
    fn fly(&mut self, flight: Flight<R, T, E>) -> Step<R> {
        self.stage = Stage::Flying(flight);
        Step::Flying
    }
}

impl<R, A, T, E, S> AnyWork<R> for Work<'_, R, A, T, E, S>
where
    R: Resource,
    A: Send,
    T: Send,
    E: Send,
    S: Reply<T, E> + Send,
{
    fn about(&self) -> About {
        About { name: self.command.name, kind: self.command.kind(), is_sync: self.command.run.is_sync() }
    }

    fn is_flying(&self) -> bool {
        matches!(self.stage, Stage::Flying(_))
    }

    fn spare(&mut self, key: Option<&R::Key>) {
        if let (Some(spare), Stage::Waiting(args)) = (&mut self.spare, &self.stage) {
            spare(key, args);
        }
    }

    fn start(&mut self, state: Option<Arc<R>>, key: Option<&R::Key>, invocation: &Invocation<'_>) -> Step<R> {
        let Stage::Waiting(args) = mem::replace(&mut self.stage, Stage::Over) else {
            unreachable!("a command is started once")
        };
        match (&self.command.run, key) {
            (Run::Create(body, show), Some(key)) => self.ran(created(body(key.clone(), args, invocation), *show)),
            (Run::CreateAsync(body, show), Some(key)) => {
                self.fly(Flight::Create(body(key.clone(), args, invocation), *show))
            }
            (Run::Read(body), Some(key)) => self.ran(kept(read(*body, state, key, args, invocation))),
            (Run::ReadAsync(body), Some(key)) => {
                let state = state.unwrap_or_else(|| Arc::new(fresh(key)));
                self.fly(Flight::Plain(body(state, args, invocation)))
            }
            (Run::Update(body), Some(key)) => {
                let mut copy = copy(state, key);
                let result = body(&mut copy, args, invocation);
                self.ran(updated(copy, result))
            }
            (Run::UpdateAsync(body), Some(key)) => self.fly(Flight::Update(body(copy(state, key), args, invocation))),
            (Run::Destroy(body), Some(key)) => self.ran(destroyed(body(copy(state, key), args, invocation))),
            (Run::DestroyAsync(body), Some(key)) => self.fly(Flight::Destroy(body(copy(state, key), args, invocation))),
            (Run::Action(body), _) => self.ran(kept(body(args, invocation))),
            (Run::ActionAsync(body), _) => self.fly(Flight::Plain(body(args, invocation))),
            (_, None) => unreachable!("a command on an instance has a key: `begin` looked"),
        }
    }

    #[inline]
    fn answer(&mut self, state: Option<Arc<R>>, key: &R::Key, invocation: &Invocation<'_>) -> Result<Outcome, Unfit> {
        let (Run::Read(body), Stage::Waiting(args)) = (&self.command.run, mem::replace(&mut self.stage, Stage::Over))
        else {
            unreachable!("a synchronous read is started once")
        };
        match read(*body, state, key, args, invocation) {
            Ok(value) => self.reply.done(value, false).map(|_| Outcome::Done(())),
            Err(error) => self.reply.rejected(error, false).map(|_| Outcome::Rejected(())),
        }
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Change<R>> {
        let Stage::Flying(flight) = &mut self.stage else { unreachable!("only what flies is polled") };
        let (result, change) = ready!(match flight {
            Flight::Create(future, show) => Pin::new(future).poll(task).map(|result| created(result, *show)),
            Flight::Update(future) => Pin::new(future).poll(task).map(|(copy, result)| updated(copy, result)),
            Flight::Destroy(future) => Pin::new(future).poll(task).map(destroyed),
            Flight::Plain(future) => Pin::new(future).poll(task).map(kept),
        });
        // By now a future has nothing left whose `Drop` could matter to the result.
        discard(mem::replace(&mut self.stage, Stage::Ran(result)));
        Poll::Ready(change)
    }

    fn reply(&mut self, keep: bool) -> Result<(Outcome, Option<Told>), Unfit> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ran(Ok(value)) => Ok((Outcome::Done(()), self.reply.done(value, keep)?.map(Told::Done))),
            Stage::Ran(Err(error)) => {
                Ok((Outcome::Rejected(()), self.reply.rejected(error, keep)?.map(Told::Rejected)))
            }
            Stage::Waiting(_) | Stage::Flying(_) | Stage::Over => unreachable!("the body has returned"),
        }
    }

    fn again(&mut self, told: Told) -> Outcome {
        self.reply.again(told)
    }

    fn drop_body(&mut self) {
        self.stage = Stage::Over;
    }
}

/// Runs the body of a synchronous read.
#[inline]
fn read<R: Resource, A, T, E>(
    body: fn(&R, A, &Invocation<'_>) -> Result<T, E>,
    state: Option<Arc<R>>,
    key: &R::Key,
    args: A,
    invocation: &Invocation<'_>,
) -> Result<T, E> {
    match state {
        Some(state) => body(&state, args, invocation),
        None => {
            let fresh = fresh::<R>(key);
            let result = body(&fresh, args, invocation);
            discard(fresh);
            result
        }
    }
}

/// What a creating body returned, and what becomes of the instance.
fn created<R, T, E>(result: Result<R, E>, show: fn(&R) -> T) -> (Result<T, E>, Change<R>) {
    match result {
        Ok(made) => (Ok(show(&made)), Change::Put(Arc::new(made))),
        Err(error) => kept(Err(error)),
    }
}

/// The same of an updating one.
fn updated<R, T, E>(copy: R, result: Result<T, E>) -> (Result<T, E>, Change<R>) {
    match result {
        Ok(value) => (Ok(value), Change::Put(Arc::new(copy))),
        Err(error) => {
            discard(copy);
            kept(Err(error))
        }
    }
}

/// The same of a destroying one.
fn destroyed<R, T, E>(result: Result<T, E>) -> (Result<T, E>, Change<R>) {
    let change = if result.is_ok() { Change::Remove } else { Change::Keep };
    (result, change)
}

/// What a body returned that changes nothing.
fn kept<R, T, E>(result: Result<T, E>) -> (Result<T, E>, Change<R>) {
    (result, Change::Keep)
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

/// Starts a body, in a span; `None` when it panicked.
pub(super) fn start<R: Resource>(
    work: &mut dyn AnyWork<R>,
    span: &Span,
    state: Option<Arc<R>>,
    key: Option<&R::Key>,
    invocation: &Invocation<'_>,
) -> Option<Step<R>> {
    contain(|| span.in_scope(|| work.start(state, key, invocation)))
}

/// Runs a synchronous read, in a span. Nothing is left of the body.
#[inline]
pub(super) fn answer<R: Resource>(
    work: &mut dyn AnyWork<R>,
    span: &Span,
    state: Option<Arc<R>>,
    key: &R::Key,
    invocation: &Invocation<'_>,
) -> Outcome {
    match contain(|| span.in_scope(|| work.answer(state, key, invocation))) {
        Some(Ok(outcome)) => outcome,
        Some(Err(unfit)) => unfit.outcome(),
        None => {
            // It may have been the span that panicked, before the body had its arguments.
            drop_body(work);
            Outcome::Panicked
        }
    }
}

/// Polls a body that flies, in a span; `Ready(None)` when it panicked.
pub(super) fn poll<R: Resource>(
    work: &mut dyn AnyWork<R>,
    span: &Span,
    task: &mut Context<'_>,
) -> Poll<Option<Change<R>>> {
    match contain(|| span.in_scope(|| work.poll(task))) {
        Some(Poll::Pending) => Poll::Pending,
        Some(Poll::Ready(change)) => Poll::Ready(Some(change)),
        None => Poll::Ready(None),
    }
}

/// Shows key and arguments to who may need them again. What does not encode is not spared, whichever way it fails: lanes are held by now.
pub(super) fn spare<R: Resource>(work: &mut dyn AnyWork<R>, key: Option<&R::Key>) {
    let _ = contain(|| work.spare(key));
}

/// Turns what the caller was told already.
pub(super) fn again<R: Resource>(work: &mut dyn AnyWork<R>, told: Told) -> Outcome {
    let again = contain(|| work.again(told));
    again.unwrap_or_else(|| Outcome::BadReply { detail: "what was told before panicked as it was decoded".into() })
}

/// Drops what there is of arguments, body and result.
pub(super) fn drop_body<R: Resource>(work: &mut dyn AnyWork<R>) {
    let _ = contain(|| work.drop_body());
}

/// The same, in a span.
pub(super) fn drop_body_within<R: Resource>(work: &mut dyn AnyWork<R>, span: &Span) {
    // It is the span that may panic before anything is dropped.
    if contain(|| span.in_scope(|| work.drop_body())).is_none() {
        drop_body(work);
    }
}

/// What comes of a body that came to its end.
pub(super) struct Conclusion<R> {
    pub(super) outcome: Outcome,
    pub(super) change: Change<R>,
    /// What a receipt is to say, if one is kept.
    pub(super) told: Option<Told>,
}

impl<R> Conclusion<R> {
    /// Nothing came of it.
    pub(super) fn nothing(outcome: Outcome) -> Self {
        Self { outcome, change: Change::Keep, told: None }
    }
}

/// Makes the reply of a body that came to its end (`None`: it panicked), and says what becomes of the instance; with what a
/// receipt is to say if `keep` says that one is kept. An instance that is as good as one that no command has touched is removed. Nothing is
/// left of the body.
///
/// The reply is made before the change is committed, so that one that cannot be made leaves the instance as it was.
pub(super) fn conclude<R: Resource>(
    work: &mut dyn AnyWork<R>,
    ran: Option<Change<R>>,
    key: Option<&R::Key>,
    keep: bool,
) -> Conclusion<R> {
    let Some(mut change) = ran else {
        drop_body(work);
        return Conclusion::nothing(Outcome::Panicked);
    };
    let told = contain(|| {
        if let (Change::Put(state), Some(key)) = (&change, key) {
            assert!(state.key() == *key, "the command left its instance under another key");
            if is_fresh::<R>(state, key) {
                discard(mem::replace(&mut change, Change::Remove));
            }
        }
        work.reply(keep)
    });
    let outcome = match told {
        Some(Ok((outcome, told))) => return Conclusion { outcome, change, told },
        Some(Err(unfit)) => unfit.outcome(),
        None => Outcome::Panicked,
    };
    discard(change);
    drop_body(work);
    Conclusion::nothing(outcome)
}
