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
    fn add<T: Into<u64>>(&mut self, amount: T) {
        self.total += amount.into();
    }

    fn reset(&mut self)
    where
        u64: Copy,
    {
        self.total = 0;
    }
}

fn main() {}
