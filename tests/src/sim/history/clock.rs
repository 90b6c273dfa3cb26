//! When something happened, in an order that everybody shares.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The time of a run: virtual milliseconds that whoever drives the run sets, and a counter that orders what happens within
/// one. A cheap clone; all clones tell the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ticks: Arc<Ticks>,
}

#[derive(Debug, Default)]
struct Ticks {
    now_ms: AtomicU64,
    taken: AtomicU64,
}

impl Clock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time; it never goes back.
    pub fn advance_to(&self, now_ms: u64) {
        self.ticks.now_ms.fetch_max(now_ms, Ordering::SeqCst);
    }

    /// The time.
    pub fn now_ms(&self) -> u64 {
        self.ticks.now_ms.load(Ordering::SeqCst)
    }

    /// A stamp above every one that was given before.
    pub fn stamp(&self) -> Stamp {
        let sequence = self.ticks.taken.fetch_add(1, Ordering::SeqCst) + 1;
        Stamp { sequence, at_ms: self.now_ms() }
    }
}

/// When something happened. Stamps of one clock are all different and rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Its place among everything that happened in the run.
    pub sequence: u64,
    /// The virtual time.
    pub at_ms: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{:03} #{:06}", self.at_ms / 1000, self.at_ms % 1000, self.sequence)
    }
}
