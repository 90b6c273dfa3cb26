//! A command that could not end where it began: it waits, or it runs in its own time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Span;

use super::attempt::Kept;
use super::begin::{agreed, in_time};
use super::control::{Control, Stop};
use super::door::Place;
use super::guests::Guest;
use super::host::Host;
use super::outcome::{Outcome, Refused};
use super::pledge::{Decided, Pledge};
use super::reply::Reply;
use super::seat::Seat;
use super::shelf::{Change, Found, Settled};
use super::work::{Conclusion, Flight, Ran, Work, conclude, discard};
use crate::id::Epoch;
use crate::resource::{Command, KeyText, Kind, Resource};
use crate::rules::Rule;

/// By how much a wall clock is set back where a test has deadlines kept by one: longer than anybody waits there.
const SET_BACK: Duration = Duration::from_secs(60);

/// A command that has to be driven. Dropping it lets go of everything and commits nothing.
#[must_use = "a command that waits must be driven"]
pub(super) struct Job<R: Resource, A: 'static, T: 'static, E: 'static> {
    // The body goes before the seat and the seat before the place: nobody gets the lane while the body lives.
    stage: Stage<R, A, T, E>,
    hold: Hold<R, A, T, E>,
}

/// How far a command is that has to be driven.
pub(super) enum Stage<R: Resource, A, T, E> {
    /// It has not been started.
    Waiting(A),
    /// It has been polled once.
    Running(Flight<R, T, E>),
}

/// What a command holds on to while it waits and while it runs.
struct Hold<R: Resource, A: 'static, T: 'static, E: 'static> {
    command: &'static Command<R, A, T, E>,
    /// `None` for an action.
    seat: Option<Seat<R>>,
    /// Of an action.
    _guest: Option<Guest>,
    stay: Stay,
    host: Arc<Host<R>>,
}

/// What is the same for every command: its waiting is compiled once, and not for each command of an application.
struct Stay {
    kept: Kept,
    control: Arc<Control>,
    place: Place,
    /// When it is ended, whatever it waits for.
    ends_at: Instant,
}

/// How a command ended: at once, or as its record is decided.
type Ended<D, J> = (Outcome<D, J>, Settled);

/// [`Ended`], with the types that follow from the reply.
type EndedFor<T, E, S> = Ended<<S as Reply<T, E>>::Done, <S as Reply<T, E>>::Rejected>;

impl<R: Resource, A, T, E> Job<R, A, T, E> {
    pub(super) fn new(
        host: &Arc<Host<R>>,
        command: &'static Command<R, A, T, E>,
        kept: Kept,
        control: Arc<Control>,
        place: Place,
        seat: Option<Seat<R>>,
        stage: Stage<R, A, T, E>,
    ) -> Self {
        let set_back = if host.setting.rules.keeps(Rule::Deadline) { Duration::ZERO } else { SET_BACK };
        let ends_at = kept.deadline + set_back;
        let guest = seat.is_none().then(|| host.guests.enter(&control));
        let host = Arc::clone(host);
        Self { stage, hold: Hold { command, seat, _guest: guest, stay: Stay { kept, control, place, ends_at }, host } }
    }

    /// What stops it from outside.
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.hold.stay.control
    }

    /// Drives it to its end.
    pub(super) async fn drive<S: Reply<T, E>>(self, reply: &mut S) -> Outcome<S::Done, S::Rejected>
    where
        T: Send,
        E: Send,
    {
        let Self { stage, mut hold } = self;
        let ends_at = hold.stay.ends_at;
        let begun = match stage {
            Stage::Running(flight) => Ok(flight),
            Stage::Waiting(args) => match hold.stay.granted().await {
                Ok(()) => hold.begin(args, reply),
                Err(refused) => Err(refuse(refused, args)),
            },
        };
        let (outcome, settled) = match begun {
            Ok(mut flight) => {
                let mut ran = None;
                let flown = hold.stay.flown(&mut |span, task| flight.poll(span, task).map(|end| ran = end)).await;
                hold.land(flown.map(|()| ran), flight, reply)
            }
            Err(ended) => ended,
        };
        // What waits for a record holds up nobody.
        drop(hold);
        match settled {
            Settled::Now(settled) => agreed(outcome, settled),
            Settled::Later(pledge) => match decided_by(pledge, ends_at).await {
                Some(decided) => agreed(outcome, decided),
                None => {
                    discard(outcome);
                    Outcome::DeadlineExceeded { started: true }
                }
            },
        }
    }
}

