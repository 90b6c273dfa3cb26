#![allow(unused)]

use registry_runtime::{Resource, commands, registry};

#[derive(Clone, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    pub fn place(id: u64) -> Self {
        Self { id }
    }

    pub fn id(&self) -> u64 {
        self.id
    }
}

registry! {
    pub orders {
        resource Order;
    }
}

fn main() {}
