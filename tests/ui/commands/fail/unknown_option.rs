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
    #[command(idempotnet)]
    fn one(&self) {}

    #[command]
    fn two(&self) {}

    #[command(idempotent = true)]
    fn three(&self) {}

    #[command("four")]
    fn four(&self) {}

    #[command(name)]
    fn five(&self) {}

    #[command(read)]
    fn six(&self) {}

    #[command(timeout = "5s")]
    fn seven(&self) {}
}

fn main() {}
