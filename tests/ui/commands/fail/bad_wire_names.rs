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
    #[command(name = "")]
    fn one(&self) {}

    #[command(name = "two words")]
    fn two(&self) {}

    #[command(name = three)]
    fn three(&self) {}
}

fn main() {}
