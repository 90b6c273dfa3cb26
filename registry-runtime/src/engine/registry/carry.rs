//! An opening under way, from its first question to its slot being open.

use super::super::epochs;
use super::super::held::New;
use super::super::opening::{Opening, Phase, Promises, Why};
use super::super::output::{Closing, Event};
use super::super::row::Ask;
use super::super::set::Set;
use super::super::shared::Shared;
use super::super::store::{Begin, Fence, Fetch, Opened};
use super::{Registry, lending};
use crate::id::{Epoch, Slot};
use crate::message::{Refusal, Word};
use crate::rules::Rule;

impl Registry {
    /// Begins an opening.
    pub(super) fn start(&mut self, slot: Slot, set: Set, why: Why, shared: &mut Shared) {
        let Some(row) = self.table.row_mut(slot) else { return };
        let distinct = shared.rules.keeps(Rule::EpochsDiffer);
        let tag = if distinct { epochs::tag(&shared.me, self.name.as_str(), slot) } else { 0 };
        let epoch = shared.epochs.draw(shared.now, row.met(), tag);
        row.meet(epoch);
        let set = shared.sets.share(set);
        self.openings.insert(slot, Opening::new(shared.now, epoch, set, why));
    }

    /// Does what an opening under way can do now.
    pub(super) fn carry_on(&mut self, slot: Slot, shared: &mut Shared) {
        self.promise_myself(slot, shared);
        self.go_on_with_promises(slot, shared);
        self.finish_if_stored(slot, shared);
        self.ask(slot, shared);
    }

    /// The opener's own promise, which also keeps it from opening one slot twice at a time. It counts when this node's store
    /// has answered.
    fn promise_myself(&mut self, slot: Slot, shared: &mut Shared) {
        let Self { table, openings, holdings, .. } = self;
        let (Some(row), Some(opening)) = (table.row_mut(slot), openings.get_mut(&slot)) else { return };
        if opening.is_fencing() {
            return;
        }
        let ask = Ask {
            opener: &shared.me,
            epoch: opening.epoch(),
            set: opening.set(),
            known: row.active_epoch(),
            released: opening.released_for(&shared.me),
        };
        let epoch = opening.epoch();
        let mut held = holdings.get_mut(slot);
        debug_assert!(held.as_ref().is_none_or(|held| held.epoch < epoch));
        match row.promise(ask, |owner| shared.lent.runs(owner, shared.now), shared.rules) {
            Ok(superseded) => {
                opening.fence();
                if let Some(held) = &mut held {
                    held.is_interrupted = true;
                }
                shared.supersede(superseded, &self.name, slot, epoch);
                shared.fence(&self.name, Fence { slot, epoch, own: true });
            }
            Err(Refusal::Promised(epoch)) => self.outbid(slot, epoch, shared),
            // The word that this node has given runs out, or its owner gives it back; the rest only others can mend.
            Err(Refusal::Lent(epoch, owner)) => opening.waits_for(&shared.me, epoch, owner),
            Err(Refusal::Outdated | Refusal::Full) => {}
        }
    }

    fn go_on_with_promises(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(opening) = self.openings.get(&slot) else { return };
        if opening.phase() != Phase::Collecting || !opening.has_promise_of(&shared.me) {
            return;
        }
        let loses = match opening.promises(&self.case(slot, shared)) {
            Promises::TooFew => return,
            Promises::Enough => None,
            // It may be lower than one that was acknowledged in and that nobody remembers.
            Promises::WhatThereIs(_) if opening.is_older_than(shared.now, shared.timing.lease) => {
                return self.renew(slot, shared);
            }
            Promises::WhatThereIs(short) => Some(short),
        };
        if opening.source(&shared.me, shared.rules).0 == shared.me {
            self.begin(slot, loses, shared);
            return;
        }
        if let Some(opening) = self.openings.get_mut(&slot) {
            opening.go_on(Phase::Fetching, loses);
            self.kept.insert(slot, opening.epoch());
        }
        // Another has newer data: what was served here is over already, and this node had not heard of it.
        if let Some(held) = self.holdings.close(slot) {
            shared.close(&self.name, slot, held.epoch, Closing::Superseded);
        }
    }

    /// Begins an attempt anew in an epoch of now, once. Data may be lost with it, but fences outside should go on rising.
    fn renew(&mut self, slot: Slot, shared: &mut Shared) {
        if let Some(former) = self.openings.remove(&slot) {
            self.start(slot, former.set().clone(), former.why(), shared);
            if let Some(opening) = self.openings.get_mut(&slot) {
                opening.stays();
            }
            self.agenda.look(slot);
        }
    }

