//! Each clause with each of its values, and what it comes to.
#![deny(warnings)]

use std::time::Duration;

use registry_runtime::spec::{Failover, LoadBalancing, OnPartition, Reads, Sharding, Then};
use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct User {
    #[key]
    tenant_id: u32,
    #[key]
    id: u64,
}

#[commands]
impl User {}

registry! {
    pub defaults { resource User; }
    pub one {
        name "users";
        timeout 5min;
        replicas 1;
        failover wait_for_node(30s, then = fail);
        load_balancing round_robin;
        sharding by_attribute(tenant_id);
        resource User;
    }
    pub two {
        resource User;
        sharding singleton;
        load_balancing least_busy;
        reads owner;
        failover wait_for_node(1s, then = reassign);
    }
    pub three {
        resource User;
        sharding consistent_hashing(slots = 1);
        failover wait_for_node(2h);
        replicas 7;
        reads replicas;
        queue 1_000_000;
        concurrency 1;
        idempotency_window 24h;
    }
    pub four {
        resource User;
        sharding by_attribute(id, slots = 8);
        failover auto_reassign;
        on_partition serve_all;
    }
    pub five { resource User; on_partition pause_minority; }
}

pub(super) fn main() {
    let spec = *defaults::registry().spec();
    assert_eq!(spec.sharding, Sharding::ConsistentHashing { slots: 4096 });
    assert_eq!(spec.load_balancing, LoadBalancing::LeastBusy);
    assert_eq!(spec.failover, Failover::AutoReassign);
    assert_eq!((spec.replicas, spec.reads, spec.timeout), (3, Reads::Owner, Duration::from_secs(5)));
    assert_eq!((spec.queue, spec.concurrency, spec.idempotency_window), (1024, 256, Duration::from_secs(600)));
    assert_eq!(spec.on_partition, OnPartition::PauseMinority);
    assert_eq!(four::registry().spec().on_partition, OnPartition::ServeAll);
    assert_eq!(five::registry().spec().on_partition, OnPartition::PauseMinority);

    let spec = *one::registry().spec();
    assert_eq!(spec.name, "users");
    assert_eq!(spec.sharding, Sharding::ByAttribute { field: "tenant_id", slots: 4096 });
    assert_eq!(spec.load_balancing, LoadBalancing::RoundRobin);
    assert_eq!(spec.failover, Failover::WaitForNode { wait: Duration::from_secs(30), then: Then::Fail });
    assert_eq!((spec.replicas, spec.timeout), (1, Duration::from_secs(300)));

    let spec = *two::registry().spec();
    assert_eq!(spec.sharding, Sharding::Singleton);
    assert_eq!(spec.reads, Reads::Owner);
    assert_eq!(spec.failover, Failover::WaitForNode { wait: Duration::from_secs(1), then: Then::Reassign });

    let spec = *three::registry().spec();
    assert_eq!((spec.slots(), spec.replicas, spec.reads), (1, 7, Reads::Replicas));
    assert_eq!((spec.queue, spec.concurrency), (1_000_000, 1));
    assert_eq!(spec.idempotency_window, Duration::from_secs(24 * 3600));
    assert_eq!(spec.failover, Failover::WaitForNode { wait: Duration::from_secs(7200), then: Then::Reassign });

    let spec = *four::registry().spec();
    assert_eq!(spec.sharding, Sharding::ByAttribute { field: "id", slots: 8 });
    assert_eq!(spec.failover, Failover::AutoReassign);
}
