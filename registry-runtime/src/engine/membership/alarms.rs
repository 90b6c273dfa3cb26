//! Things to be woken for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Moment;

/// Values that fall due at their moments, those of one moment in the order in which they were set.
#[derive(Debug)]
pub(super) struct Alarms<T> {
    set: BTreeMap<(Moment, u64), T>,
    generation: u64,
}

impl<T> Alarms<T> {
    /// None set.
    pub(super) const fn new() -> Self {
        Self { set: BTreeMap::new(), generation: 0 }
    }

    /// Sets one.
    pub(super) fn set(&mut self, at: Moment, value: T) {
        self.generation = self.generation.wrapping_add(1);
        self.set.insert((at, self.generation), value);
    }

    /// Takes the earliest one that is due.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<T> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the earliest falls due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.set.first_key_value().map(|((at, _), _)| *at)
    }

    /// Puts all of them off.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.set =
            std::mem::take(&mut self.set).into_iter().map(|((at, nth), value)| ((at + by, nth), value)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn they_fall_due_in_order_and_not_before() {
        let mut alarms = Alarms::new();
        alarms.set(at(20), "b");
        alarms.set(at(10), "a");
        alarms.set(at(20), "c");
        assert_eq!(alarms.next(), Some(at(10)));
        assert_eq!(alarms.pop_due(at(9)), None);
        let due: Vec<_> = std::iter::from_fn(|| alarms.pop_due(at(20))).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!(alarms.next(), None);
    }

    #[test]
    fn putting_off_keeps_the_distances() {
        let mut alarms = Alarms::new();
        alarms.set(at(10), 1);
        alarms.set(at(15), 2);
        alarms.postpone(Duration::from_millis(100));
        assert_eq!(alarms.pop_due(at(109)), None);
        assert_eq!(alarms.pop_due(at(110)), Some(1));
        assert_eq!(alarms.next(), Some(at(115)));
    }
}
