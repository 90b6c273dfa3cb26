//! Where every command begins: on its caller's thread, and if possible ends there.

use std::cell::Cell;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;
use tracing::Span;

use super::Attempt;
use super::contain::{contain, discard};
use super::control::Control;
use super::door::Place;
use super::host::Host;
use super::job::Job;
use super::outcome::{Outcome, Refused};
use super::pledge::{Decided, Pledge};
use super::seat::Seat;
use super::shelf::{Change, Claim, Settled, Stand, Taken};
use super::work::{About, AnyWork, Conclusion, Step, again, answer, conclude, drop_body, poll, spare, start};
use crate::id::{CommandId, Slot};
use crate::policy::admission::Full;
use crate::policy::receipts::Told;
use crate::resource::{Kind, Resource};
use crate::telemetry::{self, Tried};

/// How many asynchronous commands may be polled inside one another on one thread. Commands that call commands of the same
/// node nest on the stack; beyond this they run as tasks. Eight levels of even large futures stay far below the 2 MiB that
/// a worker thread has.
const NESTED_MAX: u32 = 8;

/// How a command began.
pub(super) enum Begun<R: Resource> {
    /// It ended, too.
    Ready(Outcome),
    /// It ends so if its record is acknowledged.
    Pledged(Pledge, Outcome),
    /// It has to be driven. Boxed to keep the way back short for commands that end here, which are most.
    Later(Box<Job<R>>),
}

/// What a command on its caller's thread holds of its slot: a lane, or the look that a read had.
pub(super) struct Grip<R: Resource> {
    pub(super) slot: Slot,
    pub(super) key: R::Key,
    pub(super) claim: Claim,
}

/// What a command met at its slot.
enum Met<R: Resource> {
    /// It may start, on this state. There is no grip on anything for an action.
    Free(Option<Grip<R>>, Option<Arc<R>>),
    /// Somebody else holds its lane.
    Busy(R::Key),
    /// It has ended before, so.
    Told(Told),
}

impl<R: Resource> Host<R> {
    /// Begins a command. What begins later is to be driven with the same `work`.
    ///
    /// Key and arguments are spared before they are used up in a way after which the caller may have to try elsewhere: refused at the gate,
    /// or about to become a task that a hand-over may stop.
    pub(super) fn begin(self: &Arc<Self>, work: &mut dyn AnyWork<R>, attempt: Attempt<'_, R>) -> Begun<R> {
        self.try_begin(work, attempt).unwrap_or_else(|refused| {
            drop_body(work);
            Begun::Ready(refused.widen())
        })
    }

    /// The same; what is refused is still to be dropped.
    fn try_begin(
        self: &Arc<Self>,
        work: &mut dyn AnyWork<R>,
        mut attempt: Attempt<'_, R>,
    ) -> Result<Begun<R>, Refused> {
        if attempt.begun >= attempt.deadline {
            return Err(Refused::DeadlineExceeded { started: false });
        }
        let about = work.about();
        if about.is_sync
            && about.kind == Kind::Read
            && let Some(key) = &attempt.key
        {
            let (claim, state) = self.look(&attempt, key).inspect_err(|_| spare(work, Some(key)))?;
            if let Some(_inside) = self.door.step_in() {
                return Ok(Begun::Ready(self.read(work, about, &attempt, key, state)));
            }
            spare(work, Some(key));
            let grip = attempt.key.take().map(|key| Grip { slot: attempt.slot, key, claim });
            return self.wait_for_place(work, about, &attempt, grip);
        }
        let met = self.meet(about.kind, &mut attempt);
        let (grip, state) = match met.inspect_err(|_| spare(work, attempt.key.as_ref()))? {
            Met::Free(grip, state) => (grip, state),
            Met::Busy(key) => {
                spare(work, Some(&key));
                return self.line_up(work, about, &attempt, key);
            }
            Met::Told(told) => {
                self.note_receipt(about.name, attempt.ask.id, attempt.attempt);
                drop_body(work);
                return Ok(Begun::Ready(again(work, told)));
            }
        };
        if !about.is_sync {
            if let Some(grip) = &grip {
                spare(work, Some(&grip.key));
            }
            return self.fly(work, about, &attempt, grip, state);
        }
        let Some(_inside) = self.door.step_in() else {
            if let Some(grip) = &grip {
                spare(work, Some(&grip.key));
            }
            return self.wait_for_place(work, about, &attempt, grip);
        };
        if self.definition.spec.replicas > 1
            && let Some(grip) = &grip
        {
            // Its record may be lost with the slot, and the next owner asked.
            spare(work, Some(&grip.key));
        }
        let span = self.span(about, &attempt);
        let ran = self.start(work, &span, &attempt, grip.as_ref(), state).and_then(Step::ran);
        Ok(self.end(work, about, ran, &attempt, grip))
    }

    /// The committed state of an instance, for a read.
    #[inline]
    fn look(&self, attempt: &Attempt<'_, R>, key: &R::Key) -> Result<(Claim, Option<Arc<R>>), Refused> {
        let Attempt { slot, epoch, seen, .. } = *attempt;
        let shelf = self.shelf(slot).ok_or_else(|| no_such_slot(slot))?;
        shelf.look(epoch, key, seen, self.clock())
    }

