//! Whole clusters of real nodes in one thread, repeatable from one number.
//!
//! Begin with [`Scenario::draw`]: a seed becomes a cluster, a workload and a list of faults, and [`Scenario::run`] plays it.
//! Beneath it lies a [`World`]: virtual time in whole milliseconds, [hosts](host) that each run a real node on a paused tokio runtime
//! of their own, and a [network] between them that loses, delays, doubles and cuts as it is told. Nothing in
//! here asks the machine for time or randomness, so a seed does the same at every run; a test compares whole traces.
//!
//! What callers of a [`workload`] asked and heard, and what ran where, is written into a [`History`]; with the [`Sighting`]s of
//! the nodes it is the evidence that the [`oracle`]s judge, one file for each promise. [`linear`] decides whether a key behaved
//! like one instance, and [`sometimes`] counts how often a run came to what is rare. That they would notice is shown by [`mutation`]:
//! every bug that is put back is found. [`drill`]s measure how soon one misfortune is over.

pub mod drill;
pub mod history;
pub mod host;
pub mod linear;
pub mod mutation;
pub mod network;
pub mod oracle;
mod panics;
pub mod plan;
mod play;
mod report;
pub mod sighting;
mod socket;
pub mod sometimes;
pub mod tally;
pub mod trace;
pub mod workload;
pub mod world;

pub use history::{Clock, History, Stamp};
pub use mutation::{MUTATIONS, Mutation, Trial};
pub use oracle::{Evidence, Findings, INVARIANTS, Score};
pub use plan::{Fault, Scenario};
pub use play::{Settings, run_seed};
pub use report::Report;
pub use sighting::Sighting;
pub use sometimes::Sometimes;
pub use trace::Trace;
pub use workload::{Caller, Workload};
pub use world::World;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A generator for one purpose of a seed: purposes do not disturb one another when one of them draws more.
pub fn dice(seed: u64, purpose: &str, number: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    for (place, byte) in bytes[16..].iter_mut().zip(purpose.bytes()) {
        *place = byte;
    }
    ChaCha8Rng::from_seed(bytes)
}
