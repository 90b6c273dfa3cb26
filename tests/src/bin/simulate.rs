//! Runs seeds of the simulator: `simulate [--seeds N] [--first SEED] [--trace] [--log LEVEL] [--threads N]`.
//!
//! Progress goes to standard error, one line of summary to standard output at the end. Ends with 1 when a promise was
//! broken, and then shows the log of the first such seed and the command that plays it again. With `--trace` every seed's
//! whole log goes to standard output.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, error, thread};

use registry_tests::sim::{self, Report, Settings, Sometimes, run_seed};
use tracing::Level;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);

/// From how many seeds on every rare situation must have been reached: what a night plays.
const SEEDS_OF_A_NIGHT: u64 = 300;

const USAGE: &str = "usage: simulate [--seeds N] [--first SEED] [--trace] [--log LEVEL] [--threads N]";

#[derive(Clone, Copy, Debug)]
struct Arguments {
    seeds: u64,
    first: u64,
    trace: bool,
    log: Level,
    threads: usize,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn error::Error>> {
        let mut read = Self { seeds: 1, first: 1, trace: false, log: Level::INFO, threads: 1 };
        while let Some(word) = words.next() {
            if word == "--trace" {
                read.trace = true;
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--seeds" => read.seeds = value.parse()?,
                "--first" => read.first = value.parse()?,
                "--log" => read.log = value.parse()?,
                "--threads" => read.threads = value.parse::<usize>()?.max(1),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(read)
    }
}

fn main() -> Result<ExitCode, Box<dyn error::Error>> {
    let arguments = Arguments::read(env::args().skip(1))?;
    let began = Instant::now();
    let mut score = Score::default();
    let mut told = Instant::now();
    each_seed(arguments, |report| {
        score.add(&report);
        if arguments.trace {
            let mut out = BufWriter::new(io::stdout().lock());
            report.trace.print(true, &mut out)?;
            writeln!(out, "{}\n{report}", report.story)?;
        }
        if told.elapsed() >= TELL || !report.broken.is_empty() {
            told = Instant::now();
            let rate = score.seeds as f64 / began.elapsed().as_secs_f64();
            writeln!(io::stderr(), "{} of {} seeds, {rate:.2} a second; {report}", score.seeds, arguments.seeds)?;
        }
        for promise in &report.broken {
            writeln!(io::stderr(), "seed {}: {promise}", report.seed)?;
        }
        Ok(())
    })?;
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

/// Plays the seeds and hands out what came of them, in their order.
fn each_seed(arguments: Arguments, mut take: impl FnMut(Report) -> io::Result<()>) -> io::Result<()> {
    let Arguments { seeds, first, trace, log, threads } = arguments;
    let settings = Settings { keeps: trace, level: log };
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        // One finished seed may wait for each thread, so that no more logs are in memory than are looked at soon.
        let (done, reports) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds || done.send((number, run_seed(first.wrapping_add(number), settings))).is_err() {
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
