//! Answering a request: at once, or later and from anywhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::pile::Pile;
use super::solo::Soloist;
use crate::codec::EncodeError;
use crate::id::LinkId;
use crate::telemetry;
use crate::wire::frame::{Body, Frame, LENGTH_BYTES, ReplyHead, put_reply};
use crate::wire::limits::{HEADER_BYTES_MAX, LARGE_FRAME, REPLY_BYTES_MAX};
use crate::wire::outcome::Outcome;

/// The bytes of replies that may wait in one lane. Lanes stop taking requests at a quarter of it, so only commands that were long
/// under way come so far; those beyond it end without their reply.
const OUT_BYTES_MAX: usize = 16 << 20;

/// The bytes of replies that may wait in one lane before the connection is given up: twice what honest peers can bring about. A
/// peer comes so far that sends large requests without end, past the lane, and does not read.
const OUT_BYTES_HOPELESS: usize = 2 * OUT_BYTES_MAX;

/// The bytes of replies that may wait in one lane before it stops taking requests.
const OUT_BYTES_FULL: usize = 4 << 20;

/// The requests of one lane that may be under way here: twice what a caller lets wait, since those that it has given up
/// count here until they end.
const UNDER_WAY_MAX: usize = 2 * super::WAITING_MAX;

/// The replies of one lane, on the side that answers.
#[derive(Debug)]
pub(in crate::transport) struct Replies {
    state: Mutex<State>,
    under_way: AtomicUsize,
    soloist: Soloist,
    link: LinkId,
    number: u8,
}

#[derive(Debug, Default)]
struct State {
    out: Pile,
    /// The bytes that the pump had taken and not written when it looked last.
    taken: usize,
    pump: Option<Waker>,
    closed: bool,
}

impl Replies {
    pub(in crate::transport) fn new(link: LinkId, number: u8, soloist: Soloist) -> Self {
        Self { state: Mutex::default(), under_way: AtomicUsize::new(0), soloist, link, number }
    }

    /// Whether all that was asked for is on its way.
    pub(in crate::transport) fn is_idle(&self) -> bool {
        let state = self.lock();
        let waits = !state.out.is_empty() || state.taken > 0;
        !waits && self.under_way.load(Ordering::Relaxed) == 0 && self.soloist.is_idle()
    }

    /// Moves what was answered later behind what was answered at once. Leaves word whom to wake for more.
    pub(super) fn collect(&self, out: &mut Pile, task: &Context<'_>) {
        let mut state = self.lock();
        out.append(&mut state.out);
        state.taken = out.len();
        if !state.pump.as_ref().is_some_and(|pump| pump.will_wake(task.waker())) {
            state.pump = Some(task.waker().clone());
        }
    }

    /// Whether the lane should take no more requests until some have been answered.
    pub(super) fn is_full(&self, out_bytes: usize) -> bool {
        out_bytes > OUT_BYTES_FULL || self.under_way.load(Ordering::Relaxed) >= UNDER_WAY_MAX || self.soloist.is_full()
    }

    /// Wakes the task when large replies have been sent; the others wake it anyway. Who has called this looks once more before it
    /// waits.
    pub(super) fn wait(&self, task: &Context<'_>) {
        self.soloist.wait(task);
    }

    /// The name of a request of this lane, but for its number.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { link: self.link, lane: self.number, correlation: 0 }
    }

    /// Takes no more replies: the stream is gone.
    pub(in crate::transport) fn close(&self) {
        let mut state = self.lock();
        *state = State { closed: true, ..State::default() };
    }

    /// Puts a frame into the lane, or sends it alone.
    pub(super) fn put(self: &Arc<Self>, frame: Vec<u8>) {
        if frame.is_empty() {
            return;
        }
        let Some(mut frame) = self.send_alone(frame) else { return };
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let waiting = state.out.len().saturating_add(state.taken);
        if waiting.saturating_add(frame.len()) > OUT_BYTES_MAX {
            frame = instead_of(&frame);
        }
        state.out.space(frame.len()).extend_from_slice(&frame);
        let pump = state.pump.take();
        drop(state);
        pump.into_iter().for_each(Waker::wake);
        if waiting > OUT_BYTES_HOPELESS {
            self.soloist.give_up();
        }
    }

    /// Sends a large frame alone; gives back what is to go on the lane.
    fn send_alone(self: &Arc<Self>, frame: Vec<u8>) -> Option<Vec<u8>> {
        if frame.len() <= LARGE_FRAME {
            return Some(frame);
        }
        let this = Arc::clone(self);
        let failed = move |frame: &[u8]| this.put(instead_of(frame));
        self.soloist.reply(self.number, frame, failed).err().map(|frame| instead_of(&frame))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names a request among all that a node has taken: what a cancellation names again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket {
    /// The connection.
    pub(crate) link: LinkId,
    /// The lane.
    pub(crate) lane: u8,
    /// The request's number on the lane.
    pub(crate) correlation: u32,
}

/// The place for the answer to a request that is being handled.
///
/// Answer in place, which is the fastest, or turn it into a [`Replier`]. Dropping it unanswered answers `Panicked`, so that
/// the caller does not wait in vain for a handler that has unwound.
#[derive(Debug)]
#[must_use = "dropping it answers `Panicked`"]
pub(crate) struct ReplySlot<'a> {
    out: &'a mut Pile,
    replies: &'a Arc<Replies>,
    correlation: u32,
    answered: bool,
}

impl<'a> ReplySlot<'a> {
    pub(super) fn new(out: &'a mut Pile, replies: &'a Arc<Replies>, correlation: u32) -> Self {
        Self { out, replies, correlation, answered: false }
    }