    /// Runs a synchronous read: the shortest way, for nothing is held and nothing has to be given back.
    #[inline]
    fn read(
        &self,
        work: &mut dyn AnyWork<R>,
        about: About,
        attempt: &Attempt<'_, R>,
        key: &R::Key,
        state: Option<Arc<R>>,
    ) -> Outcome {
        let invocation = attempt.invocation(&self.setting.origin, Some(key));
        let span = self.span(about, attempt);
        let outcome = answer(work, &span, state, key, &invocation);
        self.note(&outcome, about.name, attempt.ask.id);
        outcome
    }

    /// Goes to the slot and, for an exclusive command, takes the lane if it is free. The key stays in the attempt if it is
    /// refused.
    #[inline]
    fn meet(&self, kind: Kind, attempt: &mut Attempt<'_, R>) -> Result<Met<R>, Refused> {
        if kind == Kind::Action {
            return Ok(Met::Free(None, None));
        }
        let Attempt { slot, epoch, seen, .. } = *attempt;
        let Some(key) = attempt.key.take() else {
            return Err(Refused::BadRequest { detail: "a command on an instance came without a key".into() });
        };
        let Some(mut shelf) = self.shelf(slot) else {
            return Err(no_such_slot(slot));
        };
        let taken = match kind {
            Kind::Read => shelf.look(epoch, &key, seen, self.clock()).map(|(claim, state)| Taken::Held(claim, state)),
            _ => shelf.take(epoch, &key, kind, &attempt.asked(), self.clock()),
        };
        match taken {
            Ok(Taken::Held(claim, state)) => Ok(Met::Free(Some(Grip { slot, key, claim }), state)),
            Ok(Taken::Busy) => Ok(Met::Busy(key)),
            Ok(Taken::Told(told)) => Ok(Met::Told(told)),
            Err(refused) => {
                attempt.key = Some(key);
                Err(refused)
            }
        }
    }

    /// Starts the body; `None` when it panicked.
    #[inline]
    fn start(
        &self,
        work: &mut dyn AnyWork<R>,
        span: &Span,
        attempt: &Attempt<'_, R>,
        grip: Option<&Grip<R>>,
        state: Option<Arc<R>>,
    ) -> Option<Step<R>> {
        let key = grip.map(|grip| &grip.key);
        start(work, span, state, key, &attempt.invocation(&self.setting.origin, key))
    }

    /// The span around the body, a child of whatever span the caller is in on this thread; none where the program's subscriber panics,
    /// which is not to leave a lane held.
    #[inline]
    fn span(&self, about: About, attempt: &Attempt<'_, R>) -> Span {
        let slot = (about.kind != Kind::Action).then_some(attempt.slot);
        let (registry, node) = (self.definition.spec.name, &self.setting.origin.node);
        let tried = Tried { trace: attempt.root(), id: attempt.ask.id, attempt: attempt.attempt };
        contain(|| telemetry::command(registry, about.name, slot, node, attempt.caller, tried))
            .unwrap_or_else(Span::none)
    }

    /// Notes that a command has panicked, if it has.
    #[inline]
    pub(super) fn note(&self, outcome: &Outcome, command: &'static str, id: CommandId) {
        if let Outcome::Panicked = outcome {
            self.note_panic(command, id);
        }
    }

    #[cold]
    fn note_panic(&self, command: &'static str, id: CommandId) {
        let line = self.panics.lock().unwrap_or_else(PoisonError::into_inner).count(&command, self.clock().now());
        if let Some(line) = line {
            let (registry, node) = (self.definition.spec.name, &self.setting.origin.node);
            let _ = contain(|| telemetry::panicked(node, registry, command, id, line));
        }
    }

    /// Notes that a receipt answers.
    pub(super) fn note_receipt(&self, command: &str, id: CommandId, attempt: u32) {
        let (registry, node) = (self.definition.spec.name, &self.setting.origin.node);
        let _ = contain(|| telemetry::answered_by_receipt(node, registry, command, id, attempt));
    }

    /// Takes an asynchronous command as far as it goes in one poll.
    fn fly(
        self: &Arc<Self>,
        work: &mut dyn AnyWork<R>,
        about: About,
        attempt: &Attempt<'_, R>,
        grip: Option<Grip<R>>,
        state: Option<Arc<R>>,
    ) -> Result<Begun<R>, Refused> {
        let place = match self.door.enter(attempt.bytes) {
            Ok(place) => place,
            Err(full) => {
                drop_body(work);
                return Err(self.turn_away(grip, full));
            }
        };
        let Some(nesting) = Nesting::enter(&place) else {
            return Ok(self.postpone(about, attempt, grip, place));
        };
        let span = self.span(about, attempt);
        match self.start(work, &span, attempt, grip.as_ref(), state) {
            Some(Step::Flying) => {}
            ended => return Ok(self.end(work, about, ended.and_then(Step::ran), attempt, grip)),
        }
        let polled = {
            // Timers and sockets that the body makes belong to the node's runtime, whoever polls the caller. There is
            // nobody to wake: who drives the command on polls it again at once.
            let _entered = self.setting.runtime.enter();
            poll(work, &span, &mut Context::from_waker(Waker::noop()))
        };
        drop(nesting);
        match polled {
            Poll::Ready(ran) => Ok(self.end(work, about, ran, attempt, grip)),
            Poll::Pending => {
                let control = Arc::new(Control::running());
                let seat = grip.map(|grip| Seat::from_place(self, grip, &control));
                let kept = attempt.keep(span);
                Ok(Begun::Later(Box::new(Job::new(self, about, kept, control, place, seat))))
            }
        }
    }

