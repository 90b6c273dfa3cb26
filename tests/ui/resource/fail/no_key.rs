#![allow(unused)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    id: u64,
}

#[commands]
impl Order {
    pub fn place(id: u64) -> Self {
        Self { id }
    }

    pub async fn ship(&mut self, carrier: String) -> Result<u64, String> {
        Ok(self.id)
    }
}

registry! {
    pub orders {
        resource Order;
        sharding by_attribute(id);
    }
}

fn calls(cx: &Context) {
    // What hangs on the key says nothing more.
    let orders = orders::client(cx);
    let _ = orders.place(42);
    let _ = orders.ship(42, "DHL".into());
    let order = Order { id: 1 };
    let _ = order.key();
}

fn main() {}
