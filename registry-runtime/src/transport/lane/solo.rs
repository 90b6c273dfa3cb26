//! Large frames: each travels alone on a stream of its own, so that it holds up nobody.
//!
//! Such a stream begins with a tag and the number of the lane that the frame belongs to; then come the frame as it would stand
//! on the lane, and the end.

use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use quinn::{RecvStream, SendStream, VarInt};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::budget::{Budget, Reserved};
use super::intake::Intake;
use crate::transport::bounds::SOLO_TIME;
use crate::transport::end::{Ending, Reason, StreamEnd, Violation};
use crate::transport::stream::Tag;
use crate::wire::frame::BadFrame;
use crate::wire::limits::FRAME_BYTES_MAX;

/// The bytes of large requests that may wait on one connection to be sent: as many as the peer may be sending us. Beyond it callers
/// are told `Full`.
const REQUESTS_BYTES_MAX: usize = 64 << 20;

/// The bytes of large replies on one connection at which its lanes take no more requests until some have been sent: eight of the
/// largest, so that the connection never runs dry.
const REPLIES_BYTES_FULL: usize = 32 << 20;

/// The bytes of large replies that may wait on one connection to be sent: sixty-four of the largest. Only commands that were under
/// way already when the lanes stopped taking requests come so far; those beyond it end without their reply.
const REPLIES_BYTES_MAX: usize = 256 << 20;

/// Sends large frames of one connection.
#[derive(Clone, Debug)]
pub(in crate::transport) struct Soloist {
    connection: quinn::Connection,
    ending: Ending,
    tasks: Handle,
    requests: Arc<Budget>,
    replies: Arc<Budget>,
}

impl Soloist {
    pub(in crate::transport) fn new(connection: quinn::Connection, ending: Ending, tasks: Handle) -> Self {
        let (requests, replies) = (Budget::new(REQUESTS_BYTES_MAX), Budget::new(REPLIES_BYTES_MAX));
        Self { connection, ending, tasks, requests, replies }
    }

    /// Sets bytes aside for a request; `None` when too many wait already.
    pub(super) fn reserve(&self, bytes: usize) -> Option<Reserved> {
        self.requests.reserve(bytes)
    }

    /// Sends a request, unless it is stopped.
    pub(super) fn request(&self, lane: u8, frame: Vec<u8>, reserved: Reserved, stop: Stop) {
        let connection = self.connection.clone();
        self.tasks.spawn(async move {
            let _reserved = reserved;
            let sending = send(&connection, Tag::SoloRequest, lane, frame);
            tokio::pin!(sending);
            tokio::select! {
                biased;
                // Asked first, so that nothing is sent of a request that was over before its turn came.
                () = stop.0.notified() => {}
                () = &mut sending => {}
            }
        });
    }

    /// Sends a reply. Gives it back when too many bytes wait already.
    pub(super) fn reply(&self, lane: u8, frame: Vec<u8>) -> Result<(), Vec<u8>> {
        let Some(reserved) = self.replies.reserve(frame.len()) else { return Err(frame) };
        let connection = self.connection.clone();
        self.tasks.spawn(async move {
            let _reserved = reserved;
            send(&connection, Tag::SoloReply, lane, frame).await;
        });
        Ok(())
    }

    /// Whether so many replies wait that no more should be asked for.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.replies.held() >= REPLIES_BYTES_FULL
    }

    /// Wakes the task when replies have been sent. Who has called this looks once more before it waits.
    pub(super) fn wait(&self, task: &Context<'_>) {
        self.replies.wait(task);
    }

    /// Ends the connection: the peer asks and does not read.
    pub(super) fn give_up(&self) {
        self.ending.end(Reason::Slow);
    }
}

/// A large request under way; stops being sent when it is dropped.
#[derive(Debug)]
pub(super) struct Solo(Arc<Notify>);

/// Hears when the [`Solo`] is dropped.
#[derive(Debug)]
pub(super) struct Stop(Arc<Notify>);

impl Solo {
    pub(super) fn new() -> (Self, Stop) {
        let dropped = Arc::new(Notify::new());
        (Self(dropped.clone()), Stop(dropped))
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Sends one frame. When it is dropped on the way, the stream is reset, so that the peer sees no half of a frame.
async fn send(connection: &quinn::Connection, tag: Tag, lane: u8, frame: Vec<u8>) {
    let sending = async {
        let mut whole = Unfinished(connection.open_uni().await.ok());
        let Some(stream) = &mut whole.0 else { return };
        let mut chunks = [Bytes::copy_from_slice(&[tag.byte(), lane]), Bytes::from(frame)];
        if stream.write_all_chunks(&mut chunks).await.is_ok() {
            let _ = stream.finish();
            whole.0 = None;
        }
    };
    // Whoever waits for the frame has given up by then.
    let _ = timeout(SOLO_TIME, sending).await;
}

/// A stream that is reset when it is dropped; quinn would finish it.
struct Unfinished(Option<SendStream>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            let _ = stream.reset(VarInt::from_u32(0));
        }
    }
}

/// Reads the one frame of a stream whose tag has been read.
pub(in crate::transport) async fn receive(stream: RecvStream) -> Result<Bytes, StreamEnd> {
    let mut intake = Intake::new(stream, FRAME_BYTES_MAX);
    let reading = async {
        let frame = loop {
            if let Some(cut) = intake.cutter.next()? {
                break cut.keep(cut.frame);
            }
            if !std::future::poll_fn(|task| intake.poll_more(task)).await? {
                return Err(StreamEnd::Broken(Violation::Frame(BadFrame::Short)));
            }
        };
        loop {
            if intake.cutter.next()?.is_some() || !intake.cutter.is_between_frames() {
                return Err(StreamEnd::Broken(Violation::Frame(BadFrame::Long)));
            }
            if !std::future::poll_fn(|task| intake.poll_more(task)).await? {
                return Ok(frame);
            }
        }
    };
    timeout(SOLO_TIME, reading).await.unwrap_or(Err(StreamEnd::Abandoned))
}
