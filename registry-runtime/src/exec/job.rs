//! A command that could not end where it began: it waits, or it runs in its own time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::attempt::Kept;
use super::begin::{agreed, in_time};
use super::control::{Control, Stop};
use super::door::Place;
use super::host::Host;
use super::outcome::{Outcome, Refused};
use super::pledge::Pledge;
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

enum Stage<R: Resource, A, T, E> {
    Waiting(A),
    Running(Flight<R, T, E>),
}

/// What a command holds on to while it waits and while it runs.
struct Hold<R: Resource, A: 'static, T: 'static, E: 'static> {
    command: &'static Command<R, A, T, E>,
    kept: Kept,
    control: Arc<Control>,
    /// `None` for an action.
    seat: Option<Seat<R>>,
    place: Place,
    host: Arc<Host<R>>,
}

impl<R: Resource, A, T, E> Job<R, A, T, E> {
    /// A command that has not been started.
    pub(super) fn waiting(
        host: &Arc<Host<R>>,
        command: &'static Command<R, A, T, E>,
        kept: Kept,
        control: Arc<Control>,
        place: Place,
        seat: Option<Seat<R>>,
        args: A,
    ) -> Self {
        let host = Arc::clone(host);
        Self { stage: Stage::Waiting(args), hold: Hold { command, kept, control, seat, place, host } }
    }

    /// A command that has been polled once.
    pub(super) fn running(
        host: &Arc<Host<R>>,
        command: &'static Command<R, A, T, E>,
        kept: Kept,
        control: Arc<Control>,
        place: Place,
        seat: Option<Seat<R>>,
        flight: Flight<R, T, E>,
    ) -> Self {
        let host = Arc::clone(host);
        Self { stage: Stage::Running(flight), hold: Hold { command, kept, control, seat, place, host } }
    }

    /// What stops it from outside.
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.hold.control
    }

    /// Drives it to its end.
    pub(super) async fn drive<S: Reply<T, E>>(self, reply: &mut S) -> Outcome<S::Done, S::Rejected> {
        let Self { stage, mut hold } = self;
        let flight = match stage {
            Stage::Running(flight) => flight,
            Stage::Waiting(args) => {
                let found = match hold.wait().await {
                    Ok(()) => hold.may_start(),
                    Err(refused) => Err(refused),
                };
                let (epoch, state) = match found {
                    Ok(Found::State(epoch, state)) => (epoch, state),
                    Ok(Found::Told(told)) => {
                        hold.host.note_receipt(hold.command.name, hold.kept.asked.ask.id, hold.kept.attempt);
                        discard(args);
                        return reply.again(told);
                    }
                    Err(refused) => {
                        discard(args);
                        return refused.widen();
                    }
                };
                match hold.start(epoch, state, args) {
                    Some(Work::Flying(flight)) => flight,
                    Some(Work::Ran(ran)) => return hold.end(Some(ran), reply).await,
                    None => return hold.end(None, reply).await,
                }
            }
        };
        match hold.fly(flight).await {
            Ok(ran) => hold.end(ran, reply).await,
            Err(refused) => refused.widen(),
        }
    }
}

impl<R: Resource, A, T, E> Hold<R, A, T, E> {
    /// Waits for the lane and then for a place to run.
    async fn wait(&mut self) -> Result<(), Refused> {
        let deadline = pin!(sleep_until(self.ends_at()));
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

    /// When it is ended, whatever it waits for.
    fn ends_at(&self) -> Instant {
        let set_back = if self.host.setting.rules.keeps(Rule::Deadline) { Duration::ZERO } else { SET_BACK };
        self.kept.deadline + set_back
    }

    /// Starts the body; `None` when it panicked.
    fn start(&self, epoch: Epoch, state: Option<Arc<R>>, args: A) -> Option<Work<R, T, E>> {
        let key = self.seat.as_ref().map(|seat| &seat.key);
        let invocation = self.kept.invocation(&self.host.setting.origin, key.map(|key| key as &dyn KeyText), epoch);
        self.kept.span.in_scope(|| Work::start(&self.command.run, state, key, args, &invocation))
    }

    /// What the body is to be started on.
    fn may_start(&self) -> Result<Found<R>, Refused> {
        if Instant::now() >= self.kept.deadline {
            return Err(Refused::DeadlineExceeded { started: false });
        }
        let found = match &self.seat {
            Some(seat) => seat.turn(self.command.kind(), &self.kept.asked)?,
            None => Found::State(Epoch::ZERO, None),
        };
        if let Found::Told(_) = &found {
            return Ok(found);
        }
        self.control.start().map_err(|stop| stop.outcome(false))?;
        Ok(found)
    }

    /// Polls the body to its end, unless something ends it before; `None` when it panicked.
    async fn fly(&self, mut flight: Flight<R, T, E>) -> Result<Option<Ran<R, T, E>>, Refused> {
        let deadline = pin!(sleep_until(self.ends_at()));
        let flown = tokio::select! {
            biased;
            stop = self.control.stopped() => Err(stop.outcome(true)),
            () = deadline => Err(Refused::DeadlineExceeded { started: true }),
            ran = poll_fn(|task| self.kept.span.in_scope(|| flight.poll(task))) => Ok(ran),
        };
        self.kept.span.in_scope(|| discard(flight));
        flown
    }

    /// Makes the reply, commits, and lets go of everything; then waits until the commit is acknowledged, if it has to be.
    async fn end<S: Reply<T, E>>(self, ran: Option<Ran<R, T, E>>, reply: &mut S) -> Outcome<S::Done, S::Rejected> {
        let ends_at = self.ends_at();
        let Self { command, kept, seat, place, host, .. } = self;
        let key = seat.as_ref().map(|seat| &seat.key);
        let exclusive = seat.is_some() && command.kind() != Kind::Read;
        let keep = exclusive && kept.asked.ends.is_some();
        let concluded = in_time(conclude(ran, key, reply, keep), Instant::now(), kept.deadline);
        let Conclusion { outcome, change, told } = concluded;
        let settled = match seat {
            // A read showed the state of the moment at which it looked, when the slot was open and the lease held.
            Some(seat) if exclusive => seat.settle(change, host.receipt(&kept.asked, told)),
            _ => {
                debug_assert!(matches!(change, Change::Keep), "only exclusive commands change anything");
                return outcome;
            }
        };
        drop(place);
        match settled {
            Settled::Now(settled) => agreed(outcome, settled),
            Settled::Later(pledge) => acknowledged(outcome, pledge, ends_at).await,
        }
    }
}

/// Waits until a record is decided, and says how its command has ended. A record that is under way when the time is over stands.
async fn acknowledged<D, J>(outcome: Outcome<D, J>, pledge: Pledge, ends_at: Instant) -> Outcome<D, J> {
    match timeout_at(ends_at, pledge.decided()).await {
        Ok(decided) => agreed(outcome, decided),
        Err(_) => {
            discard(outcome);
            Outcome::DeadlineExceeded { started: true }
        }
    }
}
