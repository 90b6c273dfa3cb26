//! What peers say about one slot, and the answers.

use super::super::held::Stage;
use super::super::opening::{Phase, Why};
use super::super::output::Closing;
use super::super::row::Ask;
use super::super::set::Set;
use super::super::shared::Shared;
use super::super::store::{Adopt, Fence};
use super::Registry;
use crate::id::{Epoch, Position, Process, Slot};
use crate::message::{NOTED_MAX, Noted, Refusal, Word};

/// Something that no sound peer says, and what is wrong with it.
pub(crate) type Bad = &'static str;

impl Registry {
    /// Takes in one word. The slot exists and the epochs are credible.
    pub(crate) fn hear(&mut self, from: &Process, slot: Slot, word: Word<Set>, shared: &mut Shared) -> Result<(), Bad> {
        shared.epochs.meet(word.epoch_max());
        match word {
            Word::Collect { epoch, set, known, released } => {
                check_owner(from, &set)?;
                let set = &shared.sets.share(set);
                self.hear_collect(slot, Ask { opener: from, epoch, set, known, released }, shared);
            }
            Word::Promise { epoch, active, noted, accepted } => {
                if noted.len() > NOTED_MAX || noted.iter().any(|noted| noted.first > noted.last) {
                    return Err("a promise with noted sets that no row can have");
                }
                if accepted.0 > epoch {
                    return Err("a promise of data above the promised epoch");
                }
                let known = active.as_ref().map(|(epoch, _)| *epoch);
                self.hear_active(slot, active, shared);
                self.hear_promise(slot, from, epoch, (known, &noted, accepted), shared);
            }
            Word::Refuse { epoch, refusal, active } => {
                self.hear_active(slot, active, shared);
                self.hear_refusal(slot, from, epoch, refusal, shared);
            }
            Word::Install { epoch, set, base } => {
                check_owner(from, &set)?;
                if !set.contains(&shared.me) {
                    return Err("an installation for others");
                }
                if base.0 > epoch {
                    return Err("an installation of data above its epoch");
                }
                let set = &shared.sets.share(set);
                self.hear_install(slot, from, (epoch, set, base), shared);
            }
            Word::Active { epoch, set } => self.hear_active(slot, Some((epoch, set)), shared),
            Word::HandOver { epoch, set } => {
                check_owner(from, &set)?;
                self.hear_active(slot, Some((epoch, set)), shared);
                self.hear_hand_over(slot, epoch, shared);
            }
        }
        Ok(())
    }

    /// Hears that this node may no longer count on somebody for a slot, since a higher epoch was promised to another.
    pub(crate) fn hear_superseded(&mut self, slot: Slot, epoch: Epoch, shared: &mut Shared) {
        if let Some(row) = self.table.row_mut(slot) {
            row.meet(epoch);
        }
        if self.holdings.get(slot).is_some_and(|held| held.epoch < epoch) {
            self.close(slot, shared, Closing::Superseded);
            // Whoever was promised that epoch is about to open the slot: leave it the time.
            self.pause(slot, shared);
        }
        if self.openings.get(&slot).is_some_and(|opening| opening.epoch() < epoch) {
            self.outbid(slot, epoch, shared);
        }
    }

    fn hear_collect(&mut self, slot: Slot, ask: Ask<'_>, shared: &mut Shared) {
        let serving = self.is_serving_against(slot, ask.opener, shared);
        let runs = |owner: &Process| if *owner == shared.me { serving } else { shared.lent.runs(owner, shared.now) };
        let is_founded = ask.known.is_none() && self.table.digest() == 0;
        let Some(row) = self.table.row_mut(slot) else { return };
        // Who is shut out of a cluster that stands has no part in what is founded beside it, either. It is asked again.
        if is_founded && shared.charter.is_shut_out() {
            return;
        }
        let promised = row.promise(ask, runs, shared.rules);
        let active = row.active().map(|active| (active.epoch, active.set.clone()));
        match promised {
            // The promise is said when the store keeps it, too.
            Ok(superseded) => {
                self.give_way(slot, ask.epoch, superseded, shared);
                shared.fence(&self.name, Fence { slot, epoch: ask.epoch, own: false });
            }
            Err(refusal) => {
                let word = Word::Refuse { epoch: ask.epoch, refusal, active };
                shared.outbox.say(ask.opener, &self.name, self.slots, slot, word);
            }
        }
    }

    fn hear_install(
        &mut self,
        slot: Slot,
        from: &Process,
        (epoch, set, base): (Epoch, &Set, (Epoch, Position)),
        shared: &mut Shared,
    ) {
        let Some(row) = self.table.row_mut(slot) else { return };
        let installed = row.install(from, epoch, set, shared.rules);
        let active = row.active().map(|active| (active.epoch, active.set.clone()));
        match installed {
            Ok(superseded) => {
                self.give_way(slot, epoch, superseded, shared);
                self.kept.insert(slot, epoch);
                shared.adopt(&self.name, Adopt { slot, epoch, base, owner: from.clone() });
            }
            Err(refusal) => {
                let word = Word::Refuse { epoch, refusal, active };
                shared.outbox.say(from, &self.name, self.slots, slot, word);
            }
        }
    }

