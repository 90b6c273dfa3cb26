//! What this node's store and those of others have to say: what is held, what has come over, who has stored it.

use std::time::Duration;

use super::super::held::Held;
use super::super::opening::{Opening, Phase, Why};
use super::super::output::Closing;
use super::super::set::Set;
use super::super::shared::Shared;
use super::super::store::{Fenced, Report, Stored};
use super::{Registry, lending};
use crate::id::{Epoch, Process, Slot};
use crate::message::Word;

/// How long nobody is added to a slot whose content does not fit through, or not who cannot read it, unless the plan changes: each try stops the slot for as long as it
/// takes to find that out, which is at most a second or two; and a node that leaves has a few tries before its time is up.
const UNFIT_TIME: Duration = Duration::from_secs(15);

impl Registry {
    /// Takes in what has become of slots.
    pub(crate) fn reported(&mut self, report: Report, shared: &mut Shared) {
        match report {
            Report::Fenced(slots) => slots.into_iter().for_each(|fenced| self.fenced(fenced, shared)),
            Report::Fetched(slot, epoch) => self.fetched(slot, epoch, shared),
            Report::Unbegun(slot, epoch) => self.unbegun(slot, epoch, shared),
            Report::Stored(stored) => self.stored(&stored, shared),
            Report::Unfillable(slot, epoch, member) => {
                if self.go_on_without(slot, epoch, &member, shared) {
                    self.unfit.insert(slot, shared.now + UNFIT_TIME);
                }
            }
            Report::Unreadable(slot, epoch, member) => self.unreadable(slot, epoch, &member, shared),
            Report::Drained(slot, epoch) => self.drained(slot, epoch),
        }
    }

    /// This node's store refuses lower epochs from now on: that makes a promise of what the row has promised, unless a
    /// higher one has come since.
    fn fenced(&mut self, fenced: Fenced, shared: &mut Shared) {
        let Fenced { slot, epoch, accepted } = fenced;
        let Some(row) = self.table.row(slot) else { return };
        let Some(opener) = row.promised(epoch).cloned() else { return };
        let noted: Vec<_> = row.noted_below(epoch).cloned().collect();
        if opener == shared.me {
            let known = row.active_epoch();
            self.hear_promise(slot, &opener, epoch, (known, &noted, accepted), shared);
        } else {
            let active = row.active().map(|active| (active.epoch, active.set.clone()));
            let word = Word::Promise { epoch, active, noted, accepted };
            shared.outbox.say(&opener, &self.name, self.slots, slot, word);
        }
    }

    /// What an opening takes over is here.
    fn fetched(&mut self, slot: Slot, epoch: Epoch, shared: &mut Shared) {
        let is_meant = |opening: &&Opening| opening.epoch() == epoch && opening.phase() == Phase::Fetching;
        if let Some(opening) = self.openings.get(&slot).filter(is_meant) {
            let loses = opening.loses().cloned();
            self.begin(slot, loses, shared);
            self.agenda.look(slot);
        }
    }

    /// An opening cannot go on: what its promises named is not here any more. It begins anew, after a while, with what is.
    fn unbegun(&mut self, slot: Slot, epoch: Epoch, shared: &mut Shared) {
        if self.openings.get(&slot).is_some_and(|opening| opening.epoch() == epoch) {
            self.openings.remove(&slot);
        }
        // One that needs nobody else counts as open already.
        if self.holdings.get(slot).is_some_and(|held| held.epoch == epoch) {
            self.close(slot, shared, Closing::Superseded);
        }
        self.pause(slot, shared);
        self.agenda.look(slot);
    }

    /// A member holds all that an opening took over.
    fn stored(&mut self, stored: &Stored, shared: &mut Shared) {
        let Stored { slot, epoch, by } = stored;
        if let Some(opening) = self.openings.get_mut(slot)
            && opening.epoch() == *epoch
        {
            opening.stored(by);
            self.agenda.look(*slot);
        }
        if self.holdings.get(*slot).is_some_and(|held| held.epoch == *epoch)
            && let Some(until) = self.holdings.stored(*slot, by, lending(shared))
        {
            shared.lease(&self.name, [*slot], until);
            self.agenda.look(*slot);
        }
    }

    /// A member will not have what an opening took over. One that waits for it goes on without it; says whether this one did.
    fn go_on_without(&mut self, slot: Slot, epoch: Epoch, member: &Process, shared: &mut Shared) -> bool {
        let waits = |opening: &Opening| {
            let is_it = opening.epoch() == epoch && opening.set().contains(member);
            is_it && opening.phase() == Phase::Installing && !opening.is_stored()
        };
        let Some(opening) = self.openings.get(&slot).filter(|opening| waits(opening)) else { return false };
        if *member == shared.me {
            return false;
        }
        // Who is to go while another comes has what is here, and goes when somebody else has it.
        let (former, why) = match self.holdings.get(slot) {
            Some(held) => {
                let live = held.set().members().iter().filter(|other| shared.view.is_live(other));
                (live.collect::<Vec<_>>(), Why::TakeBack)
            }
            None => (opening.set().members().iter().collect(), opening.why()),
        };
        let others = former.iter().copied().filter(|other| *other != member).cloned();
        let set = Set::of(&shared.me, others, former.len());
        self.start(slot, set, why, shared);
        self.agenda.look(slot);
        true
    }

    /// A member cannot read what is sent to it. Where that is what an opening took over, it is opened without; a slot that is open lets go of
    /// it as of one that leaves. For a while the slot is somebody else's to keep.
    fn unreadable(&mut self, slot: Slot, epoch: Epoch, member: &Process, shared: &mut Shared) {
        let serves = |held: &Held| held.epoch == epoch && held.set().contains(member) && *member != shared.me;
        let is_of_it = self.holdings.get(slot).is_some_and(serves);
        if self.go_on_without(slot, epoch, member, shared) || is_of_it {
            let strangers = self.strangers.entry(slot).or_default();
            strangers.retain(|(process, until)| process != member && *until > shared.now);
            strangers.push((member.clone(), shared.now + UNFIT_TIME));
            self.agenda.look(slot);
        }
    }

    /// Lets go of a slot's content once a set without this process is known to have been opened after the last opening
    /// that this process took part in: a majority of that set has stored it. An opening of this process's own may still
    /// name what is here.
    pub(super) fn forget_what_is_over(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(active) = self.table.row(slot).and_then(|row| row.active()) else { return };
        let is_over = |kept: &Epoch| *kept < active.epoch && !active.set.contains(&shared.me);
        if self.kept.get(&slot).is_some_and(is_over) && !self.openings.contains_key(&slot) {
            self.kept.remove(&slot);
            shared.forget(&self.name, slot);
        }
    }
}
