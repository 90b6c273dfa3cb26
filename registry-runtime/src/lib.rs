//! Typed commands on keyed resources, run on the right node of a cluster.
//!
//! Begin with [`registry!`]: it declares how a cluster keeps the instances of a [`Resource`], and gives a typed client whose
//! methods are the resource's own [`commands`]. A [`Node`] hosts registries and makes clients; [`Node::builder`] sets one up.
//! A client's method returns a [`Call`], a future that ends with the command's reply or with a [`CommandError`], which
//! always says whether the command ran.
//!
//! ```
//! use registry_runtime::{Identity, Node, Resource, commands, registry};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Serialize, Deserialize, Resource)]
//! #[resource(on_demand)]
//! struct Counter {
//!     #[key]
//!     name: String,
//!     count: u64,
//! }
//!
//! impl From<String> for Counter {
//!     fn from(name: String) -> Self {
//!         Self { name, count: 0 }
//!     }
//! }
//!
//! #[commands]
//! impl Counter {
//!     /// Counts one more, and says how many there are.
//!     pub fn add(&mut self) -> u64 {
//!         self.count += 1;
//!         self.count
//!     }
//! }
//!
//! registry! {
//!     counters {
//!         resource Counter;
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("node-a").identity(Identity::shared_secret("a long secret")).host(counters::registry()).start().await?;
//! let counters = counters::client(&node);
//! assert_eq!(counters.add("visitors").await?, 1);
//! assert_eq!(counters.add("visitors").await?, 2);
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! |---|---|
//! | declare | [`Resource`](macro@Resource), [`commands`], [`registry!`] |
//! | run nodes | [`Node`], [`NodeBuilder`], [`Identity`], [`Timing`], [`Member`] |
//! | call | [`Call`], [`CommandError`], [`Executed`], [`IntoKey`], [`RegistryHandle`], [`Route`] |
//! | be called | [`Context`], [`Epoch`] |
//! | test | `testing::Cluster` and `testing::context`, with the feature `testing` |
//!
//! What survives and what does not, and how ownership moves, stands in `README.md` and `ARCHITECTURE.md` of the repository.

#![forbid(unsafe_code)]

// Generated code names the crate from outside; this lets it do so in here too.
extern crate self as registry_runtime;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod client;
mod codec;
mod engine;
mod exec;
pub mod id;
mod message;
mod node;
mod policy;
pub mod resource;
pub mod spec;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
mod transport;
mod wire;

pub use client::{Call, Caller, RegistryHandle, Route};
pub use exec::Hosted;
pub use id::{CommandId, Epoch, Incarnation, InvalidNodeId, NodeId, Slot};
pub use node::{LeaveError, Member, MemberState, Node, NodeBuilder, StartError, Stopped, WaitError};
pub use registry_macros::{Resource, commands, registry};
pub use resource::{CommandError, Commands, Context, Executed, IntoKey, Reason, Resource};
pub use time::Timing;
pub use transport::{Identity, IdentityError, PemPart};

/// The one hidden door for generated code.
#[doc(hidden)]
pub mod __private {
    pub use crate::client::{Call, Caller, Client, RegistryHandle, Typed};
    pub use crate::exec::Hosted;
    pub use crate::resource::{
        Boxed, Checked, Command, Commands, Context, Defines, Definition, ErrorCodec, HasCommands, IntoKey, Invocation,
        IsResource, Probe, Resource, ResultLike, Run, Stays, Travel, Travelling, Unprobed, Visitor, stable_hash,
    };
    pub use crate::spec::{Failover, LoadBalancing, Sharding, Spec, Then, defaults};
    pub use serde;

    /// Implemented by a registry's marker type, so that `registry()` need not name the resource, which may be private.
    pub trait Hosts {
        /// What a node hosts.
        fn hosted() -> Hosted;
    }

    /// Makes what a node hosts.
    pub fn hosted<R: Commands>(definition: &'static Definition<R>) -> Hosted {
        Hosted::of(definition)
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
