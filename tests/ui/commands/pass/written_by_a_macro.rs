//! Resources, commands and registries that a `macro_rules!` macro writes.
#![deny(warnings)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($resource:ident, $registry:ident, $method:ident, $amount:ty, $field:ident) => {
        #[derive(Clone, Serialize, Deserialize, Resource)]
        pub struct $resource {
            #[key]
            id: u64,
            #[key]
            $field: String,
            value: $amount,
        }

        #[commands]
        impl $resource {
            pub async fn $method(&mut self, amount: $amount, cx: &Context) -> Result<$amount, String> {
                self.value += amount;
                if cx.attempt() > 9 { Err(String::new()) } else { Ok(self.value) }
            }

            pub fn make(key: paste_key!($resource)) -> Self {
                Self { id: key.id, $field: key.$field, value: 0 }
            }
        }

        registry! {
            pub $registry {
                resource $resource;
                sharding by_attribute($field);
            }
        }
    };
}

macro_rules! paste_key {
    (Small) => {
        SmallKey
    };
    (Large) => {
        LargeKey
    };
}

macro_rules! serve {
    ($resource:ty, $returns:ty, $registry:ident, $wait:literal) => {
        #[commands]
        impl $resource {
            pub fn grow(&mut self, by: $returns) -> $returns {
                self.height += by;
                self.height
            }

            pub fn plant(id: u64) -> $resource {
                Self { id, height: 0 }
            }
        }

        registry! {
            pub $registry {
                resource $resource;
                failover wait_for_node($wait);
            }
        }
    };
}

macro_rules! passed_on {
    ($resource:ident { $($whole:item)* } $($(#[$mark:meta])* $visibility:vis fn $method:ident($($input:tt)*) -> $returns:ty $body:block)*) => {
        #[commands]
        impl $resource {
            $($whole)*

            $($(#[$mark])* $visibility fn $method($($input)*) -> $returns $body)*
        }
    };
}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Shrub {
    #[key]
    id: u64,
}

passed_on! {
    Shrub {
        #[command(name = "whole")]
        pub fn as_an_item(&self) -> u64 {
            self.id
        }
    }

    /// In parts.
    #[command(name = "parts")]
    pub fn as_fragments(&self) -> Option<u64> {
        Some(self.id)
    }
}

registry! {
    pub shrubs {
        resource Shrub;
    }
}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Tree {
    #[key]
    id: u64,
    height: u32,
}

serve!(Tree, u32, trees, 30s);

counter!(Small, smalls, add, u8, region);
counter!(Large, larges, sum, u64, tenant);

pub(super) fn main() {
    let calls = |cx: &Context| {
        drop(smalls::client(cx).add((1, "eu"), 2));
        drop(larges::client(cx).sum((1, "eu"), 2));
        drop(larges::client(cx).make((1, "eu")));
        drop(trees::client(cx).grow(1, 2));
        drop(shrubs::client(cx).as_an_item(1));
        drop(shrubs::client(cx).as_fragments(1));
        let tree = trees::client(cx).plant(1);
        async { tree.await.map(|tree: Tree| tree.height) }
    };
    let _ = calls;
}
