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
    fn one(id: u64) -> Option<Self> {
        Some(Self { id, total: 0 })
    }

    #[command(create)]
    fn two(id: u64) {}

    #[command(create)]
    fn three(id: u64) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
