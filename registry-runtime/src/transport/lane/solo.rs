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
/// way already when the lanes stopped taking requests, and large requests, come so far; those beyond it end without their reply. Large requests
/// are not held back: they share their streams with the replies of the other direction, and two nodes that both waited so would wait for each other.
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

    /// Sends a request, unless it is stopped, which it is at its deadline. Says if the peer does not get it.
    pub(super) fn request(
        &self,
        lane: u8,
        frame: Vec<u8>,
        reserved: Reserved,
        stop: Stop,
        failed: impl FnOnce() + Send + 'static,
    ) {
        let connection = self.connection.clone();
        self.tasks.spawn(async move {
            let sending = send(&connection, Tag::SoloRequest, lane, Bytes::from(frame));
            tokio::pin!(sending);
            let sent = tokio::select! {
                biased;
                // Asked first, so that nothing is sent of a request that was over before its turn came.
                () = stop.0.notified() => return,
                sent = &mut sending => sent,
            };
            drop(reserved);
            match sent {
                // Until the request is over: what has not arrived by then is taken back.
                Ok(_under_way) => stop.0.notified().await,
                Err(Unsent) => failed(),
            }
        });
    }

    /// Sends a reply. Gives it back when too many bytes wait already; says if the peer does not get it.
    pub(super) fn reply(
        &self,
        lane: u8,
        frame: Vec<u8>,
        failed: impl FnOnce(&[u8]) + Send + 'static,
    ) -> Result<(), Vec<u8>> {
        let Some(reserved) = self.replies.reserve(frame.len()) else { return Err(frame) };
        let (connection, frame) = (self.connection.clone(), Bytes::from(frame));
        self.tasks.spawn(async move {
            let _reserved = reserved;
            match timeout(SOLO_TIME, send(&connection, Tag::SoloReply, lane, frame.clone())).await {
                Ok(Ok(sent)) => sent.let_go(),
                Ok(Err(Unsent)) | Err(_) => failed(&frame),
            }
        });
        Ok(())
    }

    /// Whether so many replies wait that no more should be asked for.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.replies.held() >= REPLIES_BYTES_FULL
    }

    /// Whether no reply waits to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.replies.held() == 0
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

/// A frame that the peer does not take whole.
#[derive(Debug)]
struct Unsent;

/// Sends one frame. When it is dropped on the way, the stream is reset, so that the peer sees no half of a frame; and so is one that is all
/// under way when that is dropped, for it may wait behind others or be lost.
async fn send(connection: &quinn::Connection, tag: Tag, lane: u8, frame: Bytes) -> Result<OnTheWay, Unsent> {
    let mut whole = OnTheWay(Some(connection.open_uni().await.map_err(|_| Unsent)?));
    let Some(stream) = &mut whole.0 else { return Err(Unsent) };
    let mut chunks = [Bytes::copy_from_slice(&[tag.byte(), lane]), frame];
    stream.write_all_chunks(&mut chunks).await.map_err(|_| Unsent)?;
    stream.finish().map_err(|_| Unsent)?;
    Ok(whole)
}

/// A stream that is reset when it is dropped, which does nothing to one that has arrived; quinn would finish it.
struct OnTheWay(Option<SendStream>);

impl OnTheWay {
    /// Lets the rest of it arrive.
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for OnTheWay {
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
