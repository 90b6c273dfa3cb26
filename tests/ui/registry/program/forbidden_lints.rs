//! Nothing that is generated trips over a lint that a crate forbids, so that it cannot even be allowed.
#![forbid(missing_docs, missing_debug_implementations, unreachable_pub, unsafe_code, unused_imports)]
#![forbid(dead_code, deprecated, unused_variables, unused_mut, non_snake_case, unnameable_types, single_use_lifetimes)]
#![deny(warnings)]
#![forbid(rustdoc::broken_intra_doc_links)]

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

/// A resource with one key field.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub struct Order {
    /// Its id.
    #[key]
    pub id: u64,
}

#[commands]
impl Order {
    /// A command.
    pub fn number(&self) -> u64 {
        self.id
    }

    fn private(&mut self) {}
}

/// A resource with several, and without commands.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub struct Other {
    /// Its shop.
    #[key]
    pub shop: u64,
    /// Its name there.
    #[key]
    pub name: String,
}

#[commands]
impl Other {}

registry! {
    /// Orders.
    pub orders {
        resource Order;
    }

    private_orders {
        resource Order;
        sharding by_attribute(id);
    }

    /// Others.
    pub others {
        resource Other;
    }
}

fn main() {
    assert_eq!((orders::Registry::NAME, private_orders::Registry::NAME), ("orders", "private_orders"));
    let _ = (orders::registry(), private_orders::registry(), others::registry());
}
