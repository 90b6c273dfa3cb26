#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(on_demnad)]
struct Order {
    #[key]
    id: u64,
}

fn main() {}
