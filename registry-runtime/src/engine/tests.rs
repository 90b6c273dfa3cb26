//! Whole clusters of engines in simulated time.

mod directed;
mod malice;
mod oracle;
mod random;
mod sim;
