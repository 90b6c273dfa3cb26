#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    #[cfg_attr(unix, command(name = "number"), inline)]
    fn id(&self) -> u64 {
        self.id
    }
}

fn main() {}
