//! The pump of a lane on the caller's side: requests out, replies in, one task for both.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn::{RecvStream, SendStream};

use super::intake::{FRAMES_PER_TURN, Intake, poll_write};
use super::{Lane, Reply};
use crate::transport::end::StreamEnd;
use crate::wire::frame::{BadFrame, Body, Frame};
use crate::wire::limits::LANE_FRAME_BYTES_MAX;

/// Runs a lane until its stream ends, and says why it did. What waits is then failed.
pub(in crate::transport) async fn pump(lane: Arc<Lane>, send: SendStream, receive: RecvStream) -> StreamEnd {
    let intake = Intake::new(receive, LANE_FRAME_BYTES_MAX);
    let mut pump =
        Pump { send, intake, writing: VecDeque::new(), replies: Vec::new(), wakers: Vec::new(), yielded: false };
    let end = poll_fn(|task| pump.poll(&lane, task)).await;
    lane.fail();
    end
}

struct Pump {
    send: SendStream,
    intake: Intake,
    writing: VecDeque<Bytes>,
    replies: Vec<(u32, Reply)>,
    wakers: Vec<Waker>,
    /// Whether the callers that were ready have had their turn before the next write.
    yielded: bool,
}

impl Pump {
    fn poll(&mut self, lane: &Lane, task: &mut Context<'_>) -> Poll<StreamEnd> {
        if let Poll::Ready(end) = self.poll_write(lane, task) {
            return Poll::Ready(end);
        }
        let end = self.poll_read(task);
        if !self.replies.is_empty() {
            lane.complete(&mut self.replies, &mut self.wakers);
        }
        end
    }

    /// Writes all that callers have put together, as often as there is something.
    ///
    /// The first of many callers wakes the pump, which then stands at the end of the queue once more, so that one write
    /// takes what all of them have to say. With a single caller this costs one more turn of the scheduler, some tens of
    /// nanoseconds.
    fn poll_write(&mut self, lane: &Lane, task: &mut Context<'_>) -> Poll<StreamEnd> {
        loop {
            match poll_write(&mut self.send, &mut self.writing, task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                Poll::Ready(Ok(())) => {}
            }
            if !self.yielded && lane.has_out() {
                self.yielded = true;
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.yielded = false;
            if lane.poll_out(&mut self.writing, task).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<StreamEnd> {
        for _ in 0..FRAMES_PER_TURN {
            loop {
                match self.intake.cutter.next() {
                    Err(error) => return Poll::Ready(error.into()),
                    Ok(None) => {}
                    Ok(Some(cut)) => match Frame::read(cut.frame) {
                        Ok(Frame { correlation, body: Body::Reply(reply) }) => {
                            let payload = cut.keep(reply.payload);
                            self.replies
                                .push((correlation, Reply { outcome: reply.outcome, head: reply.head, payload }));
                            break;
                        }
                        Ok(_) => return Poll::Ready(BadFrame::Misplaced.into()),
                        Err(error) => return Poll::Ready(error.into()),
                    },
                }
                match self.intake.poll_more(task) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                    Poll::Ready(Ok(false)) => return Poll::Ready(StreamEnd::Finished),
                    Poll::Ready(Ok(true)) => {}
                }
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
