//! A lane: one long stream that carries the requests of many callers, and their replies back.
//!
//! Many small frames go into one write and one packet: that is where the speed comes from. A caller only appends to the lane's
//! buffer and wakes the lane's pump, which takes the whole buffer as one chunk. There is no task and no timer for a
//! single request.
//!
//! A request that ends before the pump has taken it is never sent, so that its caller may be told so. One that was taken may reach the peer
//! long after its deadline, when the connection or the peer stood still meanwhile; stamps between the requests let the peer see
//! that, and not run it.

mod answer;
mod budget;
pub(super) mod inbound;
mod intake;
mod lag;
pub(super) mod outbound;
mod pending;
mod pile;
mod replier;
mod ring;
pub(super) mod solo;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::answer::{LinkError, Reply};
pub(super) use self::intake::{FRAMES_PER_TURN, Intake, Turn};
pub(crate) use self::pending::Pending;
use self::pile::Pile;
pub(super) use self::replier::Replies;
pub(crate) use self::replier::{Replier, ReplySlot, Ticket};
use self::ring::Ring;
use self::solo::Solo;
pub(super) use self::solo::Soloist;
use crate::wire::frame::{Body, CANCEL_BYTES, Frame, Request, STAMP_BYTES_MAX, put_cancel, put_stamp};
use crate::wire::limits::{COMMAND_BYTES_MAX, LARGE_FRAME, STAMP_EVERY};

/// The requests of one lane that may wait for an answer. At a millisecond each, that is four million a second.
pub(crate) const WAITING_MAX: usize = 4096;

/// The bytes that may wait in one lane for the pump: the commands of [`WAITING_MAX`] callers at one KiB. Beyond it,
/// callers are told `Full` at once rather than made to wait behind a peer that does not read.
pub(crate) const OUT_BYTES_MAX: usize = 4 << 20;

/// The caller's side of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    state: Mutex<State>,
    sweeper: Arc<Notify>,
    soloist: Soloist,
    /// The load that the peer stated last, on whichever lane.
    load: Arc<AtomicU16>,
    number: u8,
}

#[derive(Debug)]
struct State {
    out: Pile,
    /// Whether a request in `out` is over already. It must not be sent: its caller may have been told that it never was.
    stale: bool,
    pump: Option<Waker>,
    waiting: Ring<Waiting>,
    /// How many requests were made, and how many of them the stream has been given.
    made: u64,
    handed: u64,
    /// What the stamps count from.
    begun: Instant,
    /// A request that was made no earlier than this has a stamp in front.
    stamp_at: Instant,
    /// When the sweeper looks at this lane next.
    sweep_at: Option<Instant>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    stage: Stage,
    /// How many were made before it. Not the number that it travels under, which begins anew while some wait for long.
    made_after: u64,
    /// For a request that goes alone. It counts as sent from the start, since it does not wait for the pump.
    solo: Option<Solo>,
}

impl Waiting {
    /// Whether it may have reached the peer, when the stream has been given that many.
    fn is_sent(&self, handed: u64) -> bool {
        self.made_after < handed || self.solo.is_some()
    }
}

#[derive(Debug)]
enum Stage {
    /// Not answered; who wants to know.
    Asked(Option<Waker>),
    /// Over, and not fetched yet.
    Ended(Result<Reply, LinkError>),
}

impl Lane {
    pub(super) fn new(number: u8, sweeper: Arc<Notify>, soloist: Soloist, load: Arc<AtomicU16>) -> Self {
        let begun = Instant::now();
        let state = State {
            out: Pile::default(),
            stale: false,
            pump: None,
            waiting: Ring::new(WAITING_MAX),
            made: 0,
            handed: 0,
            begun,
            stamp_at: begun,
            sweep_at: None,
            closed: false,
        };
        Self { state: Mutex::new(state), sweeper, soloist, load, number }
    }

