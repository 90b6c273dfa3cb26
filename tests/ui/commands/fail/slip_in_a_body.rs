#![allow(unused)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands]
impl Order {
    fn total(&self) -> u64 {
        let total = ;
        self.total
    }

    fn add(&mut self, amount: u64) {
        self.
    }
}

registry! {
    orders { resource Order; }
}

fn calls(cx: &Context) {
    drop((orders::client(cx).total(1), orders::client(cx).add(1, 2)));
}

fn main() {}
