//! What a valid `registry!` block is.

use std::time::Duration;

use syn::{Attribute, Ident, Path, Visibility};

use super::Declared;

/// One invocation of `registry!`.
pub(crate) struct Registries {
    /// Where the runtime is found; `None` for the crate `registry_runtime`.
    pub(crate) runtime: Option<Path>,
    pub(crate) blocks: Vec<Block>,
}

/// One block: its names, and what it declares.
pub(crate) struct Block {
    /// Documentation and conditions, for the module.
    pub(crate) attributes: Vec<Attribute>,
    /// Conditions alone, for what stands beside the module.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) wire_name: String,
    pub(crate) declared: Declared<Registry, syn::Error>,
}

/// The clauses of a block; `None` where the default holds, which the runtime knows.
pub(crate) struct Registry {
    pub(crate) resource: Path,
    pub(crate) sharding: Sharding,
    pub(crate) load_balancing: LoadBalancing,
    pub(crate) failover: Failover,
    pub(crate) replicas: Option<u8>,
    pub(crate) reads: Reads,
    pub(crate) on_partition: OnPartition,
    pub(crate) queue: Option<u32>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idempotency_window: Option<Duration>,
}

/// The number of slots; `None` for the default.
pub(crate) type Slots = Option<u32>;

pub(crate) enum Sharding {
    ConsistentHashing(Slots),
    ByAttribute(Ident, Slots),
    Singleton,
}

#[derive(Clone, Copy)]
pub(crate) enum LoadBalancing {
    LeastBusy,
    RoundRobin,
}

#[derive(Clone, Copy)]
pub(crate) enum Reads {
    Owner,
    Replicas,
}

#[derive(Clone, Copy)]
pub(crate) enum OnPartition {
    PauseMinority,
    ServeAll,
}

pub(crate) enum Failover {
    AutoReassign,
    WaitForNode(Duration, Then),
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    Reassign,
    Fail,
}
