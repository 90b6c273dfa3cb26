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
        sharding by_attribute;
        failover wait_for_node;
    }
    pub two {
        resource Order;
        sharding by_attribute(slots = 16);
        failover wait_for_node(then = fail);
        replicas;
    }
    pub three {
        resource;
        sharding consistent_hashing();
    }
}

fn main() {}