    /// Sends a request whose remaining time counts to the deadline, and wakes the task when there is an answer. What comes back is
    /// polled for it and takes the request back when it is dropped.
    #[inline]
    pub(super) fn request(
        self: &Arc<Self>,
        request: &Request<'_>,
        deadline: Instant,
        task: &Waker,
    ) -> Result<Pending, LinkError> {
        let bytes = request.frame_bytes_max();
        // Cloned before the lock is taken: it may be the user's own.
        let stage = Stage::Asked(Some(task.clone()));
        if bytes > LARGE_FRAME {
            return self.request_alone(request, deadline, stage);
        }
        let mut state = self.lock();
        if state.closed {
            return Err(LinkError::Lost { sent: false });
        }
        // Asked here, so that the waker is not dropped under the lock.
        if state.waiting.is_full() || state.out.len().saturating_add(bytes) > OUT_BYTES_MAX {
            return Err(LinkError::Full);
        }
        let number = state.wait(deadline, stage, None)?;
        state.stamp(deadline, request.remaining);
        request.put(state.out.space(bytes), number);
        let sweep = state.is_sooner(deadline);
        let pump = state.pump.take();
        drop(state);
        pump.into_iter().for_each(Waker::wake);
        if sweep {
            self.sweeper.notify_one();
        }
        Ok(Pending::new(self.clone(), number))
    }

    /// Sends a request that would hold up the others on a stream of its own.
    #[cold]
    fn request_alone(
        self: &Arc<Self>,
        request: &Request<'_>,
        deadline: Instant,
        stage: Stage,
    ) -> Result<Pending, LinkError> {
        if request.key.len().saturating_add(request.arguments.len()) > COMMAND_BYTES_MAX {
            return Err(LinkError::TooLarge);
        }
        let budget = self.soloist.reserve(request.frame_bytes_max()).ok_or(LinkError::Full)?;
        let mut state = self.lock();
        if state.closed {
            return Err(LinkError::Lost { sent: false });
        }
        if state.waiting.is_full() {
            return Err(LinkError::Full);
        }
        let (solo, stop) = Solo::new();
        let number = state.wait(deadline, stage, Some(solo))?;
        let sweep = state.is_sooner(deadline);
        drop(state);
        let mut frame = Vec::new();
        request.put(&mut frame, number);
        let lane = self.clone();
        let failed = move || lane.end(number, LinkError::Lost { sent: false });
        self.soloist.request(self.number, frame, budget, stop, failed);
        if sweep {
            self.sweeper.notify_one();
        }
        Ok(Pending::new(self.clone(), number))
    }

    fn has_out(&self) -> bool {
        !self.lock().out.is_empty()
    }

    /// Takes everything that is to be written, or leaves word whom to wake when there is something.
    fn poll_out(&self, into: &mut VecDeque<Bytes>, task: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.stale {
            state.drop_stale();
        }
        if state.out.is_empty() {
            if !state.pump.as_ref().is_some_and(|pump| pump.will_wake(task.waker())) {
                state.pump = Some(task.waker().clone());
            }
            return Poll::Pending;
        }
        state.handed = state.made;
        state.out.drain_into(into);
        Poll::Ready(())
    }

    /// Hands replies to those who wait. One that nobody waits for any more is dropped.
    pub(super) fn complete(&self, replies: &mut Vec<(u32, Reply)>, wakers: &mut Vec<Waker>) {
        if let Some((_, latest)) = replies.last() {
            self.load.store(latest.head.load, Ordering::Relaxed);
        }
        let mut state = self.lock();
        for (number, reply) in replies.drain(..) {
            if let Some(waiting) = state.waiting.get_mut(number)
                && let Stage::Asked(waker) = &mut waiting.stage
            {
                wakers.extend(waker.take());
                waiting.stage = Stage::Ended(Ok(reply));
            }
        }
        drop(state);
        wakers.drain(..).for_each(Waker::wake);
    }

