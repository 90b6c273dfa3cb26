//! A channel: frames of the node's own, in order, in one direction.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::bounds::{CHANNEL_OUT_BYTES_MAX, CONTROL_QUEUED_BYTES_MAX, PATIENT_OUT_BYTES_MAX, RECORDS_OUT_BYTES_MAX};
use super::end::StreamEnd;
use super::event::{ControlFrame, Event};
use super::handler::{Handler, Part};
use super::lane::{FRAMES_PER_TURN, Intake, Turn};
use super::link::Link;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::limits::{CHANNEL_FRAME_BYTES_MAX, RECORD_FRAME_BYTES_MAX};

/// Which of the two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Channel {
    /// Membership, leases, ownership: little, urgent; arrives as events.
    Control,
    /// Records and transfers: much, handled in place as it arrives.
    Records,
}

impl Channel {
    pub(super) const ALL: [Self; 2] = [Self::Control, Self::Records];

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Records => 1,
        }
    }

    /// Quinn sends higher ones first.
    pub(super) const fn priority(self) -> i32 {
        match self {
            Self::Control => 1,
            Self::Records => 0,
        }
    }

    const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Control => CHANNEL_FRAME_BYTES_MAX,
            Self::Records => RECORD_FRAME_BYTES_MAX,
        }
    }

    const fn out_bytes_max(self) -> usize {
        match self {
            Self::Control => CHANNEL_OUT_BYTES_MAX,
            Self::Records => RECORDS_OUT_BYTES_MAX,
        }
    }
}

/// Why a frame was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
    /// Too much waits for this peer already.
    #[error("too much waits for this peer already")]
    Full,
    /// The frame is over the limit.
    #[error("the frame is over the channel's limit")]
    TooLarge,
}

/// How much room an outbox keeps at most for what comes next: as much as a packet takes on loopback.
const USUAL_OUT_BYTES_MAX: usize = 64 << 10;

/// What waits to be sent on one channel.
#[derive(Debug)]
pub(super) struct Outbox {
    channel: Channel,
    state: Mutex<State>,
    /// Told whenever what waited has been taken, and when nothing is taken any more.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    out: Vec<u8>,
    pump: Option<Waker>,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, state: Mutex::default(), emptied: Notify::new() }
    }

    /// Puts a frame behind the others.
    pub(super) fn put(&self, frame: &[u8]) -> Result<(), SendError> {
        let room = self.channel.out_bytes_max().saturating_sub(frame.len()).saturating_sub(LENGTH_BYTES);
        self.put_behind(frame, room)
    }

    /// Puts a frame behind the others as soon as they are few. Ends with the connection at the latest.
    pub(super) async fn put_patiently(&self, frame: &[u8]) -> Result<(), SendError> {
        loop {
            let mut emptied = pin!(self.emptied.notified());
            emptied.as_mut().enable();
            match self.put_behind(frame, PATIENT_OUT_BYTES_MAX) {
                Err(SendError::Full) => emptied.await,
                done => return done,
            }
        }
    }

    /// Puts a frame behind at most `waiting_max` bytes.
    fn put_behind(&self, frame: &[u8], waiting_max: usize) -> Result<(), SendError> {
        let length = u32::try_from(frame.len()).map_err(|_| SendError::TooLarge)?;
        if frame.len() > self.channel.frame_bytes_max() {
            return Err(SendError::TooLarge);
        }
        let mut state = self.lock();
        if state.closed {
            return Err(SendError::Closed);
        }
        if state.out.len() > waiting_max {
            return Err(SendError::Full);
        }
        state.out.extend_from_slice(&length.to_le_bytes());
        state.out.extend_from_slice(frame);
        let pump = state.pump.take();
        drop(state);
        pump.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Writes what is put in, until the stream ends.
    pub(super) async fn pump(&self, mut stream: SendStream) -> StreamEnd {
        loop {
            let chunk = poll_fn(|task| self.poll_out(task)).await;
            if let Err(error) = stream.write_chunk(chunk).await {
                self.close();
                return error.into();
            }
        }
    }

    /// Takes nothing more: the stream is gone.
    pub(super) fn close(&self) {
        *self.lock() = State { closed: true, ..State::default() };
        self.emptied.notify_waiters();
    }

    fn poll_out(&self, task: &mut Context<'_>) -> Poll<Bytes> {
        let mut state = self.lock();
        if state.out.is_empty() {
            state.pump = Some(task.waker().clone());
            return Poll::Pending;
        }
        // What comes next is about as much.
        let usual = state.out.len().min(USUAL_OUT_BYTES_MAX);
        let out = std::mem::replace(&mut state.out, Vec::with_capacity(usual));
        drop(state);
        self.emptied.notify_waiters();
        Poll::Ready(Bytes::from(out))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the frames of a peer's control channel to the node, until the stream ends.
///
/// When the node is behind by too much, the peer has to wait: the stream is read no further.
pub(super) async fn control(stream: RecvStream, link: Link, events: mpsc::Sender<Event>) -> StreamEnd {
    let held = Arc::new(Semaphore::new(CONTROL_QUEUED_BYTES_MAX));
    let mut intake = Intake::new(stream, CHANNEL_FRAME_BYTES_MAX);
    loop {
        let frame = match intake.cutter.next() {
            Err(error) => return error.into(),
            // Copied, since a frame may wait and would keep a whole packet.
            Ok(Some(cut)) => Some(Bytes::copy_from_slice(cut.frame)),
            Ok(None) => None,
        };
        let Some(bytes) = frame else {
            match poll_fn(|task| intake.poll_more(task)).await {
                Err(error) => return error.into(),
                Ok(false) => return StreamEnd::Finished,
                Ok(true) => continue,
            }
        };
        let weight = u32::try_from(bytes.len()).unwrap_or(u32::MAX).max(1);
        let Ok(_held) = held.clone().acquire_many_owned(weight).await else { return StreamEnd::Lost };
        let event = Event::Control { link: link.clone(), frame: ControlFrame { bytes, _held } };
        if events.send(event).await.is_err() {
            return StreamEnd::Lost;
        }
    }
}

/// Hands the frames of a peer's records channel to the handler, until the stream ends.
pub(super) async fn records(stream: RecvStream, link: Link, handler: Arc<dyn Handler>) -> StreamEnd {
    let mut intake = Intake::new(stream, RECORD_FRAME_BYTES_MAX);
    let mut turn = Turn::default();
    loop {
        match intake.cutter.next() {
            Err(error) => return error.into(),
            Ok(Some(cut)) => {
                let part = Part::new(cut);
                let _ = catch_unwind(AssertUnwindSafe(|| handler.record(&link, part)));
                if turn.is_over(FRAMES_PER_TURN) {
                    tokio::task::yield_now().await;
                    turn = Turn::default();
                }
            }
            Ok(None) => {
                let more = poll_fn(|task| {
                    let more = intake.poll_more(task);
                    if more.is_pending() {
                        turn = Turn::default();
                    }
                    more
                });
                match more.await {
                    Err(error) => return error.into(),
                    Ok(false) => return StreamEnd::Finished,
                    Ok(true) => {}
                }
            }
        }
    }
}