    /// For a synchronous command that found every place to run taken: it waits for one, as a task, if it may wait.
    #[cold]
    fn wait_for_place(
        self: &Arc<Self>,
        work: &mut dyn AnyWork<R>,
        about: About,
        attempt: &Attempt<'_, R>,
        grip: Option<Grip<R>>,
    ) -> Result<Begun<R>, Refused> {
        match self.door.enter(attempt.bytes) {
            Ok(place) => Ok(self.postpone(about, attempt, grip, place)),
            Err(full) => {
                drop_body(work);
                Err(self.turn_away(grip, full))
            }
        }
    }

    /// Makes a task of a command that nothing but a place to run, or a deep stack, keeps from starting here.
    fn postpone(
        self: &Arc<Self>,
        about: About,
        attempt: &Attempt<'_, R>,
        grip: Option<Grip<R>>,
        place: Place,
    ) -> Begun<R> {
        let control = Arc::new(Control::ready());
        let seat = grip.map(|grip| Seat::from_place(self, grip, &control));
        let kept = attempt.keep(self.span(about, attempt));
        Begun::Later(Box::new(Job::new(self, about, kept, control, place, seat)))
    }

    /// Lets go of everything, for there is room neither to run nor to wait.
    fn turn_away(&self, grip: Option<Grip<R>>, full: Full) -> Refused {
        if let Some(grip) = grip.filter(|grip| grip.claim.turn.is_some()) {
            let _ = self.settle(grip.slot, &grip.key, grip.claim, Stand::InPlace, Change::Keep, None);
        }
        full.into()
    }

    /// For an exclusive command that found its lane busy.
    fn line_up(
        self: &Arc<Self>,
        work: &mut dyn AnyWork<R>,
        about: About,
        attempt: &Attempt<'_, R>,
        key: R::Key,
    ) -> Result<Begun<R>, Refused> {
        let place = match self.door.enter_waiting(attempt.bytes) {
            Ok(place) => place,
            Err(full) => {
                drop_body(work);
                discard(key);
                return Err(full.into());
            }
        };
        let control = Arc::new(Control::queued());
        let seat = Seat::in_line(self, attempt.slot, attempt.epoch, key, &control)?;
        let kept = attempt.keep(self.span(about, attempt));
        Ok(Begun::Later(Box::new(Job::new(self, about, kept, control, place, Some(seat)))))
    }

    /// Makes the reply (`ran` is `None` when the body panicked), commits, and gives the lane back.
    #[inline]
    fn end(
        &self,
        work: &mut dyn AnyWork<R>,
        about: About,
        ran: Option<Change<R>>,
        attempt: &Attempt<'_, R>,
        grip: Option<Grip<R>>,
    ) -> Begun<R> {
        let is_exclusive = |grip: &Grip<R>| grip.claim.turn.is_some();
        let keep = attempt.keeps_receipt && grip.as_ref().is_some_and(is_exclusive);
        let concluded = conclude(work, ran, grip.as_ref().map(|grip| &grip.key), keep);
        self.note(&concluded.outcome, about.name, attempt.ask.id);
        let Some(Grip { slot, key, claim }) = grip.filter(is_exclusive) else { return Begun::Ready(concluded.outcome) };
        let Conclusion { outcome, change, told } = in_time(concluded, Instant::now(), attempt.deadline);
        let receipt = self.receipt(&attempt.asked(), told);
        match self.settle(slot, &key, claim, Stand::InPlace, change, receipt) {
            Settled::Now(settled) => Begun::Ready(agreed(outcome, settled)),
            Settled::Later(pledge) => Begun::Pledged(pledge, outcome),
        }
    }
}

/// A result that comes after the deadline is discarded.
pub(super) fn in_time<R>(concluded: Conclusion<R>, ended: Instant, deadline: Instant) -> Conclusion<R> {
    if ended < deadline || !concluded.outcome.tells() {
        return concluded;
    }
    discard(concluded);
    Conclusion::nothing(Outcome::DeadlineExceeded { started: true })
}

/// What the caller hears: the command's own word only if the slot was still this node's.
pub(super) fn agreed(outcome: Outcome, settled: Decided) -> Outcome {
    match settled {
        Err(refused) if outcome.tells() => refused.widen(),
        _ => outcome,
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
