#![allow(unused)]

use std::sync::Arc;

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
    fn one(id: u64) -> Option<Self> {
        Some(Self { id, total: 0 })
    }

    fn two(id: u64) -> Box<Order> {
        Box::new(Self { id, total: 0 })
    }

    fn three(id: u64) -> Result<Option<Self>, String> {
        Ok(Some(Self { id, total: 0 }))
    }

    fn four(id: u64) -> Result<(Self, u64), String> {
        Ok((Self { id, total: 0 }, id))
    }

    fn five(id: u64) -> Arc<Self> {
        Arc::new(Self { id, total: 0 })
    }

    fn with_a_receiver(&self) -> Option<Self> {
        None
    }

    #[command(action)]
    fn stated(id: u64) -> (Self, u64) {
        (Self { id, total: 0 }, id)
    }
}

fn main() {}
