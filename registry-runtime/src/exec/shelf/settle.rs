//! The end of a command: what it leaves behind is committed, or undone, and its lane is free again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::super::outcome::Refused;
use super::super::pledge::{Decided, Pledge};
use super::{Claim, Clock, Gate, Lane, Shelf, Stand, Turn};
use crate::id::{Epoch, Slot};
use crate::policy::receipts::{Ask, Told};
use crate::resource::Resource;

/// For how many lanes a slot keeps room in any case: the least that its map can have.
const LANES_KEPT: usize = 3;

/// How many times more room than lanes a slot may have.
const LANES_SPARE: usize = 8;

/// What is to be remembered of a command that ends now; `B` are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::exec) struct Receipt<B = Bytes> {
    pub(in crate::exec) ask: Ask,
    pub(in crate::exec) told: Told<B>,
    /// For how long another attempt may come from now on.
    pub(in crate::exec) left: Duration,
    /// For how long a name is remembered.
    pub(in crate::exec) window: Duration,
}

impl<B> Receipt<B> {
    /// The same with other bytes.
    pub(in crate::exec) fn with<'a, C>(&'a self, bytes: impl FnOnce(&'a B) -> C) -> Receipt<C> {
        Receipt { ask: self.ask, told: self.told.with(bytes), left: self.left, window: self.window }
    }
}

/// What a command leaves behind.
#[derive(Debug)]
pub(in crate::exec) struct Effect<R> {
    pub(in crate::exec) change: Change<R>,
    pub(in crate::exec) receipt: Option<Receipt>,
    /// Both, for the backups; without it nothing is changed in a slot that has some.
    pub(in crate::exec) body: Option<Vec<u8>>,
}

impl<R> Effect<R> {
    /// Nothing but a lane that is free again.
    pub(in crate::exec) fn none() -> Self {
        Self { change: Change::Keep, receipt: None, body: None }
    }
}

/// How a command was settled.
#[derive(Debug)]
pub(in crate::exec) enum Settled {
    /// It is over.
    Now(Decided),
    /// Its record is under way; its lane is held until that is decided.
    Later(Pledge),
}

/// What a slot does with what a command leaves behind.
#[derive(Debug)]
pub(in crate::exec) enum Settling<R: Resource> {
    /// It is settled.
    Done(Settled, Outcomes<R>),
    /// Nothing is done: the slot has backups, and the change is not written down for them.
    Unwritten(Effect<R>),
}

/// What becomes of an instance.
#[derive(Debug)]
pub(in crate::exec) enum Change<R> {
    Keep,
    Put(Arc<R>),
    Remove,
}

/// Records that were decided, and what they replaced; tell and drop outside the lock.
#[derive(Debug)]
#[must_use]
pub(in crate::exec) struct Outcomes<R: Resource> {
    // Nearly always one of each: so a command on its caller's thread costs no allocation here.
    pub(super) decided: SmallVec<[(Pledge, Decided); 1]>,
    pub(super) states: SmallVec<[Arc<R>; 1]>,
    pub(super) entries: SmallVec<[(R::Key, Lane<R>); 1]>,
    /// The epoch of a seal under which the slot has just drained.
    pub(in crate::exec) drained: Option<Epoch>,
}

impl<R: Resource> Outcomes<R> {
    pub(in crate::exec) fn none() -> Self {
        Self { decided: SmallVec::new(), states: SmallVec::new(), entries: SmallVec::new(), drained: None }
    }

    /// Tells those who wait; call it outside the lock. What is left is to be dropped there, too.
    pub(in crate::exec) fn tell(&mut self) {
        for (pledge, decided) in std::mem::take(&mut self.decided) {
            pledge.decide(decided);
        }
    }
}

