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
/// tokio's clock (CLOCK_MONOTONIC) stands still then. So a moment is tokio's time plus whatever CLOCK_BOOTTIME has gained on
/// CLOCK_MONOTONIC since the node's birth. In a simulator that difference is nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BootClock {
    born: Instant,
    asleep_at_birth: Duration,
    sleeps: bool,
}

impl BootClock {
    /// Begins to count now.
    pub(crate) fn start() -> Self {
        Self { born: Instant::now(), asleep_at_birth: asleep(), sleeps: true }
    }

    /// Begins to count now, on a machine that is never suspended: for simulations, whose time is tokio's alone.
    pub(crate) fn sleepless() -> Self {
        Self { born: Instant::now(), asleep_at_birth: Duration::ZERO, sleeps: false }
    }

    /// When tokio's clock will show the moment, if the machine does not sleep until then.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        let awake = moment.since_origin().saturating_sub(self.asleep_since_birth());
        self.born.checked_add(awake).unwrap_or_else(|| self.born + FAR)
    }

    fn asleep_since_birth(&self) -> Duration {
        if self.sleeps { asleep().saturating_sub(self.asleep_at_birth) } else { Duration::ZERO }
    }
}

impl Clock for BootClock {
    fn now(&self) -> Moment {
        Moment::from_origin(self.born.elapsed().saturating_add(self.asleep_since_birth()))
    }
}

/// Further off than any timer of a node: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long the machine has been suspended since its boot.
///
/// Where there is no CLOCK_BOOTTIME, that cannot be told: leases then stand still in sleep.
///
/// The two readings are some tens of nanoseconds apart; what is below a millisecond is that distance and counts as nothing,
/// so that the difference of an awake machine is constant.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn asleep() -> Duration {
    let monotonic = reading(ClockId::Monotonic);
    let boot = reading(ClockId::Boottime);
    let gained = boot.saturating_sub(monotonic);
    Duration::from_millis(u64::try_from(gained.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn asleep() -> Duration {
    Duration::ZERO
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn reading(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_follow_tokio_and_come_back_as_instants() {
        let clock = BootClock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let after = clock.now();
        assert!(after.since(before) >= Duration::from_secs(3));
        let wake = clock.instant(after + Duration::from_secs(2));
        assert!(wake >= Instant::now() + Duration::from_millis(1990));
        assert!(clock.instant(Moment::FOREVER) > Instant::now());
    }
}
