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
    fn registry(&self) -> u64 {
        self.total
    }

    fn clone(&self) -> u64 {
        self.total
    }
}

fn main() {}
