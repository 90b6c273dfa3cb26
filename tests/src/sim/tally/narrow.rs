//! Sums that all share one slot, where hardly anybody finds room.
//!
//! What a block of `registry!` expands to, by hand: a block has no clauses for its limits yet.

use registry_runtime::__private::{
    Client, Definition, Failover, Hosted, LoadBalancing, Sharding, Spec, defaults, hosted, stable_hash,
};
use registry_runtime::Node;

use super::{Tally, TallyClient};

/// The registry.
#[derive(Clone, Copy, Debug)]
pub struct Registry;

impl Registry {
    /// The wire name.
    pub const NAME: &'static str = "narrow";
}

static DEFINITION: Definition<Tally> = Definition {
    spec: Spec {
        name: Registry::NAME,
        sharding: Sharding::ConsistentHashing { slots: 1 },
        load_balancing: LoadBalancing::LeastBusy,
        failover: Failover::AutoReassign,
        replicas: defaults::REPLICAS,
        timeout: defaults::TIMEOUT,
        queue: 2,
        concurrency: 1,
    },
    route: |key| stable_hash(key),
};

/// What a node hosts.
pub fn registry() -> Hosted {
    hosted(&DEFINITION)
}

/// The typed client.
pub fn client(node: &Node) -> TallyClient {
    Client::new(node, &DEFINITION).into()
}