    /// After a promise to another: whatever this node had or tried below that epoch is over, so its promise is also its
    /// word that it serves nothing there; and who has lost this node's word is told with the next lease.
    fn give_way(&mut self, slot: Slot, epoch: Epoch, superseded: Option<Process>, shared: &mut Shared) {
        if self.holdings.get(slot).is_some_and(|held| held.epoch < epoch) {
            self.close(slot, shared, Closing::Superseded);
            self.pause(slot, shared);
        }
        if self.openings.get(&slot).is_some_and(|opening| opening.epoch() < epoch) {
            self.outbid(slot, epoch, shared);
        }
        shared.supersede(superseded, &self.name, slot, epoch);
    }

    /// Whether this node has the right to serve the slot and has not handed it to `opener`.
    fn is_serving_against(&self, slot: Slot, opener: &Process, shared: &Shared) -> bool {
        let given = |stage: &Stage| matches!(stage, Stage::HandedOver { to, .. } if to == opener);
        self.holdings.get(slot).is_some_and(|held| !given(&held.stage)) && shared.now < self.holdings.lease(slot)
    }

    pub(super) fn hear_promise(
        &mut self,
        slot: Slot,
        from: &Process,
        epoch: Epoch,
        (known, noted, accepted): (Option<Epoch>, &[Noted<Set>], (Epoch, Position)),
        shared: &mut Shared,
    ) {
        let active = self.table.row(slot).and_then(|row| row.active_epoch());
        let Some(opening) = self.openings.get_mut(&slot).filter(|opening| opening.epoch() == epoch) else { return };
        match opening.phase() {
            Phase::Collecting => {}
            Phase::Fetching => {
                let (source, base) = opening.source(&shared.me, shared.rules);
                if *from == source && accepted != base {
                    self.start_over(slot, shared);
                }
                return;
            }
            Phase::Installing => return,
        }
        let fits = opening.promised(from, known, noted, accepted);
        if let Some(active) = active {
            opening.learn(active);
        }
        if fits {
            self.agenda.look(slot);
        } else {
            self.outbid(slot, epoch, shared);
        }
    }

    fn hear_refusal(&mut self, slot: Slot, from: &Process, epoch: Epoch, refusal: Refusal, shared: &mut Shared) {
        if let (Refusal::Promised(higher), Some(held)) = (&refusal, self.holdings.get_mut(slot))
            && held.epoch == epoch
            && !held.is_interrupted
        {
            // An attempt of the member's own, or somebody's that went no further: as things are it will never store this.
            held.is_interrupted = true;
            if let Some(row) = self.table.row_mut(slot) {
                row.meet(*higher);
            }
            self.pause(slot, shared);
            self.agenda.look(slot);
        }
        let Some(opening) = self.openings.get_mut(&slot).filter(|opening| opening.epoch() == epoch) else { return };
        match refusal {
            Refusal::Promised(higher) => self.outbid(slot, higher, shared),
            Refusal::Lent(lent, owner) => opening.waits_for(from, lent, owner),
            Refusal::Outdated => opening.ask_again(from),
            Refusal::Full => {}
        }
        self.agenda.look(slot);
    }

    fn hear_active(&mut self, slot: Slot, active: Option<(Epoch, Set)>, shared: &mut Shared) {
        let Some((epoch, set)) = active else { return };
        let set = shared.sets.share(set);
        if self.table.learn(slot, epoch, &set) {
            self.table_changed = true;
            self.pauses.remove(&slot);
            if let Some(opening) = self.openings.get_mut(&slot) {
                opening.learn(epoch);
            }
            self.agenda.look(slot);
        }
    }

    /// The owner has sealed the slot and asks this node to open it.
    fn hear_hand_over(&mut self, slot: Slot, epoch: Epoch, shared: &mut Shared) {
        let Some(active) = self.table.row(slot).and_then(|row| row.active()).cloned() else { return };
        let willing = active.epoch == epoch && active.set.contains(&shared.me) && self.plan.contains(&shared.me);
        let busy = self.openings.get(&slot).is_some_and(|opening| opening.why() == Why::HandedOver(epoch));
        if willing && !busy && self.holdings.get(slot).is_none() {
            let members = active.set.members().iter().cloned();
            self.openings.remove(&slot);
            self.start(slot, Set::of(&shared.me, members, active.set.len()), Why::HandedOver(epoch), shared);
            self.agenda.look(slot);
        }
    }
}

/// Openers speak for themselves: who opens is the first of its set.
fn check_owner(from: &Process, set: &Set) -> Result<(), Bad> {
    if set.owner() == from { Ok(()) } else { Err("an opening in another's name") }
}
