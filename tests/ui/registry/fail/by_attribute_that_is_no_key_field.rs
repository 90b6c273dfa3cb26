#![allow(unused)]

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    pub fn place(id: u64) -> Self {
        Self { id }
    }
}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct User {
    #[key]
    tenant_id: u32,
    #[key]
    id: u64,
    name: String,
}

#[commands]
impl User {}

registry! {
    pub users {
        resource User;
        sharding by_attribute(tenant);
    }
    pub more_users {
        resource User;
        sharding by_attribute(name);
    }
}

fn main() {}
