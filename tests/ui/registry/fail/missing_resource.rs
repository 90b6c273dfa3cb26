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
    pub orders {
        sharding consistent_hashing;
    }
}

fn main() {
    // Nothing more is said about what hangs on it.
    let orders = orders::client(&1);
    let _: String = orders.place(42);
    let _ = orders::registry();
}
