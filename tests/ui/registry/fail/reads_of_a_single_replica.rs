//! With one replica there is nobody but the owner to read from.

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {}

registry! {
    orders { resource Order; reads replicas; replicas 1; }
    fine { resource Order; reads owner; replicas 1; }
}

fn main() {}
