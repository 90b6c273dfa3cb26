//! Decides who is a member and who owns what: facts go in, decisions come out as plain values.
//!
//! Absent on purpose: tokio, sockets, the clock, the operating system's randomness, hash-ordered maps.

#![allow(dead_code, unused_imports, reason = "the node that drives the engine is not there yet")]

pub(crate) mod membership;
