//! Whole clusters from one seed: what is asked of them, and how it is judged.
//!
//! A run leaves behind a [`History`] (what callers asked and heard, and what ran where) and the [`Sighting`]s of its nodes.
//! [`oracle`] judges both, one file for each invariant; [`linear`] decides whether a key behaved like one instance.
//! [`workload`] asks the questions, and [`sometimes`] counts how often a run came to what is rare.

pub mod history;
pub mod linear;
//pub mod oracle;
pub mod sighting;
//pub mod sometimes;
//pub mod workload;

pub use history::{Clock, History, Stamp};
//pub use oracle::{Evidence, Findings, Score};
pub use sighting::Sighting;
//pub use sometimes::Sometimes;
//pub use workload::{Desk, Workload};
