#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    id: u64,
}

fn main() {
    // What hangs on the key says nothing more.
    let order = Order { id: 1 };
    let _ = order.key();
}
