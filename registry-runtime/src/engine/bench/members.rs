//! The table of memberships: how well members know one another, by their number and by how many packets are lost.

use std::fmt;
use std::time::Duration;

use crate::engine::membership::crowd::trial::{Outcome, Trial};

/// One cell: so many members, on links that lose packets.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// How many members there are.
    pub members: usize,
    /// Of a hundred packets so many are lost.
    pub loss_percent: u32,
    /// For how many hours they are watched, counted for each.
    pub node_hours: f64,
    /// How often one of them is killed.
    pub kills: usize,
    /// What everything follows from.
    pub seed: u64,
}

/// What was seen in a cell; it prints as a line of the table.
#[derive(Debug)]
pub struct Row {
    /// The goals that were missed, in words.
    pub missed: Vec<String>,
    trial: Trial,
    outcome: Outcome,
}

/// What stands above the lines.
pub const HEAD: &str = "members  loss  whole after  node-hours  false Downs  per node-hour  packets/s  bytes/s  deaths  first Down p50/p99   last p50/p99";

impl Cell {
    /// Simulates it; tells now and then how far it is, from 0 to 1: first the hours, then the kills.
    pub fn run(self, tell: impl FnMut(f64)) -> Row {
        let Self { members, loss_percent, node_hours, kills, seed } = self;
        let trial = Trial { members, loss_percent, node_hours, kills, seed };
        let outcome = trial.run(tell);
        Row { missed: trial.missed(&outcome), trial, outcome }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trial: Trial { members, loss_percent, .. }, outcome, .. } = self;
        let Outcome { whole_after, node_hours, false_downs, packets_per_second, bytes_per_second, deaths, .. } =
            outcome;
        let seconds =
            |time: Option<Duration>| time.map_or("never".to_owned(), |time| format!("{:.2}", time.as_secs_f64()));
        let per_hour = *false_downs as f64 / node_hours.max(f64::MIN_POSITIVE);
        write!(
            f,
            "{members:>7}  {loss_percent:>2} %  {:>9} s  {node_hours:>10.0}  {false_downs:>11}  {per_hour:>13.4}  \
             {packets_per_second:>9.2}  {bytes_per_second:>7.0}  {:>6}",
            seconds(*whole_after),
            deaths.len(),
        )?;
        let both = |which| [50, 99].map(|percent| seconds(outcome.percentile(percent, which))).join(" / ");
        if !deaths.is_empty() {
            write!(f, "  {:>16} s  {:>13} s", both(|(first, _)| first), both(|(_, last)| last))?;
        }
        Ok(())
    }
}
