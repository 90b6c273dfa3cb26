//! Which slots are to be looked at, and when.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Slot;
use crate::time::Moment;

/// Slots to look at now, and for each other slot at most one moment to look at it.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    now: BTreeSet<Slot>,
    later: BTreeSet<(Moment, Slot)>,
    at: BTreeMap<Slot, Moment>,
}

impl Agenda {
    /// Looks at a slot before this input is done.
    pub(crate) fn look(&mut self, slot: Slot) {
        self.now.insert(slot);
    }

    /// Looks at a slot at this moment instead of any earlier choice; not at all when there is none.
    pub(crate) fn look_at(&mut self, slot: Slot, at: Option<Moment>) {
        if let Some(before) = self.at.remove(&slot) {
            self.later.remove(&(before, slot));
        }
        if let Some(at) = at {
            self.at.insert(slot, at);
            self.later.insert((at, slot));
        }
    }

    /// The next slot to look at.
    pub(crate) fn next(&mut self, now: Moment) -> Option<Slot> {
        while let Some((at, slot)) = self.later.first().copied()
            && at <= now
        {
            self.look_at(slot, None);
            self.now.insert(slot);
        }
        self.now.pop_first()
    }

    /// When the next slot is to be looked at.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.later.first().map(|(at, _)| *at)
    }
}
