//! Every match: the same load on each contestant in turn, in fresh processes, several times over.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::contestant::Contestant;
use crate::load::Outcome;
use crate::place::Place;

/// The loads: bytes, calls under way, and the ratio to tarpc's calls per second that must be reached; for one call
/// under way the ratio of the medians of time that must not be passed.
const LOADS: [(usize, usize, f64); 4] = [(64, 1, 1.15), (64, 64, 2.0), (64, 512, 3.0), (4096, 64, 1.5)];

pub fn run(options: &[&str]) -> io::Result<()> {
    let number = |name: &str, default: f64| {
        let at = options.iter().position(|word| *word == name);
        at.and_then(|at| options.get(at + 1)).and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    let chosen = |name: &str, word: &str| {
        let at = options.iter().position(|option| *option == name);
        at.and_then(|at| options.get(at + 1)).is_none_or(|list| list.split(',').any(|one| one == word))
    };
    let (rounds, seconds) = (number("--rounds", 3.0) as usize, number("--seconds", 1.0));
    println!(
        "{:<8} {:>5} {:>4}  {:<6} {:>9} {:>9} {:>9} {:>8}  ratio",
        "place", "bytes", "out", "who", "calls/s", "p50 us", "p99 us", "cpu s"
    );
    for place in [Place::Current, Place::Multi, Place::Split] {
        if !chosen("--places", place.word()) {
            continue;
        }
        for (bytes, outstanding, goal) in LOADS {
            if !chosen("--loads", &format!("{bytes}x{outstanding}")) {
                continue;
            }
            let mut results: Vec<Vec<Outcome>> = vec![Vec::new(); Contestant::ALL.len()];
            for _ in 0..rounds {
                for (contestant, results) in Contestant::ALL.into_iter().zip(&mut results) {
                    results.push(one(contestant, place, bytes, outstanding, seconds)?);
                }
            }
            for (contestant, own) in Contestant::ALL.into_iter().zip(&results) {
                let result = Outcome::median(own);
                // Round by round: whatever else the machine did, it did to both.
                let mut ratios: Vec<f64> = own
                    .iter()
                    .zip(&results[0])
                    .map(|(own, base)| match outstanding {
                        1 => own.p50_us / base.p50_us,
                        _ => own.calls_per_second / base.calls_per_second,
                    })
                    .collect();
                ratios.sort_by(f64::total_cmp);
                let ratio = ratios[ratios.len() / 2];
                let reached = if outstanding == 1 { ratio <= goal } else { ratio >= goal };
                let verdict = match contestant {
                    Contestant::Tarpc => String::new(),
                    _ => format!(
                        "{ratio:.2} [{:.2}..{:.2}] (goal {goal}) {}",
                        ratios[0],
                        ratios[ratios.len() - 1],
                        if reached { "reached" } else { "MISSED" },
                    ),
                };
                println!(
                    "{:<8} {:>5} {:>4}  {:<6} {:>9.0} {:>9.1} {:>9.1} {:>8.3}  {verdict}",
                    place.word(),
                    bytes,
                    outstanding,
                    contestant.word(),
                    result.calls_per_second,
                    result.p50_us,
                    result.p99_us,
                    result.cpu_s,
                );
            }
        }
    }
    Ok(())
}

/// One load on one contestant, in two fresh processes.
fn one(contestant: Contestant, place: Place, bytes: usize, outstanding: usize, seconds: f64) -> io::Result<Outcome> {
    let program = std::env::current_exe()?;
    // The server has no callers, so that a thread of its own for its sockets is all it needs.
    let serving = if place == Place::Split && contestant != Contestant::Tarpc { Place::Current } else { place };
    let mut server =
        Kill(Command::new(&program).args(["serve", contestant.word(), serving.word()]).stdout(Stdio::piped()).spawn()?);
    let mut address = String::new();
    let stdout = server.0.stdout.take().ok_or_else(|| io::Error::other("the server says nothing"))?;
    BufReader::new(stdout).read_line(&mut address)?;
    let load = Command::new(&program)
        .args(["load", contestant.word(), place.word(), address.trim()])
        .args([outstanding.to_string(), bytes.to_string(), seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    String::from_utf8_lossy(&load.stdout).trim().parse()
}

/// A process that ends with what started it.
pub struct Kill(pub Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
