//! The pump of a lane on the side that answers: requests in, replies out, one task for both.
//!
//! All requests that have come are handled in place, and what was answered at once goes back in one write.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::time::Instant;

use super::intake::{FRAMES_PER_TURN, Intake, Turn, poll_write};
use super::lag::Lag;
use super::pile::Pile;
use super::replier::{Replies, ReplySlot, Ticket};
use crate::transport::end::StreamEnd;
use crate::transport::handler::{Handler, Received};
use crate::transport::link::Link;
use crate::wire::cutter::Cut;
use crate::wire::frame::{BadFrame, Body, Frame};
use crate::wire::limits::LANE_FRAME_BYTES_MAX;

/// In how many parts one thread alone answers a burst of requests. The peer works on the first part while this node works on the second;
/// each part costs a packet more (measured: 550,000 instead of 360,000 calls per second at 64 under way when it was introduced, and four
/// parts are slower than two by 1 % there and by 4 % at 512).
///
/// Several threads answer a burst in one part: between two parts the scheduler wakes one more thread, which costs more than the peer
/// gains (370,000 instead of 305,000).
const TURNS_PER_BURST: usize = 2;

/// The frames that a packet of answers is worth sending for: handling them takes about as long as sending does.
const TURN_MIN: usize = 16;

/// Runs a lane until its stream ends, and says why it did.
pub(in crate::transport) async fn pump(
    replies: Arc<Replies>,
    link: Link,
    handler: Arc<dyn Handler>,
    send: SendStream,
    receive: RecvStream,
) -> StreamEnd {
    let intake = Intake::new(receive, LANE_FRAME_BYTES_MAX);
    let turns = if link.has_threads() { 1 } else { TURNS_PER_BURST };
    let mut pump =
        Pump { send, intake, writing: VecDeque::new(), out: Pile::default(), burst: 0, turns, turn: TURN_MIN };
    let mut desk = Desk { replies: &replies, link: &link, handler: &*handler, lag: Lag::new(Instant::now()) };
    let end = poll_fn(|task| pump.poll(&mut desk, task)).await;
    replies.close();
    end
}

/// Handles a request that came alone, on a stream of its own.
pub(in crate::transport) fn handle_alone(
    replies: &Arc<Replies>,
    link: &Link,
    handler: &dyn Handler,
    frame: &Bytes,
) -> Result<(), BadFrame> {
    let mut out = Pile::default();
    let mut desk = Desk { replies, link, handler, lag: Lag::new(Instant::now()) };
    desk.handle(&Cut::whole(frame), &mut out)?;
    replies.put(out.take());
    Ok(())
}

struct Pump {
    send: SendStream,
    intake: Intake,
    writing: VecDeque<Bytes>,
    out: Pile,
    /// The frames since there was last nothing to read.
    burst: usize,
    /// In how many parts a burst is answered.
    turns: usize,
    /// The frames to handle before what was answered is sent.
    turn: usize,
}

impl Pump {
    fn poll(&mut self, desk: &mut Desk<'_>, task: &mut Context<'_>) -> Poll<StreamEnd> {
        // Write first what was answered later, then read, then write what was answered at once.
        desk.replies.collect(&mut self.out, task);
        if let Poll::Ready(end) = self.poll_write(task) {
            return Poll::Ready(end);
        }
        let end = self.poll_read(desk, task);
        let full = desk.replies.is_full(self.out.len());
        if let Poll::Ready(failed) = self.poll_write(task) {
            return Poll::Ready(failed);
        }
        if full && !desk.replies.is_full(self.out.len()) {
            // The write has made room, so nobody else is going to wake the task.
            task.waker().wake_by_ref();
        }
        end
    }

    fn poll_write(&mut self, task: &mut Context<'_>) -> Poll<StreamEnd> {
        loop {
            match poll_write(&mut self.send, &mut self.writing, task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                Poll::Ready(Ok(())) if self.out.is_empty() => return Poll::Pending,
                Poll::Ready(Ok(())) => self.out.drain_into(&mut self.writing),
            }
        }
    }

    fn poll_read(&mut self, desk: &mut Desk<'_>, task: &mut Context<'_>) -> Poll<StreamEnd> {
        let mut turn = Turn::default();
        loop {
            if desk.replies.is_full(self.out.len()) {
                // Whoever answers, the stream when it takes more, or a large reply that was sent wakes the task again.
                desk.replies.wait(task);
                if desk.replies.is_full(self.out.len()) {
                    return Poll::Pending;
                }
            }
            self.burst = self.burst.saturating_add(1);
            loop {
                match self.intake.cutter.next() {
                    Err(error) => return Poll::Ready(error.into()),
                    Ok(None) => {}
                    Ok(Some(cut)) => match desk.handle(&cut, &mut self.out) {
                        Err(error) => return Poll::Ready(error.into()),
                        Ok(()) => break,
                    },
                }
                match self.intake.poll_more(task) {
                    Poll::Pending => {
                        self.turn = (self.burst / self.turns).clamp(TURN_MIN, FRAMES_PER_TURN);
                        self.burst = 0;
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                    Poll::Ready(Ok(false)) => return Poll::Ready(StreamEnd::Finished),
                    Poll::Ready(Ok(true)) => {}
                }
            }
            // Where nothing was answered at once, as with replicated changes, the peer has nothing to gain from an early packet.
            let frames_max = if self.out.is_empty() { FRAMES_PER_TURN } else { self.turn };
            if turn.is_over(frames_max) {
                break;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Where requests are handed in.
struct Desk<'a> {
    replies: &'a Arc<Replies>,
    link: &'a Link,
    handler: &'a dyn Handler,
    lag: Lag,
}

impl Desk<'_> {
    #[inline]
    fn handle(&mut self, cut: &Cut<'_>, out: &mut Pile) -> Result<(), BadFrame> {
        let Frame { correlation, body } = Frame::read(cut.frame)?;
        match body {
            Body::Request(mut request) => {
                let now = Instant::now();
                request.remaining = request.remaining.saturating_sub(self.lag.at(now));
                let slot = ReplySlot::new(out, self.replies, correlation);
                let received = Received::new(request, now);
                // A handler that unwinds has answered `Panicked` by dropping the slot; the lane goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| self.handler.request(self.link, received, slot)));
            }
            Body::Cancel => {
                let ticket = Ticket { correlation, ..self.replies.ticket() };
                let _ = catch_unwind(AssertUnwindSafe(|| self.handler.cancel(ticket)));
            }
            Body::Stamp(clock) => self.lag.see(clock, Instant::now()),
            Body::Reply(_) => return Err(BadFrame::Misplaced),
        }
        Ok(())
    }
}
