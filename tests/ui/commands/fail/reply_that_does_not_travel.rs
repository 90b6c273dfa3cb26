#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

struct Cable;

#[commands]
impl Order {
    fn cable(&self) -> Cable {
        Cable
    }
}

fn main() {}
