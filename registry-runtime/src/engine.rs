//! Who is a member, who owns which slot: everything slow and rare that a cluster decides.
//!
//! The engine has no clock, no sockets, no threads and no randomness of its own. Facts go in by [`Engine::handle`],
//! decisions come out of [`Engine::poll`] as plain values, and [`Engine::next_deadline`] says when to come back. So
//! failover and rebalancing, which are minutes of waiting and unlikely orders of events, run in tests in microseconds, and
//! one seed repeats a whole cluster's day.
//!
//! | file | what it knows |
//! |---|---|
//! | `view`, `sight` | the members, and how much of the cluster can be seen |
//! | `plan` | where slots should be |
//! | `table`, `row`, `noted` | where they are, and what was promised |
//! | `opening`, `charter`, `epochs` | the one way to take a slot |
//! | `lease`, `held` | who may show acknowledged state, and until when |
//! | `failover` | who may take a slot: the one rule, in one file |
//! | `moves` | which step brings an open slot nearer to the plan |
//! | `registry`, `ownership` | what looks at all of these and acts |

mod agenda;
#[cfg(feature = "bench")]
pub mod bench;
mod charter;
mod epochs;
mod failover;
mod held;
mod lease;
mod moves;
mod noted;
mod opening;
mod outbox;
mod output;
mod ownership;
mod plan;
mod registry;
mod row;
mod rules;
mod set;
mod shared;
mod sight;
mod table;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use opening::Why;
pub(crate) use output::{Closing, Event, Opened, Output, StopReason};
pub(crate) use ownership::{Config, Input, Ownership};
pub(crate) use plan::Plan;
pub(crate) use row::Active;
pub(crate) use rules::Rules;
pub(crate) use set::Set;
pub(crate) use table::{SlotState, Table};
pub(crate) use view::{HostedRegistry, Life, Load, Member, MemberState, Profile, View, Weight};
