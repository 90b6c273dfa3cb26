//! The clock that leases are measured with.

use std::time::Duration;

use crate::time::Moment;

/// The clock that leases are measured with. It must run on while the machine is suspended, or a node that wakes up takes an
/// old lease for a valid one.
pub(crate) trait Clock: Send + Sync + 'static {
    /// The present moment; never before one that it told earlier.
    fn now(&self) -> Moment;
}

/// The machine's boot-time clock, counted from the making of this value.
#[derive(Debug)]
pub(crate) struct BootClock {
    origin: Reading,
}

impl BootClock {
    /// Starts counting.
    pub(crate) fn new() -> Self {
        Self { origin: Reading::take() }
    }
}

impl Clock for BootClock {
    fn now(&self) -> Moment {
        Moment::from_origin(Reading::take().since(&self.origin))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Debug)]
struct Reading(Duration);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Reading {
    fn take() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // The time since boot is never negative, and its nanoseconds are below a second.
        Self(Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    fn since(&self, earlier: &Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Elsewhere the standard library's clock is the best there is; on macOS and Windows it may stand still in sleep.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
struct Reading(std::time::Instant);

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Reading {
    fn take() -> Self {
        Self(std::time::Instant::now())
    }

    fn since(&self, earlier: &Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}
