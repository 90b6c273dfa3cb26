//! Typed commands on keyed resources, run on the right node of a cluster.

#![forbid(unsafe_code)]

// Generated code names the crate from outside; this lets it do so in here too.
extern crate self as registry_runtime;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod client;
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
