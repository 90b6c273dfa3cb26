//! Without a runtime, a command is the method that it was.
#![deny(warnings)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
    shipped: bool,
}

#[commands]
impl Order {
    pub const fn place(id: u64) -> Self {
        Self { id, shipped: false }
    }

    pub async fn ship(&mut self) -> Result<u64, String> {
        if self.shipped {
            return Err("shipped before".into());
        }
        self.shipped = true;
        Ok(self.id)
    }

    pub fn is_shipped(&self) -> bool {
        self.shipped
    }

    pub fn cancel(self) -> u64 {
        self.id
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

pub(super) fn main() {
    const FIRST: Order = Order::place(1);
    let mut order = FIRST;
    assert_eq!(now(order.ship()), Ok(1));
    assert_eq!(now(order.ship()), Err("shipped before".into()));
    assert!(order.is_shipped());
    assert_eq!([order].map(Order::cancel), [1]);
}
