//! How long the requests of a lane have lain somewhere before they are read.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::limits::STAMP_EVERY;

/// For how long what was seen of the clocks is believed: twice this at most, once a lane is busy.
///
/// Long enough to read all that has piled up while a connection or a process stood still. Short enough that a caller whose clock
/// stood still, as that of a suspended machine does, is not taken for a late one for long.
const SPAN: Duration = Duration::from_millis(500);

/// By which part of the time between two looks at them two clocks may drift apart: twice what the kernel lets a time server
/// steer one clock by (500 ppm).
const DRIFT: u32 = 1000;

/// Tells by the caller's stamps how long requests have lain somewhere.
///
/// How far two clocks are apart cannot be known. But the difference between the receiver's clock and the stamp is smallest for what was
/// not held up; what another stamp has beyond that smallest difference is time that it spent in a buffer of the caller's, on
/// the way, or here while this process stood still. When everything is equally late it goes unnoticed.
#[derive(Debug)]
pub(super) struct Lag {
    origin: Instant,
    /// The smallest difference of the present span of time, and that of the one before.
    smallest: [Option<Difference>; 2],
    /// When the present span began.
    since: Instant,
    /// How late the last stamp was, and when it was read.
    latest: Option<(Duration, Instant)>,
}

/// By how much this clock was ahead of the caller's, both counted from beginnings of their own.
#[derive(Clone, Copy, Debug)]
struct Difference {
    micros: i64,
    seen: Instant,
}

impl Lag {
    pub(super) fn new(now: Instant) -> Self {
        Self { origin: now, smallest: [None; 2], since: now, latest: None }
    }

    /// How late a request is that is read now, behind the last stamp.
    ///
    /// It was made no later than [`STAMP_EVERY`] after that stamp, or it had one of its own: so what has passed since the stamp was read, beyond
    /// that, is time that it lay somewhere by itself, as when its packet was lost and the stamp's was not.
    #[inline]
    pub(super) fn at(&self, now: Instant) -> Duration {
        self.latest.map_or(Duration::ZERO, |(lag, read)| {
            lag.saturating_add(now.saturating_duration_since(read).saturating_sub(STAMP_EVERY))
        })
    }

    /// Takes in a stamp.
    pub(super) fn see(&mut self, stamp: Duration, now: Instant) {
        let micros = micros(now.saturating_duration_since(self.origin)).saturating_sub(micros(stamp));
        let [present, before] = &mut self.smallest;
        if now.saturating_duration_since(self.since) >= SPAN {
            self.since = now;
            *before = present.take();
        }
        let usual = [&*present, &*before].into_iter().flatten().map(|smallest| smallest.at(now)).min();
        let lag = Duration::from_micros(u64::try_from(micros.saturating_sub(usual.unwrap_or(micros))).unwrap_or(0));
        self.latest = Some((lag, now));
        if present.is_none_or(|smallest| micros < smallest.micros) {
            *present = Some(Difference { micros, seen: now });
        }
    }
}

impl Difference {
    /// How large the difference may have become by now.
    fn at(&self, now: Instant) -> i64 {
        self.micros.saturating_add(micros(now.saturating_duration_since(self.seen) / DRIFT))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lags, in whole milliseconds, that follow from the moments at which stamps are made and read.
    fn check(stamps: &[(u64, u64)], expected: &[u64]) {
        let origin = Instant::now();
        let mut lag = Lag::new(origin);
        let seen = stamps.iter().map(|&(made, read)| {
            let read = origin + Duration::from_millis(read);
            lag.see(Duration::from_millis(made), read);
            ((lag.at(read).as_micros() + 500) / 1000) as u64
        });
        assert_eq!(seen.collect::<Vec<_>>(), expected, "{stamps:?}");
    }

    #[test]
    fn what_is_later_than_usual_is_seen() {
        // Wherever the two clocks begin.
        for ahead in [0, 70, 1_000_000] {
            check(&[(ahead, 70), (ahead + 10, 80), (ahead + 20, 95), (ahead + 30, 100)], &[0, 0, 5, 0]);
        }
        // What was the fastest so far is not late, and shows that what came before was.
        check(&[(0, 50), (10, 40), (20, 70)], &[0, 0, 20]);
    }

    #[test]
    fn all_that_a_frozen_process_reads_is_late() {
        let frozen = (0..10).map(|at| (100 + 100 * at, 1200));
        let stamps: Vec<_> = [(0, 0)].into_iter().chain(frozen).chain([(1202, 1202)]).collect();
        check(&stamps, &[0, 1099, 999, 899, 799, 699, 599, 499, 399, 299, 199, 0]);
    }

    #[test]
    fn a_clock_that_stood_still_is_forgiven_soon() {
        // From 100 on the caller's clock is two seconds behind.
        let stamps: Vec<_> = (0..20).map(|at| (100 * at, 100 * at + if at == 0 { 0 } else { 2000 })).collect();
        let origin = Instant::now();
        let mut lag = Lag::new(origin);
        let last = origin + Duration::from_millis(1900 + 2000);
        for (made, read) in stamps {
            lag.see(Duration::from_millis(made), origin + Duration::from_millis(read));
        }
        assert_eq!(lag.at(last), Duration::ZERO);
    }

    #[test]
    fn what_comes_long_after_its_stamp_was_held_up_by_itself() {
        let origin = Instant::now();
        let mut lag = Lag::new(origin);
        assert_eq!(lag.at(origin + SPAN), Duration::ZERO, "nothing was said yet");
        lag.see(Duration::ZERO, origin);
        assert_eq!(lag.at(origin + STAMP_EVERY), Duration::ZERO, "it may have been made just now");
        let held_up = Duration::from_millis(100);
        assert_eq!(lag.at(origin + STAMP_EVERY + held_up), held_up);
        let late = Duration::from_millis(5);
        lag.see(late, origin + late + late);
        let drift = (late + late) / DRIFT;
        assert_eq!(lag.at(origin + late + late + STAMP_EVERY + held_up), late + held_up - drift);
    }

    #[test]
    fn clocks_may_drift_while_nothing_is_said() {
        let hour = 3_600_000;
        check(&[(0, 0), (hour, hour + 2000), (hour + 10, hour + 2010)], &[0, 0, 0]);
        check(&[(0, 0), (hour, hour + 10_000)], &[0, 6390]);
    }

    #[test]
    fn absurd_stamps_do_no_harm() {
        check(&[(u64::MAX, 0), (0, 1), (u64::MAX, 2)], &[0, i64::MAX as u64 / 1000 + 1, 2]);
    }
}
