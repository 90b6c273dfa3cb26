//! How a request ended, as a reply says it.

use std::time::Duration;

use super::frame::BadFrame;
use super::parts::{Parts, put_variable};
use crate::id::{Epoch, NodeId};

/// How a request ended. `Ok` and `Rejected` come with a payload, the others carry what they say themselves.
///
/// Reasons are numbers here, since their words belong to higher rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The command ran; the payload is its reply.
    Ok,
    /// The command ran and returned its own error; the payload is that error.
    Rejected,
    /// There is no instance of that key.
    NotFound,
    /// There is an instance of that key.
    AlreadyExists,
    /// A queue or limit was full; not started.
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// No node may run it now; not started.
    Unavailable {
        /// Why.
        reason: u8,
    },
    /// Nobody can say whether it ran.
    Unknown {
        /// Why.
        reason: u8,
    },
    /// Its time was over.
    DeadlineExceeded {
        /// Whether it may have run.
        started: bool,
    },
    /// The handler panicked, or nobody answered.
    Panicked,
    /// This side lacks that registry or command, or its shape differs; not started.
    Incompatible {
        /// What differs, at most [`DETAIL_BYTES_MAX`] bytes.
        detail: String,
    },
    /// The caller may not; not started.
    Unauthorized,
    /// The command was over the limit; not started.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// This node does not own the slot in that epoch; not started.
    NotOwner {
        /// The owner that this node knows.
        owner: Option<Box<NodeId>>,
        /// The epoch that this node knows, zero when it knows none.
        epoch: Epoch,
    },
    /// A hand-over stopped it before anything was kept of it, or with its receipt: it may be sent again.
    Moved {
        /// Whether the body was started, and stopped.
        started: bool,
    },
    /// The request broke a rule of the wire; not started.
    BadFrame,
    /// Same instance and idempotency key, different command or arguments; not started.
    IdempotencyKeyReused,
    /// The receipt of an earlier attempt was dropped.
    ReceiptExpired,
    /// The command ran, but its reply is over the limit or has no encoding.
    BadReply,
    /// The caller took the request back.
    Cancelled,
}

/// The longest text that a reply gives for a difference: enough for a sentence with two names.
pub(crate) const DETAIL_BYTES_MAX: usize = 1 << 10;

const OK: u8 = 0;
const REJECTED: u8 = 1;
const NOT_FOUND: u8 = 2;
const ALREADY_EXISTS: u8 = 3;
const OVERLOADED: u8 = 4;
const UNAVAILABLE: u8 = 5;
const UNKNOWN: u8 = 6;
const DEADLINE_EXCEEDED: u8 = 7;
const PANICKED: u8 = 8;
const INCOMPATIBLE: u8 = 9;
const UNAUTHORIZED: u8 = 10;
const TOO_LARGE: u8 = 11;
const NOT_OWNER: u8 = 12;
const MOVED: u8 = 13;
const BAD_FRAME: u8 = 14;
const IDEMPOTENCY_KEY_REUSED: u8 = 15;
const RECEIPT_EXPIRED: u8 = 16;
const BAD_REPLY: u8 = 17;
const CANCELLED: u8 = 18;

