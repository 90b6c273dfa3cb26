//! Whole clusters of engines in simulated time.

mod composed;
mod directed;
mod healing;
mod malice;
mod oracle;
mod random;
mod sim;
mod store;
