//! The promises that cannot be kept yet, in one place.

/// Invariants that only replicated records with receipts can keep: today a slot's data goes down with its owner, and
/// its receipts with it. They are judged in every run, and over a whole series of runs each of them has to fail at
/// least once; one that does not has to leave the list, and from then on it must hold.
pub const AWAITS_RECEIPTS: [&str; 4] = ["no-lost-update", "no-second-effect", "conserved", "linearizable"];

/// How many runs a series must have before one without a fault counts against the list: in fewer, luck is an explanation.
pub const RUNS_MIN: u64 = 50;