impl Outcome {
    /// The number that stands for the outcome.
    #[inline]
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Ok => OK,
            Self::Rejected => REJECTED,
            Self::NotFound => NOT_FOUND,
            Self::AlreadyExists => ALREADY_EXISTS,
            Self::Overloaded { .. } => OVERLOADED,
            Self::Unavailable { .. } => UNAVAILABLE,
            Self::Unknown { .. } => UNKNOWN,
            Self::DeadlineExceeded { .. } => DEADLINE_EXCEEDED,
            Self::Panicked => PANICKED,
            Self::Incompatible { .. } => INCOMPATIBLE,
            Self::Unauthorized => UNAUTHORIZED,
            Self::TooLarge { .. } => TOO_LARGE,
            Self::NotOwner { .. } => NOT_OWNER,
            Self::Moved { .. } => MOVED,
            Self::BadFrame => BAD_FRAME,
            Self::IdempotencyKeyReused => IDEMPOTENCY_KEY_REUSED,
            Self::ReceiptExpired => RECEIPT_EXPIRED,
            Self::BadReply => BAD_REPLY,
            Self::Cancelled => CANCELLED,
        }
    }

    /// Whether a payload follows.
    #[inline]
    pub(super) fn has_payload(&self) -> bool {
        matches!(self, Self::Ok | Self::Rejected)
    }

    /// Appends what the outcome says beyond its number.
    #[inline]
    pub(super) fn put_detail(&self, out: &mut Vec<u8>) {
        match self {
            Self::Overloaded { retry_after } => put_micros(out, *retry_after),
            Self::Unavailable { reason } | Self::Unknown { reason } => out.push(*reason),
            Self::DeadlineExceeded { started } | Self::Moved { started } => out.push(u8::from(*started)),
            Self::Incompatible { detail } => {
                // Cut at the end of a letter; the longest has four bytes.
                let cut = (0..=DETAIL_BYTES_MAX).rev().find_map(|end| detail.get(..end)).unwrap_or_default();
                out.extend_from_slice(if detail.len() <= DETAIL_BYTES_MAX { detail } else { cut }.as_bytes());
            }
            Self::TooLarge { limit } => put_variable(out, *limit),
            Self::NotOwner { owner, epoch } => {
                out.extend_from_slice(&epoch.get().to_le_bytes());
                out.extend_from_slice(owner.as_deref().map_or("", NodeId::as_str).as_bytes());
            }
            _ => {}
        }
    }

    /// Reads an outcome; the second part is the payload.
    #[inline]
    pub(super) fn read(code: u8, mut parts: Parts<'_>) -> Result<(Self, &[u8]), BadFrame> {
        let outcome = match code {
            OK => return Ok((Self::Ok, parts.rest())),
            REJECTED => return Ok((Self::Rejected, parts.rest())),
            NOT_FOUND => Self::NotFound,
            ALREADY_EXISTS => Self::AlreadyExists,
            OVERLOADED => Self::Overloaded { retry_after: read_micros(&mut parts)? },
            UNAVAILABLE => Self::Unavailable { reason: parts.byte()? },
            UNKNOWN => Self::Unknown { reason: parts.byte()? },
            DEADLINE_EXCEEDED => Self::DeadlineExceeded { started: parts.byte()? != 0 },
            PANICKED => Self::Panicked,
            INCOMPATIBLE => {
                let text = parts.bytes(parts.rest().len())?;
                if text.len() > DETAIL_BYTES_MAX {
                    return Err(BadFrame::Text);
                }
                Self::Incompatible { detail: str::from_utf8(text).map_err(|_| BadFrame::Text)?.to_owned() }
            }
            UNAUTHORIZED => Self::Unauthorized,
            TOO_LARGE => Self::TooLarge { limit: parts.variable()? },
            NOT_OWNER => {
                let epoch = Epoch::new(parts.fixed_u64()?);
                let owner = match parts.bytes(parts.rest().len())? {
                    [] => None,
                    name => Some(Box::new(node_id(name)?)),
                };
                Self::NotOwner { owner, epoch }
            }
            MOVED => Self::Moved { started: parts.byte()? != 0 },
            BAD_FRAME => Self::BadFrame,
            IDEMPOTENCY_KEY_REUSED => Self::IdempotencyKeyReused,
            RECEIPT_EXPIRED => Self::ReceiptExpired,
            BAD_REPLY => Self::BadReply,
            CANCELLED => Self::Cancelled,
            _ => return Err(BadFrame::Tag(code)),
        };
        if parts.rest().is_empty() { Ok((outcome, &[])) } else { Err(BadFrame::Long) }
    }
}

/// Appends a span in microseconds; a longer one than 64 bits hold is cut to that.
#[inline]
pub(super) fn put_micros(out: &mut Vec<u8>, span: Duration) {
    // Most spans here are below 2^32 seconds, where this is exact in 64 bits; the rest saturate.
    let micros = span.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(span.subsec_micros()));
    put_variable(out, micros);
}

/// Reads a span in microseconds.
#[inline]
pub(super) fn read_micros(parts: &mut Parts<'_>) -> Result<Duration, BadFrame> {
    parts.variable().map(Duration::from_micros)
}

fn node_id(name: &[u8]) -> Result<NodeId, BadFrame> {
    let name = str::from_utf8(name).map_err(|_| BadFrame::Text)?;
    NodeId::new(name).map_err(|_| BadFrame::Text)
}
