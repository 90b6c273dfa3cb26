#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
enum Order {
    Placed,
}

fn main() {}
