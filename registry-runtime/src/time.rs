//! Time as plain values: moments that are handed in, and how long to wait for a silent peer.

use std::ops::{Add, Sub};
use std::time::Duration;

/// How far another node's wall clock may be ahead of this one's: 366 days. Epochs begin at wall clocks; a counter beyond that would use up the
/// 42 bits that must last.
pub(crate) const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A point on the node's own clock, counted from an origin that only this node knows.
///
/// The clock runs on while the machine is suspended (CLOCK_BOOTTIME), because leases are measured with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The far future: a lease that never ends.
    pub const FOREVER: Self = Self(Duration::MAX);

    /// The moment that lies `since` after the origin.
    pub const fn from_origin(since: Duration) -> Self {
        Self(since)
    }

    /// How far from the origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// How long after `earlier`; zero when it lies before.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// How soon a silent node is declared Down, and every wait that hangs on that.
///
/// A smaller value finds a dead node sooner and tolerates a shorter pause of a living one. The presets are the choices;
/// all nodes of a cluster use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub(crate) probe_period: Duration,
    pub(crate) probe_rtt: Duration,
    pub(crate) suspicion: Duration,
    pub(crate) gossip_period: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) lease: Duration,
    pub(crate) forget_after: Duration,
    pub(crate) anti_entropy: Duration,
}

impl Timing {
    /// One rack, or tests: Down about 1.2 s after the last sign of life; a pause of 0.8 s is tolerated.
    pub const fn fast() -> Self {
        Self {
            probe_period: Duration::from_millis(200),
            probe_rtt: Duration::from_millis(60),
            suspicion: Duration::from_millis(800),
            gossip_period: Duration::from_millis(50),
            heartbeat: Duration::from_millis(100),
            lease: Duration::from_millis(600),
            forget_after: Duration::from_secs(30),
            anti_entropy: Duration::from_secs(1),
        }
    }

    /// The default, for one data centre: Down about 2.5 s after the last sign of life; a pause of 1.5 s is tolerated.
    pub const fn balanced() -> Self {
        Self {
            probe_period: Duration::from_millis(500),
            probe_rtt: Duration::from_millis(150),
            suspicion: Duration::from_millis(1500),
            gossip_period: Duration::from_millis(100),
            heartbeat: Duration::from_millis(250),
            lease: Duration::from_millis(1200),
            forget_after: Duration::from_secs(300),
            anti_entropy: Duration::from_secs(2),
        }
    }

    /// Between regions: Down about 10 s after the last sign of life; a pause of 6 s is tolerated.
    pub const fn wide_area() -> Self {
        Self {
            probe_period: Duration::from_millis(2000),
            probe_rtt: Duration::from_millis(800),
            suspicion: Duration::from_millis(6000),
            gossip_period: Duration::from_millis(400),
            heartbeat: Duration::from_millis(1000),
            lease: Duration::from_millis(5000),
            forget_after: Duration::from_secs(900),
            anti_entropy: Duration::from_secs(5),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::balanced()
    }
}
