#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Counter {
    #[key]
    name: String,
    value: i64,
}

fn main() {}
