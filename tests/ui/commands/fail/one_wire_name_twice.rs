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
    fn total(&self) -> u64 {
        self.total
    }

    #[command(name = "total")]
    fn sum(&self) -> u64 {
        self.total
    }
}

fn main() {}
