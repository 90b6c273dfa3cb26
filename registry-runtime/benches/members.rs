//! How well members know one another: `cargo bench -p registry-runtime --features bench --bench members`.
//!
//! For 10, 100 and 1,000 members and 0, 1, 5 and 20 % of loss: how long they take to see one another, how often a living one is
//! declared Down, what each sends, and how soon everybody knows of a death. Nothing but memberships, in simulated time. `-- --members
//! 100 --loss 20` picks a cell, of any size; `--hours`, `--kills` and `--seed` change what is done in each. Progress goes to standard error. Ends with
//! 1 when a goal was missed.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use registry_runtime::bench::members::{Cell, HEAD};

/// The sizes, with how often one is killed: a p99 needs hundreds of deaths, and a thousand members are slow.
const SIZES: [(usize, usize); 3] = [(10, 300), (100, 300), (1000, 20)];

/// The losses, of a hundred packets.
const LOSSES: [u32; 4] = [0, 1, 5, 20];

/// The hours of each cell, counted for each member: enough to see what happens once in a thousand.
const NODE_HOURS: f64 = 1000.0;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(5);

const USAGE: &str = "options: --members N, --loss PERCENT, --hours NODE_HOURS, --kills N, --seed N";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut members, mut loss, mut hours, mut kills, mut seed) = (None, None, NODE_HOURS, None, 1);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match word.as_str() {
            "--members" => members = Some(value.parse::<usize>()?),
            "--loss" => loss = Some(value.parse::<u32>()?),
            "--hours" => hours = value.parse()?,
            "--kills" => kills = Some(value.parse()?),
            "--seed" => seed = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let usual = |size| SIZES.into_iter().rfind(|(least, _)| *least <= size).map_or(0, |(_, kills)| kills);
    let sizes = members.map_or(SIZES.to_vec(), |size| vec![(size, usual(size))]);
    let mut met = true;
    writeln!(io::stdout(), "{HEAD}")?;
    for (size, usual_kills) in sizes {
        for loss_percent in LOSSES.into_iter().filter(|percent| loss.is_none_or(|wanted| wanted == *percent)) {
            let cell =
                Cell { members: size, loss_percent, node_hours: hours, kills: kills.unwrap_or(usual_kills), seed };
            met &= show(cell)?;
        }
    }
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Simulates a cell and prints its line. Whether its goals were met.
fn show(cell: Cell) -> io::Result<bool> {
    let (began, mut told) = (Instant::now(), Instant::now());
    let row = cell.run(|done| {
        if told.elapsed() >= TELL {
            told = Instant::now();
            // Progress that nobody can read is no reason to stop.
            let _ = writeln!(io::stderr(), "{} members, {} %: {:.0} %", cell.members, cell.loss_percent, done * 100.0);
        }
    });
    writeln!(io::stdout(), "{row}")?;
    writeln!(io::stderr(), "{:.1} s for this line", began.elapsed().as_secs_f64())?;
    for missed in &row.missed {
        writeln!(io::stdout(), "    missed: {missed}")?;
    }
    Ok(row.missed.is_empty())
}
