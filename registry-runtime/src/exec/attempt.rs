//! One attempt at a command, as it arrives.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use crate::id::{CommandId, Descent, Epoch, NodeId, Slot};
use crate::policy::receipts::Ask;
use crate::policy::replica::Stamp;
use crate::resource::{Invocation, KeyText, Origin, Resource};

/// One attempt at a command by a caller in this process.
#[derive(Debug)]
pub(crate) struct Attempt<'a, R: Resource> {
    /// The key's slot, as [`Host::slot_of`](super::Host::slot_of) says; without meaning for an action.
    pub(crate) slot: Slot,
    /// The epoch of the slot under which it was sent; without meaning for an action.
    pub(crate) epoch: Epoch,
    /// What the caller has seen of the slot, if a backup may answer: only a read may have this.
    pub(crate) seen: Option<Stamp>,
    /// The key; `None` for an action.
    pub(crate) key: Option<R::Key>,
    /// What its receipt is looked for by.
    pub(crate) ask: Ask,
    /// Whether a change leaves a receipt, for another attempt that may follow.
    pub(crate) keeps_receipt: bool,
    /// Which attempt this is, from 1.
    pub(crate) attempt: u32,
    /// Whether it only asks what became of earlier ones, and is not to be run.
    pub(crate) only_asks: bool,
    /// The node that calls.
    pub(crate) caller: &'a NodeId,
    /// When the attempt began: a moment ago.
    pub(crate) begun: Instant,
    /// When the call must have ended.
    pub(crate) deadline: Instant,
    /// What it hands down to the calls that it makes, if that does not follow from the rest.
    pub(crate) descent: Option<Descent>,
    /// The bytes that it came with; 0 from a caller in this process.
    pub(crate) bytes: usize,
}

/// One attempt at a command by a caller elsewhere, with its parts still encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The key's slot, as the caller says; without meaning for an action.
    pub(crate) slot: Slot,
    /// The epoch of the slot under which it was sent; without meaning for an action.
    pub(crate) epoch: Epoch,
    /// What the caller has seen of the slot, if a backup may answer.
    pub(crate) seen: Option<Stamp>,
    /// What its receipt is looked for by.
    pub(crate) ask: Ask,
    /// Which attempt this is, from 1.
    pub(crate) attempt: u32,
    /// Whether it only asks what became of earlier ones, and is not to be run.
    pub(crate) only_asks: bool,
    /// The node that calls.
    pub(crate) caller: &'a NodeId,
    /// When the attempt came in: a moment ago.
    pub(crate) begun: Instant,
    /// When the call must have ended.
    pub(crate) deadline: Instant,
    /// What it hands down to the calls that it makes, if that does not follow from the rest.
    pub(crate) descent: Option<Descent>,
    /// The encoded key; empty for an action.
    pub(crate) key: &'a [u8],
    /// The encoded tuple of arguments.
    pub(crate) args: &'a [u8],
}

/// What a command that waits or runs as a task keeps of its attempt.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) asked: Asked,
    pub(super) attempt: u32,
    pub(super) caller: NodeId,
    pub(super) deadline: Instant,
    pub(super) repeats_until: Instant,
    pub(super) root: CommandId,
    pub(super) rerun: bool,
    pub(super) span: Span,
}

/// A command as the slot's receipts know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    /// When nobody asks for its receipt any more; `None` when no other attempt can come.
    pub(super) ends: Option<Instant>,
    /// Whether it is not to be run where there is no receipt.
    pub(super) only_asks: bool,
}

impl Asked {
    /// For how long another attempt may come from now on; `None` when none can.
    pub(super) fn left(&self) -> Option<Duration> {
        self.ends.map(|ends| ends.saturating_duration_since(Instant::now()))
    }
}

impl<R: Resource> Attempt<'_, R> {
    /// What the slot's receipts are asked.
    pub(super) fn asked(&self) -> Asked {
        let ends = self.keeps_receipt.then(|| self.repeats_until());
        Asked { ask: self.ask, ends, only_asks: self.only_asks }
    }

    /// Until when the command may be run once more, by its caller or by the next run of the command that makes the call.
    fn repeats_until(&self) -> Instant {
        let outlives = self.descent.map_or(Duration::ZERO, |descent| descent.outlives);
        // Nobody asks for longer than the clock can count.
        self.deadline.checked_add(outlives).unwrap_or(self.deadline)
    }

    /// The command that no other one made.
    pub(super) fn root(&self) -> CommandId {
        self.descent.map_or(self.ask.id, |descent| descent.root)
    }

    /// Whether the calls that it makes may have been made before.
    fn is_rerun(&self) -> bool {
        self.descent.is_some_and(|descent| descent.rerun)
    }

    /// Without the key, for as long as it takes.
    pub(super) fn keep(&self, span: Span) -> Kept {
        Kept {
            asked: self.asked(),
            attempt: self.attempt,
            caller: self.caller.clone(),
            deadline: self.deadline,
            repeats_until: self.repeats_until(),
            root: self.root(),
            rerun: self.is_rerun(),
            span,
        }
    }

    /// What a body that starts at once is told.
    pub(super) fn invocation<'a>(&'a self, origin: &'a Arc<Origin>, key: Option<&'a R::Key>) -> Invocation<'a> {
        Invocation {
            origin,
            key: key.map(|key| key as &dyn KeyText),
            caller: self.caller,
            // An action has no slot, so it has no epoch either, whatever the caller wrote there.
            epoch: if key.is_some() { self.epoch } else { Epoch::ZERO },
            deadline: self.deadline,
            repeats_until: self.repeats_until(),
            root: self.root(),
            rerun: self.is_rerun(),
            id: self.ask.id,
            attempt: self.attempt,
        }
    }
}

impl Kept {
    /// What a body that starts in a task is told.
    pub(super) fn invocation<'a>(
        &'a self,
        origin: &'a Arc<Origin>,
        key: Option<&'a dyn KeyText>,
        epoch: Epoch,
    ) -> Invocation<'a> {
        Invocation {
            origin,
            key,
            caller: &self.caller,
            epoch,
            deadline: self.deadline,
            repeats_until: self.repeats_until,
            root: self.root,
            rerun: self.rerun,
            id: self.asked.ask.id,
            attempt: self.attempt,
        }
    }
}
