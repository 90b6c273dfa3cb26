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
    const LIMIT: u64 = 10;

    fn total(&self) -> u64 {
        self.total.min(Self::LIMIT)
    }
}

fn main() {}
