#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

type Made = Order;

#[commands]
impl Order {
    fn one(id: u64) -> Made {
        Self { id, total: 0 }
    }

    fn two(id: u64) -> Result<Made, String> {
        Ok(Self { id, total: 0 })
    }

    fn three(id: u64) -> std::option::Option<Made> {
        Some(Self { id, total: 0 })
    }
}

fn main() {}
