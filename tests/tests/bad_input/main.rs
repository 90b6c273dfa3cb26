//! Bad input: each kind gets a typed error or a named refusal and an event, and harms nobody else.
//!
//! What lies below the public interface (versions in the hello; undecodable, truncated, oversized and lying frames) is tested
//! in the runtime's own rooms.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

mod arguments;
mod certificates;
mod events;
mod join;
mod registries;
mod start;
mod strangers;
