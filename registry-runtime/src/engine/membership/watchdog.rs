//! Wakes a membership that has fallen silent.

use std::time::Duration;

use crate::rules::{Rule, Rules};
use crate::time::Moment;

/// Until the cluster is active, says when to knock at a peer again.
///
/// One knocks at every new peer, at all of them after a return from Down, and at one of them every second while nobody is
/// known to be alive.
///
/// foca drops all its timers when it sees no live member or has renewed its identity, and then waits for somebody to talk
/// to it. When everyone waits, nobody comes back.
#[derive(Debug)]
pub(super) struct Watchdog {
    due: Option<Moment>,
    rules: Rules,
}

impl Watchdog {
    /// Between two knocks: a healed network has its full view again after about so long, and one small packet a second
    /// is nothing.
    const PERIOD: Duration = Duration::from_secs(1);

    /// Knocks at once.
    pub(super) const fn new(now: Moment, rules: Rules) -> Self {
        Self { due: Some(now), rules }
    }

    /// Whether to knock at all; only tests switch it off.
    pub(super) const fn is_enabled(&self) -> bool {
        self.rules.keeps(Rule::Watchdog)
    }

    /// Whether to knock now.
    pub(super) fn poll(&mut self, now: Moment, active: bool) -> bool {
        if active {
            self.due = None;
            return false;
        }
        let due = self.due.is_none_or(|due| due <= now);
        if due {
            self.due = Some(now + Self::PERIOD);
        }
        due && self.is_enabled()
    }

    /// When to ask again, once [`Self::poll`] has been asked.
    pub(super) const fn next(&self) -> Option<Moment> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knocks_at_once_and_every_second_until_active() {
        let start = Moment::default();
        let half = Duration::from_millis(500);
        let mut watchdog = Watchdog::new(start, Rules::ALL);
        assert!(watchdog.poll(start, false));
        assert!(!watchdog.poll(start + half, false));
        assert!(watchdog.poll(start + half * 2, false));
        assert!(!watchdog.poll(start + half * 3, true));
        assert_eq!(watchdog.next(), None);
        assert!(watchdog.poll(start + half * 3, false), "it knocks at once when the cluster is lost");
    }
}
