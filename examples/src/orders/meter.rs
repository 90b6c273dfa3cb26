//! Calls with a stop-watch and a little patience.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use registry_runtime::{Call, CommandError};
use tokio::time::{Instant, sleep};

/// How long a call may take, and how long a command is tried again before the run fails: longer than `wait_for_node(30s)` keeps the
/// slots of a node that is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before another attempt where the other side named none.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest latency that is told apart, in microseconds: [`PATIENCE`] and the call that began within it.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Times the calls of one command.
#[derive(Debug)]
pub struct Meter {
    command: &'static str,
    latencies_us: Mutex<Histogram<u64>>,
    retries: AtomicU64,
}

impl Meter {
    /// A meter for the command of that wire name.
    #[expect(clippy::expect_used, reason = "constant bounds")]
    pub fn new(command: &'static str) -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("1 to two minutes with three digits");
        Self { command, latencies_us: Mutex::new(latencies), retries: AtomicU64::new(0) }
    }

    /// Calls until there is an answer that another attempt would not change. The latency runs from the first attempt.
    ///
    /// To be used with commands whose repetition does no harm, which all commands of this example are.
    pub async fn call<T, E: Display>(&self, make: impl Fn() -> Call<T, E>) -> Result<T, CommandError<E>> {
        let begun = Instant::now();
        loop {
            let outcome = make().timeout(PATIENCE).await;
            let pause = match &outcome {
                Err(CommandError::Overloaded { retry_after }) => *retry_after,
                // An order is rejected only when its customer could not be reached.
                Err(
                    CommandError::Unavailable { .. }
                    | CommandError::DeadlineExceeded { .. }
                    | CommandError::Unknown { .. }
                    | CommandError::Rejected(_),
                ) => PAUSE,
                _ => Duration::ZERO,
            };
            if pause.is_zero() || begun.elapsed() + pause > PATIENCE {
                let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(LATENCY_US_MAX);
                self.latencies_us.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
                return outcome;
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            sleep(pause).await;
        }
    }

    /// The calls that were answered so far.
    pub fn calls(&self) -> u64 {
        self.latencies_us.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was measured, the calls having been spread over `span`.
    pub fn reading(&self, span: Duration) -> Reading {
        let latencies = self.latencies_us.lock().unwrap_or_else(PoisonError::into_inner);
        Reading {
            command: self.command,
            calls: latencies.len(),
            retries: self.retries.load(Ordering::Relaxed),
            span,
            p50: Duration::from_micros(latencies.value_at_quantile(0.50)),
            p99: Duration::from_micros(latencies.value_at_quantile(0.99)),
            longest: Duration::from_micros(latencies.max()),
        }
    }
}

/// What a meter shows.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The command's wire name.
    pub command: &'static str,
    /// The calls that were answered.
    pub calls: u64,
    /// The attempts beyond each call's first.
    pub retries: u64,
    /// The time in which the calls were made.
    pub span: Duration,
    /// Half of the calls were answered within this.
    pub p50: Duration,
    /// Ninety-nine of a hundred were answered within this.
    pub p99: Duration,
    /// All were answered within this.
    pub longest: Duration,
}
