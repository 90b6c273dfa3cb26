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
use super::seat::Seat;
use super::shelf::{Change, Found, Settled};
use super::work::{About, AnyWork, Conclusion, Step, again, conclude, drop_body, drop_body_within, poll, start};
use crate::id::Epoch;
use crate::resource::{KeyText, Kind, Resource};
use crate::rules::Rule;

/// By how much a wall clock is set back where a test has deadlines kept by one: longer than anybody waits there.
const SET_BACK: Duration = Duration::from_secs(60);

/// What a command holds on to that has to be driven, while it waits and while it runs. Dropping it lets go of everything and commits
/// nothing.
#[must_use = "a command that waits must be driven"]
pub(super) struct Job<R: Resource> {
    about: About,
    // The seat goes before the place.
    /// `None` for an action.
    seat: Option<Seat<R>>,
    /// Of an action.
    _guest: Option<Guest>,
    stay: Stay,
    host: Arc<Host<R>>,
}

/// What is the same for every resource: its waiting is compiled once, and not for each of them.
struct Stay {
    kept: Kept,
    control: Arc<Control>,
    place: Place,
    /// When it is ended, whatever it waits for.
    ends_at: Instant,
}

/// A command that has to be driven, with what it holds.
#[must_use = "a command that waits must be driven"]
pub(super) struct Task<R: Resource, W> {
    // The body goes before what it holds: nobody gets the lane while the body lives.
    work: W,
    job: Job<R>,
}

impl<R: Resource, W: AnyWork<R>> Task<R, W> {
    /// Drives the command to its end, and gives back what its caller gets.
    pub(super) async fn drive(mut self) -> (Outcome, W) {
        let (outcome, settled) = self.job.drive(&mut self.work).await;
        let Self { work, job } = self;
        let ends_at = job.stay.ends_at;
        // What waits for a record holds up nobody.
        drop(job);
        (settle(outcome, settled, ends_at).await, work)
    }
}

/// How a command ended: at once, or as its record is decided.
type Ended = (Outcome, Settled);

impl<R: Resource> Job<R> {
    pub(super) fn new(
        host: &Arc<Host<R>>,
        about: About,
        kept: Kept,
        control: Arc<Control>,
        place: Place,
        seat: Option<Seat<R>>,
    ) -> Self {
        let set_back = if host.setting.rules.keeps(Rule::Deadline) { Duration::ZERO } else { SET_BACK };
        let ends_at = kept.deadline + set_back;
        let guest = seat.is_none().then(|| host.guests.enter(&control));
        let host = Arc::clone(host);
        Self { about, seat, _guest: guest, stay: Stay { kept, control, place, ends_at }, host }
    }

    /// What stops it from outside.
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.stay.control
    }

    /// The same with the command that holds it.
    pub(super) fn with<W: AnyWork<R>>(self, work: W) -> Task<R, W> {
        Task { work, job: self }
    }

    /// Waits and starts, unless the body has been polled before, and polls it to its end.
    async fn drive(&mut self, work: &mut dyn AnyWork<R>) -> Ended {
        if !work.is_flying() {
            if let Err(refused) = self.stay.granted().await {
                drop_body(work);
                return refuse(refused);
            }
            if let Some(ended) = self.begin(work) {
                return ended;
            }
        }
        let mut ran = None;
        let flown = self.stay.flown(&mut |span, task| poll(work, span, task).map(|end| ran = end)).await;
        match flown {
            Ok(()) => self.end(work, ran),
            Err(refused) => {
                drop_body_within(work, &self.stay.kept.span);
                refuse(refused)
            }
        }
    }

    /// Starts the body when its turn has come; if it ends at once, or must not start, says how.
    fn begin(&mut self, work: &mut dyn AnyWork<R>) -> Option<Ended> {
        let (epoch, state) = match self.may_start() {
            Ok(Found::State(epoch, state)) => (epoch, state),
            Ok(Found::Told(told)) => {
                let kept = &self.stay.kept;
                self.host.note_receipt(self.about.name, kept.asked.ask.id, kept.attempt);
                drop_body(work);
                return Some((again(work, told), Settled::Now(Ok(()))));
            }
            Err(refused) => {
                drop_body(work);
                return Some(refuse(refused));
            }
        };
        match self.start(work, epoch, state) {
            Some(Step::Flying) => None,
            ended => Some(self.end(work, ended.and_then(Step::ran))),
        }
    }

    /// Starts the body; `None` when it panicked.
    fn start(&self, work: &mut dyn AnyWork<R>, epoch: Epoch, state: Option<Arc<R>>) -> Option<Step<R>> {
        let key = self.seat.as_ref().map(|seat| &seat.key);
        let kept = &self.stay.kept;
        let invocation = kept.invocation(&self.host.setting.origin, key.map(|key| key as &dyn KeyText), epoch);
        start(work, &kept.span, state, key, &invocation)
    }

    /// What the body is to be started on.
    fn may_start(&self) -> Result<Found<R>, Refused> {
        if Instant::now() >= self.stay.kept.deadline {
            return Err(Refused::DeadlineExceeded { started: false });
        }
        let found = match &self.seat {
            Some(seat) => seat.turn(self.about.kind, &self.stay.kept.asked)?,
            None => Found::State(Epoch::ZERO, None),
        };
        if let Found::Told(_) = &found {
            return Ok(found);
        }
        self.stay.control.start().map_err(|stop| stop.outcome(false))?;
        Ok(found)
    }

    /// Makes the reply (`ran` is `None` when the body panicked), commits, and lets go of the slot. With a pledge the commit is yet to be
    /// acknowledged.
    fn end(&mut self, work: &mut dyn AnyWork<R>, ran: Option<Change<R>>) -> Ended {
        let Self { about, seat, stay: Stay { kept, .. }, host, .. } = self;
        let seat = seat.take();
        let key = seat.as_ref().map(|seat| &seat.key);
        let exclusive = seat.is_some() && about.kind != Kind::Read;
        let keep = exclusive && kept.asked.ends.is_some();
        let concluded = conclude(work, ran, key, keep);
        host.note(&concluded.outcome, about.name, kept.asked.ask.id);
        let Conclusion { outcome, change, told } = in_time(concluded, Instant::now(), kept.deadline);
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

/// How a command ends that is not started, or was stopped.
fn refuse(refused: Refused) -> Ended {
    (refused.widen(), Settled::Now(Ok(())))
}

/// What the caller hears: with a pledge when that is decided, or when the time is over before. A record that is under way then stands.
async fn settle(outcome: Outcome, settled: Settled, ends_at: Instant) -> Outcome {
    let decided = match settled {
        Settled::Now(decided) => Ok(decided),
        Settled::Later(pledge) => timeout_at(ends_at, pledge.decided()).await,
    };
    decided.map_or(Outcome::DeadlineExceeded { started: true }, |decided| agreed(outcome, decided))
}
