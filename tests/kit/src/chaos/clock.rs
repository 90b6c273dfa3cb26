//! The clock that all processes of this machine share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::sim::Clock;

/// What CLOCK_MONOTONIC shows: the same to every process, whatever it has been through.
pub(super) fn machine_time() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// What a clock on the wall shows, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clock of a run that began then.
pub(super) fn since(origin: Duration) -> Clock {
    Clock::of_machine(origin, machine_time)
}
