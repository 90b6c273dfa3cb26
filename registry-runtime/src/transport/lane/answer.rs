//! What comes back for a request: a reply, or why there is none.

use bytes::Bytes;

use crate::wire::frame::ReplyHead;
use crate::wire::limits::COMMAND_BYTES_MAX;
use crate::wire::outcome::Outcome;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    /// In one word.
    pub(crate) outcome: Outcome,
    /// What goes with every reply.
    pub(crate) head: ReplyHead,
    /// The encoded reply or error. Shares the received packet and keeps it alive; read it soon.
    pub(crate) payload: Bytes,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// The connection was lost.
    #[error("the connection was lost")]
    Lost {
        /// Whether the request may have reached the peer. When `false`, it was never handed to the stream.
        sent: bool,
    },
    /// The deadline passed. The peer has been told to stop.
    #[error("the deadline passed")]
    DeadlinePassed {
        /// Whether the request may have reached the peer. When `false`, it was never handed to the stream.
        sent: bool,
    },
    /// Too many requests wait for this peer; not sent.
    #[error("too many requests wait for this peer")]
    Full,
    /// The request is over the limit; not sent.
    #[error("the request is over the limit of {COMMAND_BYTES_MAX} bytes")]
    TooLarge,
}
