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
    fn place(name: String) -> Self {
        Self { id: name.len() as u64, total: 0 }
    }
}

fn main() {}
