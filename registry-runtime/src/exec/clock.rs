//! The clock that leases are measured with.

use std::time::Duration;

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::time::Moment;

/// The clock that leases are measured with. It must run on while the machine is suspended, or a node that wakes up takes an
/// old lease for a valid one.
pub(crate) trait Clock: Send + Sync + 'static {
    /// The present moment; never before one that it told earlier.
    fn now(&self) -> Moment;
}

/// The node's clock: time that runs on while the machine is suspended.
///
/// Tells [`Moment`]s since the node's birth.
///
/// Ordinary waits are tokio's, so that a simulator can rule them; leases must also run out while the machine sleeps, and
/// tokio's clock (CLOCK_MONOTONIC) stands still then. So a moment is the time since the node's birth by tokio's clock or by CLOCK_BOOTTIME,
/// whichever has come further: CLOCK_BOOTTIME alone would not move where a test has paused tokio's. In a simulator it is tokio's alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BootClock {
    born: Instant,
    /// Since the machine's boot, sleep included; `None` where nothing sleeps, or nobody can tell.
    booted_at_birth: Option<Duration>,
}

impl BootClock {
    /// Begins to count now.
    pub(crate) fn start() -> Self {
        Self { born: Instant::now(), booted_at_birth: since_boot() }
    }

    /// Begins to count now, on a machine that is never suspended: for simulations, whose time is tokio's alone.
    pub(crate) fn sleepless() -> Self {
        Self { born: Instant::now(), booted_at_birth: None }
    }

    /// When tokio's clock will show the moment, if the machine does not sleep until then.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        let awake = moment.since_origin().saturating_sub(self.asleep());
        self.born.checked_add(awake).unwrap_or_else(|| self.born + FAR)
    }

    /// For how long the machine has slept since the clock began to count.
    pub(crate) fn asleep(&self) -> Duration {
        self.read().asleep()
    }

    fn read(&self) -> Reading {
        // In this order: what passes between the two readings must not look like sleep.
        let booted = self.booted_at_birth.and_then(|birth| Some(since_boot()?.saturating_sub(birth)));
        Reading { booted: booted.unwrap_or_default(), awake: self.born.elapsed() }
    }
}

impl Clock for BootClock {
    fn now(&self) -> Moment {
        Moment::from_origin(self.read().passed())
    }
}

/// How much time has passed by either clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// CLOCK_BOOTTIME, read first; nothing where there is none.
    booted: Duration,
    /// Tokio's clock.
    awake: Duration,
}

impl Reading {
    fn passed(self) -> Duration {
        self.booted.max(self.awake)
    }

    fn asleep(self) -> Duration {
        self.booted.saturating_sub(self.awake)
    }
}

/// Further off than any timer of a node: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long ago the machine booted, sleep included. `None` where that cannot be told: leases then stand still in sleep.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Option<Duration> {
    let time = clock_gettime(ClockId::Boottime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn since_boot() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_follow_tokio_and_come_back_as_instants() {
        let clock = BootClock::sleepless();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let after = clock.now();
        assert_eq!(after.since(before), Duration::from_secs(3));
        assert_eq!(clock.instant(after + Duration::from_secs(2)), Instant::now() + Duration::from_secs(2));
        assert!(clock.instant(Moment::FOREVER) > Instant::now());
    }

    #[test]
    fn what_a_machine_has_slept_counts() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let slept = Reading { booted: hour + second, awake: second };
        assert_eq!((slept.passed(), slept.asleep()), (hour + second, hour));
        let awake = Reading { booted: second, awake: second + Duration::from_nanos(40) };
        assert_eq!((awake.passed(), awake.asleep()), (awake.awake, Duration::ZERO));
    }

    #[tokio::test]
    async fn an_awake_machine_has_one_time() {
        let clock = BootClock::start();
        let mut last = clock.now();
        for _ in 0..1_000 {
            let (earlier, now, later) = (Instant::now(), clock.now(), Instant::now());
            assert!(now >= last, "it never goes back");
            assert!((earlier..=later).contains(&clock.instant(now)), "it is tokio's time");
            last = now;
        }
    }
}
