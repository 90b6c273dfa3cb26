//! A connection to a peer that has been verified and welcomed, and everything that runs on it.

mod supervisor;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::Waker;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bounds::{LANES, LANES_MAX};
use super::channel::{Channel, Outbox, SendError};
use super::end::{Ending, Reason};
use super::lane::{Lane, LinkError, Pending, Replies, Soloist};
use super::peer::PeerInfo;
use crate::id::{LinkId, Process};
use crate::wire::frame::Request;

pub(super) use supervisor::{Mainspring, supervise};

/// A connection to a peer. Cheap to clone; the connection ends when the transport ends it, not when the links are dropped.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    id: LinkId,
    peer: PeerInfo,
    /// Of the peer: it is asked for with each record.
    process: Process,
    connection: quinn::Connection,
    lanes: [Arc<Lane>; LANES],
    /// Whether the runtime has several threads. Then requests are spread over the lanes: one thread alone fills packets better from
    /// one lane (measured: 610,000 instead of 460,000 calls per second at 64 under way); several get in one another's way there
    /// (270,000 instead of 330,000).
    threads: bool,
    replies: [Arc<Replies>; LANES_MAX],
    outboxes: [Outbox; 2],
    sweeper: Arc<Notify>,
    /// How busy the peer is, by its own last word.
    load: Arc<AtomicU16>,
    ending: Ending,
}

impl Link {
    pub(super) fn new(id: LinkId, peer: PeerInfo, connection: quinn::Connection, tasks: Handle) -> Self {
        let sweeper = Arc::new(Notify::new());
        let threads = tasks.runtime_flavor() != RuntimeFlavor::CurrentThread;
        let ending = Ending::new(connection.clone());
        let soloist = Soloist::new(connection.clone(), ending.clone(), tasks);
        let load = Arc::new(AtomicU16::new(0));
        let lane = |at: usize| Arc::new(Lane::new(number(at), sweeper.clone(), soloist.clone(), load.clone()));
        let replies = |at: usize| Arc::new(Replies::new(id, number(at), soloist.clone()));
        Self(Arc::new(Shared {
            id,
            process: Process { node: peer.node.clone(), start: peer.start },
            peer,
            connection,
            lanes: std::array::from_fn(lane),
            threads,
            replies: std::array::from_fn(replies),
            outboxes: Channel::ALL.map(Outbox::new),
            sweeper: sweeper.clone(),
            load: load.clone(),
            ending,
        }))
    }

    /// Which of the node's connections this is.
    pub(crate) fn id(&self) -> LinkId {
        self.0.id
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> &PeerInfo {
        &self.0.peer
    }

    /// Which process that is.
    pub(crate) fn process(&self) -> &Process {
        &self.0.process
    }

    /// Sends a request; requests with the same hint keep their order. The task is woken when there is an answer, so it need not
    /// poll before that.
    ///
    /// The request's remaining time is what is left until the deadline when it is made.
    /// The answer comes by the deadline, or an error does: the lane takes care of that, without a timer for each request.
    /// An error of this function itself means that the request was not sent.
    #[inline]
    pub(crate) fn request_for(
        &self,
        hint: u32,
        request: &Request<'_>,
        deadline: Instant,
        task: &Waker,
    ) -> Result<Pending, LinkError> {
        let [first, second] = &self.0.lanes;
        let lane = if self.0.threads && !hint.is_multiple_of(2) { second } else { first };
        lane.request(request, deadline, task)
    }

    /// [`request_for`](Self::request_for) a task that will poll for the answer.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn request(&self, hint: u32, request: &Request<'_>, deadline: Instant) -> Result<Pending, LinkError> {
        self.request_for(hint, request, deadline, Waker::noop())
    }

    /// Sends a frame on a channel, behind those before it. It may still be lost with the connection.
    pub(crate) fn send(&self, channel: Channel, frame: &[u8]) -> Result<(), SendError> {
        self.outbox(channel).put(frame)
    }

    /// [`send`](Self::send) as soon as little waits on the channel, for senders that can wait. Ends with the connection at the latest.
    pub(crate) async fn send_patiently(&self, channel: Channel, frame: &[u8]) -> Result<(), SendError> {
        self.outbox(channel).put_patiently(frame).await
    }

    /// Notes the load that the peer has stated elsewhere than on a reply.
    pub(crate) fn report(&self, load: u16) {
        self.0.load.store(load, Ordering::Relaxed);
    }

    /// The requests that wait for this peer, plus the load that it stated last.
    pub(crate) fn business(&self) -> u32 {
        let waiting = u32::try_from(self.waiting()).unwrap_or(u32::MAX);
        waiting.saturating_add(self.0.load.load(Ordering::Relaxed).into())
    }

    /// How many requests wait for this peer.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lanes.iter().map(|lane| lane.waiting()).sum()
    }

    /// Whether nothing is under way, from this side or from the other.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting() == 0 && self.0.replies.iter().all(|replies| replies.is_idle())
    }

    /// Whether the connection has not ended yet.
    pub(crate) fn is_open(&self) -> bool {
        self.0.connection.close_reason().is_none()
    }

    /// Ends the connection for a reason of this side's. The first reason stands.
    pub(super) fn end(&self, reason: Reason) {
        self.0.ending.end(reason);
    }

    /// Whether the lanes run on a runtime of several threads.
    pub(super) fn has_threads(&self) -> bool {
        self.0.threads
    }

    fn outbox(&self, channel: Channel) -> &Outbox {
        let [control, records] = &self.0.outboxes;
        match channel {
            Channel::Control => control,
            Channel::Records => records,
        }
    }

    /// Ends everything that waits for the connection.
    fn fail(&self) {
        self.0.lanes.iter().for_each(|lane| lane.fail());
        self.0.replies.iter().for_each(|replies| replies.close());
        self.0.outboxes.iter().for_each(Outbox::close);
    }

    fn replies(&self, lane: u8) -> Option<&Arc<Replies>> {
        self.0.replies.get(usize::from(lane))
    }

    fn lane(&self, lane: u8) -> Option<&Arc<Lane>> {
        self.0.lanes.get(usize::from(lane))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} to {})", self.0.id.get(), self.0.peer.node)
    }
}

/// The numbers of lanes fit into a byte: there are a handful.
fn number(at: usize) -> u8 {
    u8::try_from(at).unwrap_or(u8::MAX)
}
