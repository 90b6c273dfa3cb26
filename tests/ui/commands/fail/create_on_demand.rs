#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Counter {
    #[key]
    name: String,
}

impl From<String> for Counter {
    fn from(name: String) -> Self {
        Self { name }
    }
}

#[commands]
impl Counter {
    fn make(name: String) -> Self {
        Self { name }
    }
}

fn main() {}
