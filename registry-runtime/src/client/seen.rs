//! What the callers of a node have seen of each slot, so that no replica shows them less later.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::Slot;
use crate::policy::replica::Stamp;

/// Of one registry: up to which record of each slot anything may have been shown to any caller of this node.
#[derive(Debug)]
pub(super) struct Seen(Box<[Mutex<Stamp>]>);

impl Seen {
    pub(super) fn new(slots: u32) -> Self {
        Self((0..slots).map(|_| Mutex::default()).collect())
    }

    /// The last record of a slot that anybody may have seen.
    pub(super) fn of(&self, slot: Slot) -> Stamp {
        self.slot(slot).map(|seen| *seen).unwrap_or_default()
    }

    /// Somebody may have seen so much of a slot.
    pub(super) fn note(&self, slot: Slot, shown: Stamp) {
        if let Some(mut seen) = self.slot(slot) {
            *seen = (*seen).max(shown);
        }
    }

    fn slot(&self, slot: Slot) -> Option<MutexGuard<'_, Stamp>> {
        // Nothing in there can panic halfway.
        self.0.get(slot.index()).map(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Epoch, Position};

    #[test]
    fn what_was_seen_is_never_less() {
        let (seen, slot) = (Seen::new(2), Slot::new(1));
        let stamp = |epoch, position| (Epoch::new(epoch), Position::new(position));
        for shown in [stamp(3, 9), stamp(4, 2), stamp(3, 12), stamp(4, 1)] {
            seen.note(slot, shown);
        }
        assert_eq!(seen.of(slot), stamp(4, 2), "a later opening has all that was shown of an earlier one");
        assert_eq!(seen.of(Slot::new(0)), stamp(0, 0));
        seen.note(Slot::new(2), stamp(9, 9));
        assert_eq!(seen.of(Slot::new(2)), stamp(0, 0), "there is no such slot");
    }
}
