//! A number of callers, each with one call under way at a time.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::contestant::{Caller, Contestant, Message};
use crate::place::Place;

/// What to put on a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub address: SocketAddr,
    /// Calls under way at a time.
    pub outstanding: usize,
    /// The length of the text that travels.
    pub bytes: usize,
    /// How long is measured, after half a second of warming up.
    pub seconds: f64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub calls_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// The processor time of this process for a hundred thousand calls.
    pub cpu_s: f64,
}

impl Outcome {
    /// The median of each number by itself.
    pub fn median(results: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| {
            let mut numbers: Vec<f64> = results.iter().map(number).collect();
            numbers.sort_by(f64::total_cmp);
            numbers[numbers.len() / 2]
        };
        Self {
            calls_per_second: of(|result| result.calls_per_second),
            p50_us: of(|result| result.p50_us),
            p99_us: of(|result| result.p99_us),
            cpu_s: of(|result| result.cpu_s),
        }
    }
}

/// Which share of the calls is timed when many are under way.
const TIMED_ONE_IN: u64 = 16;

/// Room for the times of one caller, so that few are moved while it is measured.
const TIMES_USUAL: usize = 4096;

const WARM_UP: Duration = Duration::from_millis(500);

pub fn run(contestant: Contestant, place: Place, load: Load) -> io::Result<Outcome> {
    place.run(contestant.drive(place, load))
}

/// Puts the load on a caller.
pub async fn drive(caller: impl Caller, load: Load) -> io::Result<Outcome> {
    let (measuring, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let note: String = "x".repeat(load.bytes);
    let mut workers = Vec::new();
    for worker in 0..load.outstanding {
        let (caller, note) = (caller.clone(), note.clone());
        let (measuring, over) = (measuring.clone(), over.clone());
        workers.push(tokio::spawn(async move {
            let (mut calls, mut times) = (0_u64, Vec::with_capacity(TIMES_USUAL));
            let mut id = worker as u64 * 1_000_000_000;
            while !over.load(Ordering::Relaxed) {
                id += 1;
                // Two readings of the clock are a part of what a call costs when many are under way, so most go untimed.
                let begun = (load.outstanding == 1 || id % TIMED_ONE_IN == 0).then(Instant::now);
                let reply = caller.call(Message { id, note: note.clone() }).await?;
                if reply.id != id || reply.note.len() != note.len() {
                    return Err(io::Error::other("another reply than was asked for"));
                }
                if measuring.load(Ordering::Relaxed) {
                    calls += 1;
                    times.extend(begun.map(|begun| begun.elapsed()));
                }
            }
            io::Result::Ok((calls, times))
        }));
    }
    tokio::time::sleep(WARM_UP).await;
    let (begun, cpu) = (Instant::now(), cpu_seconds_of("self"));
    measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs_f64(load.seconds)).await;
    let (elapsed, cpu) = (begun.elapsed(), cpu_seconds_of("self") - cpu);
    over.store(true, Ordering::Relaxed);
    let (mut calls, mut times) = (0, Vec::new());
    for worker in workers {
        let (own_calls, own_times) = worker.await.map_err(io::Error::other)??;
        calls += own_calls;
        times.extend(own_times);
    }
    times.sort_unstable();
    let quantile = |share: f64| {
        let at = (times.len().saturating_sub(1) as f64 * share) as usize;
        times.get(at).map_or(f64::NAN, |time| time.as_nanos() as f64 / 1000.0)
    };
    Ok(Outcome {
        calls_per_second: calls as f64 / elapsed.as_secs_f64(),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        cpu_s: cpu * 100_000.0 / calls.max(1) as f64,
    })
}

/// The processor time that a process has used, where the system tells.
pub fn cpu_seconds_of(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} {:.1} {:.1} {:.3}", self.calls_per_second, self.p50_us, self.p99_us, self.cpu_s)
    }
}

impl FromStr for Outcome {
    type Err = io::Error;

    fn from_str(line: &str) -> io::Result<Self> {
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers.as_slice() {
            &[calls_per_second, p50_us, p99_us, cpu_s] => Ok(Self { calls_per_second, p50_us, p99_us, cpu_s }),
            _ => Err(io::Error::other(format!("no result: `{line}`"))),
        }
    }
}
