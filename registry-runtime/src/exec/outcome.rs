//! How one attempt at a command ended on this node.

use std::convert::Infallible;
use std::time::Duration;

use crate::id::Epoch;

/// How one attempt at a command ended on this node.
///
/// `T` and `E` stand for reply and error: the values themselves for a local caller, nothing for a remote one, whose bytes
/// travel beside it, and nothing before the caller is told. Every outcome but `Done` leaves the instance as it was on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T = (), E = ()> {
    /// The command ran; what it changed is committed.
    Done(T),
    /// The command ran and returned its own error.
    Rejected(E),
    /// There is no instance of that key; not started.
    NotFound,
    /// There is an instance of that key; not started.
    AlreadyExists,
    /// The registry's limits on this node were used up; not started.
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The slot is not open here in the epoch of the attempt; not started.
    NotOwner {
        /// The last epoch in which the slot was open here, zero when it never was. It may be the attempt's own: then the
        /// slot has been closed since.
        epoch: Epoch,
    },
    /// The slot is open but the lease has run out, so that what is here may be old; not started.
    NoLease,
    /// The slot was closed, or its lease ran out, while the command ran: its result was discarded here. Its record may stand if it was
    /// on its way to backups; then the receipt that travels with it answers the next attempt.
    Lost,
    /// The slot is being handed over: send the command again, to the next owner. Nothing of it was committed here, and what of it may be
    /// on its way to backups has its receipt.
    Moved {
        /// Whether the body was started, and stopped when the slot could not wait for it any longer.
        started: bool,
    },
    /// The caller cancelled, or nobody will know any more what became of what it asked for.
    Cancelled {
        /// Whether the body was started.
        started: bool,
    },
    /// The deadline passed before the command could commit.
    DeadlineExceeded {
        /// Whether the body was started.
        started: bool,
    },
    /// The receipt of an earlier attempt was dropped, so nobody can tell whether that one ran.
    ReceiptExpired,
    /// The idempotency key belongs to another command on the instance, or to other arguments; not started.
    IdempotencyKeyReused,
    /// The body panicked, or left an instance under another key.
    Panicked,
    /// The reply did not encode, or the instance could not be kept by its replicas; what the command changed was discarded.
    BadReply {
        /// What went wrong.
        detail: String,
    },
    /// The encoded reply is over the limit; what the command changed was discarded.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request contradicts itself or does not decode; not started.
    BadRequest {
        /// What is wrong with it.
        detail: String,
    },
    /// The registry has no such command here; not started.
    Incompatible {
        /// What is missing.
        detail: String,
    },
}

/// An outcome that carries neither reply nor error.
pub(super) type Refused = Outcome<Infallible, Infallible>;

impl<T, E> Outcome<T, E> {
    /// Whether the body was, or may have been, started. `false` is a promise: this attempt is never started.
    #[cfg(test)]
    pub(crate) fn started(&self) -> bool {
        match self {
            Self::Done(_)
            | Self::Rejected(_)
            | Self::Lost
            | Self::ReceiptExpired
            | Self::Panicked
            | Self::BadReply { .. }
            | Self::TooLarge { .. } => true,
            Self::NotFound
            | Self::AlreadyExists
            | Self::Overloaded { .. }
            | Self::NotOwner { .. }
            | Self::NoLease
            | Self::IdempotencyKeyReused
            | Self::BadRequest { .. }
            | Self::Incompatible { .. } => false,
            Self::Moved { started } | Self::Cancelled { started } | Self::DeadlineExceeded { started } => *started,
        }
    }

    /// Whether a reply or an error of the command's own comes with it.
    pub(crate) fn tells(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Rejected(_))
    }

    /// The same with another reply, or another error.
    pub(super) fn map<U, F>(self, done: impl FnOnce(T) -> U, rejected: impl FnOnce(E) -> F) -> Outcome<U, F> {
        match self {
            Self::Done(value) => Outcome::Done(done(value)),
            Self::Rejected(error) => Outcome::Rejected(rejected(error)),
            Self::NotFound => Outcome::NotFound,
            Self::AlreadyExists => Outcome::AlreadyExists,
            Self::Overloaded { retry_after } => Outcome::Overloaded { retry_after },
            Self::NotOwner { epoch } => Outcome::NotOwner { epoch },
            Self::NoLease => Outcome::NoLease,
            Self::Lost => Outcome::Lost,
            Self::Moved { started } => Outcome::Moved { started },
            Self::Cancelled { started } => Outcome::Cancelled { started },
            Self::DeadlineExceeded { started } => Outcome::DeadlineExceeded { started },
            Self::ReceiptExpired => Outcome::ReceiptExpired,
            Self::IdempotencyKeyReused => Outcome::IdempotencyKeyReused,
            Self::Panicked => Outcome::Panicked,
            Self::BadReply { detail } => Outcome::BadReply { detail },
            Self::TooLarge { limit } => Outcome::TooLarge { limit },
            Self::BadRequest { detail } => Outcome::BadRequest { detail },
            Self::Incompatible { detail } => Outcome::Incompatible { detail },
        }
    }
}

impl Refused {
    /// The same as one that might carry something.
    pub(super) fn widen(self) -> Outcome {
        self.map(|never| match never {}, |never| match never {})
    }
}
