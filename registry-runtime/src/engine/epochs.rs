//! Where epochs come from.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::id::{Epoch, Process, Slot};
use crate::time::{CLOCK_AHEAD_MAX, Moment};

/// Draws epochs above every one met, so that no process draws one twice.
#[derive(Debug)]
pub(crate) struct Epochs {
    /// The wall clock at the engine's birth, in milliseconds since the Unix epoch.
    birth_ms: u64,
    born: Moment,
    /// The highest counter met or drawn.
    met: u64,
    /// The counter that all openings of this input share.
    batch: Option<u64>,
}

impl Epochs {
    pub(crate) fn new(birth_ms: u64, born: Moment) -> Self {
        Self { birth_ms, born, met: 0, batch: None }
    }

    /// Begins a new input: what is opened from here on gets a new counter.
    pub(crate) fn begin_batch(&mut self) {
        self.batch = None;
    }

    /// Remembers an epoch of whatever origin.
    pub(crate) fn meet(&mut self, epoch: Epoch) {
        self.met = self.met.max(epoch.counter());
    }

    /// Whether a peer's epoch is one that an honest clock could have made.
    pub(crate) fn is_credible(&self, epoch: Epoch, now: Moment) -> bool {
        epoch.counter() <= self.clock_ms(now).saturating_add(milliseconds(CLOCK_AHEAD_MAX))
    }

    /// An epoch for one opening. `met` is the highest that the slot has met, which includes the slot's last draw.
    pub(crate) fn draw(&mut self, now: Moment, met: Epoch, tag: u32) -> Epoch {
        let counter = match self.batch {
            Some(counter) if counter > met.counter() => counter,
            _ => self.clock_ms(now).max(self.met.saturating_add(1)),
        };
        self.batch = Some(counter);
        self.met = self.met.max(counter);
        Epoch::from_parts(counter, tag)
    }

    fn clock_ms(&self, now: Moment) -> u64 {
        self.birth_ms.saturating_add(milliseconds(now.since(self.born)))
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Tells openers of one slot apart, and the slots of one opener. Safety does not rest on it: a promise also remembers to
/// whom it was given.
pub(crate) fn tag(opener: &Process, registry: &str, slot: Slot) -> u32 {
    let of_opener = xxh3_64_with_seed(opener.node.as_str().as_bytes(), opener.start.get());
    let of_both = xxh3_64_with_seed(registry.as_bytes(), of_opener);
    // Only the low bits are used, and the slot must move them one by one.
    (of_both as u32).wrapping_add(slot.get())
}

/// Whether an epoch may be one that this process has drawn for the slot: it has its tag.
pub(crate) fn may_be_of(epoch: Epoch, opener: &Process, registry: &str, slot: Slot) -> bool {
    let drawn = Epoch::from_parts(epoch.counter(), tag(opener, registry, slot));
    drawn == epoch
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn draws_rise_above_the_clock_and_above_what_was_met() {
        let at = |ms| Moment::from_origin(Duration::from_millis(ms));
        let mut epochs = Epochs::new(1_000, at(50));
        assert_eq!(epochs.draw(at(60), Epoch::ZERO, 1), Epoch::from_parts(1_010, 1));
        assert_eq!(epochs.draw(at(60), Epoch::ZERO, 2), Epoch::from_parts(1_010, 2), "one counter for one batch");
        assert_eq!(epochs.draw(at(60), Epoch::from_parts(1_010, 2), 2), Epoch::from_parts(1_011, 2));
        epochs.begin_batch();
        epochs.meet(Epoch::from_parts(5_000, 9));
        assert_eq!(epochs.draw(at(61), Epoch::ZERO, 1), Epoch::from_parts(5_001, 1));
        assert!(!epochs.is_credible(Epoch::from_parts(milliseconds(CLOCK_AHEAD_MAX) + 2_000, 0), at(60)));
    }
}
