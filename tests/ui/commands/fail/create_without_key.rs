#![allow(unused)]

use registry_runtime::{Context, Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands]
impl Order {
    fn place() -> Self {
        Self { id: 0, total: 0 }
    }

    fn place_later(cx: &Context) -> Result<Self, String> {
        let _ = cx;
        Ok(Self { id: 0, total: 0 })
    }
}

fn calls(orders: OrderClient) {
    drop(orders.place(1));
    drop(orders.place_later(1));
}

fn main() {}
