//! The reading end of a lane: chunks in, frames out, a bounded number of them at a turn.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use tokio::time::Instant;

use crate::wire::cutter::Cutter;

/// The frames that a lane handles before it lets other tasks run: about a tenth of a millisecond of small commands.
pub(in crate::transport) const FRAMES_PER_TURN: usize = 256;

/// For how long a lane handles frames before it lets other tasks run, whatever their number: bodies run in place, and what takes a user's
/// code a millisecond each is not to keep a busy runtime from its heartbeats.
const TURN_TIME: Duration = Duration::from_millis(1);

/// How many frames are handled between two looks at the clock, after the first few: enough that small commands do not feel it.
const FRAMES_PER_LOOK: usize = 8;

/// How long a task has handled frames without letting others run.
#[derive(Debug, Default)]
pub(in crate::transport) struct Turn {
    handled: usize,
    began: Option<Instant>,
}

impl Turn {
    /// Counts a frame. Whether it is time to let others run.
    #[inline]
    pub(in crate::transport) fn is_over(&mut self, frames: usize) -> bool {
        self.handled = self.handled.saturating_add(1);
        self.handled >= frames || (self.looks() && self.takes_long())
    }

    /// The first look comes after the second frame, for a lone one should cost nothing, and the next soon after it, for a body may take long.
    fn looks(&self) -> bool {
        let is_early = (2..=FRAMES_PER_LOOK / 2).contains(&self.handled);
        is_early || self.handled.is_multiple_of(FRAMES_PER_LOOK)
    }

    fn takes_long(&mut self) -> bool {
        let now = Instant::now();
        now.duration_since(*self.began.get_or_insert(now)) >= TURN_TIME
    }
}

/// The chunks that are taken from a stream under one lock. A chunk is what one packet carried.
const CHUNKS: usize = 16;

/// Reads a stream and cuts it into frames.
pub(in crate::transport) struct Intake {
    stream: RecvStream,
    chunks: [Bytes; CHUNKS],
    /// Those of `chunks` from `at` to `filled` are still to be cut.
    at: usize,
    filled: usize,
    pub(in crate::transport) cutter: Cutter,
}

impl Intake {
    pub(in crate::transport) fn new(stream: RecvStream, limit: usize) -> Self {
        let chunks = std::array::from_fn(|_| Bytes::new());
        Self { stream, chunks, at: 0, filled: 0, cutter: Cutter::new(limit) }
    }

    /// Gives the cutter its next chunk, once it has cut up the one before. `false` when the stream has ended.
    pub(in crate::transport) fn poll_more(&mut self, task: &mut Context<'_>) -> Poll<Result<bool, ReadError>> {
        if self.at >= self.filled {
            self.at = 0;
            self.filled = 0;
            match pin!(self.stream.read_chunks(&mut self.chunks)).poll(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Ok(Some(filled))) => self.filled = filled,
            }
        }
        if let Some(chunk) = self.chunks.get_mut(self.at) {
            self.cutter.push(std::mem::take(chunk));
        }
        self.at = self.at.saturating_add(1);
        Poll::Ready(Ok(true))
    }
}

/// Writes all chunks; what could not be written yet stays.
pub(in crate::transport) fn poll_write(
    stream: &mut SendStream,
    chunks: &mut VecDeque<Bytes>,
    task: &mut Context<'_>,
) -> Poll<Result<(), WriteError>> {
    while !chunks.is_empty() {
        // The future holds nothing between polls: it either writes at once or leaves the chunks as they were.
        let written = match pin!(stream.write_chunks(chunks.make_contiguous())).poll(task) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(written)) => written.chunks,
        };
        chunks.drain(..written.min(chunks.len()));
    }
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_by_number_or_by_time() {
        let mut turn = Turn::default();
        let frames = |turn: &mut Turn| (1..).find(|_| turn.is_over(FRAMES_PER_TURN));
        assert_eq!(frames(&mut turn), Some(FRAMES_PER_TURN));
        let mut slow = Turn::default();
        let mut handled = 0;
        while !slow.is_over(FRAMES_PER_TURN) {
            handled += 1;
            tokio::time::advance(TURN_TIME).await;
        }
        assert_eq!(handled, 2, "it is over after the third");
    }
}
