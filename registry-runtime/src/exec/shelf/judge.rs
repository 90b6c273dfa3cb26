//! What is said to a command before its body runs.

use std::time::Duration;

use super::super::attempt::Asked;
use super::super::outcome::Refused;
use super::Clock;
use crate::policy::admission::RETRY_AFTER_MAX;
use crate::policy::receipts::{Known, Receipts, Told};
use crate::resource::{Kind, Resource};
use crate::rules::{Rule, Rules};

/// Decides for an exclusive command that holds the lease and finds its lane free, before its body runs: the receipts first, then
/// `NotFound` and `AlreadyExists`, which are remembered in their turn. Of two attempts at one command, the second is told what the
/// first was.
pub(super) fn judge<R: Resource>(
    receipts: &mut Receipts,
    rules: Rules,
    kind: Kind,
    exists: bool,
    asked: &Asked,
    clock: &dyn Clock,
) -> Result<Option<Told>, Refused> {
    if asked.ask.name.is_some() {
        // After its window a name is new, whether or not anybody has swept since.
        receipts.forget_due(clock.now());
    }
    match receipts.look(&asked.ask) {
        Known::New | Known::Full if asked.only_asks => return Err(Refused::Lost),
        Known::New => {}
        Known::Told(_) if !rules.keeps(Rule::Receipt) => {}
        Known::Told(told) => return Ok(Some(told)),
        Known::Expired => return Err(Refused::ReceiptExpired),
        Known::Reused => return Err(Refused::IdempotencyKeyReused),
        Known::Full => return Err(Refused::Overloaded { retry_after: RETRY_AFTER_MAX }),
    }
    let expected = expect_instance::<R>(kind, exists);
    if let Err(refused) = &expected
        && let Some(left) = asked.left()
    {
        let told = if matches!(refused, Refused::NotFound) { Told::NotFound } else { Told::AlreadyExists };
        receipts.remember(&asked.ask, told, left, Duration::ZERO, clock.now());
    }
    expected.map(|()| None)
}

/// Decides `NotFound` and `AlreadyExists`, before any body runs.
pub(super) fn expect_instance<R: Resource>(kind: Kind, exists: bool) -> Result<(), Refused> {
    match kind {
        Kind::Create if exists => Err(Refused::AlreadyExists),
        Kind::Read | Kind::Update | Kind::Destroy if !exists && R::FRESH.is_none() => Err(Refused::NotFound),
        _ => Ok(()),
    }
}