    /// Ends what is over its deadline, and tells the peer to stop what it was sent. Says when to come again.
    pub(super) fn sweep(&self, now: Instant) -> Option<Instant> {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let State { out, stale, waiting, handed, .. } = &mut *state;
        let mut earliest: Option<Instant> = None;
        for (number, waiting) in waiting.iter_mut() {
            let Stage::Asked(waker) = &mut waiting.stage else { continue };
            if waiting.deadline > now {
                earliest = Some(earliest.map_or(waiting.deadline, |earliest| earliest.min(waiting.deadline)));
                continue;
            }
            wakers.extend(waker.take());
            let sent = waiting.is_sent(*handed);
            waiting.stage = Stage::Ended(Err(LinkError::DeadlinePassed { sent }));
            waiting.solo = None;
            if sent {
                put_cancel(out.space(CANCEL_BYTES), number);
            } else {
                *stale = true;
            }
        }
        state.sweep_at = earliest;
        if !state.out.is_empty() {
            wakers.extend(state.pump.take());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        earliest
    }

    /// Ends a request that has no answer yet.
    fn end(&self, number: u32, error: LinkError) {
        let mut state = self.lock();
        let waker = match state.waiting.get_mut(number) {
            Some(Waiting { stage: stage @ Stage::Asked(_), .. }) => {
                match std::mem::replace(stage, Stage::Ended(Err(error))) {
                    Stage::Asked(waker) => waker,
                    Stage::Ended(_) => None,
                }
            }
            _ => None,
        };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Ends everything: the stream is gone.
    pub(super) fn fail(&self) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        state.closed = true;
        state.out = Pile::default();
        let handed = state.handed;
        for (_, waiting) in state.waiting.iter_mut() {
            let sent = waiting.is_sent(handed);
            if let Stage::Asked(waker) = &mut waiting.stage {
                wakers.extend(waker.take());
                waiting.stage = Stage::Ended(Err(LinkError::Lost { sent }));
                waiting.solo = None;
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn poll_end(&self, number: u32, task: &mut Context<'_>) -> Poll<Result<Reply, LinkError>> {
        // A waker may be the user's own: it is cloned before the lock is taken, and the former one dropped when it is open again.
        let mut waker = None;
        let mut state = self.lock();
        if state.is_asked_by_another(number, task.waker()) {
            drop(state);
            waker = Some(task.waker().clone());
            state = self.lock();
        }
        match state.waiting.get_mut(number) {
            Some(Waiting { stage: Stage::Asked(asks), .. }) => {
                if waker.is_some() {
                    std::mem::swap(asks, &mut waker);
                }
                Poll::Pending
            }
            _ => match state.waiting.remove(number).map(|waiting| waiting.stage) {
                Some(Stage::Ended(end)) => Poll::Ready(end),
                _ => Poll::Ready(Err(LinkError::Lost { sent: true })),
            },
        }
    }

    /// The caller has lost interest.
    fn forget(&self, number: u32) {
        // Dropped when the lock is open again: its waker may be the user's own.
        let waiting;
        let mut state = self.lock();
        waiting = state.waiting.remove(number);
        let Some(waiting) = &waiting else { return };
        if state.closed || matches!(waiting.stage, Stage::Ended(_)) {
            return;
        }
        if !waiting.is_sent(state.handed) {
            state.stale = true;
            return;
        }
        put_cancel(state.out.space(CANCEL_BYTES), number);
        let pump = state.pump.take();
        drop(state);
        pump.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, save for want of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a request has no answer yet, and another waker than this one is to be woken with it.
    fn is_asked_by_another(&mut self, number: u32, waker: &Waker) -> bool {
        match self.waiting.get_mut(number) {
            Some(Waiting { stage: Stage::Asked(asks), .. }) => !asks.as_ref().is_some_and(|asks| asks.will_wake(waker)),
            _ => false,
        }
    }

    fn wait(&mut self, deadline: Instant, stage: Stage, solo: Option<Solo>) -> Result<u32, LinkError> {
        let waiting = Waiting { deadline, stage, made_after: self.made, solo };
        let number = self.waiting.insert(waiting).ok_or(LinkError::Full)?;
        self.made = self.made.wrapping_add(1);
        Ok(number)
    }

    /// Puts a stamp in front of a request that was made long enough after the last one.
    #[inline]
    fn stamp(&mut self, deadline: Instant, remaining: Duration) {
        match deadline.checked_sub(remaining) {
            Some(made) if made >= self.stamp_at => {
                put_stamp(self.out.space(STAMP_BYTES_MAX), made.saturating_duration_since(self.begun));
                self.stamp_at = made.checked_add(STAMP_EVERY).unwrap_or(made);
            }
            _ => {}
        }
    }

    /// Takes the requests that nobody waits for any more out of what is to be written.
    #[cold]
    fn drop_stale(&mut self) {
        let Self { out, stale, waiting, .. } = self;
        *stale = false;
        out.retain(|frame| match Frame::read(frame) {
            Ok(Frame { correlation, body: Body::Request(_) }) => {
                waiting.get_mut(correlation).is_some_and(|waiting| matches!(waiting.stage, Stage::Asked(_)))
            }
            _ => true,
        });
    }

    /// Notes the deadline; whether the sweeper must come sooner for it than it meant to.
    fn is_sooner(&mut self, deadline: Instant) -> bool {
        let sooner = self.sweep_at.is_none_or(|at| deadline < at);
        if sooner {
            self.sweep_at = Some(deadline);
        }
        sooner
    }
}
