//! One type in several registries, several invocations, every bracket, and blocks under conditions.
#![deny(warnings)]

use std::sync::Arc;

use registry_runtime::{Context, Node, Resource, commands, registry};
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
    pub orders { resource Order; }
    pub archive { resource Order; name "orders.archive"; replicas 5 }
}

registry!(pub by_parentheses { resource Order; sharding consistent_hashing(slots = 16); });
registry![pub by_brackets { resource Order; sharding by_attribute(id, slots = 65_536); }];

registry! {
    /// There, on either kind of machine.
    #[cfg(unix)]
    pub somewhere { resource Order; timeout 250ms; }
    #[cfg(not(unix))]
    pub somewhere { resource Order; timeout 2h; }
    #[cfg(any())]
    pub nowhere { resource Missing; }
    #[cfg(any())]
    pub Order { resource Order; }
}

registry! {}

mod within {
    use registry_runtime::registry;

    registry! {
        pub(super) near { resource super::Order; }
        pub(in crate) far { resource super::Order; }
    }
}

pub(super) fn main() {
    assert_eq!(orders::registry().spec().name, "orders");
    assert_eq!(archive::Registry::NAME, "orders.archive");
    assert_eq!(archive::registry().spec().replicas, 5);
    assert_eq!(by_parentheses::registry().spec().slots(), 16);
    assert_eq!(by_brackets::registry().spec().slots(), 65_536);
    assert_eq!(somewhere::registry().spec().name, "somewhere");
    let calls = |cx: &Context| (orders::client(cx).place(1), archive::client(cx).place(1));
    let of_nodes = |node: Arc<Node>| {
        drop(orders::client(&node).place(1));
        drop(within::near::client(&*node).place(1));
        within::far::client(node).place(1)
    };
    let _ = (calls, of_nodes);
}
