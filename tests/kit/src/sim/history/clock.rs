//! When something happened, in an order that everybody shares.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A clock of the machine, and where it stood when the run began.
#[derive(Clone, Copy, Debug)]
struct Machine {
    origin: Duration,
    read: fn() -> Duration,
}

impl Machine {
    fn nanoseconds(self) -> u64 {
        u64::try_from((self.read)().saturating_sub(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The time of a run. In a world of our own it is virtual milliseconds that whoever drives the run sets, and a counter that
/// orders what happens within one; between processes of one machine it is the machine's own, which they share. A cheap clone;
/// all clones tell the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ticks: Arc<Ticks>,
}

#[derive(Debug, Default)]
struct Ticks {
    /// The machine's clock; without one the time is set from outside.
    machine: Option<Machine>,
    now_ms: AtomicU64,
    taken: AtomicU64,
}

impl Clock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock of the machine, counted from where it stood at the origin. The stamps of all processes that count from the same
    /// one can be compared: their sequence is the nanoseconds.
    pub fn of_machine(origin: Duration, read: fn() -> Duration) -> Self {
        Self { ticks: Arc::new(Ticks { machine: Some(Machine { origin, read }), ..Ticks::default() }) }
    }

    /// Sets the time; it never goes back.
    pub fn advance_to(&self, now_ms: u64) {
        self.ticks.now_ms.fetch_max(now_ms, Ordering::SeqCst);
    }

    /// The time.
    pub fn now_ms(&self) -> u64 {
        match self.ticks.machine {
            Some(machine) => machine.nanoseconds() / NANOSECONDS_IN_MS,
            None => self.ticks.now_ms.load(Ordering::SeqCst),
        }
    }

    /// A stamp above every one that was given before.
    pub fn stamp(&self) -> Stamp {
        let Some(machine) = self.ticks.machine else {
            let sequence = self.ticks.taken.fetch_add(1, Ordering::SeqCst) + 1;
            return Stamp { sequence, at_ms: self.now_ms() };
        };
        let now = machine.nanoseconds();
        let above = |last: u64| Some(now.max(last + 1));
        let last = self.ticks.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, above).unwrap_or_default();
        Stamp { sequence: now.max(last + 1), at_ms: now / NANOSECONDS_IN_MS }
    }
}

const NANOSECONDS_IN_MS: u64 = 1_000_000;

/// When something happened. Stamps of one clock are all different and rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