impl<R: Resource> Shelf<R> {
    /// Commits a change with its receipt if the slot is still this node's, and lets go of the lane; in a slot with backups, both wait
    /// until more than half of its set have the record. There, a change that is not written down is handed back.
    pub(in crate::exec) fn settle(
        &mut self,
        slot: Slot,
        key: &R::Key,
        claim: Claim,
        stand: Stand,
        effect: Effect<R>,
        clock: &dyn Clock,
    ) -> Settling<R> {
        let mut outcomes = Outcomes::none();
        let changes = !matches!(effect.change, Change::Keep);
        let settled = match (self.may_settle(claim, clock), effect) {
            (Ok(()), effect @ Effect { body: None, .. }) if changes && self.has_backups() => {
                return Settling::Unwritten(effect);
            }
            (Ok(()), Effect { change, receipt, body: Some(body) }) if self.has_backups() => {
                let pledge = Pledge::new();
                self.propose(slot, key, claim, (change, receipt, body), pledge.clone());
                outcomes = self.advance(slot, clock);
                Settled::Later(pledge)
            }
            (Ok(()), Effect { change, receipt, .. }) => {
                if changes {
                    self.count_record();
                }
                self.apply(key, claim.turn, change, receipt, clock, &mut outcomes);
                Settled::Now(Ok(()))
            }
            (Err(refused), Effect { change, .. }) => {
                self.undo(key, claim.turn, change, &mut outcomes);
                Settled::Now(Err(refused))
            }
        };
        outcomes.drained = self.depart(stand).or(outcomes.drained);
        Settling::Done(settled, outcomes)
    }

    fn may_settle(&self, claim: Claim, clock: &dyn Clock) -> Decided {
        match &self.gate {
            Gate::Open(lease) | Gate::Sealed { lease, .. } if claim.tenure == self.tenure => {
                if self.may_show(lease, clock) { Ok(()) } else { Err(Refused::Lost) }
            }
            _ if self.ceded == Some(claim.tenure) => Err(Refused::Moved { started: true }),
            _ => Err(Refused::Lost),
        }
    }

    /// Commits a change with its receipt, and lets go of the lane. With [`put`](Self::put), the only place where an instance changes.
    pub(super) fn apply(
        &mut self,
        key: &R::Key,
        turn: Option<Turn>,
        change: Change<R>,
        receipt: Option<Receipt>,
        clock: &dyn Clock,
        outcomes: &mut Outcomes<R>,
    ) {
        if let Some(Receipt { ask, told, left, window }) = receipt {
            self.receipts.remember(&ask, told, left, window, clock.now());
        }
        if !matches!(change, Change::Keep)
            && let Some(past) = &mut self.past
        {
            past.wrote(key, self.replica.stamp().1);
        }
        if let Some(lane) = self.lanes.get_mut(key) {
            match change {
                Change::Keep => {}
                Change::Put(new) => {
                    outcomes.states.extend(lane.state.replace(new));
                }
                Change::Remove => {
                    outcomes.states.extend(lane.state.take());
                }
            }
        }
        self.let_go(key, turn, outcomes);
    }

    /// Lets go of the lane without a change.
    pub(super) fn undo(&mut self, key: &R::Key, turn: Option<Turn>, change: Change<R>, outcomes: &mut Outcomes<R>) {
        if let Change::Put(state) = change {
            outcomes.states.push(state);
        }
        self.let_go(key, turn, outcomes);
    }

    pub(super) fn let_go(&mut self, key: &R::Key, turn: Option<Turn>, outcomes: &mut Outcomes<R>) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if let Some(turn) = turn {
            lane.leave(turn);
        }
        if lane.is_empty() {
            self.remove_lane(key, outcomes);
        }
    }

    /// Takes out an empty lane, and gives back the room of those that are gone once it is many times what is needed: so the cost of
    /// that is spread over their removals.
    pub(super) fn remove_lane(&mut self, key: &R::Key, outcomes: &mut Outcomes<R>) {
        outcomes.entries.extend(self.lanes.remove_entry(key));
        let (needed, room) = (self.lanes.len(), self.lanes.capacity());
        if room > LANES_KEPT && needed <= room / LANES_SPARE {
            self.lanes.shrink_to(needed.saturating_mul(2));
        }
    }
}
