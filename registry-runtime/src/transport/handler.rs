//! What the node does with the requests of its peers.

use bytes::Bytes;
use tokio::time::Instant;

use super::lane::{ReplySlot, Ticket};
use super::link::Link;
use crate::wire::cutter::Cut;
use crate::wire::frame::Request;

/// Takes what peers send. Called in place by the task that reads, so it must not block and should not take long:
/// everything else that this peer sent on the lane waits meanwhile.
///
/// The first calls for a peer may come before its `Connected` event has been taken.
/// A handler that unwinds answers `Panicked` and harms nobody else.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Takes a request. Answer in place, or keep a [`Replier`](super::lane::Replier) and answer later.
    fn request(&self, from: &Link, received: Received<'_>, reply: ReplySlot<'_>);

    /// The caller has lost interest in a request. It may have been answered already, or not have come yet.
    fn cancel(&self, ticket: Ticket);

    /// Takes a frame of the records channel, in the order in which the peer sent them.
    fn record(&self, from: &Link, frame: Part<'_>);
}

/// A request, borrowed from the packet that it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// What is asked. The time that the request has lain somewhere is taken off its remaining time, as far as it is known; nothing may
    /// be left.
    pub(crate) request: Request<'a>,
    /// When it was read: a moment ago.
    pub(crate) at: Instant,
}

impl<'a> Received<'a> {
    pub(super) fn new(request: Request<'a>, at: Instant) -> Self {
        Self { request, at }
    }
}

/// Bytes that a peer sent, borrowed from the packet that they came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// The bytes.
    pub(crate) bytes: &'a [u8],
    cut: Cut<'a>,
}

impl<'a> Part<'a> {
    pub(super) fn new(cut: Cut<'a>) -> Self {
        Self { bytes: cut.frame, cut }
    }

    /// The bytes, to be kept. They share the packet and keep it alive.
    #[cfg_attr(not(test), expect(dead_code, reason = "records are read in place; who keeps one would copy a packet"))]
    pub(crate) fn keep(&self) -> Bytes {
        self.cut.keep(self.bytes)
    }
}
