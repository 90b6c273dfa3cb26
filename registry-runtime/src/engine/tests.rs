//! Whole clusters of engines in simulated time.

mod directed;
mod oracle;
mod random;
mod sim;
