#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(on_demand, crate = registry_runtime)]
#[resource(on_demand, crate = ::registry_runtime)]
struct Order {
    #[key]
    id: u64,
}

impl From<u64> for Order {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

fn main() {}
