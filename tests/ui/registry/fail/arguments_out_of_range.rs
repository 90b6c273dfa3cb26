#![allow(unused)]

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    pub fn place(id: u64) -> Self {
        Self { id }
    }
}

registry! {
    pub one {
        resource Order;
        sharding consistent_hashing(slots = 0);
        replicas 0;
        timeout 9000h;
        queue 0;
        idempotency_window 9000h;
    }
    pub two {
        resource Order;
        sharding by_attribute(id, slots = 65_537);
        replicas 8;
        failover wait_for_node(30s, then = maybe);
    }
    pub three {
        resource Order;
        sharding consistent_hashing(slots = many);
        replicas "three";
        concurrency 1_000_001;
        failover wait_for_node(30s, then = 5);
    }
}

fn main() {}
