#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

struct Broken;

#[commands]
impl Order {
    fn mend(&mut self) -> Result<(), Broken> {
        Err(Broken)
    }
}

fn main() {}
