//! Records that are applied at the owner, and that a backup may still have to be sent.

use std::collections::VecDeque;

use crate::id::Position;

/// The most records that are kept for those who are a little behind. In flight on one slot there are few; who lacks more is filled.
const TRAIL_MAX: usize = 64;

/// The most bytes of these: four thousand slots that are opened again at once come to a GiB at worst, and to some MiB with small records.
const TRAIL_BYTES_MAX: usize = 256 << 10;

/// The last applied records, in their order and without a gap.
#[derive(Debug, Default)]
pub(super) struct Trail {
    bodies: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Trail {
    /// Keeps the record that was applied last. Where that is too much, all before it goes.
    pub(super) fn keep(&mut self, body: Vec<u8>) {
        if self.bodies.len() >= TRAIL_MAX || self.bytes.saturating_add(body.len()) > TRAIL_BYTES_MAX {
            self.clear();
        }
        if body.len() <= TRAIL_BYTES_MAX {
            self.bytes = self.bytes.saturating_add(body.len());
            self.bodies.push_back(body);
        }
    }

    /// Nobody needs any of it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// After which record the kept ones begin, where the last one is `applied`.
    pub(super) fn after(&self, applied: Position) -> Position {
        let kept = u64::try_from(self.bodies.len()).unwrap_or(u64::MAX);
        Position::new(applied.get().saturating_sub(kept))
    }

    /// What is kept.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.bodies.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_records_without_a_gap_and_not_too_many() {
        let mut trail = Trail::default();
        let applied = Position::new(100);
        assert_eq!(trail.after(applied), applied);
        for size in 1..=3 {
            trail.keep(vec![0; size]);
        }
        assert_eq!(trail.after(applied), Position::new(97));
        assert_eq!(trail.bodies().map(<[u8]>::len).collect::<Vec<_>>(), [1, 2, 3]);
        trail.keep(vec![0; TRAIL_BYTES_MAX]);
        assert_eq!(trail.after(applied), Position::new(99), "what came before goes");
        trail.keep(vec![0; TRAIL_BYTES_MAX + 1]);
        assert_eq!(trail.after(applied), applied, "with what is too large, all goes");
        (0..=TRAIL_MAX).for_each(|_| trail.keep(Vec::new()));
        assert_eq!(trail.after(applied), Position::new(99));
    }
}
