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
    fn add(&mut self, #[cfg(unix)] amount: u64) {
        self.total += 1;
    }

    fn with(#[cfg(unix)] &self) {}

    fn look(&self, #[cfg(unix)] cx: &Context) {}
}

fn main() {}
