//! Runs seeds of the simulator; `simulate --help` tells how.
//!
//! Progress goes to standard error, one line of summary to standard output at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{error, slice, thread};

use clap::builder::PossibleValuesParser;
use clap::{Parser, value_parser};
use registry_runtime::testing::Rules;
use registry_testkit::sim::drill::{self, Drill};
use registry_testkit::sim::{self, MUTATIONS, Mutation, Report, Settings, Sometimes, Trial, run_seed};
use tracing::Level;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);

/// From how many seeds on every rare situation must have been reached: what a night plays.
const SEEDS_OF_A_NIGHT: u64 = 300;

/// The most seeds that are played at once.
const THREADS_MAX: i64 = 256;

/// Plays whole clusters of real nodes in simulated time, and judges them by what they promise.
///
/// Ends with 1 when a promise was broken, and then shows the log of the first such seed, what callers heard and what ran
/// where, and the command that plays it again.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// How many seeds are played, or rounds of a drill; one seed, or as many rounds as the drill asks for, where none are named.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first: u64,
    /// Writes the whole log of every seed to standard output, packets and all.
    #[arg(long, conflicts_with = "story")]
    trace: bool,
    /// The same without the packets: what nodes said, what callers asked and heard, what ran where.
    #[arg(long)]
    story: bool,
    /// From which level on nodes are heard: error, warn, info, debug, trace.
    #[arg(long, value_name = "LEVEL", default_value_t = Level::INFO)]
    log: Level,
    /// How many seeds are played at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u16).range(1..=THREADS_MAX))]
    threads: u16,
    /// Puts a bug back, or each of them in turn, and says which seeds find it; ends with 1 when none does. With --story the runs that
    /// find it are told.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(mutations().chain(["all"])), conflicts_with_all = ["drill", "trace"])]
    mutation: Option<String>,
    /// Plays one misfortune again and again, a seed a round, and compares how long each took to be over with its goals; ends with 1
    /// when one was missed.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(drills()), conflicts_with = "story")]
    drill: Option<String>,
}

impl Arguments {
    /// How many seeds are played where none are asked for: one.
    fn count(&self) -> u64 {
        self.seeds.unwrap_or(1)
    }

    fn settings(&self) -> Settings {
        Settings { keeps: self.trace || self.story, level: self.log }
    }
}

fn mutations() -> impl Iterator<Item = &'static str> {
    MUTATIONS.iter().map(|mutation| mutation.name)
}

fn drills() -> BTreeSet<&'static str> {
    Drill::ALL.iter().map(|drill| drill.name).collect()
}

