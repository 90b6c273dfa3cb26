//! Every node leaves and comes back in turn, while callers expect not to notice.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::book::{Book, Known};
use super::hall::Hall;
use super::teller::kind;
use super::{ACCOUNTS, AccountClient};
use crate::chaos::ChaosError;
use crate::chaos::word::name;
use crate::sim::dice;

/// How many callers there are: enough to meet every slot many times during a move, few enough not to be what keeps the machine busy.
const CALLERS: u64 = 16;

/// How long they call before anything is measured, and while all is calm.
const WARM_UP: Duration = Duration::from_secs(2);
const CALM: Duration = Duration::from_secs(10);

/// A restart may cost this much at the 99th percentile even where calm calls take next to nothing.
const P99_MAX: Duration = Duration::from_millis(50);

/// Or so many times what calm calls take.
const P99_TIMES: u32 = 3;

/// How long a run may take, whatever happens in it.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Rolling {
    /// How many processes there are.
    pub nodes: u16,
    /// How large each account is made, in bytes.
    pub bytes: u32,
    /// The seed of the calls.
    pub seed: u64,
    /// Whether to say on standard error what is done.
    pub loud: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Rolled {
    /// The calls while all was calm.
    pub calm: Times,
    /// The calls while nodes left, came back, and slots moved.
    pub moving: Times,
    /// What callers heard instead of a reply, and what else went wrong.
    pub broken: Vec<String>,
}

/// How long calls took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// How many there were.
    pub count: usize,
    /// At the median.
    pub p50: Duration,
    /// At the 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

#[derive(Debug, Default)]
struct Meter {
    book: Book,
    moving: AtomicBool,
    calm: Mutex<Vec<Duration>>,
    moved: Mutex<Vec<Duration>>,
    errors: Mutex<Vec<String>>,
}

/// Restarts one node after another: it leaves, its process ends, another one starts and all is whole before the next.
///
/// # Errors
///
/// When there can be no verdict: a process does not start, or the cluster does not become whole in time.
pub async fn roll(run: Rolling) -> Result<Rolled, ChaosError> {
    let late = |_| Err(ChaosError::TooLate("the whole run".to_owned(), RUN_LIMIT));
    timeout(RUN_LIMIT, undergo(run)).await.unwrap_or_else(late)
}

async fn undergo(run: Rolling) -> Result<Rolled, ChaosError> {
    let mut hall = Hall::open(run.nodes, run.seed, run.loud).await?;
    let (meter, stop, mut callers) = (Arc::new(Meter::default()), Arc::new(AtomicBool::new(false)), JoinSet::new());
    if run.bytes > 0 {
        for account in 0..ACCOUNTS {
            let filled = hall.client().load(account, run.bytes).await;
            filled.map_err(|error| ChaosError::Broken(vec![format!("account {account} is not filled: {error}")]))?;
        }
    }
    for number in 1..=CALLERS {
        let (client, meter, stop) = (hall.client(), Arc::clone(&meter), Arc::clone(&stop));
        callers.spawn(call(client, dice(run.seed, "caller", number), number << 40, meter, stop));
    }
    hall.fleet.listen(Instant::now() + WARM_UP).await?;
    meter.take(&meter.calm);
    hall.fleet.listen(Instant::now() + CALM).await?;
    meter.moving.store(true, Ordering::Relaxed);
    for host in 1..=run.nodes {
        let before = hall.full().await?;
        hall.say(format_args!("{} leaves", name(host)));
        hall.fleet.leave(host).await;
        hall.fleet.gone(host).await?;
        hall.say(format_args!("{} is gone", name(host)));
        hall.fleet.start(host).await?;
        hall.fleet.ready(host).await?;
        hall.say(format_args!("{} listens", name(host)));
        hall.full_without(&name(host), &before).await?;
        hall.say(format_args!("{} is back, and all is whole", name(host)));
    }
    stop.store(true, Ordering::Relaxed);
    callers.join_all().await;
    let mut broken = std::mem::take(&mut *meter.errors.lock().unwrap_or_else(PoisonError::into_inner));
    broken.extend(meter.book.differences(&hall.statements().await?));
    broken.extend(hall.close().await?);
    Ok(Rolled { calm: meter.take(&meter.calm), moving: meter.take(&meter.moved), broken })
}

/// Calls until told to stop, and notes how long each call took and every error.
async fn call(client: AccountClient, mut rng: ChaCha8Rng, first: u64, meter: Arc<Meter>, stop: Arc<AtomicBool>) {
    for number in first.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (account, began) = (rng.random_range(0..ACCOUNTS), Instant::now());
        let moving = meter.moving.load(Ordering::Relaxed);
        meter.book.know(number, account, Known::Open);
        // The amounts add up to nothing, so that the accounts must, too.
        let outcome = client.step(account, number, 0).await;
        let times = if moving { &meter.moved } else { &meter.calm };
        times.lock().unwrap_or_else(PoisonError::into_inner).push(began.elapsed());
        match outcome {
            Ok(_) => meter.book.know(number, account, Known::Taken),
            Err(error) => {
                let mut errors = meter.errors.lock().unwrap_or_else(PoisonError::into_inner);
                errors.push(format!("error: account {account}: {}: {error}", kind(&error)));
            }
        }
        let pause = Duration::from_millis(rng.random_range(0..10));
        sleep(pause).await;
    }
}

impl Meter {
    /// What was measured so far; it is measured anew.
    fn take(&self, times: &Mutex<Vec<Duration>>) -> Times {
        Times::of(std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).or(times.last()).copied().unwrap_or_default();
        Self { count: times.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

impl Rolled {
    /// Whether callers waited no longer than they may have to.
    pub fn is_prompt(&self) -> bool {
        self.moving.p99 <= P99_MAX.max(self.calm.p99 * P99_TIMES)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let Self { count, p50, p99, max } = *self;
        write!(f, "{count} calls, p50 {:.2} ms, p99 {:.2} ms, longest {:.0} ms", ms(p50), ms(p99), ms(max))
    }
}

impl fmt::Display for Rolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calm, moving, broken } = self;
        write!(f, "calm: {calm}; while every node was restarted: {moving}; {} errors", broken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_off_the_sorted_times() {
        let times = Times::of((1..=100).rev().map(Duration::from_millis).collect());
        let found = [times.p50, times.p99, times.max].map(|time| time.as_millis());
        assert_eq!((times.count, found), (100, [51, 100, 100]));
        assert_eq!(Times::of(Vec::new()).count, 0);
    }
}
