//! One cell of the table of memberships: a size and a loss, what was seen, and what is wrong with that.

use std::time::Duration;

use rand::RngExt;

use super::Crowd;
use crate::time::Timing;

/// What to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    /// How many members there are.
    pub(crate) members: usize,
    /// Of a hundred packets so many are lost.
    pub(crate) loss_percent: u32,
    /// For how many hours they are watched, counted for each.
    pub(crate) node_hours: f64,
    /// How often one of them is killed.
    pub(crate) kills: usize,
    /// What everything follows from.
    pub(crate) seed: u64,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// How long after the start everyone saw everyone.
    pub(crate) whole_after: Option<Duration>,
    /// The hours in which nobody was killed, counted for each member.
    pub(crate) node_hours: f64,
    /// Living members that were declared Down by anyone, kills included.
    pub(crate) false_downs: usize,
    /// Packets that one member sends in a second while nobody is killed.
    pub(crate) packets_per_second: f64,
    /// Bytes of those.
    pub(crate) bytes_per_second: f64,
    /// After which times the first knew of a death, and the last; those that not everybody came to know of have none.
    pub(crate) deaths: Vec<Option<(Duration, Duration)>>,
    /// How often the cluster was not whole again after a kill and a start.
    pub(crate) broken: usize,
}

/// How long after its start a cluster may take until all see all: what a thousand need for their handshakes is far below.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
/// How long is waited for anything; beyond every goal, so that a miss has a number.
const PATIENCE: Duration = Duration::from_secs(120);
/// What one member may send in a second, however many there are.
const PACKETS_PER_SECOND_MAX: f64 = 25.0;
/// The size of the clusters in which everybody must know of a death in time.
const DRILLED: usize = 100;
/// How much is simulated between two reports of progress.
const PORTION: Duration = Duration::from_secs(60);

impl Trial {
    /// Tries it; tells now and then how far it is, from 0 to 1.
    pub(crate) fn run(&self, mut tell: impl FnMut(f64)) -> Outcome {
        let loss = f64::from(self.loss_percent) / 100.0;
        let mut crowd = Crowd::new(self.members, loss, Timing::balanced(), self.seed);
        let begun = crowd.now();
        let mut outcome = Outcome::default();
        if !crowd.run_until(PATIENCE, Crowd::is_whole) {
            return outcome;
        }
        outcome.whole_after = Some(crowd.now().since(begun));
        let (packets, bytes) = crowd.sent();
        let watched = Duration::from_secs_f64(self.node_hours * 3600.0 / self.members as f64);
        let calm = crowd.now();
        while crowd.now().since(calm) < watched {
            crowd.run_for(PORTION.min(watched - crowd.now().since(calm)));
            tell(crowd.now().since(calm).as_secs_f64() / watched.as_secs_f64());
        }
        let node_seconds = watched.as_secs_f64() * self.members as f64;
        outcome.node_hours = node_seconds / 3600.0;
        outcome.packets_per_second = (crowd.sent().0 - packets) as f64 / node_seconds;
        outcome.bytes_per_second = (crowd.sent().1 - bytes) as f64 / node_seconds;
        for kill in 1..=self.kills {
            // Rounds of probes are somewhere else at every kill.
            let pause = crowd.rng.random_range(1000..5000);
            crowd.run_for(Duration::from_millis(pause));
            crowd.kill();
            crowd.run_until(PATIENCE, |crowd| crowd.known_after().is_some());
            let known = crowd.known_after().unwrap_or_default();
            outcome.deaths.push(known.iter().min().copied().zip(known.iter().max().copied()));
            crowd.revive();
            outcome.broken += usize::from(!crowd.run_until(PATIENCE, Crowd::is_whole));
            tell(kill as f64 / self.kills as f64);
        }
        outcome.false_downs = crowd.false_downs();
        outcome
    }

    /// Which goals were missed.
    pub(crate) fn missed(&self, outcome: &Outcome) -> Vec<String> {
        let mut missed = Vec::new();
        let mut goal = |met: bool, text: String| {
            if !met {
                missed.push(text);
            }
        };
        goal(outcome.whole_after.is_some_and(|after| after <= WHOLE_WITHIN), format!("not whole in {WHOLE_WITHIN:?}"));
        let downs_per_hour = self.downs_per_hour_max();
        let rate = outcome.false_downs as f64 / outcome.node_hours.max(f64::MIN_POSITIVE);
        goal(outcome.false_downs == 0 || rate <= downs_per_hour, format!("over {downs_per_hour} false Downs an hour"));
        let packets = outcome.packets_per_second;
        goal(packets <= PACKETS_PER_SECOND_MAX, format!("over {PACKETS_PER_SECOND_MAX} packets a second"));
        goal(outcome.broken == 0, "not whole again after a death and a start".to_owned());
        if self.members == DRILLED && self.kills > 0 {
            let limit = Duration::from_secs(if self.loss_percent <= 5 { 5 } else { 8 });
            let last = outcome.percentile(99, |(_, last)| last);
            goal(
                last.is_some_and(|last| last <= limit),
                format!("the last knows of a death after more than {limit:?}"),
            );
        }
        missed
    }

    /// How many living members may be declared Down in an hour of one member.
    const fn downs_per_hour_max(&self) -> f64 {
        match self.loss_percent {
            0 | 1 => 0.0,
            2..=5 => 0.001,
            _ => 0.01,
        }
    }
}

impl Outcome {
    /// The time within which so many of a hundred deaths were known, by the first or the last.
    pub(crate) fn percentile(&self, percent: usize, which: fn((Duration, Duration)) -> Duration) -> Option<Duration> {
        let mut times: Vec<Duration> = self.deaths.iter().flatten().map(|death| which(*death)).collect();
        times.sort_unstable();
        times.get((self.deaths.len() * percent).div_ceil(100).max(1) - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(trial: Trial) {
        let outcome = trial.run(|_| {});
        assert_eq!(trial.missed(&outcome), [""; 0], "{trial:?}: {outcome:?}");
        assert!(outcome.packets_per_second > 1.0, "it is silent: {outcome:?}");
    }

    #[test]
    fn ten_members_know_one_another_for_hours() {
        for loss_percent in [0, 1, 5, 20] {
            check(Trial { members: 10, loss_percent, node_hours: 10.0, kills: 10, seed: 1 });
        }
    }

    #[test]
    fn a_hundred_members_know_of_a_death() {
        for loss_percent in [1, 20] {
            check(Trial { members: 100, loss_percent, node_hours: 5.0, kills: 5, seed: 2 });
        }
    }

    #[test]
    fn a_trial_follows_from_its_seed() {
        let outcome = || {
            let trial = Trial { members: 10, loss_percent: 20, node_hours: 1.0, kills: 3, seed: 3 };
            format!("{:?}", trial.run(|_| {}))
        };
        assert_eq!(outcome(), outcome());
    }

    #[test]
    fn goals_depend_on_the_loss_and_on_who_is_drilled() {
        let death = Some((Duration::from_secs(3), Duration::from_secs(6)));
        let whole_after = Some(Duration::from_secs(1));
        let outcome =
            Outcome { whole_after, node_hours: 200.0, false_downs: 1, deaths: vec![death], ..Outcome::default() };
        for (members, loss_percent, expected) in [(10, 20, 0), (10, 5, 1), (100, 20, 0), (100, 5, 2), (100, 0, 2)] {
            let trial = Trial { members, loss_percent, node_hours: 200.0, kills: 1, seed: 1 };
            assert_eq!(trial.missed(&outcome).len(), expected, "{trial:?}");
        }
    }
}
