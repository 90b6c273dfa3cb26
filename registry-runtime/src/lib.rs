//! Under construction.

pub mod client;
#[allow(dead_code, unused_imports, reason = "the node that drives it is being built")]
mod engine;
pub mod id;
#[allow(dead_code, reason = "the codec that encodes it is being built")]
mod message;
pub mod resource;
pub mod spec;
pub mod time;

pub use client::{Call, Caller, RegistryHandle};
pub use registry_macros::{Resource, commands, registry};
pub use resource::{CommandError, Commands, Context, Executed, IntoKey, Resource};

#[cfg(feature = "bench")]
#[doc(hidden)]
pub use engine::bench as __bench;

/// The one hidden door for generated code.
#[doc(hidden)]
pub mod __private {
    pub use crate::client::Client;
    pub use crate::resource::stable_hash;
    pub use crate::resource::{
        Boxed, Command, Commands, Defines, Definition, ErrorCodec, Invocation, Resource, Run, Visitor,
    };
    pub use crate::spec::{Failover, LoadBalancing, Sharding, Spec, Then, defaults};
    pub use serde;
}
