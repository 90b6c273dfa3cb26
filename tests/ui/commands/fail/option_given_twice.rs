#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands(crate = registry_runtime, crate = ::registry_runtime)]
impl Order {
    #[command(idempotent, idempotent)]
    fn one(&self) {}

    #[command(name = "two")]
    #[command(name = "zwei")]
    fn two(&self) {}
}

fn main() {}
