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
    pub orders {
        resource Order;
        shardin consistent_hashing;
        load_balancing least_bussy;
        failover wait_for_node(30);
        replicas 9;
        timeout 1.5s;
        timeout 2s;
    }
    pub users {
        sharding by_attribute;
    }
}

fn main() {
    let _ = orders::registry();
    let _ = users::registry();
}