fn main() -> Result<ExitCode, Box<dyn error::Error>> {
    let arguments = Arguments::parse();
    if arguments.first.checked_add(arguments.count() - 1).is_none() {
        return Err(format!("--first {} leaves no room for {} seeds", arguments.first, arguments.count()).into());
    }
    if let Some(name) = &arguments.drill {
        return exercise(&Drill::named(name), &arguments);
    }
    if let Some(name) = &arguments.mutation {
        return hunt(Mutation::named(name).map_or(&MUTATIONS, slice::from_ref), &arguments);
    }
    let began = Instant::now();
    let mut score = Score::default();
    let mut told = Instant::now();
    let seeds = arguments.count();
    let settings = arguments.settings();
    each_seed(
        &arguments,
        |seed| run_seed(seed, settings),
        |report| {
            score.add(&report);
            if settings.keeps {
                let mut out = BufWriter::new(io::stdout().lock());
                report.trace.print(arguments.trace, &mut out)?;
                writeln!(out, "{}\n{report}", report.story)?;
            }
            if told.elapsed() >= TELL || !report.broken.is_empty() {
                told = Instant::now();
                let rate = score.seeds as f64 / began.elapsed().as_secs_f64();
                writeln!(io::stderr(), "{} of {seeds} seeds, {rate:.2} a second; {report}", score.seeds)?;
            }
            for promise in &report.broken {
                writeln!(io::stderr(), "seed {}: {promise}", report.seed)?;
            }
            Ok(())
        },
    )?;
    if let Some(seed) = score.failing.first().filter(|_| !settings.keeps) {
        show(*seed, arguments.log)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    writeln!(io::stderr(), "{seconds:.1} s, {:.2} seeds a second", score.seeds as f64 / seconds)?;
    writeln!(io::stderr(), "\n{}\n{}", score.promises, score.sometimes)?;
    let complaints = score.complaints();
    for complaint in &complaints {
        writeln!(io::stderr(), "{complaint}")?;
    }
    writeln!(io::stdout(), "{}", score.summary())?;
    Ok(if score.failing.is_empty() && complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays drills.
fn exercise(drills: &[Drill], arguments: &Arguments) -> Result<ExitCode, Box<dyn error::Error>> {
    let &Arguments { seeds: rounds, first, trace, log: level, threads, .. } = arguments;
    let plan = drill::Plan { rounds, first, threads: threads.into(), trace, level };
    let met = drill::run(drills, plan, &mut io::stderr().lock(), &mut io::stdout().lock())?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays mutations, and tells the seeds that find each.
fn hunt(mutations: &[Mutation], arguments: &Arguments) -> Result<ExitCode, Box<dyn error::Error>> {
    let mut missed = false;
    for mutation in mutations {
        let (mut played, mut finds) = (0, Vec::new());
        let tries = |seed| (seed, mutation.tries(seed));
        each_seed(arguments, tries, |(seed, trial)| {
            played += 1;
            match trial {
                Trial::Held => {}
                Trial::Beside(others) => {
                    writeln!(io::stderr(), "{}: seed {seed} is noticed only by {others:?}", mutation.name)?;
                }
                Trial::Spoiled => writeln!(io::stderr(), "{}: seed {seed} breaks without it", mutation.name)?,
                Trial::Found(by) => {
                    writeln!(io::stderr(), "{}: found by seed {seed}: {by:?}", mutation.name)?;
                    if arguments.story {
                        tell_found(mutation, seed, arguments.settings())?;
                    }
                    finds.push(played);
                }
            }
            Ok(())
        })?;
        missed |= finds.is_empty();
        let (name, count) = (mutation.name, finds.len());
        let first = finds.first().map_or("never".to_owned(), |first: &u64| format!("with the first {first}"));
        writeln!(io::stdout(), "{name:<24} found in {count} of {played} seeds, {first}; {}", mutation.breaks)?;
    }
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Tells the run of a mutation that was found.
fn tell_found(mutation: &Mutation, seed: u64, settings: Settings) -> io::Result<()> {
    let report = mutation.scenario(seed, Rules::ALL.without(mutation.rule)).play(settings);
    let mut out = BufWriter::new(io::stdout().lock());
    report.trace.print(false, &mut out)?;
    writeln!(out, "{}\n{report}", report.story)
}

/// Plays the seeds and hands out what came of them, in their order.
fn each_seed<T: Send>(
    arguments: &Arguments,
    play: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let (seeds, first, threads) = (arguments.count(), arguments.first, usize::from(arguments.threads));
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        // One finished seed may wait for each thread, so that no more logs are in memory than are looked at soon.
        let (done, reports) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (done, next, play) = (done.clone(), &next, &play);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds || done.send((number, play(first.wrapping_add(number)))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let mut wanted = 0;
        for (number, report) in reports {
            waiting.insert(number, report);
            while let Some(report) = waiting.remove(&wanted) {
                wanted += 1;
                take(report)?;
            }
        }
        Ok(())
    })
}

/// Shows a seed in words, and how to play it again.
fn show(seed: u64, level: Level) -> io::Result<()> {
    let report = run_seed(seed, Settings { keeps: true, level });
    let mut err = BufWriter::new(io::stderr().lock());
    writeln!(err, "\nthe log of seed {seed}, without its packets:\n")?;
    report.trace.print(false, &mut err)?;
    writeln!(err, "\nwhat callers asked and heard, what ran where, and what was found:\n\n{}", report.story)?;
    writeln!(
        err,
        "\nall of one instance: look for its name, as in `accounts[4]`; of a slot, for `slot 4 of accounts`"
    )?;
    writeln!(err, "\nplay it again, with every packet:\n")?;
    writeln!(
        err,
        "    cargo run --release -p registry-tests --bin simulate -- --seeds 1 --first {seed} --trace --log debug\n"
    )
}

/// All seeds together.
#[derive(Debug, Default)]
struct Score {
    seeds: u64,
    failing: Vec<u64>,
    simulated_ms: u64,
    calls: usize,
    answered: usize,
    slowest_ms: u64,
    /// Of all logs, in the order of the seeds.
    digest: u64,
    promises: sim::Score,
    sometimes: Sometimes,
}

impl Score {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.promises.add(report.seed, &report.findings);
        self.sometimes.merge(&report.sometimes);
        if !report.broken.is_empty() {
            self.failing.push(report.seed);
        }
        self.digest = self.digest.rotate_left(1) ^ report.trace.digest();
        self.simulated_ms += report.simulated_ms;
        self.calls += report.calls.0;
        self.answered += report.calls.1;
        self.slowest_ms = self.slowest_ms.max(report.settled_ms.unwrap_or_default());
    }

    /// What is wrong with the series as a whole.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = self.promises.complaints();
        if self.seeds >= SEEDS_OF_A_NIGHT {
            complaints.extend(self.sometimes.never().into_iter().map(|name| format!("never reached: {name}")));
        }
        complaints
    }

    /// The same for the same seeds, however long they took.
    fn summary(&self) -> String {
        let Self { seeds, failing, simulated_ms, calls, answered, slowest_ms, digest, .. } = self;
        let broken = match failing.as_slice() {
            [] => "every promise kept".to_owned(),
            failing => format!("{} broken: {failing:?}", failing.len()),
        };
        format!(
            "{seeds} seeds, {:.0} simulated s, {calls} calls, {answered} answered, settled at most {slowest_ms} ms after \
             a heal, digest {digest:016x}; {broken}",
            *simulated_ms as f64 / 1000.0,
        )
    }
}
