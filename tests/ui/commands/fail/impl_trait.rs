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
    fn add(&mut self, amount: impl Into<u64>) {
        self.total += amount.into();
    }

    fn totals(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.total)
    }

    fn later(&self) -> impl Future<Output = u64> {
        std::future::ready(self.total)
    }
}

fn main() {}