    /// The request's name in a cancellation.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket { link: self.replies.link, lane: self.replies.number, correlation: self.correlation }
    }

    /// Answers without a payload.
    pub(crate) fn answer(self, outcome: &Outcome, head: impl Into<ReplyHead>) {
        self.answer_bytes(outcome, head, &[]);
    }

    /// Answers with a payload that is encoded already; there is one with `Ok` and `Rejected`.
    #[inline]
    pub(crate) fn answer_bytes(self, outcome: &Outcome, head: impl Into<ReplyHead>, payload: &[u8]) {
        self.put(payload.len(), outcome, head.into(), |out| {
            out.extend_from_slice(payload);
            Ok(())
        });
    }

    /// Answers; `payload` appends what goes with `Ok` and `Rejected`.
    ///
    /// When it fails, or appends more than the limit, the answer is `BadReply`.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn answer_with(
        self,
        outcome: &Outcome,
        head: impl Into<ReplyHead>,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        self.put(0, outcome, head.into(), payload);
    }

    /// Puts the answer down, in a place for a payload of about so many bytes.
    #[inline]
    fn put(
        mut self,
        bytes: usize,
        outcome: &Outcome,
        head: ReplyHead,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        let out = self.out.space(HEADER_BYTES_MAX.saturating_add(bytes));
        let start = out.len();
        let mut frame = Partial { out, start };
        put_checked(frame.out, start, self.correlation, outcome, head, payload);
        frame.start = frame.out.len();
        self.answered = true;
        if frame.out.len().saturating_sub(start) > LARGE_FRAME {
            let alone = frame.out.split_off(start);
            if let Some(instead) = self.replies.send_alone(alone) {
                frame.out.extend_from_slice(&instead);
                frame.start = frame.out.len();
            }
        }
    }

    /// Takes the request away, to be answered later.
    pub(crate) fn later(mut self) -> Replier {
        self.answered = true;
        self.replies.under_way.fetch_add(1, Ordering::Relaxed);
        Replier { replies: self.replies.clone(), correlation: self.correlation, answered: false }
    }
}

impl Drop for ReplySlot<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let out = self.out.space(HEADER_BYTES_MAX);
            let start = out.len();
            put_checked(out, start, self.correlation, &Outcome::Panicked, 0.into(), |_| Ok(()));
        }
    }
}

/// The right and duty to answer one request, from any thread. Dropping it unanswered answers `Panicked`.
#[derive(Debug)]
#[must_use = "dropping it answers `Panicked`"]
pub(crate) struct Replier {
    replies: Arc<Replies>,
    correlation: u32,
    answered: bool,
}

impl Replier {
    /// The request's name in a cancellation.
    #[cfg(test)]
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket { link: self.replies.link, lane: self.replies.number, correlation: self.correlation }
    }

    /// Answers without a payload.
    #[cfg(test)]
    pub(crate) fn answer(self, outcome: &Outcome, head: impl Into<ReplyHead>) {
        self.answer_with(outcome, head, |_| Ok(()));
    }

    /// Answers; `payload` appends what goes with `Ok` and `Rejected`.
    ///
    /// When it fails, or appends more than the limit, the answer is `BadReply`.
    pub(crate) fn answer_with(
        mut self,
        outcome: &Outcome,
        head: impl Into<ReplyHead>,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        // Encoded before the lock is taken: the payload is the user's own code.
        let mut frame = Vec::with_capacity(HEADER_BYTES_MAX);
        put_checked(&mut frame, 0, self.correlation, outcome, head.into(), payload);
        self.finish(frame);
    }

    fn finish(&mut self, frame: Vec<u8>) {
        self.answered = true;
        // Counted down first: the reply wakes a pump that may be waiting for just this.
        self.replies.under_way.fetch_sub(1, Ordering::Relaxed);
        self.replies.put(frame);
    }
}

impl Drop for Replier {
    fn drop(&mut self) {
        if !self.answered {
            let mut frame = Vec::new();
            put_checked(&mut frame, 0, self.correlation, &Outcome::Panicked, 0.into(), |_| Ok(()));
            self.finish(frame);
        }
    }
}

/// Appends a reply; one whose payload fails or is too large becomes `BadReply`.
#[inline]
fn put_checked(
    out: &mut Vec<u8>,
    start: usize,
    correlation: u32,
    outcome: &Outcome,
    head: ReplyHead,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) {
    let put = put_reply(out, correlation, outcome, head, payload);
    if put.is_err() || out.len().saturating_sub(start) > REPLY_BYTES_MAX.saturating_add(HEADER_BYTES_MAX) {
        out.truncate(start);
        let plain: Result<(), EncodeError> = put_reply(out, correlation, &Outcome::BadReply, head, |_| Ok(()));
        debug_assert!(plain.is_ok(), "no payload is asked for");
    }
}

/// The answer in place of one for which there is no room. The command may have run, so it is none of those that say it did not.
#[cold]
fn instead_of(frame: &[u8]) -> Vec<u8> {
    telemetry::no_room_for_reply(frame.len());
    let mut out = Vec::new();
    match Frame::read(frame.get(LENGTH_BYTES..).unwrap_or_default()) {
        Ok(Frame { correlation, body: Body::Reply(reply) }) => {
            put_checked(&mut out, 0, correlation, &Outcome::BadReply, reply.head, |_| Ok(()));
        }
        read => debug_assert!(false, "{read:?} is no reply"),
    }
    out
}

/// Cuts a buffer back when a payload panics in the middle of a frame.
struct Partial<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.start);
    }
}
