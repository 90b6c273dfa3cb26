//! Where every command begins: on its caller's thread, and if possible ends there.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::Attempt;
use super::control::Control;
use super::door::Place;
use super::host::{Host, Seat};
use super::job::Job;
use super::outcome::{Outcome, Refused};
use super::reply::Reply;
use super::shelf::{Change, Claim, Stand, Taken};
use super::work::{Ran, Work, conclude, discard};
use crate::id::{Epoch, Slot};
use crate::policy::admission::Full;
use crate::resource::{Command, Commands, Kind, Run};

/// How many asynchronous commands may be polled inside one another on one thread. Commands that call commands of the same
/// node nest on the stack; beyond this they run as tasks. Eight levels of even large futures stay far below the 2 MiB that
/// a worker thread has.
const NESTED_MAX: u32 = 8;

/// How a command began.
pub(super) enum Begun<R: Commands, A: 'static, T: 'static, E: 'static, D, J> {
    /// It ended, too.
    Ready(Outcome<D, J>),
    /// It has to be driven.
    Later(Job<R, A, T, E>),
}

/// [`Begun`], with the types that follow from the command and the reply.
type BegunFor<R, A, T, E, S> = Begun<R, A, T, E, <S as Reply<T, E>>::Done, <S as Reply<T, E>>::Rejected>;

impl<R: Commands> Host<R> {
    /// Begins a command. The reply is used only if it ends here.
    pub(super) fn begin<A, T, E, S: Reply<T, E>>(
        self: &Arc<Self>,
        command: &'static Command<R, A, T, E>,
        mut attempt: Attempt<'_, R>,
        args: A,
        reply: &mut S,
    ) -> BegunFor<R, A, T, E, S> {
        let started = Instant::now();
        if started >= attempt.deadline {
            return Begun::Ready(Outcome::DeadlineExceeded { started: false });
        }
        let begun = match (command.kind(), attempt.key.take()) {
            (Kind::Action, _) => self.act(command, attempt, args, reply),
            (Kind::Read, Some(key)) => self.read(command, attempt, key, args, reply),
            (kind, Some(key)) => self.alter(command, kind, started, attempt, key, args, reply),
            (_, None) => Err(Refused::BadRequest { detail: "a command on an instance came without a key".into() }),
        };
        begun.unwrap_or_else(|refused| Begun::Ready(refused.widen()))
    }

    fn act<A, T, E, S: Reply<T, E>>(
        self: &Arc<Self>,
        command: &'static Command<R, A, T, E>,
        attempt: Attempt<'_, R>,
        args: A,
        reply: &mut S,
    ) -> Result<BegunFor<R, A, T, E, S>, Refused> {
        let start = |args| {
            let invocation = attempt.invocation(&self.setting.origin, None, Epoch::ZERO);
            Work::start(&command.run, None, None, args, &invocation)
        };
        if !flies(&command.run) {
            return Ok(Begun::Ready(match start(args) {
                Some(Work::Ran(ran)) => conclude(Some(ran), None, reply).0,
                _ => Outcome::Panicked,
            }));
        }
        let place = self.door.enter()?;
        let Some(nesting) = Nesting::enter(&place) else {
            let control = Arc::new(Control::ready());
            return Ok(Begun::Later(Job::waiting(self, command, attempt.keep(), control, place, None, args)));
        };
        let polled = self.poll_once(start(args));
        drop(nesting);
        Ok(match polled {
            Polled::Ended(ran) => Begun::Ready(conclude(ran, None, reply).0),
            Polled::Pending(flight) => {
                let control = Arc::new(Control::running());
                Begun::Later(Job::running(self, command, attempt.keep(), control, place, None, flight))
            }
        })
    }

