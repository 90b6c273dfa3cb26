//! Small deciders of the data plane.
//!
//! Absent on purpose: clocks, locks, tasks. Time is a parameter, and what waits is a value that the caller hands in and gets
//! back. What the slots of a registry share is a count, and atomic.

pub(crate) mod admission;
pub(crate) mod lineage;
pub(crate) mod ration;
pub(crate) mod receipts;
pub(crate) mod replica;
pub(crate) mod shown;
pub(crate) mod stream;
