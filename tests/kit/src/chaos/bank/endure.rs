//! Kills and freezes whenever all sets are full, and compares the accounts with the book at the end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::book::{Book, Figures};
use super::hall::Hall;
use super::teller::Teller;
use crate::chaos::ChaosError;
use crate::chaos::word::name;
use crate::sim::dice;

/// How many tellers there are: they and the processes share the machine.
const TELLERS: u64 = 32;

/// For how long a process is away, in milliseconds: from shorter than a suspicion to longer than every failover.
const AWAY_MS: std::ops::Range<u64> = 200..5_000;

/// How long tellers may take to end what they have begun once all is whole.
const END_LIMIT: Duration = Duration::from_secs(120);

/// How long a run may take beyond its misfortunes, whatever happens in it.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Endurance {
    /// How many processes there are.
    pub nodes: u16,
    /// For how long processes are killed and frozen.
    pub lasts: Duration,
    /// The seed of who is next, and of the transfers.
    pub seed: u64,
    /// Whether to say on standard error what is done.
    pub loud: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Endured {
    /// What the tellers were told.
    pub figures: Figures,
    /// The processes that were killed with SIGKILL and started again.
    pub kills: u64,
    /// The processes that were frozen with SIGSTOP and thawed.
    pub freezes: u64,
    /// The promises that were broken.
    pub broken: Vec<String>,
}

/// Transfers while processes are killed and frozen, one at a time, whenever every slot has all its replicas again.
///
/// # Errors
///
/// When there can be no verdict: a process does not start, or the cluster does not become whole in time.
pub async fn endure(run: Endurance) -> Result<Endured, ChaosError> {
    let limit = run.lasts + RUN_LIMIT;
    timeout(limit, undergo(run)).await.unwrap_or_else(|_| Err(ChaosError::TooLate("the whole run".to_owned(), limit)))
}

async fn undergo(run: Endurance) -> Result<Endured, ChaosError> {
    let mut hall = Hall::open(run.nodes, run.seed, run.loud).await?;
    let mut sets = hall.full().await?;
    let (book, stop, mut tellers) = (Arc::new(Book::default()), Arc::new(AtomicBool::new(false)), JoinSet::new());
    for number in 1..=TELLERS {
        let (client, book, stop) = (hall.client(), Arc::clone(&book), Arc::clone(&stop));
        let rng = dice(run.seed, "teller", number);
        tellers.spawn(Teller { client, book, rng, number, stop }.work());
    }
    let mut rng = dice(run.seed, "misfortune", 0);
    let (until, mut kills, mut freezes) = (Instant::now() + run.lasts, 0, 0);
    loop {
        let host = rng.random_range(1..=run.nodes);
        let away = Duration::from_millis(rng.random_range(AWAY_MS));
        if rng.random() {
            hall.say(format_args!("{} is killed, and away for {away:?}", name(host)));
            hall.fleet.kill(host).await?;
            hall.fleet.listen(Instant::now() + away).await?;
            hall.fleet.start(host).await?;
            hall.fleet.ready(host).await?;
            sets = hall.full_without(&name(host), &sets).await?;
            kills += 1;
        } else {
            hall.say(format_args!("{} is frozen for {away:?}", name(host)));
            hall.fleet.freeze(host)?;
            hall.fleet.listen(Instant::now() + away).await?;
            hall.fleet.thaw(host)?;
            sets = hall.full().await?;
            freezes += 1;
        }
        if Instant::now() >= until && kills > 0 && freezes > 0 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut broken = Vec::new();
    if timeout(END_LIMIT, tellers.join_all()).await.is_err() {
        broken.push(format!("liveness: a step is not decided {END_LIMIT:?} after all was whole"));
    }
    broken.extend(book.differences(&hall.statements().await?));
    broken.extend(hall.close().await?);
    let figures = book.figures();
    if figures.transfers == 0 {
        broken.push("liveness: no transfer was ever carried through".to_owned());
    }
    Ok(Endured { figures, kills, freezes, broken })
}

impl fmt::Display for Endured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figures, kills, freezes, broken } = self;
        let Figures { transfers, taken, never, repeated, longest, errors } = figures;
        write!(
            f,
            "{kills} kills and {freezes} freezes; {transfers} transfers, {taken} steps acknowledged, {never} given up "
        )?;
        write!(f, "as never run, {repeated} repetitions, the longest step {:.2} s; ", longest.as_secs_f64())?;
        let errors: Vec<String> = errors.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        write!(f, "heard: {}; ", if errors.is_empty() { "no error".to_owned() } else { errors.join(", ") })?;
        match broken.len() {
            0 => f.write_str("every step is there once, and nothing else"),
            count => write!(f, "{count} BROKEN"),
        }
    }
}
