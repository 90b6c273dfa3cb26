//! An opening under way, from its first question to its slot being open.

use super::super::epochs;
use super::super::opening::{Opening, Phase, Promises, Why};
use super::super::output::{Event, Opened};
use super::super::row::Ask;
use super::super::set::Set;
use super::super::shared::Shared;
use super::{Registry, lending};
use crate::id::{Epoch, Slot};
use crate::message::{Refusal, Word};
use crate::rules::Rule;

impl Registry {
    /// Begins an opening.
    pub(super) fn start(&mut self, slot: Slot, set: Set, why: Why, shared: &mut Shared) {
        let Some(row) = self.table.row_mut(slot) else { return };
        let distinct = shared.rules.keeps(Rule::EpochsDiffer);
        let tag = if distinct { epochs::tag(&shared.me, &self.name, slot) } else { 0 };
        let epoch = shared.epochs.draw(shared.now, row.met(), tag);
        row.meet(epoch);
        let set = shared.sets.share(set);
        self.openings.insert(slot, Opening::new(epoch, set, why));
    }

    /// Does what an opening under way can do now.
    pub(super) fn carry_on(&mut self, slot: Slot, shared: &mut Shared) {
        self.promise_myself(slot, shared);
        self.go_on_with_promises(slot, shared);
        self.finish_if_stored(slot, shared);
        self.ask(slot, shared);
    }

    /// The opener's own promise, which also keeps it from opening one slot twice at a time.
    fn promise_myself(&mut self, slot: Slot, shared: &mut Shared) {
        let Self { table, openings, holdings, .. } = self;
        let (Some(row), Some(opening)) = (table.row_mut(slot), openings.get_mut(&slot)) else { return };
        if opening.has_promise_of(&shared.me) {
            return;
        }
        let ask = Ask {
            opener: &shared.me,
            epoch: opening.epoch(),
            set: opening.set(),
            known: row.active_epoch(),
            released: opening.released_for(&shared.me),
        };
        debug_assert!(holdings.get(slot).is_none_or(|held| held.epoch < opening.epoch()));
        match row.promise(ask, |owner| shared.lent.runs(owner, shared.now), shared.rules) {
            Ok(superseded) => {
                let noted: Vec<_> = row.noted_below(opening.epoch()).cloned().collect();
                opening.promised(&shared.me, row.active_epoch(), &noted, row.accepted());
                shared.supersede(superseded, &self.name, slot, opening.epoch());
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
        let promises = opening.promises(&self.case(slot, shared));
        let Self { table, openings, .. } = self;
        let (Some(row), Some(opening)) = (table.row_mut(slot), openings.get_mut(&slot)) else { return };
        if promises == Promises::TooFew {
            return;
        }
        opening.install(promises == Promises::WhatThereIs);
        let position = opening.source(&shared.me).1.1;
        let stored = row.install(&shared.me, opening.epoch(), opening.set(), position, shared.rules);
        match stored {
            Ok(_) => opening.stored(&shared.me),
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
        let (source, taken_over) = opening.source(&shared.me);
        // Whatever another has opened since was let go of when that was learnt.
        let keep = !self.kept.insert(slot);
        let registry = self.name.clone();
        if opening.loses() {
            shared.event(Event::PossibleLoss { registry: registry.clone(), slot, epoch });
        }
        shared.event(Event::Opened { registry, slot, epoch, why });
        shared.open(&self.name, Opened { slot, epoch, set: set.clone(), source, taken_over, keep });
        let mut until = self.holdings.open(slot, epoch, &set, *opening.retry(), lending(shared));
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
        if opening.retry().at() <= shared.now {
            let (pause, random) = (shared.first_pause(), shared.random());
            opening.retry().tried(shared.now, pause, random);
            opening.ask_all_again();
        }
        let known = self.table.row(slot).and_then(|row| row.active_epoch());
        let position = opening.source(&shared.me).1.1;
        for process in opening.ask(&self.case(slot, shared)) {
            let (epoch, set) = (opening.epoch(), opening.set().clone());
            let word = match opening.phase() {
                Phase::Collecting => Word::Collect { epoch, set, known, released: opening.released_for(&process) },
                Phase::Installing => Word::Install { epoch, set, position },
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

    /// Lets others go first for a while.
    pub(super) fn pause(&mut self, slot: Slot, shared: &mut Shared) {
        let (pause, random) = (shared.outbid_pause(), shared.random());
        self.pauses.entry(slot).or_default().tried(shared.now, pause, random);
    }
}
