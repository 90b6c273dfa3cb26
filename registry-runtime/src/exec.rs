//! Runs users' commands, one lane per key.
//!
//! A [`Host`] is everything that one node keeps of one registry. Its keys live in slots; the node opens, seals and closes
//! them ([`Host::open`] and its neighbours) and the host decides nothing of that sort by itself. Commands come in by two
//! doors over one core ([`begin`]): typed ones through [`Host::call`], encoded ones through [`AnyHost::serve`].
//!
//! What keeps an instance whole: exclusive commands hold its lane one at a time, in order of arrival; they work on a copy;
//! the copy becomes the committed state in one step (`Shelf::settle`) that first looks whether the slot is still this
//! node's, and in a slot with backups waits, with the lane, until most replicas have the change. Reads take the committed state
//! and ask nobody. Of the slots of other owners a host keeps copies ([`copies`]).
//!
//! Every body takes one of the registry's places to run (`Door`), so that `concurrency` and the load count all of them. A
//! synchronous command on a free lane, with a place free, runs where it was called, without task, channel or timer; one whose change has
//! backups leaves word there for the answer. An asynchronous one is
//! polled once in place. Whatever has to wait becomes a task of its own, so that a caller that stops polling holds up
//! nobody.
//!
//! No user's code runs while a lock is held, with one exception: `Hash`, `Eq` and `Clone` of keys, which must not panic.
//!
//! Absent on purpose: the network, the cluster, the decision who owns what.

mod attempt;
mod begin;
mod clock;
mod codec;
mod contain;
mod control;
mod copies;
mod door;
mod erased;
mod flow;
mod guests;
mod handle;
mod hash;
mod host;
mod hosted;
mod job;
mod lane;
mod lease;
mod marks;
mod outcome;
mod pledge;
mod record;
mod reply;
mod salvage;
mod seat;
mod shelf;
mod sweeper;
mod trail;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use attempt::{Attempt, Request};
pub(crate) use clock::{BootClock, Clock};
pub(crate) use door::Load;
pub(crate) use erased::{Answer, AnyHost, Cancel, Replier};
pub(crate) use handle::{Handle, Started};
pub(crate) use host::{Host, Setting};
pub use hosted::Hosted;
pub(crate) use lease::Lease;
pub(crate) use outcome::Outcome;
pub(crate) use record::{Filling, Line};
pub(crate) use salvage::{Remainder, Salvage, Stranded};
pub(crate) use shelf::{Filled, Standing};
