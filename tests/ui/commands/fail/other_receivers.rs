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
    fn boxed(self: Box<Self>) {}

    fn shared(self: std::sync::Arc<Self>) {}

    fn typed(self: &Self) {}

    fn named<'a>(&'a self) {}
}

fn main() {}
