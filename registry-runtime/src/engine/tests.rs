//! Whole clusters of engines in simulated time.

mod comparing;
mod composed;
mod directed;
mod healing;
mod malice;
mod oracle;
mod random;
mod sim;
mod store;
