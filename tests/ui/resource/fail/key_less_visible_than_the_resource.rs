#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct OrderId(u64);

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: OrderId,
}

fn main() {}
