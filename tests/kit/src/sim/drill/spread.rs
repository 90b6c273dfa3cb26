//! Many times and what they are compared with.

use std::fmt;

/// How long the rounds of a drill took.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    /// The rounds that were over, by time and seed, in no order.
    times: Vec<(u64, u64)>,
    /// The seeds of those that were not.
    unended: Vec<u64>,
}

/// How soon the rounds of a drill must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goals {
    /// Half of them.
    pub median_ms: u64,
    /// All but one of a hundred.
    pub p99_ms: u64,
    /// Every one.
    pub max_ms: u64,
}

impl Spread {
    /// Adds a round; one that was never over has no time.
    pub fn add(&mut self, seed: u64, took_ms: Option<u64>) {
        match took_ms {
            Some(ms) => self.times.push((ms, seed)),
            None => self.unended.push(seed),
        }
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> usize {
        self.times.len() + self.unended.len()
    }

    /// The time within which so many of a hundred rounds were over; `None` when not so many were.
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        let mut times: Vec<u64> = self.times.iter().map(|(ms, _)| *ms).collect();
        times.sort_unstable();
        let rank = (self.rounds() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied()
    }

    /// The seed of the round that took longest, or was never over.
    pub fn worst(&self) -> Option<u64> {
        self.unended.first().or_else(|| self.times.iter().max().map(|(_, seed)| seed)).copied()
    }
}

impl Goals {
    /// Which goals were missed, in words; nothing when all were met.
    pub fn missed(&self, spread: &Spread) -> String {
        let goals = [("the median", 50, self.median_ms), ("p99", 99, self.p99_ms), ("the longest", 100, self.max_ms)];
        let missed: Vec<String> = goals
            .into_iter()
            .filter(|(_, percent, goal_ms)| spread.percentile(*percent).is_none_or(|ms| ms > *goal_ms))
            .map(|(name, _, goal_ms)| format!("{name} is over its goal of {goal_ms} ms"))
            .collect();
        missed.join(", ")
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rounds", self.rounds())?;
        for (name, percent) in [("median", 50), ("p99", 99), ("longest", 100)] {
            match self.percentile(percent) {
                Some(ms) => write!(f, ", {name} {ms} ms")?,
                None => write!(f, ", {name} never")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(times: impl IntoIterator<Item = Option<u64>>) -> Spread {
        let mut spread = Spread::default();
        for (seed, time) in times.into_iter().enumerate() {
            spread.add(seed as u64, time);
        }
        spread
    }

    #[test]
    fn percentiles_are_times_of_rounds() {
        let hundred = spread((1..=100).map(Some));
        assert_eq!([50, 99, 100].map(|percent| hundred.percentile(percent)), [Some(50), Some(99), Some(100)]);
        let one = spread([Some(7)]);
        assert_eq!([50, 99, 100].map(|percent| one.percentile(percent)), [Some(7); 3]);
        assert_eq!(hundred.worst(), Some(99));
    }

    #[test]
    fn a_round_that_is_never_over_misses_the_last_goal() {
        let goals = Goals { median_ms: 2, p99_ms: 5, max_ms: 9 };
        assert_eq!(goals.missed(&spread([Some(1), Some(2), Some(5)])), "");
        assert_eq!(goals.missed(&spread([Some(1), Some(2), Some(6)])), "p99 is over its goal of 5 ms");
        let unended = spread((0..199).map(|_| Some(1)).chain([None]));
        assert_eq!(goals.missed(&unended), "the longest is over its goal of 9 ms");
        assert_eq!(
            (unended.worst(), unended.to_string().as_str()),
            (Some(199), "200 rounds, median 1 ms, p99 1 ms, longest never")
        );
        assert_ne!(goals.missed(&Spread::default()), "", "no round shows nothing");
    }
}
