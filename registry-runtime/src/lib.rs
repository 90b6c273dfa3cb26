//! Under construction.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub mod client;
pub mod id;
pub mod resource;
pub mod spec;
pub mod time;
#[allow(dead_code, unused_imports)]
mod transport;
#[allow(dead_code, unused_imports)]
mod wire;

pub use client::{Call, Caller, RegistryHandle};
pub use registry_macros::{Resource, commands, registry};
pub use resource::{CommandError, Commands, Context, Executed, IntoKey, Resource};
pub use transport::{Identity, IdentityError, PemPart};

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
