//! What came of a seed.

use std::collections::BTreeSet;
use std::fmt;

use super::{Findings, Sometimes, Trace};

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was broken, each in a sentence.
    pub broken: Vec<String>,
    /// The names of the promises that were broken.
    pub promises: BTreeSet<&'static str>,
    /// How long the run took in the world.
    pub simulated_ms: u64,
    /// How long the cluster took to settle after the heal, in milliseconds.
    pub settled_ms: Option<u64>,
    /// The calls, and how many of them ended with their reply.
    pub calls: (usize, usize),
    /// What the oracles found.
    pub findings: Findings,
    /// The rare situations that the run came to.
    pub sometimes: Sometimes,
    /// What callers asked and heard, what ran where, and what was found, as lines; empty unless the records are kept.
    pub story: String,
    /// The event log.
    pub trace: Trace,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, simulated_ms, calls: (calls, answered), trace, .. } = self;
        write!(f, "seed {seed}: {simulated_ms} ms, {} packets, {calls} calls, {answered} answered", trace.packets())?;
        match self.settled_ms {
            Some(ms) => write!(f, ", settled {ms} ms after the heal")?,
            None => write!(f, ", never settled")?,
        }
        write!(f, ", digest {:016x}", trace.digest())
    }
}
