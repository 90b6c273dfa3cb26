//! Drills: one misfortune, played again and again on whole clusters of real nodes, and how long each round took to be over.
//!
//! The random scenarios ask whether a promise is ever broken; a drill measures a time. [`Drill::named`] knows them all, [`Drill::play`] plays
//! a round, which follows from its seed, and [`run`] plays many and compares the times with the goals.

mod blackout;
mod failover;
mod split;
mod spread;
mod stage;

use std::fmt;
use std::io::{self, Write};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use registry_runtime::Timing;
use tracing::Level;

pub use self::spread::{Goals, Spread};

use self::stage::Stage;
use super::{Clock, Settings, Trace, panics};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(5);

/// The memory of a round's thread: debug builds of deep futures need more than the usual 2 MiB.
const STACK_BYTES: usize = 16 << 20;

/// One misfortune, one kind of cluster, and how soon it must be over.
#[derive(Clone, Copy, Debug)]
pub struct Drill {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The kind of cluster, in words.
    pub cluster: &'static str,
    /// How many rounds make a full drill.
    pub rounds: u64,
    /// How soon it must be over.
    pub goals: Goals,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Nobody hears anybody for a while, in a cluster of so many nodes.
    Blackout(u16),
    /// The owner of a key is killed, in a cluster with this timing.
    Failover(Timing),
    /// A cluster in which every side serves is cut apart.
    Split,
}

/// What came of one round.
#[derive(Debug)]
pub struct Round {
    /// Its seed.
    pub seed: u64,
    /// How long it took to be over, in milliseconds, or why it was not.
    pub took_ms: Result<u64, String>,
    /// The event log.
    pub trace: Trace,
}

impl Drill {
    /// Every drill.
    pub const ALL: [Self; 6] = [
        Self::blackout(3, "3 nodes"),
        Self::blackout(5, "5 nodes"),
        Self::blackout(10, "10 nodes"),
        Self::split(Goals { median_ms: 5000, p99_ms: 15_000, max_ms: 20_000 }),
        Self::failover("fast timing", Timing::fast(), Goals { median_ms: 1500, p99_ms: 2500, max_ms: 4000 }),
        Self::failover("balanced timing", Timing::balanced(), Goals { median_ms: 3000, p99_ms: 4500, max_ms: 7000 }),
    ];

    const fn blackout(nodes: u16, cluster: &'static str) -> Self {
        let goals = Goals { median_ms: 10_000, p99_ms: 10_000, max_ms: 10_000 };
        Self { name: "blackout", cluster, rounds: 50, goals, what: What::Blackout(nodes) }
    }

    const fn split(goals: Goals) -> Self {
        Self { name: "split", cluster: "sides that all serve", rounds: 200, goals, what: What::Split }
    }

    const fn failover(cluster: &'static str, timing: Timing, goals: Goals) -> Self {
        Self { name: "failover", cluster, rounds: 1000, goals, what: What::Failover(timing) }
    }

    /// The drills with this name, one for each kind of cluster.
    pub fn named(name: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|drill| drill.name == name).collect()
    }

    /// Plays a round, on a thread of its own.
    ///
    /// # Panics
    ///
    /// When the simulator itself does.
    pub fn play(self, seed: u64, settings: Settings) -> Round {
        let body = move || catch_unwind(|| self.play_here(seed, settings)).map_err(|_| panics::take());
        let thread = thread::Builder::new().name(format!("round {seed}")).stack_size(STACK_BYTES).spawn(body).unwrap();
        match thread.join() {
            Ok(Ok(round)) => round,
            Ok(Err(panics)) => panic!("the simulator stopped in round {seed} of {self}: {panics:?}"),
            Err(_) => panic!("the simulator stopped in round {seed} of {self}"),
        }
    }

    fn play_here(self, seed: u64, settings: Settings) -> Round {
        let clock = Clock::default();
        let trace = Trace::new(clock.clone(), settings.keeps);
        let _listening = tracing::subscriber::set_default(trace.subscriber(settings.level));
        let took_ms = match self.what {
            What::Blackout(nodes) => blackout::play(Stage::new(seed, clock, trace.clone()), nodes),
            What::Split => split::play(Stage::new(seed, clock, trace.clone())),
            What::Failover(timing) => failover::play(Stage::new(seed, clock, trace.clone()), timing),
        };
        match &took_ms {
            Ok(ms) => trace.say(format!("over after {ms} ms")),
            Err(why) => trace.say(format!("not over: {why}")),
        }
        Round { seed, took_ms, trace }
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.cluster)
    }
}

/// How many rounds to play, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many rounds of each drill; all that it asks for when this is `None`.
    pub rounds: Option<u64>,
    /// The first seed.
    pub first: u64,
    /// How many rounds are played at once.
    pub threads: usize,
    /// Whether the whole log of each round is shown.
    pub trace: bool,
    /// From which level on the nodes' words are noted in there.
    pub level: Level,
}

/// Plays rounds of the drills: progress goes to `tell`, a line for each drill to `out`. Whether all goals were met.
pub fn run(drills: &[Drill], plan: Plan, tell: &mut impl Write, out: &mut impl Write) -> io::Result<bool> {
    let mut met = true;
    for drill in drills {
        let rounds = plan.rounds.unwrap_or(drill.rounds);
        let (began, mut told) = (Instant::now(), Instant::now());
        let mut spread = Spread::default();
        for round in play_all(*drill, plan, rounds) {
            if plan.trace {
                round.trace.print(true, out)?;
            }
            let done = spread.rounds() + 1;
            if told.elapsed() >= TELL {
                told = Instant::now();
                let rate = done as f64 / began.elapsed().as_secs_f64();
                writeln!(tell, "{drill}: {done} of {rounds} rounds, {rate:.1} a second")?;
            }
            if let Err(why) = &round.took_ms {
                writeln!(tell, "{drill}: round {} is not over: {why}", round.seed)?;
            }
            spread.add(round.seed, round.took_ms.ok());
        }
        let missed = drill.goals.missed(&spread);
        writeln!(out, "{drill}: {spread}; {}", if missed.is_empty() { "every goal met" } else { &missed })?;
        if !missed.is_empty()
            && let Some(seed) = spread.worst()
        {
            let again = format!("simulate -- --drill {} --seeds 1 --first {seed} --trace --log debug", drill.name);
            writeln!(tell, "play the worst round again: cargo run --release -p registry-tests --bin {again}")?;
        }
        met &= missed.is_empty();
    }
    Ok(met)
}

/// Plays rounds, as many at once as there are threads; they come as they end.
fn play_all(drill: Drill, plan: Plan, rounds: u64) -> impl Iterator<Item = Round> {
    let settings = Settings { keeps: plan.trace, level: plan.level };
    let next = std::sync::Arc::new(AtomicU64::new(0));
    // One finished round may wait for each thread.
    let (done, played) = mpsc::sync_channel(plan.threads);
    for _ in 0..plan.threads {
        let (done, next) = (done.clone(), next.clone());
        thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= rounds || done.send(drill.play(plan.first.wrapping_add(number), settings)).is_err() {
                    return;
                }
            }
        });
    }
    played.into_iter()
}