    /// What is taken over is here: lets the new record stream begin with it.
    pub(super) fn begin(&mut self, slot: Slot, loses: Option<Set>, shared: &mut Shared) {
        let Self { table, openings, .. } = self;
        let (Some(row), Some(opening)) = (table.row_mut(slot), openings.get_mut(&slot)) else { return };
        let (epoch, set) = (opening.epoch(), opening.set().clone());
        match row.install(&shared.me, epoch, &set, shared.rules) {
            Ok(_) => {
                opening.go_on(Phase::Installing, loses);
                opening.stored(&shared.me);
                self.kept.insert(slot, epoch);
                let base = opening.source(&shared.me, shared.rules).1;
                shared.begin(&self.name, Begin { slot, epoch, set, base });
            }
            Err(Refusal::Promised(epoch)) => self.outbid(slot, epoch, shared),
            Err(_) => {}
        }
    }

    fn finish_if_stored(&mut self, slot: Slot, shared: &mut Shared) {
        let early =
            |opening: &Opening| !shared.rules.keeps(Rule::MajorityStores) && opening.phase() == Phase::Installing;
        if !self.openings.get(&slot).is_some_and(|opening| opening.is_stored() || early(opening)) {
            return;
        }
        let Some(mut opening) = self.openings.remove(&slot) else { return };
        let (epoch, set, why) = (opening.epoch(), opening.set().clone(), opening.why());
        self.pauses.remove(&slot);
        self.table.learn(slot, epoch, &set);
        self.table_changed = true;
        let registry = self.name.clone();
        if let Some(short) = opening.loses().cloned() {
            shared.event(Event::PossibleLoss { registry: registry.clone(), slot, epoch, short });
        }
        shared.event(Event::Opened { registry, slot, epoch, why, set: set.clone() });
        shared.open(&self.name, Opened { slot, epoch, set: set.clone() });
        let (base, retry) = (opening.source(&shared.me, shared.rules).1, *opening.retry());
        let mut until = self.holdings.open(slot, New { epoch, set: &set, base, retry }, lending(shared));
        for member in opening.stored_by() {
            until = self.holdings.stored(slot, member, lending(shared)).unwrap_or(until);
        }
        shared.lease(&self.name, [slot], until);
        for peer in shared.peers.values() {
            let word = Word::Active { epoch, set: set.clone() };
            shared.outbox.say(&peer.process, &self.name, self.slots, slot, word);
        }
        self.agenda.look(slot);
    }

    /// Asks whom an opening still needs.
    fn ask(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(mut opening) = self.openings.remove(&slot) else { return };
        let (source, base) = opening.source(&shared.me, shared.rules);
        let is_retry = opening.retry().has_tried();
        if opening.retry().at() <= shared.now {
            if opening.phase() == Phase::Fetching && is_retry && !shared.view.is_live(&source) {
                self.pause(slot, shared);
                self.agenda.look(slot);
                return;
            }
            let (pause, random) = (shared.first_pause(), shared.random());
            opening.retry().tried(shared.now, pause, random);
            opening.ask_all_again();
        }
        let known = self.table.row(slot).and_then(|row| row.active_epoch());
        for process in opening.ask(&self.case(slot, shared)) {
            let (epoch, set) = (opening.epoch(), opening.set().clone());
            let word = match opening.phase() {
                Phase::Fetching => {
                    shared.fetch(&self.name, Fetch { slot, epoch, from: process.clone(), base });
                    // Should it have promised a higher epoch, or let go of what it had, it will say so.
                    if !is_retry {
                        continue;
                    }
                    Word::Collect { epoch, set, known, released: opening.released_for(&process) }
                }
                Phase::Collecting => Word::Collect { epoch, set, known, released: opening.released_for(&process) },
                Phase::Installing => Word::Install { epoch, set, base },
            };
            if process != shared.me {
                shared.outbox.say(&process, &self.name, self.slots, slot, word);
            }
        }
        self.openings.insert(slot, opening);
    }

    /// Ends an attempt that has met a higher epoch; the next begins after a pause, if it is still for this node to do.
    pub(super) fn outbid(&mut self, slot: Slot, by: Epoch, shared: &mut Shared) {
        shared.epochs.meet(by);
        if let Some(row) = self.table.row_mut(slot) {
            row.meet(by);
        }
        if let Some(opening) = self.openings.remove(&slot) {
            self.pause(slot, shared);
            let (registry, epoch) = (self.name.clone(), opening.epoch());
            shared.event(Event::Outbid { registry, slot, epoch });
        }
        self.agenda.look(slot);
    }

    /// Ends an attempt whose ground is gone; the next begins after a pause, if it is still for this node to do.
    pub(super) fn start_over(&mut self, slot: Slot, shared: &mut Shared) {
        if self.openings.remove(&slot).is_some() {
            self.pause(slot, shared);
        }
        self.agenda.look(slot);
    }

    /// Lets others go first for a while.
    pub(super) fn pause(&mut self, slot: Slot, shared: &mut Shared) {
        let (pause, random) = (shared.outbid_pause(), shared.random());
        self.pauses.entry(slot).or_default().tried(shared.now, pause, random);
    }
}
