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
mod orders {}

#[commands]
trait Orders {
    #[command(idempotent)]
    fn place(&mut self);
}

fn main() {}
