//! Whatever ends in `Result` is fallible, and a stated kind needs no look behind a name.
#![deny(warnings)]

use std::convert::Infallible;

use registry_runtime::{CommandError, Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Fault;

pub mod shop {
    pub type Result<T, E = super::Fault> = std::result::Result<T, E>;
    pub type Turned<E, T> = std::result::Result<T, E>;
    pub mod whole {
        pub type Result = super::Result<super::super::Order>;
    }
}

type Made = Order;

#[commands]
impl Order {
    pub fn one(id: u64) -> shop::Result<Self> {
        Ok(Self { id })
    }

    pub fn two(id: u64) -> shop::Result<Order, String> {
        Ok(Self { id })
    }

    #[command(create)]
    pub fn three(id: u64) -> Made {
        Self { id }
    }

    #[command(create)]
    pub async fn four(id: u64) -> shop::whole::Result {
        Ok(Self { id })
    }

    #[command(action)]
    pub fn template() -> Self {
        Self { id: 0 }
    }

    #[command(action)]
    pub fn find(id: u64) -> Option<Self> {
        Some(Self { id })
    }

    #[command(action)]
    pub fn try_find(id: u64) -> Result<Box<Self>, Fault> {
        Ok(Box::new(Self { id }))
    }

    pub fn sure(&self) -> Result<u64, Infallible> {
        Ok(self.id)
    }

    pub fn list() -> Vec<Self> {
        Vec::new()
    }

    pub fn pair(&self) -> (Self, Option<Self>) {
        (self.clone(), None)
    }

    pub fn unit(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

registry! { pub orders { resource Order } }

pub async fn calls(cx: &Context) {
    let orders = orders::client(cx);
    let _: Result<Order, CommandError<Fault>> = orders.one(1).await;
    let _: Result<Order, CommandError<String>> = orders.two(1).await;
    let _: Result<Order, CommandError<Infallible>> = orders.three(1).await;
    let _: Result<Order, CommandError<Fault>> = orders.four(1).await;
    let _: Result<Order, CommandError<Infallible>> = orders.template().await;
    let _: Result<Option<Order>, CommandError<Infallible>> = orders.find(1).await;
    let _: Result<Box<Order>, CommandError<Fault>> = orders.try_find(1).await;
    let _: Result<u64, CommandError<Infallible>> = orders.sure(1).await;
    let _: Result<Vec<Order>, CommandError<Infallible>> = orders.list().await;
    let _: Result<(Order, Option<Order>), CommandError<Infallible>> = orders.pair(1).await;
    let _: Result<(), CommandError<Fault>> = orders.unit(1).await;
}

pub(super) fn main() {
    // `Turned` is no command's type, it only shows that an alias may turn its parameters around.
    let turned: shop::Turned<String, u8> = Ok(1);
    assert_eq!(turned, Ok(1));
}
