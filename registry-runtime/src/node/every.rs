//! What comes round after a while.

use std::time::Duration;

use crate::time::Moment;

/// Comes round once in a period, when it is looked at: late looks make up for nothing.
#[derive(Debug)]
pub(super) struct Every {
    period: Duration,
    last: Moment,
}

impl Every {
    /// For the first time when a period has gone since the node began.
    pub(super) fn new(period: Duration) -> Self {
        Self { period, last: Moment::default() }
    }

    /// Whether its time has come again, counted from now if so.
    pub(super) fn is_due(&mut self, now: Moment) -> bool {
        let is_due = now.since(self.last) >= self.period;
        if is_due {
            self.last = now;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_looks_make_up_for_nothing() {
        let at = |ms| Moment::from_origin(Duration::from_millis(ms));
        let mut every = Every::new(Duration::from_millis(10));
        let due: Vec<_> = [9, 10, 11, 19, 45, 46, 54, 55].into_iter().filter(|ms| every.is_due(at(*ms))).collect();
        assert_eq!(due, [10, 45, 55]);
    }
}
