//! How far this node may trust its own judgement.

use std::time::Duration;

use crate::time::Moment;

/// A score of this node's own trouble: the higher, the longer a suspect has to answer.
///
/// A node that is starved of CPU or cut off sees everyone else fail. So it first doubts itself: the idea is Lifeguard's
/// local health (Dadgar, Phillips, Currey; arXiv 1707.00788, section IV.A). The score rises when this node's own timers
/// come late and when more than half of its peers fail at once, and wears off while nothing of the kind happens.
#[derive(Debug)]
pub(super) struct Health {
    score: u32,
    since: Moment,
    calm: Duration,
}

impl Health {
    /// The highest score, so that suspicion lasts at most eight times as long as configured: Lifeguard's own limit.
    pub(super) const SCORE_MAX: u32 = 7;

    /// Nothing is wrong; each `calm` without trouble takes one off the score.
    pub(super) const fn new(now: Moment, calm: Duration) -> Self {
        Self { score: 0, since: now, calm }
    }

    /// Notes trouble.
    pub(super) fn raise(&mut self, now: Moment) {
        self.score = self.score(now).saturating_add(1).min(Self::SCORE_MAX);
        self.since = now;
    }

    /// What is left of past trouble, 0 to [`Self::SCORE_MAX`].
    pub(super) fn score(&self, now: Moment) -> u32 {
        let calms = now.since(self.since).as_nanos().checked_div(self.calm.as_nanos()).unwrap_or(0);
        self.score.saturating_sub(u32::try_from(calms).unwrap_or(u32::MAX))
    }

    /// By how much a suspect's time is stretched, 1 to 8.
    pub(super) fn factor(&self, now: Moment) -> u32 {
        self.score(now).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_adds_up_to_a_limit_and_wears_off() {
        let calm = Duration::from_secs(1);
        let start = Moment::default();
        let mut health = Health::new(start, calm);
        assert_eq!(health.factor(start), 1);
        for _ in 0..20 {
            health.raise(start);
        }
        assert_eq!(health.factor(start), 8);
        assert_eq!(health.factor(start + calm * 3), 5);
        health.raise(start + calm * 3);
        assert_eq!(health.factor(start + calm * 3), 6);
        assert_eq!(health.factor(start + calm * 100), 1);
    }
}
