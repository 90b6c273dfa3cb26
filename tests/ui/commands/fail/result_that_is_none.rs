#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[derive(Serialize, Deserialize)]
struct Result<T>(T);

#[commands]
impl Order {
    fn total(&self) -> Result<u64> {
        Result(self.total)
    }
}

fn main() {}
