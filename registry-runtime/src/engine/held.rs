//! The slots that this node has open, and the leases on them.

use std::collections::{BTreeMap, BTreeSet};

use super::lease::Borrowed;
use super::opening::Retry;
use super::set::Set;
use crate::id::{Epoch, Position, Process, Slot};
use crate::rules::Rules;
use crate::time::Moment;

/// An open slot.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) epoch: Epoch,
    pub(crate) stage: Stage,
    /// The epoch and position of what the opening took over.
    pub(crate) base: (Epoch, Position),
    /// A higher epoch has fenced its record stream, here or at a member, and may come to nothing: the slot must be opened
    /// again to go on.
    pub(crate) is_interrupted: bool,
    /// Its set and who of it has stored the opening: what its lease depends on.
    backing: Backing,
    /// When those that have not stored it are asked again, or the next owner to take it.
    pub(crate) retry: Retry,
}

/// What an open slot is in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is served.
    Serving,
    /// It is sealed; what runs is ending.
    Sealed {
        /// Who is to have it.
        to: Process,
        /// When it is taken back.
        until: Moment,
    },
    /// It is sealed and empty, and the next owner was asked to open it.
    HandedOver {
        /// Who is to have it.
        to: Process,
        /// When it is taken back.
        until: Moment,
    },
}

/// A set and those of its members that may be counted on, as bits in the order of members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Backing {
    set: Set,
    stored: u8,
}

impl Backing {
    fn has_stored(&self, process: &Process) -> bool {
        let mut members = self.set.members().iter().enumerate();
        members.any(|(index, member)| member == process && self.stored & (1 << index) != 0)
    }
}

impl Held {
    pub(crate) fn set(&self) -> &Set {
        &self.backing.set
    }

    /// Whether the member has said that it stores it.
    pub(crate) fn has_stored(&self, member: &Process) -> bool {
        self.backing.has_stored(member)
    }

    /// Members that have not said that they store it.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Process> {
        self.set().members().iter().filter(|member| !self.backing.has_stored(member))
    }

    /// The end of whatever is to happen with it beside serving.
    pub(crate) fn ends(&self) -> Option<(&Process, Moment)> {
        match &self.stage {
            Stage::Serving => None,
            Stage::Sealed { to, until } | Stage::HandedOver { to, until } => Some((to, *until)),
        }
    }
}

/// What an opening leaves to the slot's owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) set: &'a Set,
    /// The epoch and position of what it took over.
    pub(crate) base: (Epoch, Position),
    /// When those that have not stored it are asked again.
    pub(crate) retry: Retry,
}

/// All open slots of a registry. Those with the same set, stored by the same members, share one lease.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    slots: BTreeMap<Slot, Held>,
    groups: BTreeMap<Backing, Group>,
}

#[derive(Debug, Default)]
struct Group {
    slots: BTreeSet<Slot>,
    until: Moment,
}

/// What tells how long a lease runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lending<'a> {
    pub(crate) me: &'a Process,
    pub(crate) borrowed: &'a Borrowed,
    pub(crate) rules: Rules,
}

impl Lending<'_> {
    fn until(&self, backing: &Backing) -> Moment {
        self.borrowed.until(self.me, &backing.set, |member| backing.has_stored(member), self.rules)
    }
}

impl Holdings {
    pub(crate) fn get(&self, slot: Slot) -> Option<&Held> {
        self.slots.get(&slot)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Held> {
        self.slots.get_mut(&slot)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.slots.keys().copied()
    }

    /// Holds a slot as an opening has left it. Returns the end of its lease.
    pub(crate) fn open(&mut self, slot: Slot, opened: New<'_>, lending: Lending<'_>) -> Moment {
        self.close(slot);
        let New { epoch, set, base, retry } = opened;
        let backing = Backing { set: set.clone(), stored: 0 };
        self.slots.insert(slot, Held { epoch, stage: Stage::Serving, base, is_interrupted: false, backing, retry });
        self.stored(slot, lending.me, lending).unwrap_or_default()
    }

    /// Lets go of a slot.
    pub(crate) fn close(&mut self, slot: Slot) -> Option<Held> {
        let held = self.slots.remove(&slot)?;
        self.leave_group(slot, &held.backing);
        Some(held)
    }

    /// Notes that a member has stored the opening. Returns the end of the slot's lease if the member is news.
    pub(crate) fn stored(&mut self, slot: Slot, by: &Process, lending: Lending<'_>) -> Option<Moment> {
        let held = self.slots.get_mut(&slot)?;
        let index = held.set().members().iter().position(|member| member == by)?;
        let before = held.backing.clone();
        held.backing.stored |= 1 << index;
        let after = held.backing.clone();
        if before == after {
            return None;
        }
        self.leave_group(slot, &before);
        let group = self.groups.entry(after);
        let until = lending.until(group.key());
        let group = group.or_default();
        group.slots.insert(slot);
        group.until = until;
        Some(until)
    }

    /// Looks again at the leases that a member backs. Hands out those that have changed.
    pub(crate) fn lent(
        &mut self,
        by: &Process,
        lending: Lending<'_>,
        mut changed: impl FnMut(&BTreeSet<Slot>, Moment),
    ) {
        for (backing, group) in self.groups.iter_mut().filter(|(backing, _)| backing.has_stored(by)) {
            let until = lending.until(backing);
            if until != group.until {
                group.until = until;
                changed(&group.slots, until);
            }
        }
    }

    /// Until when the slot's acknowledged state may be shown.
    pub(crate) fn lease(&self, slot: Slot) -> Moment {
        let group = self.slots.get(&slot).and_then(|held| self.groups.get(&held.backing));
        group.map_or(Moment::default(), |group| group.until)
    }

    fn leave_group(&mut self, slot: Slot, backing: &Backing) {
        if let Some(group) = self.groups.get_mut(backing) {
            group.slots.remove(&slot);
            if group.slots.is_empty() {
                self.groups.remove(backing);
            }
        }
    }
}