    fn read<A, T, E, S: Reply<T, E>>(
        self: &Arc<Self>,
        command: &'static Command<R, A, T, E>,
        attempt: Attempt<'_, R>,
        key: R::Key,
        args: A,
        reply: &mut S,
    ) -> Result<BegunFor<R, A, T, E, S>, Refused> {
        let slot = attempt.slot;
        let (claim, state) = match self.shelf(slot) {
            Some(shelf) => shelf.look(attempt.epoch, &key, self.clock())?,
            None => return Err(no_such_slot(slot)),
        };
        let start = |args| {
            let invocation = attempt.invocation(&self.setting.origin, Some(&key), attempt.epoch);
            Work::start(&command.run, state, Some(&key), args, &invocation)
        };
        if !flies(&command.run) {
            return Ok(Begun::Ready(match start(args) {
                Some(Work::Ran(ran)) => conclude(Some(ran), Some(&key), reply).0,
                _ => Outcome::Panicked,
            }));
        }
        let place = self.door.enter()?;
        let Some(nesting) = Nesting::enter(&place) else {
            let control = Arc::new(Control::ready());
            let kept = attempt.keep();
            let seat = Seat::from_place(self, slot, key, claim, &control);
            return Ok(Begun::Later(Job::waiting(self, command, kept, control, place, Some(seat), args)));
        };
        let polled = self.poll_once(start(args));
        drop(nesting);
        Ok(match polled {
            Polled::Ended(ran) => Begun::Ready(conclude(ran, Some(&key), reply).0),
            Polled::Pending(flight) => {
                let control = Arc::new(Control::running());
                let kept = attempt.keep();
                let seat = Seat::from_place(self, slot, key, claim, &control);
                Begun::Later(Job::running(self, command, kept, control, place, Some(seat), flight))
            }
        })
    }

    /// Creates, updates and destroys.
    #[expect(clippy::too_many_arguments, reason = "the parts of one attempt, taken apart by `begin`")]
    fn alter<A, T, E, S: Reply<T, E>>(
        self: &Arc<Self>,
        command: &'static Command<R, A, T, E>,
        kind: Kind,
        started: Instant,
        attempt: Attempt<'_, R>,
        key: R::Key,
        args: A,
        reply: &mut S,
    ) -> Result<BegunFor<R, A, T, E, S>, Refused> {
        let slot = attempt.slot;
        let taken = match self.shelf(slot) {
            Some(mut shelf) => shelf.take(attempt.epoch, &key, kind, self.clock())?,
            None => return Err(no_such_slot(slot)),
        };
        let Taken::Held(claim, state) = taken else { return self.line_up(command, attempt, key, args) };
        let start = |args| {
            let invocation = attempt.invocation(&self.setting.origin, Some(&key), attempt.epoch);
            Work::start(&command.run, state, Some(&key), args, &invocation)
        };
        if !flies(&command.run) {
            let ran = match start(args) {
                Some(Work::Ran(ran)) => Some(ran),
                _ => None,
            };
            let (outcome, ended) = self.end_in_place(ran, attempt.deadline, slot, &key, claim, reply);
            self.door.add_busy(ended.duration_since(started));
            return Ok(Begun::Ready(outcome));
        }
        // From here on the lane is given back by `end_in_place` or by the seat.
        let place = match self.door.enter() {
            Ok(place) => place,
            Err(full) => {
                let _ = self.settle(slot, &key, claim, Stand::InPlace, Change::Keep);
                return Err(full.into());
            }
        };
        let Some(nesting) = Nesting::enter(&place) else {
            let control = Arc::new(Control::ready());
            let kept = attempt.keep();
            let seat = Seat::from_place(self, slot, key, claim, &control);
            return Ok(Begun::Later(Job::waiting(self, command, kept, control, place, Some(seat), args)));
        };
        let polled = self.poll_once(start(args));
        drop(nesting);
        Ok(match polled {
            Polled::Ended(ran) => Begun::Ready(self.end_in_place(ran, attempt.deadline, slot, &key, claim, reply).0),
            Polled::Pending(flight) => {
                let control = Arc::new(Control::running());
                let kept = attempt.keep();
                let seat = Seat::from_place(self, slot, key, claim, &control);
                Begun::Later(Job::running(self, command, kept, control, place, Some(seat), flight))
            }
        })
    }

