//! Real processes under real trouble: what the simulator does to a cluster in a world of its own, done to processes of this
//! machine by SIGKILL, SIGSTOP and a relay that loses, delays, doubles and cuts.
//!
//! [`play`] takes a [`Scenario`](crate::sim::Scenario) of the simulator and plays it with a fleet of node processes in real
//! time; [`failover`] measures how soon a killed owner is replaced, and [`bank`] keeps accounts through minutes of kills, or through a rolling restart. A node process is this program again, started as
//! [`member`]; it hosts the simulator's workloads, and tells every note of its callers and commands through its standard
//! output before what the note is about goes on, so that what a killed process had written down survives. The
//! judge joins the notes of all by the machine's clock and hands them to the simulator's oracles.
//!
//! **The ground.** Each process lives in a network namespace in which the addresses of *all* hosts are addresses of the
//! loopback device. It binds its own; all others are bound, in that namespace, by the relay. So nodes know and reach one another by the
//! addresses on which they listen, nothing is wrapped or rewritten, sockets and packets are the kernel's, and yet every packet
//! passes through the relay. Devices, bridges or routes are not needed, and no code that is `unsafe`. Where namespaces cannot be
//! made (they take `ip` of iproute2 and the right to use it), the processes share the machine's loopback device: then they are
//! killed and frozen, but nobody touches their packets, and the run says so.
//!
//! **The end.** Node processes end when their standard input does. A [janitor], a process that outlives this one, kills those that
//! were stopped at that time and removes the namespaces, whatever way this process ends.

pub mod bank;
mod clock;
mod error;
pub mod failover;
mod fleet;
mod frame;
mod ground;
pub mod janitor;
mod judge;
pub mod member;
mod namespace;
mod play;
mod process;
mod relay;
mod scribe;
mod script;
mod seat;
mod word;

pub use error::ChaosError;
pub use play::{Report, Settings, play};
pub use script::smoke;
