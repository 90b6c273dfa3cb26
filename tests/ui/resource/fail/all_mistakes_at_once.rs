#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(on_demand = true, lazy)]
#[key]
struct Order {
    #[key(first)]
    id: u64,
    #[key]
    #[key]
    line: u64,
    #[resource(key)]
    total: u64,
}

fn main() {}
