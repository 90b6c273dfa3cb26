//! What takes longest, side by side: the compiler looks at one file after another and leaves the other cores to the simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where something is wrong")]

mod compile;
mod simulation;
