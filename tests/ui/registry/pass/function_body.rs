//! Everything within one function, with private types and names that also exist outside.
#![deny(warnings)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[allow(dead_code)]
struct Order;

pub(super) fn main() {
    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    enum Status {
        Placed,
    }

    #[derive(Clone, Serialize, Deserialize, Resource)]
    struct Order {
        #[key]
        id: u64,
        #[key]
        tenant: u32,
        status: Status,
    }

    #[commands]
    impl Order {
        fn place(key: OrderKey) -> Self {
            Self { id: key.id, tenant: key.tenant, status: Status::Placed }
        }

        async fn status(&self) -> Status {
            self.status.clone()
        }
    }

    registry! {
        orders {
            resource Order;
            sharding by_attribute(tenant);
        }
    }

    fn calls(cx: &Context) {
        drop(orders::client(cx).place((1, 2)));
        drop(orders::client(cx).status((1, 2)));
    }

    let _ = calls;
    assert_eq!(orders::registry().spec().name, "orders");
    assert!(Order::place((1, 2).into()).status == Status::Placed);
}
