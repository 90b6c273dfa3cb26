#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands]
impl Order {
    #[command(create)]
    fn one(&self) {}

    #[command(create, action)]
    fn two(id: u64) -> Self {
        Self { id, total: 0 }
    }
}

fn main() {}
