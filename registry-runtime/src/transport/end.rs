//! How streams and connections end, in words that the rest of the node understands.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{ConnectionError, ReadError, TransportErrorCode, VarInt, WriteError};

use super::places::source;
use crate::wire::frame::BadFrame;
use crate::wire::hello::{BadHello, Refusal};

/// The numbers that a connection is closed with; part of the protocol.
pub(super) mod code {
    use quinn::VarInt;

    /// The node shuts down.
    pub(in crate::transport) const SHUTDOWN: VarInt = VarInt::from_u32(0);
    /// The node has no more use for the peer.
    pub(in crate::transport) const HANGUP: VarInt = VarInt::from_u32(1);
    /// The hello did not please.
    pub(in crate::transport) const REFUSED: VarInt = VarInt::from_u32(2);
    /// The peer broke a rule of the protocol.
    pub(in crate::transport) const VIOLATION: VarInt = VarInt::from_u32(3);
    /// Another connection of the same pair stays.
    pub(in crate::transport) const DUPLICATE: VarInt = VarInt::from_u32(4);
    /// The peer's certificate has expired.
    pub(in crate::transport) const EXPIRED: VarInt = VarInt::from_u32(5);
    /// The peer asks and does not read the answers.
    pub(in crate::transport) const SLOW: VarInt = VarInt::from_u32(6);
}

/// Ends a connection, and remembers why.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    connection: quinn::Connection,
    reason: Arc<Mutex<Option<Reason>>>,
}

impl Ending {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        Self { connection, reason: Arc::default() }
    }

    /// Ends the connection. The first reason stands.
    pub(super) fn end(&self, reason: Reason) {
        let code = reason.code();
        let text = reason.to_string();
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.connection.close(code, text.as_bytes());
    }

    /// Why this side ended the connection, if it did.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    /// This node hung up.
    #[error("this node hung up")]
    Hangup,
    /// This node shuts down.
    #[error("this node shuts down")]
    Shutdown,
    /// Another connection of the same pair stays.
    #[error("another connection to the same node stays")]
    Duplicate,
    /// The peer broke a rule of the protocol.
    #[error("the peer broke a rule: {0}")]
    Violation(Violation),
    /// The peer's certificate has expired.
    #[error("the peer's certificate has expired")]
    Expired,
    /// The peer asks and does not read the answers.
    #[error("the peer does not read its answers")]
    Slow,
    /// The peer closed the connection.
    #[error("the peer closed the connection: {0}")]
    Closed(Closing),
    /// The peer no longer knows the connection: its last word, if there was one, came too late or not at all.
    #[error("the peer has forgotten the connection")]
    Forgotten,
    /// Nothing was heard of the peer for too long.
    #[error("nothing was heard of the peer for too long")]
    Silent,
    /// QUIC or TLS failed.
    #[error("{0}")]
    Failed(String),
}

/// Why a peer closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closing {
    /// It shuts down.
    #[error("it shuts down")]
    Shutdown,
    /// It has no more use for us.
    #[error("it hung up")]
    Hangup,
    /// It refused us.
    #[error("it refused this node")]
    Refused,
    /// It says that we broke a rule.
    #[error("it says that this node broke a rule")]
    Violation,
    /// Another connection of the same pair stays.
    #[error("another connection stays")]
    Duplicate,
    /// Our certificate has expired.
    #[error("this node's certificate has expired")]
    Expired,
    /// We did not read its answers.
    #[error("this node did not read its answers")]
    Slow,
    /// A number of a later release.
    #[error("for a reason with the number {0}")]
    Other(u64),
}

/// A rule of the protocol that a peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Bytes that are no frame.
    #[error("{0}")]
    Frame(BadFrame),
    /// A stream that begins with an unknown tag, or names a lane or channel that cannot be.
    #[error("a stream that begins with {0:?}")]
    Stream([u8; 2]),
    /// A lane or channel that is open already.
    #[error("a second stream for lane or channel {0}")]
    Twice(u8),
    /// A lane or channel that was closed while the connection goes on.
    #[error("a lane or channel was closed")]
    Unfinished,
}

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// Its sender finished it.
    Finished,
    /// Its sender reset it, or its receiver stopped it.
    Abandoned,
    /// It broke a rule.
    Broken(Violation),
    /// The connection ended.
    Lost,
}

impl Reason {
    /// Whether the peer did what no honest one does.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(self, Self::Violation(_) | Self::Slow)
    }

    fn code(&self) -> VarInt {
        match self {
            Self::Shutdown => code::SHUTDOWN,
            Self::Duplicate => code::DUPLICATE,
            Self::Violation(_) => code::VIOLATION,
            Self::Expired => code::EXPIRED,
            Self::Slow => code::SLOW,
            Self::Hangup | Self::Closed(_) | Self::Forgotten | Self::Silent | Self::Failed(_) => code::HANGUP,
        }
    }
}

