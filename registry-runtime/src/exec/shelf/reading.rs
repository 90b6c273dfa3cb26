//! Reads of a slot that another node owns, from the copy that is here.

use std::sync::Arc;

use super::super::Lease;
use super::super::outcome::Refused;
use super::judge::expect_instance;
use super::{Claim, Clock, Gate, Shelf};
use crate::id::{Epoch, Position};
use crate::policy::replica::Stamp;
use crate::policy::shown::Shown;
use crate::resource::{Kind, Resource};
use crate::rules::Rule;
use crate::time::Moment;

/// What readers may be shown while another node is the owner.
#[derive(Debug)]
pub(super) struct Reading<R: Resource> {
    shown: Shown<R::Key>,
    /// Holds while the owner was heard lately: one that is cut off is not to be waited for, nor shown for longer than its lease.
    heard: Lease,
    /// How far the content reached that was given up last: somebody may have been shown of it a moment ago.
    gone: Stamp,
}

impl<R: Resource> Default for Reading<R> {
    fn default() -> Self {
        Self { shown: Shown::default(), heard: Lease::until(Moment::default()), gone: Stamp::default() }
    }
}

impl<R: Resource> Shelf<R> {
    /// Follows another owner, which was heard lately while `heard` holds.
    pub(super) fn follow(&mut self, heard: Lease) {
        if let Some(reading) = &mut self.reading {
            reading.heard = heard;
        }
    }

    /// The content is about to be given up: follows nobody any more.
    pub(super) fn stop_reading(&mut self) {
        let copy = self.replica.stamp();
        if let Some(reading) = &mut self.reading {
            **reading = Reading { gone: reading.gone.max(copy), ..Reading::default() };
        }
    }

    /// The copy is another one now: nothing of it is shown before the owner has said that all of it is acknowledged.
    pub(super) fn copy_replaced(&mut self) {
        let (_, reaches) = self.replica.stamp();
        if let Some(reading) = &mut self.reading {
            reading.shown.replaced(reaches);
        }
    }

    /// A record has changed an instance of the copy.
    pub(super) fn copy_changed(&mut self, position: Position, key: &R::Key) {
        if let Some(reading) = &mut self.reading {
            reading.shown.changed(position, key.clone());
        }
    }

    /// The owner says how far its stream is acknowledged.
    pub(in crate::exec) fn hear_acknowledged(&mut self, epoch: Epoch, position: Position) {
        if let Some(reading) = &mut self.reading {
            reading.shown.acknowledged(epoch, position);
        }
    }

    /// The committed state of an instance, as far as this copy knows, for who has seen so much. Who is sent away asks the owner.
    pub(super) fn look_at_copy(
        &self,
        epoch: Epoch,
        key: &R::Key,
        seen: Stamp,
        clock: &dyn Clock,
    ) -> Result<(Claim, Option<Arc<R>>), Refused> {
        let state = self.lanes.get(key).and_then(|lane| lane.state.clone());
        let copy = self.replica.stamp();
        let seen = if self.rules.keeps(Rule::NothingOlder) { seen } else { Stamp::default() };
        // Who has promised the slot to a later opening does not know any more who owns it. And one that is being filled has missed something,
        // and takes what comes for the copy that is to be.
        let is_filled = || self.incoming.as_ref().is_some_and(|incoming| !incoming.adds);
        let follows = copy.0 == epoch && self.replica.fence() == epoch && !is_filled();
        let may_show = |reading: &Reading<R>| reading.shown.may_show(key, copy, seen) && reading.heard.holds(clock);
        if !follows || !self.reading.as_ref().is_some_and(|reading| may_show(reading)) {
            return Err(Refused::NotOwner { epoch: copy.0 });
        }
        expect_instance::<R>(Kind::Read, state.is_some())?;
        Ok((Claim { tenure: self.tenure, turn: None }, state))
    }

    /// A record up to which this node may have shown the slot to anybody, and not much later than the last such record. `None` where the owner
    /// alone answers reads.
    pub(in crate::exec) fn shown(&self) -> Option<Stamp> {
        let reading = self.reading.as_ref()?;
        let copy = self.replica.stamp();
        let sure = matches!(self.gate, Gate::Closed).then(|| reading.shown.reaches(copy)).flatten();
        Some(sure.unwrap_or(copy).max(reading.gone))
    }
}
