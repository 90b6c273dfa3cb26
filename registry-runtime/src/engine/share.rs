//! How large a share of the slots a node asks for, by how busy it is beside its peers.
//!
//! Calls go where their slot lives, however busy that node is. What can be done about a node that stays busier than the others is to
//! let it own less: it lowers the weight that the plan counts it with, and slots move away from it, in registries with
//! `load_balancing least_busy`. That is slow on purpose. A step is small, wants many samples in a row that agree, and is taken back only
//! by even more of them; between "too busy" and "calm" lies a range in which nothing changes.

use std::time::Duration;

use crate::time::Moment;

/// Between two samples: as often as a node tells its load at most.
const SAMPLE: Duration = Duration::from_secs(1);
/// One sample counts for so much of the average: about the last eight seconds make it.
const SAMPLE_PART: f64 = 1.0 / 8.0;
/// Who has fewer commands running and waiting than this is not busy, whatever the others do: a machine has about as many threads.
const BUSY_MIN: f64 = 16.0;
/// Busier than the peers: half as much again as their mean.
const BUSY_RATIO: f64 = 1.5;
/// As calm as the peers, or nearly.
const CALM_RATIO: f64 = 1.1;
/// So many samples in a row before the share is lowered by a step; by then the last step's slots have moved.
const LOWER_AFTER: u32 = 10;
/// So many before it is raised by one. A single hot key would otherwise travel to and fro.
const RAISE_AFTER: u32 = 60;
/// What one step is, in percent of the normal share: a few slots in a hundred move.
const STEP: u16 = 10;
/// The least share, in percent: a node that is half as fast as the others; who is slower needs more than other slots.
const PERCENT_MIN: u16 = 50;
/// The normal share, in percent.
const PERCENT_MAX: u16 = 100;

/// The share of one node, with the samples that speak for another one.
#[derive(Debug)]
pub(crate) struct Share {
    percent: u16,
    due: Moment,
    own: f64,
    peers: f64,
    wish: Wish,
    /// For how many samples it has been the wish.
    wished: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Less,
    Same,
    More,
}

impl Share {
    /// The normal share.
    pub(crate) const fn new(now: Moment) -> Self {
        Self { percent: PERCENT_MAX, due: now, own: 0.0, peers: 0.0, wish: Wish::Same, wished: 0 }
    }

    /// Takes a sample if it is time for one: the commands that this node runs or has waiting, and those of its peers. The new share
    /// in percent of the normal one, if it is another now.
    pub(crate) fn sample(&mut self, now: Moment, own: u16, peers: impl Iterator<Item = u16>) -> Option<u16> {
        if now < self.due {
            return None;
        }
        self.due = now + SAMPLE;
        let (sum, count) = peers.fold((0.0, 0.0), |(sum, count), load| (sum + f64::from(load), count + 1.0));
        self.own += SAMPLE_PART * (f64::from(own) - self.own);
        self.peers += SAMPLE_PART * (if count > 0.0 { sum / count } else { 0.0 } - self.peers);
        let wish = if count > 0.0 { self.wish() } else { Wish::More };
        self.wished = if wish == self.wish { self.wished.saturating_add(1) } else { 1 };
        self.wish = wish;
        let percent = match wish {
            Wish::Less if self.wished >= LOWER_AFTER => self.percent.saturating_sub(STEP).max(PERCENT_MIN),
            Wish::More if self.wished >= RAISE_AFTER => self.percent.saturating_add(STEP).min(PERCENT_MAX),
            _ => self.percent,
        };
        if percent == self.percent {
            return None;
        }
        self.percent = percent;
        self.wished = 0;
        Some(percent)
    }

    fn wish(&self) -> Wish {
        if self.own >= BUSY_MIN && self.own > BUSY_RATIO * self.peers {
            Wish::Less
        } else if self.own < BUSY_MIN / 2.0 || self.own <= CALM_RATIO * self.peers {
            Wish::More
        } else {
            Wish::Same
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shares that a node comes to, with the second of each: its load and that of its two peers follow from the second.
    fn shares(seconds: u64, loads: impl Fn(u64) -> (u16, u16)) -> Vec<(u64, u16)> {
        let mut share = Share::new(Moment::default());
        let sampled = (0..seconds).filter_map(|second| {
            let (own, peer) = loads(second);
            let now = Moment::default() + Duration::from_secs(second);
            Some((second, share.sample(now, own, [peer, peer].into_iter())?))
        });
        sampled.collect()
    }

    #[test]
    fn who_stays_busier_asks_for_less_step_by_step_and_for_more_when_it_is_calm_again() {
        let shares = shares(600, |second| if second < 100 { (90, 30) } else { (20, 20) });
        let percents: Vec<_> = shares.iter().map(|(_, percent)| *percent).collect();
        assert_eq!(percents, [90, 80, 70, 60, 50, 60, 70, 80, 90, 100]);
        let gaps = shares.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(shares[0].0 >= 9 && gaps.clone().take(4).all(|gap| gap >= 10) && gaps.skip(4).all(|gap| gap >= 60));
    }

    #[test]
    fn peaks_equal_loads_and_a_few_commands_change_nothing() {
        assert_eq!(shares(600, |_| (500, 500)), []);
        assert_eq!(shares(600, |_| (12, 0)), [], "a machine has more threads");
        assert_eq!(shares(600, |second| (if second % 30 < 3 { 90 } else { 30 }, 30)), [], "peaks are no state");
        let between = shares(600, |second| if second < 15 { (200, 30) } else { (40, 30) });
        assert!(between.iter().all(|(_, percent)| *percent < 100), "a little busier is not calm: {between:?}");
    }

    #[test]
    fn who_has_no_peers_asks_for_the_normal_share() {
        let mut share = Share::new(Moment::default());
        let at = |second| Moment::default() + Duration::from_secs(second);
        let lowered = (0..30).filter_map(|second| share.sample(at(second), 90, [1].into_iter())).last();
        assert_eq!(lowered, Some(80));
        let raised = (30..300).filter_map(|second| share.sample(at(second), 90, [].into_iter())).last();
        assert_eq!(raised, Some(100));
    }

    #[test]
    fn a_second_call_within_a_second_is_no_sample() {
        let mut share = Share::new(Moment::default());
        let sampled =
            (0..500).find_map(|ms| share.sample(Moment::default() + Duration::from_millis(ms), 90, [1].into_iter()));
        assert_eq!(sampled, None);
    }
}