    /// For an exclusive command that found its lane busy.
    fn line_up<A, T, E, D, J>(
        self: &Arc<Self>,
        command: &'static Command<R, A, T, E>,
        attempt: Attempt<'_, R>,
        key: R::Key,
        args: A,
    ) -> Result<Begun<R, A, T, E, D, J>, Refused> {
        let place = self.door.enter_waiting()?;
        let control = Arc::new(Control::queued());
        let seat = Seat::in_line(self, attempt.slot, attempt.epoch, key, &control)?;
        Ok(Begun::Later(Job::waiting(self, command, attempt.keep(), control, place, Some(seat), args)))
    }

    /// Makes the reply of an exclusive command on its caller's thread, commits, and gives the lane back; also tells when.
    fn end_in_place<T, E, S: Reply<T, E>>(
        &self,
        ran: Option<Ran<R, T, E>>,
        deadline: Instant,
        slot: Slot,
        key: &R::Key,
        claim: Claim,
        reply: &mut S,
    ) -> (Outcome<S::Done, S::Rejected>, Instant) {
        let (outcome, change) = conclude(ran, Some(key), reply);
        let ended = Instant::now();
        let (outcome, change) = in_time(outcome, change, ended, deadline);
        let settled = self.settle(slot, key, claim, Stand::InPlace, change);
        (agreed(outcome, settled), ended)
    }

    /// Polls a body that was started, once, and with nobody to wake: whoever drives it on polls it again at once.
    fn poll_once<T, E>(&self, work: Option<Work<R, T, E>>) -> Polled<R, T, E> {
        let mut flight = match work {
            Some(Work::Flying(flight)) => flight,
            Some(Work::Ran(ran)) => return Polled::Ended(Some(ran)),
            None => return Polled::Ended(None),
        };
        // Timers and sockets that the body makes belong to the node's runtime, whoever polls the caller.
        let _entered = self.setting.runtime.enter();
        match flight.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Polled::Pending(flight),
            Poll::Ready(ran) => {
                discard(flight);
                Polled::Ended(ran)
            }
        }
    }
}

/// What one poll came to.
enum Polled<R: Commands, T, E> {
    Ended(Option<Ran<R, T, E>>),
    Pending(super::work::Flight<R, T, E>),
}

/// A result that comes after the deadline is discarded.
pub(super) fn in_time<R, D, J>(
    outcome: Outcome<D, J>,
    change: Change<R>,
    ended: Instant,
    deadline: Instant,
) -> (Outcome<D, J>, Change<R>) {
    if ended < deadline || !outcome.tells() {
        return (outcome, change);
    }
    discard((outcome, change));
    (Outcome::DeadlineExceeded { started: true }, Change::Keep)
}

/// What the caller hears: the command's own word only if the slot was still this node's.
pub(super) fn agreed<D, J>(outcome: Outcome<D, J>, settled: Result<(), Refused>) -> Outcome<D, J> {
    match settled {
        Err(refused) if outcome.tells() => {
            discard(outcome);
            refused.widen()
        }
        _ => outcome,
    }
}

/// Whether a body needs polling.
fn flies<R: Commands, A, T, E>(run: &Run<R, A, T, E>) -> bool {
    match run {
        Run::CreateAsync(..) | Run::ReadAsync(_) | Run::UpdateAsync(_) | Run::DestroyAsync(_) | Run::ActionAsync(_) => {
            true
        }
        Run::Create(..) | Run::Read(_) | Run::Update(_) | Run::Destroy(_) | Run::Action(_) => false,
    }
}

fn no_such_slot(slot: Slot) -> Refused {
    Refused::BadRequest { detail: format!("there is no slot {slot}") }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        Self::Overloaded { retry_after: full.retry_after }
    }
}

/// One level of asynchronous commands being polled inside one another on this thread.
struct Nesting;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

impl Nesting {
    /// `None` when the command must become a task: it has no place to run yet, or the thread is nested deeply enough.
    fn enter(place: &Place) -> Option<Self> {
        (place.is_running() && NESTED.get() < NESTED_MAX).then(|| {
            NESTED.set(NESTED.get() + 1);
            Self
        })
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        NESTED.set(NESTED.get().saturating_sub(1));
    }
}
