//! What travels between nodes, as bytes: frames, the hello, and their limits.
//!
//! Pure: no socket, no clock, no task. Everything that is read here was written by a peer, so every length is checked
//! before it is believed and before memory is taken for it.

pub(crate) mod cutter;
pub(crate) mod frame;
pub(crate) mod hello;
pub(crate) mod limits;
pub(crate) mod outcome;
mod parts;
pub(crate) mod record;
