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

registry! {
    pub one {
        resource Order;
        timeout 5;
    }
    pub two {
        resource Order;
        timeout 0s;
    }
    pub three {
        resource Order;
        timeout 1.5s;
    }
    pub four {
        resource Order;
        timeout 5m;
    }
    pub five {
        resource Order;
        timeout soon;
    }
    pub six {
        resource Order;
        timeout 5days;
    }
    pub seven {
        resource Order;
        timeout 0x10s;
    }
    pub eight {
        resource Order;
        timeout -5s;
    }
}

fn main() {}
