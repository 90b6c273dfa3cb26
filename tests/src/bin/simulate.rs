//! Runs seeds of the simulator: `simulate [--seeds N] [--first SEED] [--trace] [--log LEVEL] [--threads N] [--mutation NAME]`.
//!
//! Progress goes to standard error, one line of summary to standard output at the end. Ends with 1 when a promise was
//! broken, and then shows the log of the first such seed and the command that plays it again. With `--trace` every seed's
//! whole log goes to standard output.
//!
//! With `--mutation` it plays the scenarios of a mutation (or of `all`) and says which seeds find it; ends with 1 when none does.
//!
//! `simulate --drill blackout|failover|split [--seeds N] [--first SEED] [--trace] [--log LEVEL] [--threads N]` plays one misfortune
//! again and again instead, a seed a round, and compares how long each took to be over with its goals; ends with 1 when one
//! was missed.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, error, slice, thread};

use registry_tests::sim::drill::{self, Drill};
use registry_tests::sim::{self, MUTATIONS, Mutation, Report, Settings, Sometimes, Trial, run_seed};
use tracing::Level;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);

/// From how many seeds on every rare situation must have been reached: what a night plays.
const SEEDS_OF_A_NIGHT: u64 = 300;

const USAGE: &str = "usage: simulate [--drill blackout|failover|split] [--mutation NAME|all] [--seeds N] [--first SEED] [--trace] [--log LEVEL] [--threads N]";

#[derive(Clone, Debug)]
struct Arguments {
    drills: Vec<Drill>,
    seeds: Option<u64>,
    first: u64,
    trace: bool,
    log: Level,
    threads: usize,
    mutations: Option<&'static [Mutation]>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn error::Error>> {
        let (log, mutations) = (Level::INFO, None);
        let mut read = Self { drills: vec![], seeds: None, first: 1, trace: false, log, threads: 1, mutations };
        while let Some(word) = words.next() {
            if word == "--trace" {
                read.trace = true;
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--drill" if Drill::named(&value).is_empty() => return Err(USAGE.into()),
                "--drill" => read.drills = Drill::named(&value),
                "--seeds" => read.seeds = Some(value.parse()?),
                "--first" => read.first = value.parse()?,
                "--log" => read.log = value.parse()?,
                "--threads" => read.threads = value.parse::<usize>()?.max(1),
                "--mutation" if value == "all" => read.mutations = Some(&MUTATIONS),
                "--mutation" => {
                    let unknown = || format!("no mutation is called `{value}`; there are {}", names().join(", "));
                    read.mutations = Some(slice::from_ref(Mutation::named(&value).ok_or_else(unknown)?));
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(read)
    }

    /// How many seeds are played where none are asked for: one.
    fn count(&self) -> u64 {
        self.seeds.unwrap_or(1)
    }
}

fn main() -> Result<ExitCode, Box<dyn error::Error>> {
    let arguments = Arguments::read(env::args().skip(1))?;
    if !arguments.drills.is_empty() {
        return exercise(&arguments);
    }
    if let Some(mutations) = arguments.mutations {
        return hunt(mutations, &arguments);
    }
    let began = Instant::now();
    let mut score = Score::default();
    let mut told = Instant::now();
    let seeds = arguments.count();
    let settings = Settings { keeps: arguments.trace, level: arguments.log };
    each_seed(
        &arguments,
        |seed| run_seed(seed, settings),
        |report| {
            score.add(&report);
            if arguments.trace {
                let mut out = BufWriter::new(io::stdout().lock());
                report.trace.print(true, &mut out)?;
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
    if let Some(seed) = score.failing.first().filter(|_| !arguments.trace) {
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
fn exercise(arguments: &Arguments) -> Result<ExitCode, Box<dyn error::Error>> {
    let Arguments { drills, seeds: rounds, first, trace, log: level, threads, .. } = arguments.clone();
    let plan = drill::Plan { rounds, first, threads, trace, level };
    let met = drill::run(&drills, plan, &mut io::stderr().lock(), &mut io::stdout().lock())?;
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

fn names() -> Vec<&'static str> {
    MUTATIONS.iter().map(|mutation| mutation.name).collect()
}

/// Plays the seeds and hands out what came of them, in their order.
fn each_seed<T: Send>(
    arguments: &Arguments,
    play: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let (seeds, &Arguments { first, threads, .. }) = (arguments.count(), arguments);
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
