//! An open slot: repaired, brought to where the plan wants it, handed over, taken back.

use super::super::held::Stage;
use super::super::moves::{self, Move};
use super::super::opening::{Retry, Why};
use super::super::output::Event;
use super::super::places::Turn;
use super::super::set::Set;
use super::super::shared::{Shared, is_near};
use super::super::store::Seal;
use super::Registry;
use crate::id::{Process, Slot};
use crate::message::Word;
use crate::time::Moment;

/// How many times the length of a lease an owner waits for the next one before it takes a slot back. What runs on the
/// slot has a second to end, and the opening needs some round trips; five leases are three seconds with the shortest.
const PATIENCE_LEASES: u32 = 5;

impl Registry {
    /// A slot that this node has open: repair, rebalance, hand over, take back.
    pub(super) fn tend(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        let held = self.holdings.get(slot)?;
        if self.openings.contains_key(&slot) {
            return None;
        }
        if let Some((to, until)) = held.ends() {
            // Who is not planned with any more has left off hosting, or is about to leave: it opens nothing.
            if shared.now >= until || !shared.view.is_live(to) || !self.plan.contains(to) {
                let to = to.clone();
                let live = held.set().members().iter().filter(|member| shared.view.is_live(member));
                let set = Set::of(&shared.me, live.cloned(), held.set().len());
                self.rebuffed(slot, to, shared);
                self.start(slot, set, Why::TakeBack, shared);
                return None;
            }
            return Some(until.min(self.ask_to_take_over(slot, shared)));
        }
        let missing = self.ask_to_store(slot, shared);
        let paused = self.pauses.get(&slot).map(Retry::at).filter(|at| *at > shared.now);
        let unfit = self.unfit_until(slot, shared);
        let strange = self.strangers_of(slot, shared.now).map(|(_, until)| *until).min();
        let rebuffed = self.rebuffs.get(&slot).map(|(_, retry)| retry.at()).filter(|at| *at > shared.now);
        if paused.is_none() {
            self.make_a_move(slot, shared);
        }
        missing.into_iter().chain(paused).chain(unfit).chain(strange).chain(rebuffed).min()
    }

    /// A slot was not taken by whom it was handed to. It is served here again, and handed over no sooner than after a pause as long as the
    /// attempt was: while it is tried again and again nobody serves it.
    fn rebuffed(&mut self, slot: Slot, to: Process, shared: &mut Shared) {
        let (random, pause) = (shared.random(), shared.timing.lease * PATIENCE_LEASES);
        let (by, retry) = self.rebuffs.entry(slot).or_insert_with(|| (to.clone(), Retry::default()));
        if *by != to {
            (*by, *retry) = (to, Retry::default());
        }
        retry.tried(shared.now, pause, random);
    }

    /// Whether a slot is not handed to that process for now.
    fn is_rebuffed(&self, slot: Slot, to: &Process, now: Moment) -> bool {
        self.rebuffs.get(&slot).is_some_and(|(by, retry)| by == to && retry.at() > now)
    }

    /// Until when nobody is added to the slot's set, if its content could not be sent to a newcomer.
    fn unfit_until(&self, slot: Slot, shared: &Shared) -> Option<Moment> {
        self.unfit.get(&slot).copied().filter(|until| *until > shared.now)
    }

    /// Who is not to keep the slot for now, since it cannot read what is in it.
    fn strangers_of(&self, slot: Slot, now: Moment) -> impl Iterator<Item = &(Process, Moment)> {
        self.strangers.get(&slot).into_iter().flatten().filter(move |(_, until)| *until > now)
    }

    fn make_a_move(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(held) = self.holdings.get(slot) else { return };
        let is_strange =
            |process: &Process| self.strangers_of(slot, shared.now).any(|(stranger, _)| stranger == process);
        let rank: Vec<_> = self.plan.rank(slot).filter(|process| !is_strange(process)).collect();
        let calm = !shared.view.is_suspecting();
        let is_live = |process: &Process| shared.view.is_live(process);
        let (is_at_hand, has_stored) =
            (|process: &Process| is_near(&shared.peers, process), |process: &Process| held.has_stored(process));
        let next = moves::next(held.set(), &rank, self.replicas, calm, is_live, is_at_hand, has_stored);
        let next = if self.unfit_until(slot, shared).is_some() { next.without_newcomers(held.set()) } else { next };
        let next = match next {
            Move::HandOver(to) if self.is_rebuffed(slot, &to, shared.now) => Move::Stay,
            next => next,
        };
        let (next, may_wait) = match next {
            Move::Stay | Move::HandOver(_) if held.is_interrupted => {
                (Move::Reopen(held.set().clone(), Why::TakeBack), false)
            }
            next => (next, !held.is_interrupted && !self.places.has(slot)),
        };
        if next != Move::Stay && may_wait && !self.places.is_free(shared.now) {
            let turn = if matches!(next, Move::Reopen(_, Why::Repair)) { Turn::Repair } else { Turn::Planned };
            self.places.wait(slot, turn);
            return;
        }
        match next {
            Move::Stay => {}
            Move::Reopen(set, why) => {
                self.places.begin(slot, shared.now);
                self.start(slot, set, why, shared);
            }
            Move::HandOver(to) => {
                self.places.begin(slot, shared.now);
                let until = shared.now + shared.timing.lease * PATIENCE_LEASES;
                let epoch = held.epoch;
                if let Some(held) = self.holdings.get_mut(slot) {
                    held.stage = Stage::Sealed { to: to.clone(), until };
                    self.agenda.look(slot);
                }
                shared.seal(&self.name, Seal { slot, epoch, to });
            }
        }
    }

    /// Asks the members that have not stored an opening which is served already. Says when to ask again.
    fn ask_to_store(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        let random = shared.random();
        let pause = shared.first_pause();
        let held = self.holdings.get_mut(slot)?;
        let missing: Vec<_> = held.missing().filter(|member| shared.view.is_live(member)).cloned().collect();
        if missing.is_empty() {
            return None;
        }
        if held.retry.at() <= shared.now {
            held.retry.tried(shared.now, pause, random);
            for member in missing {
                let word = Word::Install { epoch: held.epoch, set: held.set().clone(), base: held.base };
                shared.outbox.say(&member, &self.name, self.slots, slot, word);
            }
        }
        Some(held.retry.at())
    }

    /// Asks the next owner of a sealed and empty slot to open it. Says when to ask again.
    fn ask_to_take_over(&mut self, slot: Slot, shared: &mut Shared) -> Moment {
        let random = shared.random();
        let pause = shared.first_pause();
        let Some(held) = self.holdings.get_mut(slot) else { return Moment::FOREVER };
        let Stage::HandedOver { to, .. } = &held.stage else { return Moment::FOREVER };
        if held.retry.at() <= shared.now {
            held.retry.tried(shared.now, pause, random);
            let word = Word::HandOver { epoch: held.epoch, set: held.set().clone() };
            shared.outbox.say(to, &self.name, self.slots, slot, word);
            let to = to.node.clone();
            shared.event(Event::HandedOver { registry: self.name.clone(), slot, to });
        }
        held.retry.at()
    }
}
