//! A task's hold on a slot.

use std::sync::Arc;

use super::attempt::Asked;
use super::begin::Grip;
use super::control::Control;
use super::host::Host;
use super::outcome::Refused;
use super::shelf::{Change, Claim, Found, Receipt, Settled, Stand};
use crate::id::{Epoch, Slot};
use crate::resource::{Kind, Resource};

/// A task's hold on a slot; dropping it lets go without a commit.
pub(super) struct Seat<R: Resource> {
    pub(super) host: Arc<Host<R>>,
    pub(super) slot: Slot,
    pub(super) key: R::Key,
    claim: Claim,
    stand: Option<Stand>,
}

impl<R: Resource> Seat<R> {
    /// For a command that stands in line.
    pub(super) fn in_line(
        host: &Arc<Host<R>>,
        slot: Slot,
        epoch: Epoch,
        key: R::Key,
        control: &Arc<Control>,
    ) -> Result<Self, Refused> {
        let lined_up = host.shelf(slot).map(|mut shelf| shelf.line_up(epoch, &key, control, host.clock()));
        let (claim, stand) = lined_up.unwrap_or(Err(Refused::NotOwner { epoch: Epoch::ZERO }))?;
        Ok(Self { host: Arc::clone(host), slot, key, claim, stand: Some(stand) })
    }

    /// For a command that was begun on its caller's thread.
    pub(super) fn from_place(host: &Arc<Host<R>>, grip: Grip<R>, control: &Arc<Control>) -> Self {
        let Grip { slot, key, claim } = grip;
        let stand = host.shelf(slot).map(|mut shelf| shelf.seat(claim, control));
        Self { host: Arc::clone(host), slot, key, claim, stand }
    }

    /// What the command finds when it may start.
    pub(super) fn turn(&self, kind: Kind, asked: &Asked) -> Result<Found<R>, Refused> {
        match self.host.shelf(self.slot) {
            Some(mut shelf) => shelf.turn(self.claim, &self.key, kind, asked, self.host.clock()),
            None => Err(Refused::Moved { started: false }),
        }
    }

    /// Commits and lets go.
    pub(super) fn settle(mut self, change: Change<R>, receipt: Option<Receipt>) -> Settled {
        match self.stand.take() {
            Some(stand) => self.host.settle(self.slot, &self.key, self.claim, stand, change, receipt),
            None => Settled::Now(Err(Refused::Lost)),
        }
    }
}

impl<R: Resource> Drop for Seat<R> {
    fn drop(&mut self) {
        let Some(stand) = self.stand.take() else { return };
        let left = self.host.shelf(self.slot).map(|mut shelf| shelf.leave(&self.key, self.claim, stand));
        left.into_iter().for_each(|outcomes| self.host.finish(self.slot, outcomes));
    }
}