impl<R: Resource, A, T, E> Hold<R, A, T, E> {
    /// Starts the body when its turn has come; if it ends at once, or must not start, says how.
    fn begin<S: Reply<T, E>>(&mut self, args: A, reply: &mut S) -> Result<Flight<R, T, E>, EndedFor<T, E, S>> {
        let (epoch, state) = match self.may_start() {
            Ok(Found::State(epoch, state)) => (epoch, state),
            Ok(Found::Told(told)) => {
                let kept = &self.stay.kept;
                self.host.note_receipt(self.command.name, kept.asked.ask.id, kept.attempt);
                discard(args);
                return Err((reply.again(told), Settled::Now(Ok(()))));
            }
            Err(refused) => return Err(refuse(refused, args)),
        };
        match self.start(epoch, state, args) {
            Some(Work::Flying(flight)) => Ok(flight),
            Some(Work::Ran(ran)) => Err(self.end(Some(ran), reply)),
            None => Err(self.end(None, reply)),
        }
    }

    /// Starts the body; `None` when it panicked.
    fn start(&self, epoch: Epoch, state: Option<Arc<R>>, args: A) -> Option<Work<R, T, E>> {
        let key = self.seat.as_ref().map(|seat| &seat.key);
        let kept = &self.stay.kept;
        let invocation = kept.invocation(&self.host.setting.origin, key.map(|key| key as &dyn KeyText), epoch);
        Work::start(&kept.span, &self.command.run, state, key, args, &invocation)
    }

    /// What the body is to be started on.
    fn may_start(&self) -> Result<Found<R>, Refused> {
        if Instant::now() >= self.stay.kept.deadline {
            return Err(Refused::DeadlineExceeded { started: false });
        }
        let found = match &self.seat {
            Some(seat) => seat.turn(self.command.kind(), &self.stay.kept.asked)?,
            None => Found::State(Epoch::ZERO, None),
        };
        if let Found::Told(_) = &found {
            return Ok(found);
        }
        self.stay.control.start().map_err(|stop| stop.outcome(false))?;
        Ok(found)
    }

    /// Ends a body that was polled to its end (`None`: it panicked) or stopped before.
    fn land<S: Reply<T, E>>(
        &mut self,
        flown: Result<Option<Ran<R, T, E>>, Refused>,
        flight: Flight<R, T, E>,
        reply: &mut S,
    ) -> EndedFor<T, E, S> {
        self.stay.kept.span.in_scope(|| discard(flight));
        match flown {
            Ok(ran) => self.end(ran, reply),
            Err(refused) => (refused.widen(), Settled::Now(Ok(()))),
        }
    }

    /// Makes the reply, commits, and lets go of the slot. With a pledge the commit is yet to be acknowledged.
    fn end<S: Reply<T, E>>(&mut self, ran: Option<Ran<R, T, E>>, reply: &mut S) -> EndedFor<T, E, S> {
        let Self { command, seat, stay: Stay { kept, .. }, host, .. } = self;
        let seat = seat.take();
        let key = seat.as_ref().map(|seat| &seat.key);
        let exclusive = seat.is_some() && command.kind() != Kind::Read;
        let keep = exclusive && kept.asked.ends.is_some();
        let concluded = host.noted(conclude(ran, key, reply, keep), command.name, kept.asked.ask.id);
        let concluded = in_time(concluded, Instant::now(), kept.deadline);
        let Conclusion { outcome, change, told } = concluded;
        let settled = match seat {
            // A read showed the state of the moment at which it looked, when the slot was open and the lease held.
            Some(seat) if exclusive => seat.settle(change, host.receipt(&kept.asked, told)),
            _ => {
                debug_assert!(matches!(change, Change::Keep), "only exclusive commands change anything");
                Settled::Now(Ok(()))
            }
        };
        (outcome, settled)
    }
}

impl Stay {
    /// Waits for the lane and then for a place to run.
    async fn granted(&mut self) -> Result<(), Refused> {
        let deadline = pin!(sleep_until(self.ends_at));
        let (control, place) = (&self.control, &mut self.place);
        let granted = async {
            control.turn().await?;
            if !place.ask(control) {
                control.place().await?;
                place.began();
            }
            Ok(())
        };
        tokio::select! {
            biased;
            granted = granted => granted.map_err(|stop: Stop| stop.outcome(false)),
            () = deadline => Err(Refused::DeadlineExceeded { started: false }),
        }
    }

    /// Polls a body to its end, unless something ends it before.
    async fn flown(&self, body: &mut (dyn FnMut(&Span, &mut Context<'_>) -> Poll<()> + Send)) -> Result<(), Refused> {
        let deadline = pin!(sleep_until(self.ends_at));
        tokio::select! {
            biased;
            stop = self.control.stopped() => Err(stop.outcome(true)),
            () = deadline => Err(Refused::DeadlineExceeded { started: true }),
            () = poll_fn(|task| body(&self.kept.span, task)) => Ok(()),
        }
    }
}

/// How a command ends that is not started.
fn refuse<A, D, J>(refused: Refused, args: A) -> Ended<D, J> {
    discard(args);
    (refused.widen(), Settled::Now(Ok(())))
}

/// Waits until a record is decided, `None` when the time is over before. A record that is under way then stands.
async fn decided_by(pledge: Pledge, ends_at: Instant) -> Option<Decided> {
    timeout_at(ends_at, pledge.decided()).await.ok()
}
