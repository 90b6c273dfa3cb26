//! Under construction.

// Generated code names the crate from outside; this lets it do so in here too.
extern crate self as registry_runtime;

pub mod client;
pub mod id;
pub mod resource;
pub mod spec;
pub mod time;

pub use client::{Call, Caller, RegistryHandle};
pub use registry_macros::{Resource, commands, registry};
pub use resource::{CommandError, Commands, Context, Executed, IntoKey, Resource};

/// What a node hosts: a registry's definition together with the commands of its resource.
///
/// A placeholder: the executor brings the real one, and with it the bodies of [`__private::hosted`] and what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Hosted {
    spec: &'static spec::Spec,
}

impl Hosted {
    /// What the registry's block says.
    pub fn spec(&self) -> &'static spec::Spec {
        self.spec
    }
}

/// The one hidden door for generated code.
#[doc(hidden)]
pub mod __private {
    pub use crate::Hosted;
    pub use crate::client::{Call, Caller, Client, RegistryHandle, Typed};
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
        Hosted { spec: &definition.spec }
    }
}
