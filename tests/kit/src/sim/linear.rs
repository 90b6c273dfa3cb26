//! Whether what was heard of one instance could have come from one that does one thing at a time.
//!
//! The search is Wing's and Gong's ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory of what was tried
//! ("Testing for linearizability", 2017): it builds the order from its front, always taking one of the entries that nothing
//! unfinished must precede, and turns back where no entry's reply fits. A configuration, which is the set of entries taken
//! and the state that they led to, is looked at once. Histories are split by instance beforehand: linearizability is local,
//! so the parts are judged alone (Horn and Kroening, "Faster linearizability checking via P-compositionality", 2015).
//!
//! An entry without an end is *pending*: it may take effect at any time after its begin, or never. What is known never to
//! have run does not belong in the history at all.

mod check;
mod model;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

pub use check::{Budget, Entry, Verdict, Witness, check};
pub use model::{Cell, Counter, Log, Model};
