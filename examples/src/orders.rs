//! The parts of the main job: real purchases, placed as orders on a cluster of processes, then counted back.
//!
//! Read them in this order: [`purchase`] and [`purchases`] are the input, [`domain`] is the application (two resources and
//! one `registry!` block), [`cluster`] and [`member`] are the two ends of the child processes, [`load`] makes the calls,
//! [`accident`] kills a process in the middle, [`receipts`] counts what that made be answered twice, and
//! [`report`] says what came of it all.

pub mod accident;
pub mod cents;
pub mod cluster;
pub mod domain;
pub mod load;
pub mod member;
pub mod meter;
pub mod progress;
pub mod purchase;
pub mod purchases;
pub mod receipts;
pub mod report;
pub mod slots;
pub mod tally;
pub mod totals;
