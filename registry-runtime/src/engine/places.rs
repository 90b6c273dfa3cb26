//! How many slots a node moves at once, and which wait for that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::Slot;
use crate::time::Moment;

/// How many slots of one registry a node re-opens or hands over at once. Each fills a newcomer with a whole slot, and the
/// fillings share one line with the calls; thirty-two of them keep a round trip of a few milliseconds busy.
pub(crate) const MOVES_MAX: usize = 32;

/// For how long a step holds its place: most are over in a second, and some never, for they need members that are gone, or one that does not
/// store what it is sent. Those go on without a place, so that they keep nobody waiting.
const PLACE_TIME: Duration = Duration::from_secs(30);

/// The slots of a registry that are re-opened or handed over for the plan's sake or a backup's, and those that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Until when each that moves holds its place.
    moving: BTreeMap<Slot, Moment>,
    /// The places that are held, the first to be free first.
    held: BTreeSet<(Moment, Slot)>,
    /// Those that lack a backup come first.
    waiting: BTreeSet<(Turn, Slot)>,
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// A slot that lacks a backup.
    Repair,
    /// One that is to be elsewhere.
    Planned,
}

impl Places {
    /// Whether the slot is being moved, with a place or without.
    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.moving.contains_key(&slot)
    }

    /// Whether a slot that is not being moved may be.
    pub(crate) fn is_free(&mut self, now: Moment) -> bool {
        while self.held.first().is_some_and(|(until, _)| *until <= now) {
            self.held.pop_first();
        }
        self.held.len() < MOVES_MAX
    }

    /// A step of a slot begins.
    pub(crate) fn begin(&mut self, slot: Slot, now: Moment) {
        self.end(slot);
        let until = now + PLACE_TIME;
        self.moving.insert(slot, until);
        self.held.insert((until, slot));
    }

    /// The slot is where its last step was to bring it. Whether it was being moved.
    pub(crate) fn end(&mut self, slot: Slot) -> bool {
        let Some(until) = self.moving.remove(&slot) else { return false };
        self.held.remove(&(until, slot));
        true
    }

    /// Lets a slot wait for its turn.
    pub(crate) fn wait(&mut self, slot: Slot, turn: Turn) {
        self.waiting.insert((turn, slot));
    }

    /// The next slot that may be moved.
    pub(crate) fn next(&mut self, now: Moment) -> Option<Slot> {
        if !self.is_free(now) {
            return None;
        }
        self.waiting.pop_first().map(|(_, slot)| slot)
    }

    /// When the next place is free at the latest, if somebody waits for it.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.waiting.first()?;
        self.held.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn so_many_at_once_and_repairs_first() {
        let mut places = Places::default();
        for slot in (0..MOVES_MAX as u32).map(Slot::new) {
            assert!(places.is_free(at(1)));
            places.begin(slot, at(1));
        }
        assert!(!places.is_free(at(1)) && places.deadline().is_none());
        places.wait(Slot::new(100), Turn::Planned);
        places.wait(Slot::new(101), Turn::Repair);
        assert_eq!(places.next(at(1)), None);
        assert!(places.end(Slot::new(7)) && !places.end(Slot::new(7)) && !places.has(Slot::new(7)));
        assert_eq!(places.next(at(1)), Some(Slot::new(101)));
        places.begin(Slot::new(101), at(2));
        assert_eq!(places.next(at(2)), None);
        assert_eq!(places.deadline(), Some(at(1) + PLACE_TIME));
    }

    #[test]
    fn what_does_not_come_to_an_end_keeps_nobody_waiting() {
        let mut places = Places::default();
        (0..MOVES_MAX as u32).for_each(|slot| places.begin(Slot::new(slot), at(1)));
        places.wait(Slot::new(100), Turn::Planned);
        places.begin(Slot::new(3), at(20));
        let over = at(1) + PLACE_TIME;
        assert_eq!(places.next(over), Some(Slot::new(100)));
        assert!(places.has(Slot::new(2)), "it goes on");
        assert_eq!(places.held.len(), 1, "a step further is a place anew");
        assert!(places.end(Slot::new(2)) && places.end(Slot::new(3)));
        assert!(places.held.is_empty());
    }
}
