//! How a call ended when it did not end well; every error says what happened.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::time::Duration;

/// Why a call did not give its reply.
///
/// `E` is the command's own error type. [`executed`](Self::executed) says whether the command ran.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError<E> {
    /// The command ran and returned its own error; nothing changed.
    Rejected(E),
    /// There is no instance of that key.
    NotFound,
    /// There is an instance of that key.
    AlreadyExists,
    /// A bounded queue or limit was full.
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// No node may run the command now.
    Unavailable {
        /// Why.
        reason: Reason,
    },
    /// The deadline passed.
    DeadlineExceeded {
        /// `No` when it was not started in time, `Maybe` when it was sent and not answered.
        executed: Executed,
    },
    /// The connection or the owner was lost after the command was sent, and a safe retry was not possible.
    Unknown {
        /// What was lost.
        reason: Reason,
    },
    /// The handler panicked; the instance is unchanged.
    Panicked,
    /// The other side lacks that registry or command, or its shape differs.
    Incompatible {
        /// What differs.
        detail: String,
    },
    /// The caller may not. Nothing asks for rights yet: whoever has an identity may call everything.
    Unauthorized,
    /// The encoded command is over the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Same instance and idempotency key, different command or arguments.
    ///
    /// Calls that a command makes have keys of their own accord, by their order in it. So this is also what a call hears in the second run of a
    /// command that was lost, when that run makes another call than the first did in its place.
    IdempotencyKeyReused,
    /// A late attempt of a call whose receipt was dropped.
    ReceiptExpired,
}

impl<E> CommandError<E> {
    /// Whether the command ran. `No` is a promise: no node ever starts that command.
    pub fn executed(&self) -> Executed {
        match self {
            Self::Rejected(_) => Executed::Yes,
            Self::NotFound
            | Self::AlreadyExists
            | Self::Overloaded { .. }
            | Self::Unavailable { .. }
            | Self::Incompatible { .. }
            | Self::Unauthorized
            | Self::TooLarge { .. }
            | Self::IdempotencyKeyReused => Executed::No,
            Self::DeadlineExceeded { executed } => *executed,
            Self::Unknown { .. } | Self::Panicked | Self::ReceiptExpired => Executed::Maybe,
        }
    }

    /// When to try again, where the other side said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// Turns the command's own error into another.
    pub fn map<F>(self, turn: impl FnOnce(E) -> F) -> CommandError<F> {
        match self {
            Self::Rejected(error) => CommandError::Rejected(turn(error)),
            Self::NotFound => CommandError::NotFound,
            Self::AlreadyExists => CommandError::AlreadyExists,
            Self::Overloaded { retry_after } => CommandError::Overloaded { retry_after },
            Self::Unavailable { reason } => CommandError::Unavailable { reason },
            Self::DeadlineExceeded { executed } => CommandError::DeadlineExceeded { executed },
            Self::Unknown { reason } => CommandError::Unknown { reason },
            Self::Panicked => CommandError::Panicked,
            Self::Incompatible { detail } => CommandError::Incompatible { detail },
            Self::Unauthorized => CommandError::Unauthorized,
            Self::TooLarge { limit } => CommandError::TooLarge { limit },
            Self::IdempotencyKeyReused => CommandError::IdempotencyKeyReused,
            Self::ReceiptExpired => CommandError::ReceiptExpired,
        }
    }
}

impl CommandError<Infallible> {
    /// Gives the error of a command without an error of its own any other error's type, for `?`.
    pub fn widen<E>(self) -> CommandError<E> {
        self.map(|never| match never {})
    }
}

impl<E: Display> Display for CommandError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(error) => Display::fmt(error, f),
            Self::NotFound => f.write_str("there is no instance of that key"),
            Self::AlreadyExists => f.write_str("there is an instance of that key already"),
            Self::Overloaded { retry_after } => write!(f, "overloaded, try again in {retry_after:?}"),
            Self::Unavailable { reason } => write!(f, "unavailable: {reason}"),
            Self::DeadlineExceeded { executed: Executed::No } => {
                f.write_str("the deadline passed before the command was started")
            }
            Self::DeadlineExceeded { .. } => {
                f.write_str("the deadline passed before a reply came; the command may have run")
            }
            Self::Unknown { reason } => write!(f, "the outcome is unknown: {reason}"),
            Self::Panicked => f.write_str("the command panicked; the instance is unchanged"),
            Self::Incompatible { detail } => write!(f, "incompatible: {detail}"),
            Self::Unauthorized => f.write_str("the caller may not run this command"),
            Self::TooLarge { limit } => write!(f, "the encoded command is over the limit of {limit} bytes"),
            Self::IdempotencyKeyReused => {
                f.write_str("the idempotency key, given or implied, was used with another command or other arguments")
            }
            Self::ReceiptExpired => {
                f.write_str("the receipt of an earlier attempt was dropped; the command may have run")
            }
        }
    }
}

impl<E: Debug + Display> Error for CommandError<E> {}

/// Whether a command ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// No node ever starts it.
    No,
    /// It ran to its end.
    Yes,
    /// It may have run, or may still run.
    Maybe,
}

/// Why a call is `Unavailable` or `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Less than a majority of the slot's replicas can be reached.
    NoMajority,
    /// The slot is between owners.
    Opening,
    /// The slot is reserved for its owner, which is away.
    Reserved,
    /// The slot's owner is away and the registry says to fail.
    OwnerAway,
    /// No member hosts the registry.
    NotHosted,
    /// This node is shutting down or has stopped.
    ShuttingDown,
    /// No member of the cluster was found yet.
    NotJoined,
    /// The connection to the node that had the command was lost.
    ConnectionLost,
    /// Every hop knew another owner.
    TooManyHops,
    /// The node that had the command lost the slot while it ran.
    OwnerLost,
    /// The reply, or the instance that its replicas were to keep, was over the limit or has no encoding; or the reply did not decode.
    BadReply,
}

impl Reason {
    /// Every reason, in the order of its number on the wire. New ones go to the end.
    const ALL: [Self; 11] = [
        Self::NoMajority,
        Self::Opening,
        Self::Reserved,
        Self::OwnerAway,
        Self::NotHosted,
        Self::ShuttingDown,
        Self::NotJoined,
        Self::ConnectionLost,
        Self::TooManyHops,
        Self::OwnerLost,
        Self::BadReply,
    ];

    /// The number that stands for the reason on the wire.
    pub(crate) fn to_wire(self) -> u8 {
        let place = Self::ALL.iter().position(|reason| *reason == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    /// The reason behind a number; what a newer release may say is taken for the least definite.
    pub(crate) fn from_wire(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::OwnerLost)
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMajority => "less than a majority of the slot's replicas can be reached",
            Self::Opening => "the slot is between owners",
            Self::Reserved => "the slot is reserved for its owner, which is away",
            Self::OwnerAway => "the slot's owner is away and the registry says to fail",
            Self::NotHosted => "no member hosts the registry",
            Self::ShuttingDown => "this node is shutting down or has stopped",
            Self::NotJoined => "no member of the cluster was found yet",
            Self::ConnectionLost => "the connection to the node that had the command was lost",
            Self::TooManyHops => "every hop knew another owner",
            Self::OwnerLost => "the node that had the command lost the slot while it ran",
            Self::BadReply => "the reply, or what the command left, was too large or could not be read",
        })
    }
}
