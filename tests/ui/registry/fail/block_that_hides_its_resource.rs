#![allow(unused)]

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

mod all {
    pub mod shops {
        pub use crate::Order;
    }
}
use all::*;

#[commands]
impl Order {
    pub fn place(id: u64) -> Self {
        Self { id }
    }
}

registry! {
    pub std {
        resource std::string::String;
    }

    pub strings {
        resource core::primitive::str;
    }

    pub core {
        resource Order;
    }

    #[cfg(any())]
    pub shops {
        resource Order;
    }

    pub more_orders {
        resource shops::Order;
    }
}

fn main() {}
