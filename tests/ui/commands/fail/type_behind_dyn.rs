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
    fn one(&self, of: Box<dyn Fn() -> u64>) {}

    fn two(&self) -> Result<u64, Box<dyn std::error::Error>> {
        Ok(self.total)
    }
}

fn main() {}
