//! What other nodes say, checked before it is believed.

use super::super::outbox::send;
use super::super::output::Event;
use super::super::registry::Registry;
use super::super::set::Set;
use super::super::shared::Shared;
use super::super::view::Life;
use super::Ownership;
use crate::id::{NodeId, Process, RegistryName, Slot};
use crate::message::{
    Batch, Body, FOREIGN_SLOTS_MAX, FORGOTTEN_MAX, Forgotten, Heartbeat, Lend, Message, REGISTRIES_MAX, SETS_MAX,
    SLOTS_MAX, SUPERSEDED_MAX, WORDS_MAX, Word,
};

/// Something that no sound peer says, and what is wrong with it.
pub(super) type Bad = &'static str;

impl Ownership {
    /// Takes in a message of another node.
    pub(super) fn received(&mut self, from: &NodeId, message: Message) {
        let from = Process { node: from.clone(), start: message.from };
        if message.to != self.shared.me.start || from.node == self.shared.me.node {
            return;
        }
        let heard = match message.body {
            Body::Heartbeat(heartbeat) => self.hear_heartbeat(&from, heartbeat),
            Body::Lend(lend) => self.hear_lend(&from, &lend),
            Body::Digests(digests) => self.hear_digests(&from, &digests),
            Body::Told(told) => {
                self.hear_told(&from, &told);
                Ok(())
            }
            Body::Batch(batch) => self.hear_batch(&from, batch),
            Body::Forgotten(forgotten) => self.hear_forgotten(forgotten),
        };
        if let Err(what) = heard {
            self.shared.event(Event::BadInput { from: from.node, what });
        }
    }

    fn hear_heartbeat(&mut self, from: &Process, heartbeat: Heartbeat) -> Result<(), Bad> {
        if heartbeat.tables.len() > REGISTRIES_MAX {
            return Err("a heartbeat with too many registries");
        }
        // Who is Down here is not to serve; it will hear of that and come back.
        if !matches!(self.shared.view.life(from), Life::Down(_) | Life::Over) {
            let Shared { lent, me, now, timing, outputs, .. } = &mut self.shared;
            let lend = lent.lend(from, heartbeat.sequence, heartbeat.heard, *now, timing.lease);
            outputs.push_back(send(me.start, from, Body::Lend(lend)));
        }
        self.hear_tables(from, heartbeat.tables);
        Ok(())
    }

    fn hear_lend(&mut self, from: &Process, lend: &Lend) -> Result<(), Bad> {
        if lend.superseded.len() > SUPERSEDED_MAX {
            return Err("a lease with too many superseded slots");
        }
        for superseded in &lend.superseded {
            if !self.shared.epochs.is_credible(superseded.epoch, self.shared.now) {
                return Err("an epoch from the far future");
            }
            self.shared.epochs.meet(superseded.epoch);
            if let Some(registry) = self.registries.get_mut(&superseded.registry) {
                registry.hear_superseded(superseded.slot, superseded.epoch, &mut self.shared);
            }
        }
        let Shared { borrowed, now, timing, rules, .. } = &mut self.shared;
        borrowed.lent(*now, from, lend, timing.lease, *rules);
        self.registries.values_mut().for_each(|registry| registry.lent(from, &mut self.shared));
        Ok(())
    }

    /// A peer has forgotten members that this one, which may be younger, still counts.
    fn hear_forgotten(&mut self, forgotten: Forgotten) -> Result<(), Bad> {
        if forgotten.processes.len() > FORGOTTEN_MAX {
            return Err("too many members that are forgotten");
        }
        let Shared { sight, view, timing, .. } = &mut self.shared;
        sight.hear(forgotten, view, timing);
        self.look_at_members(false);
        Ok(())
    }

    fn hear_batch(&mut self, from: &Process, batch: Batch) -> Result<(), Bad> {
        let Batch { registry, slots, sets, words } = batch;
        if words.len() > WORDS_MAX || sets.len() > SETS_MAX {
            return Err("a batch over its limits");
        }
        let sets: Option<Vec<_>> = sets.into_iter().map(Set::new).collect();
        let sets = sets.ok_or("a set with too few or too many members")?;
        let Some(name) = self.registry(&from.node, &registry, slots) else { return Ok(()) };
        let before = self.digest(&name);
        let heard = self.hear_words(from, &name, slots, words, &sets);
        self.hear_part(from, &name, self.digest(&name) != before);
        heard
    }

    fn hear_words(
        &mut self,
        from: &Process,
        name: &RegistryName,
        slots: u32,
        words: Vec<(Slot, Word<u16>)>,
        sets: &[Set],
    ) -> Result<(), Bad> {
        let Some(registry) = self.registries.get_mut(name) else { return Ok(()) };
        for (slot, word) in words {
            if slot.get() >= slots {
                return Err("a slot that does not exist");
            }
            if !self.shared.epochs.is_credible(word.epoch_max(), self.shared.now) {
                return Err("an epoch from the far future");
            }
            let word = word.try_map(|index| sets.get(usize::from(index)).cloned()).ok_or("a set that is not listed")?;
            registry.hear(from, slot, word, &mut self.shared)?;
        }
        Ok(())
    }

    /// The registry of this name and size, known from now on if it was not; `None` when a peer is wrong about it.
    pub(super) fn registry(&mut self, from: &NodeId, name: &RegistryName, slots: u32) -> Option<RegistryName> {
        let what = match self.registries.get(name) {
            Some(registry) if registry.slots() == slots => return Some(name.clone()),
            Some(_) => "another number of slots for a registry",
            None if !(1..=SLOTS_MAX).contains(&slots) => "an impossible number of slots",
            None if self.registries.len() >= REGISTRIES_MAX => "one registry too many",
            None if *from != self.shared.me.node
                && !self.is_host_of(name)
                && self.foreign_slots().saturating_add(slots) > FOREIGN_SLOTS_MAX =>
            {
                "too many slots of registries that are not hosted here"
            }
            None => {
                let mut registry = Registry::new(name.clone(), slots);
                registry.view_changed(&self.shared);
                self.registries.insert(name.clone(), registry);
                return Some(name.clone());
            }
        };
        self.shared.event(Event::BadInput { from: from.clone(), what });
        None
    }

    /// Whether one more registry may be taken in that is not hosted here.
    pub(super) fn has_room(&self) -> bool {
        self.registries.len() < REGISTRIES_MAX && self.foreign_slots() < FOREIGN_SLOTS_MAX
    }

    /// How many slots the registries have that are not hosted here.
    fn foreign_slots(&self) -> u32 {
        let foreign = self.registries.iter().filter(|(name, _)| !self.is_host_of(name));
        foreign.fold(0, |all, (_, registry)| all.saturating_add(registry.slots()))
    }

    pub(super) fn is_host_of(&self, registry: &RegistryName) -> bool {
        let me = self.shared.view.member(&self.shared.me.node);
        let profile = me.and_then(|member| member.profile.as_ref());
        profile.is_some_and(|profile| profile.hosted.iter().any(|hosted| hosted.name == *registry))
    }
}
