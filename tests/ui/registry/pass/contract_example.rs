//! The examples of the contract, word for word where they stand there.
#![deny(warnings)]
#![deny(missing_docs, unused_qualifications, missing_debug_implementations)]

use std::time::Duration;

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

/// A line of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    article: String,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// Placed.
    Placed,
    /// Shipped.
    Shipped,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OrderError {
    /// No lines.
    Empty,
    /// Shipped before.
    Shipped,
}

/// An order.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
    status: Status,
    lines: Vec<Line>,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub struct User {
    #[key]
    tenant_id: u32,
    #[key]
    id: u64,
    name: String,
}

#[commands]
impl Order {
    /// Places an order.
    pub fn place(id: u64, lines: Vec<Line>) -> Result<Self, OrderError> {
        if lines.is_empty() { Err(OrderError::Empty) } else { Ok(Self { id, status: Status::Placed, lines }) }
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Ships it.
    pub async fn ship(&mut self, carrier: String, cx: &Context) -> Result<String, OrderError> {
        if self.status == Status::Shipped {
            return Err(OrderError::Shipped);
        }
        std::future::ready(()).await;
        self.status = Status::Shipped;
        Ok(format!("{carrier} from {} for {}", cx.node(), self.id))
    }

    /// Cancels it.
    pub fn cancel(self) -> Result<usize, OrderError> {
        Ok(self.lines.len())
    }

    /// What it would cost.
    pub async fn quote(lines: Vec<Line>) -> usize {
        lines.iter().map(|line| line.article.len()).sum()
    }
}

#[commands]
impl User {
    /// Registers a user.
    pub fn register(key: UserKey, name: String) -> Self {
        Self { tenant_id: key.tenant_id, id: key.id, name }
    }

    /// Renames a user.
    pub fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// The name.
    pub fn name(&self) -> String {
        self.name.clone()
    }
}

registry! {
    /// Orders, spread over the cluster by order id.
    pub orders {
        resource Order;
        sharding consistent_hashing;
        load_balancing least_busy;
        failover auto_reassign;
    }

    /// Users.
    pub users {
        resource User;
        sharding by_attribute(tenant_id);
        load_balancing round_robin;
        failover wait_for_node(30s);
    }
}

fn is_a_good_future<F: Future + Send + Unpin + 'static>(call: F) {
    drop(call);
}

fn is_a_good_client<C: Clone + Send + Sync + 'static>(_: &C) {}

/// What a user writes.
pub fn calls(cx: &Context) {
    let orders = orders::client(cx);
    let _: &OrderClient = &orders;
    is_a_good_client(&orders);
    is_a_good_future(orders.place(42, vec![]));
    is_a_good_future(orders.status(&7));
    is_a_good_future(
        orders.ship(42, "DHL".into()).timeout(Duration::from_millis(300)).idempotency_key("checkout-9f3c"),
    );
    is_a_good_future(orders.cancel(42));
    is_a_good_future(orders.quote(vec![]));
    let _ = orders.registry().owner(&7);
    let _ = orders.registry().owner(7);

    let users = users::client(cx.clone());
    is_a_good_future(users.register((1, 7), "Ada".into()));
    is_a_good_future(users.rename((1, 7), "Bob".into()));
    is_a_good_future(users.rename(&(1, 7), "Bob".into()));
    is_a_good_future(users.name(UserKey { tenant_id: 1, id: 7 }));
    is_a_good_future(users.name(&UserKey::from((1, 7))));
}

/// What awaiting gives.
pub async fn outcomes(cx: Context) -> Result<(), registry_runtime::CommandError<OrderError>> {
    let orders = orders::client(std::sync::Arc::new(cx));
    let order: Order = orders.place(42, vec![]).await?;
    let status: Status = orders.status(order.id).await.map_err(registry_runtime::CommandError::widen)?;
    let _: String = orders.ship(42, format!("{status:?}")).await?;
    Ok(())
}

pub(super) fn main() {
    assert_eq!(orders::Registry::NAME, "orders");
    assert_eq!(orders::registry().spec().name, "orders");
    assert_eq!(users::registry().spec().slots(), 4096);

    // The methods stay callable as plain Rust.
    assert_eq!(Order::place(1, vec![]).unwrap_err(), OrderError::Empty);
    let mut user = User::register((1, 2).into(), "Ada".into());
    user.rename("Bob".into());
    assert_eq!(user.name(), "Bob");
}