impl From<ConnectionError> for Reason {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::Closed(close.error_code.into()),
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::LocallyClosed => Self::Hangup,
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<VarInt> for Closing {
    fn from(number: VarInt) -> Self {
        match number {
            code::SHUTDOWN => Self::Shutdown,
            code::HANGUP => Self::Hangup,
            code::REFUSED => Self::Refused,
            code::VIOLATION => Self::Violation,
            code::DUPLICATE => Self::Duplicate,
            code::EXPIRED => Self::Expired,
            code::SLOW => Self::Slow,
            other => Self::Other(other.into_inner()),
        }
    }
}

impl From<BadFrame> for StreamEnd {
    fn from(error: BadFrame) -> Self {
        Self::Broken(Violation::Frame(error))
    }
}

impl From<ReadError> for StreamEnd {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(_) => Self::Abandoned,
            _ => Self::Lost,
        }
    }
}

impl From<WriteError> for StreamEnd {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(_) => Self::Abandoned,
            _ => Self::Lost,
        }
    }
}

/// Why a connection came to nothing before either side was known to the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// It took too long.
    #[error("the handshake took too long")]
    TimedOut,
    /// QUIC or TLS failed: the address is wrong, or one side does not trust the other.
    #[error("{0}")]
    Connection(Reason),
    /// TLS ended over a certificate, on either side.
    #[error("the two do not trust one another, as with another secret or another authority: {0}")]
    Distrust(String),
    /// The address cannot be dialled.
    #[error("the address cannot be dialled: {0}")]
    Address(String),
    /// The hello cannot be read.
    #[error("{0}")]
    Hello(BadHello),
    /// This node refused the peer.
    #[error("this node refused the peer: {0}")]
    Refused(Refusal),
    /// The peer refused this node.
    #[error("the peer refused this node: {0}")]
    RefusedByPeer(Refusal),
    /// The same, for as long as both live, and the peer knows owners of slots: it is of a cluster that stands.
    #[error("the peer, of a cluster that stands, refused this node: {0}")]
    ShutOut(Refusal),
    /// Another node than the expected one lives at the address.
    #[error("the node at the address is {found:?}")]
    Unexpected {
        /// The names in its certificate.
        found: Vec<String>,
    },
    /// The node is shutting down.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl HandshakeError {
    /// Whether somebody was there.
    pub(crate) const fn is_an_answer(&self) -> bool {
        !matches!(self, Self::TimedOut | Self::Connection(_) | Self::Address(_) | Self::ShuttingDown)
    }

    /// Whether a cluster stands there that will not have this node. One that speaks another version of the protocol cannot say, and may.
    pub(crate) const fn shuts_out(&self) -> bool {
        matches!(self, Self::ShutOut(_) | Self::Hello(BadHello::Version(_)))
    }

    /// What tells it apart from others when it is counted, among strangers: its kind, and where it comes from if that was proven. An address
    /// that nobody had to prove may be another for each packet.
    pub(crate) fn class(&self, address: SocketAddr) -> (&'static str, Option<IpAddr>) {
        let proven = Some(source(address.ip()));
        match self {
            Self::TimedOut => ("slow", None),
            Self::Connection(_) => ("failed", None),
            Self::Distrust(_) => ("distrusted", None),
            Self::Address(_) => ("not dialled", None),
            Self::ShuttingDown => ("late", None),
            Self::Hello(_) => ("unreadable", proven),
            Self::Refused(_) => ("refused", proven),
            Self::RefusedByPeer(_) | Self::ShutOut(_) => ("refuses", proven),
            Self::Unexpected { .. } => ("another", proven),
        }
    }
}

impl From<ConnectionError> for HandshakeError {
    fn from(error: ConnectionError) -> Self {
        let code = match &error {
            ConnectionError::TransportError(error) => Some(error.code),
            ConnectionError::ConnectionClosed(close) => Some(close.error_code),
            _ => None,
        };
        match code.is_some_and(is_about_certificates) {
            true => Self::Distrust(error.to_string()),
            false => Self::Connection(error.into()),
        }
    }
}

/// Whether QUIC ended with one of TLS's alerts about certificates (RFC 8446, section 6; RFC 9001, section 4.8).
fn is_about_certificates(code: TransportErrorCode) -> bool {
    const ALERTS: [u8; 9] = [42, 43, 44, 45, 46, 48, 49, 51, 116];
    ALERTS.into_iter().any(|alert| code == TransportErrorCode::crypto(alert))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_told_apart_by_addresses_only_where_these_are_proven() {
        let class = |error: &HandshakeError, address: &str| error.class(SocketAddr::new(address.parse().unwrap(), 1));
        let failed = |why: &str| HandshakeError::Connection(Reason::Failed(why.into()));
        assert_eq!(class(&failed("one"), "192.0.2.1"), class(&failed("another"), "192.0.2.2"));
        assert_ne!(class(&failed("one"), "192.0.2.1"), class(&HandshakeError::TimedOut, "192.0.2.1"));
        let refused = HandshakeError::Refused(Refusal::Closed);
        assert_ne!(class(&refused, "192.0.2.1"), class(&refused, "192.0.2.2"));
        assert_eq!(class(&refused, "2001:db8::1"), class(&refused, "2001:db8::2"), "one network");
    }
}
