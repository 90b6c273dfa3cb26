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
        sharding singleton(slots = 2);
        load_balancing round_robin(2);
        reads replicas(2);
        failover auto_reassign(30s);
    }
    pub two {
        resource Order;
        sharding by_attribute(id, total);
        failover wait_for_node(30s, 40s, unless = fail);
        replicas 3(4);
    }
    pub three {
        resource Order;
        sharding by_attribute(id, slots = 2, slots = 4);
    }
    pub four {
        resource Order;
        sharding by_attribute(id slots = 4);
        failover wait_for_node(30s, then = +);
    }
}

fn main() {}
