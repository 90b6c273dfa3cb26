#![allow(unused)]

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    pub fn place(id: u64) -> Self {
        Self { id }
    }
}

registry! {
    pub Order {
        resource Order;
    }
}

fn main() {}
