//! Names of the user's that generated code could mistake for its own.
#![deny(warnings)]
#![allow(non_camel_case_types)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

/// As constants do, these turn a binding of their name into a pattern.
pub struct f;
pub struct parts;
pub struct client;
pub struct visitor;
pub struct from;
pub struct to;

/// Methods and constants of all types.
pub trait Anything: Sized {
    const CAN: u8 = 1;
    const IS_RESULT: u8 = 2;
    const IS_RESOURCE: u8 = 3;

    fn call(self) -> u8 {
        Self::CAN + Self::IS_RESULT + Self::IS_RESOURCE
    }

    fn untyped(self) {}

    fn handle(self) {}
}

impl<T> Anything for T {}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    shop: u64,
    #[key]
    id: u64,
}

pub type Number = u64;

#[commands]
impl Order {
    pub fn number(&self) -> Number {
        self.shop + self.id
    }

    pub fn make(key: OrderKey) -> Self {
        Self { shop: key.shop, id: key.id }
    }
}

registry! {
    pub orders {
        resource Order;
        sharding by_attribute(shop);
    }
}

pub(super) fn main() {
    let calls = |cx: &Context| {
        drop(orders::client(cx).number((1, 2)));
        drop(orders::client(cx).make(OrderKey::from((1, 2))));
        orders::client(cx).registry().owner((1, 2)).is_some()
    };
    let _ = calls;
    assert_eq!((f.call(), parts.call(), client.call(), visitor.call(), from.call(), to.call()), (6, 6, 6, 6, 6, 6));
}
