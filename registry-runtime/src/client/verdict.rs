//! What one attempt means for its call: the end, or another attempt.

use std::time::Duration;

use crate::exec;
use crate::id::{Epoch, NodeId};
use crate::resource::{CommandError, Executed, Reason};
use crate::wire::outcome as wire;

/// How long a call waits before it asks again where no news may come: a fraction of a failover, and forty attempts a second
/// are no flood.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// What one attempt means for its call.
pub(super) enum Verdict<T, E> {
    /// The call ends so.
    End(Result<T, CommandError<E>>),
    /// Nothing was kept of the attempt: another one may follow.
    Again(Again),
}

/// Why another attempt may follow, and where to.
#[derive(Debug)]
pub(super) struct Again {
    /// What the call says if its time ends before that.
    pub(super) reason: Reason,
    /// An owner that the refusing node named.
    pub(super) hint: Option<(NodeId, Epoch)>,
    /// After how long the call asks again by itself, where no change of the own table may come before.
    pub(super) anyway: Option<Duration>,
    /// Whether the attempt may have started the command: then nothing may claim later that it never ran.
    pub(super) started: bool,
}

impl Again {
    /// Once the own table changes.
    pub(super) fn news(reason: Reason) -> Self {
        Self { reason, hint: None, anyway: None, started: false }
    }

    /// In a while, whether or not the own table changes.
    pub(super) fn soon(reason: Reason) -> Self {
        Self { reason, hint: None, anyway: Some(PAUSE), started: false }
    }

    /// [`soon`](Self::soon), after an attempt that may have started the command.
    pub(super) fn soon_after_start(reason: Reason) -> Self {
        Self { started: true, ..Self::soon(reason) }
    }
}

/// What an outcome on this node means. `repeatable` says that another run does no harm, `spent` that the attempt has used up what another
/// one would be made of.
#[inline]
pub(super) fn here<T, E>(outcome: exec::Outcome<T, E>, repeatable: bool, spent: bool) -> Verdict<T, E> {
    match outcome {
        exec::Outcome::Done(reply) => Verdict::End(Ok(reply)),
        undone => not_done(undone, repeatable, spent),
    }
}

/// The same of all that is no reply. Apart, so that a reply is not moved through everything else that might have come.
fn not_done<T, E>(outcome: exec::Outcome<T, E>, repeatable: bool, spent: bool) -> Verdict<T, E> {
    use exec::Outcome;
    Verdict::End(Err(match outcome {
        Outcome::Done(reply) => return Verdict::End(Ok(reply)),
        Outcome::Rejected(error) => CommandError::Rejected(error),
        Outcome::NotFound => CommandError::NotFound,
        Outcome::AlreadyExists => CommandError::AlreadyExists,
        Outcome::Overloaded { retry_after } => CommandError::Overloaded { retry_after },
        Outcome::NotOwner { .. } => return Verdict::Again(Again::soon(Reason::Opening)),
        // A body on its caller's thread is given its arguments for good: to keep a copy would cost every such command.
        Outcome::Lost | Outcome::Moved { started: true } if spent => {
            CommandError::Unknown { reason: Reason::OwnerLost }
        }
        Outcome::Moved { started } => return Verdict::Again(Again { started, ..Again::soon(Reason::Opening) }),
        Outcome::NoLease => return Verdict::Again(Again::soon(Reason::NoMajority)),
        Outcome::Lost if repeatable => return Verdict::Again(Again::soon_after_start(Reason::OwnerLost)),
        Outcome::Lost | Outcome::Cancelled { started: true } => CommandError::Unknown { reason: Reason::OwnerLost },
        Outcome::Cancelled { started: false } => CommandError::Unavailable { reason: Reason::ShuttingDown },
        Outcome::DeadlineExceeded { started } => CommandError::DeadlineExceeded { executed: maybe(started) },
        Outcome::ReceiptExpired => CommandError::ReceiptExpired,
        Outcome::IdempotencyKeyReused => CommandError::IdempotencyKeyReused,
        Outcome::Panicked => CommandError::Panicked,
        Outcome::BadReply { .. } => CommandError::Unknown { reason: Reason::BadReply },
        Outcome::TooLarge { .. } => CommandError::Unknown { reason: Reason::BadReply },
        Outcome::BadRequest { detail } | Outcome::Incompatible { detail } => CommandError::Incompatible { detail },
    }))
}

/// What another node's refusal means: everything but the command's own reply and error.
pub(super) fn there<T, E>(outcome: wire::Outcome, repeatable: bool) -> Verdict<T, E> {
    use wire::Outcome;
    Verdict::End(Err(match outcome {
        Outcome::NotFound => CommandError::NotFound,
        Outcome::AlreadyExists => CommandError::AlreadyExists,
        Outcome::Overloaded { retry_after } => CommandError::Overloaded { retry_after },
        Outcome::NotOwner { owner, epoch } => {
            let hint = owner.map(|owner| (*owner, epoch));
            return Verdict::Again(Again { hint, ..Again::soon(Reason::Opening) });
        }
        // What a hand-over stops has left nothing, or its receipt: so even what was started may be sent again.
        Outcome::Moved { started } => return Verdict::Again(Again { started, ..Again::soon(Reason::Opening) }),
        Outcome::Unavailable { reason } => match Reason::from_wire(reason) {
            // The other node stops, or cannot serve now: whoever owns the slot next will answer.
            reason @ (Reason::NoMajority | Reason::ShuttingDown) => return Verdict::Again(Again::soon(reason)),
            reason => CommandError::Unavailable { reason },
        },
        Outcome::Unknown { .. } if repeatable => {
            return Verdict::Again(Again::soon_after_start(Reason::OwnerLost));
        }
        Outcome::Unknown { reason } => CommandError::Unknown { reason: Reason::from_wire(reason) },
        Outcome::DeadlineExceeded { started } => CommandError::DeadlineExceeded { executed: maybe(started) },
        Outcome::Panicked => CommandError::Panicked,
        Outcome::Incompatible { detail } => CommandError::Incompatible { detail },
        Outcome::Unauthorized => CommandError::Unauthorized,
        Outcome::TooLarge { limit } => CommandError::TooLarge { limit: usize::try_from(limit).unwrap_or(usize::MAX) },
        Outcome::BadFrame => {
            CommandError::Incompatible { detail: "the other node could not read the request".to_owned() }
        }
        Outcome::IdempotencyKeyReused => CommandError::IdempotencyKeyReused,
        Outcome::ReceiptExpired => CommandError::ReceiptExpired,
        Outcome::Ok | Outcome::Rejected | Outcome::BadReply => CommandError::Unknown { reason: Reason::BadReply },
        Outcome::Cancelled => CommandError::Unknown { reason: Reason::ConnectionLost },
    }))
}

fn maybe(started: bool) -> Executed {
    if started { Executed::Maybe } else { Executed::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_lost_its_slot_goes_on_only_with_its_arguments() {
        use exec::Outcome;
        for outcome in [Outcome::<(), ()>::Lost, Outcome::Moved { started: true }] {
            let unknown = Err(CommandError::Unknown { reason: Reason::OwnerLost });
            assert!(matches!(here(outcome.clone(), true, true), Verdict::End(end) if end == unknown), "{outcome:?}");
            assert!(matches!(here(outcome, true, false), Verdict::Again(again) if again.started));
        }
        let moved = Outcome::<(), ()>::Moved { started: false };
        assert!(matches!(here(moved, true, true), Verdict::Again(again) if !again.started));
    }
}
