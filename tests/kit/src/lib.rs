//! What the acceptance tests share: a resource that says where it ran, histories that can be judged afterwards, and waiting
//! for a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

#[cfg(target_os = "linux")]
pub mod chaos;
mod counter;
mod eventually;
mod history;
pub mod parcels;
mod probe;
mod setup;
pub mod sim;
mod together;
mod view;

pub use counter::{Counter, CounterClient, Ran, SLOTS, counters};
pub use eventually::eventually;
pub use history::{Acknowledged, Runs};
pub use probe::{Inside, Probe};
pub use setup::{SECRET, builder, free_addresses};
pub use together::together;
pub use view::{every_slot_answers, one_key_per_slot, owner_of, state_of, table, view};
