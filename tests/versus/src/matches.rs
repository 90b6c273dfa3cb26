//! Every match: the same load on each contestant in turn, in fresh processes, several times over.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::contestant::Contestant;
use crate::load::Outcome;
use crate::place::Place;

/// The loads: bytes, and calls under way.
const LOADS: [(usize, usize); 4] = [(64, 1), (64, 64), (64, 512), (4096, 64)];

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
        for (bytes, outstanding) in LOADS {
            if !chosen("--loads", &format!("{bytes}x{outstanding}")) {
                continue;
            }
            let all: Vec<Contestant> =
                Contestant::ALL.into_iter().filter(|contestant| chosen("--who", contestant.word())).collect();
            let mut results: Vec<Vec<Outcome>> = vec![Vec::new(); all.len()];
            for _ in 0..rounds {
                for (contestant, results) in all.iter().copied().zip(&mut results) {
                    results.push(one(contestant, place, bytes, outstanding, seconds)?);
                }
            }
            for (contestant, own) in all.iter().copied().zip(&results) {
                let result = Outcome::median(own);
                let (base, goal) = contestant.goal(bytes, outstanding);
                let base = all.iter().position(|one| *one == base).and_then(|at| results.get(at));
                let verdict = base.map_or_else(String::new, |base| compare(own, base, outstanding, goal));
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

/// How the rounds of one contestant compare with those of another, and whether that reaches the goal.
fn compare(own: &[Outcome], base: &[Outcome], outstanding: usize, goal: Option<f64>) -> String {
    // Round by round: whatever else the machine did, it did to both.
    let ratio = |(own, base): (&Outcome, &Outcome)| match outstanding {
        1 => own.p50_us / base.p50_us,
        _ => own.calls_per_second / base.calls_per_second,
    };
    let mut ratios: Vec<f64> = own.iter().zip(base).map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let reached = |goal| if outstanding == 1 { ratio <= goal } else { ratio >= goal };
    let spread = format!("{ratio:.2} [{:.2}..{:.2}]", ratios[0], ratios[ratios.len() - 1]);
    match goal {
        None => spread,
        Some(goal) if reached(goal) => format!("{spread} (goal {goal}) reached"),
        Some(goal) => format!("{spread} (goal {goal}) MISSED"),
    }
}

/// One load on one contestant, in fresh processes: one that calls, and those that serve.
fn one(contestant: Contestant, place: Place, bytes: usize, outstanding: usize, seconds: f64) -> io::Result<Outcome> {
    let program = std::env::current_exe()?;
    // The server has no callers, so that a thread of its own for its sockets is all it needs.
    let serving = if place == Place::Split && contestant != Contestant::Tarpc { Place::Current } else { place };
    let (mut servers, mut address) = (Vec::new(), String::new());
    for number in 0..contestant.servers() {
        let mut command = Command::new(&program);
        command.args(["serve", contestant.word(), serving.word(), &number.to_string()]);
        if number > 0 {
            command.arg(address.trim());
        }
        let mut server = Kill(command.stdout(Stdio::piped()).spawn()?);
        let stdout = server.0.stdout.take().ok_or_else(|| io::Error::other("the server says nothing"))?;
        let mut first_line = String::new();
        BufReader::new(stdout).read_line(&mut first_line)?;
        servers.push(server);
        if number == 0 {
            address = first_line;
        }
    }
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
