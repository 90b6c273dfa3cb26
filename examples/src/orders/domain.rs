//! The application: orders, customers, and how the cluster keeps them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::cents::Cents;
use super::purchase::{Date, Purchase};
use super::tally::{Counts, Ran, Tally};
use super::totals::Totals;

registry! {
    /// Orders, spread over the cluster by order id.
    pub orders {
        resource Order;
        sharding consistent_hashing;
        load_balancing least_busy;
        failover auto_reassign;
    }

    /// Customers; those of one book live on one node.
    pub customers {
        resource Customer;
        sharding by_attribute(book);
        load_balancing round_robin;
        failover wait_for_node(30s);
    }
}

/// The slots of each of the two registries: the default.
pub const SLOTS: usize = 4096;

/// An order that was placed.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
    purchase: Purchase,
}

#[commands]
impl Order {
    /// Works out the average price of a CD; `None` when none was bought. Needs no order, so any node will do.
    pub fn quote(cds: u32, paid: Cents, cx: &Context) -> Option<Cents> {
        Tally::of(cx).count(Ran::Quote, cx);
        paid.get().checked_div(u64::from(cds)).map(Cents::new)
    }

    /// Records the purchase on its customer, then places the order.
    ///
    /// The customer may live on another node: a command calls other registries through its context. Recording is idempotent, so
    /// placing may be tried again when the answer was lost.
    pub async fn place(id: u64, purchase: Purchase, cx: &Context) -> Result<Self, OrderError> {
        Tally::of(cx).count(Ran::Place, cx);
        let Purchase { customer, date, cds, paid } = purchase;
        customers::client(cx)
            .record(customer_key(customer), id, date, cds, paid)
            .await
            .map_err(|error| OrderError::NotRecorded { customer, why: error.to_string() })?;
        Ok(Self { id, purchase })
    }

    /// What was bought.
    pub fn purchase(&self, cx: &Context) -> Purchase {
        Tally::of(cx).count(Ran::Read, cx);
        self.purchase.clone()
    }
}

/// A customer with everything they bought. Customers come into being with their first purchase.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub struct Customer {
    #[key]
    book: u32,
    #[key]
    id: u32,
    purchases: BTreeMap<u64, Entry>,
}

impl From<CustomerKey> for Customer {
    fn from(key: CustomerKey) -> Self {
        Self { book: key.book, id: key.id, purchases: BTreeMap::new() }
    }
}

#[commands]
impl Customer {
    /// Writes a purchase down under its order's id: a second time it changes nothing.
    #[command(idempotent)]
    pub fn record(&mut self, order: u64, date: Date, cds: u32, paid: Cents, cx: &Context) {
        Tally::of(cx).count(Ran::Record, cx);
        self.purchases.insert(order, Entry { date, cds, paid });
    }

    /// What this customer bought so far.
    pub fn totals(&self, cx: &Context) -> Totals {
        Tally::of(cx).count(Ran::Read, cx);
        Totals {
            orders: self.purchases.len() as u64,
            cds: self.purchases.values().map(|entry| u64::from(entry.cds)).sum(),
            paid: self.purchases.values().map(|entry| entry.paid).sum(),
        }
    }

    /// What the node that answers has run so far. `round_robin` takes the caller from node to node.
    pub fn tally(cx: &Context) -> Counts {
        Tally::of(cx).counts(cx)
    }
}

/// One purchase in a customer's book.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    date: Date,
    cds: u32,
    paid: Cents,
}

/// The key of a customer: a hundred customers share a book. The data knows no shops or regions that customers could be kept
/// together by, so the hundreds of their ids stand in for one.
pub const fn customer_key(customer: u32) -> (u32, u32) {
    (customer / 100, customer)
}

/// Why an order was not placed; nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderError {
    /// The purchase could not be recorded on its customer.
    NotRecorded {
        /// The customer.
        customer: u32,
        /// What the call for it ended with.
        why: String,
    },
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRecorded { customer, why } => {
                write!(f, "the purchase could not be recorded on customer {customer}: {why}")
            }
        }
    }
}

impl Error for OrderError {}

#[cfg(test)]
mod tests {
    use registry_runtime::testing;

    use super::*;

    #[test]
    fn a_purchase_recorded_twice_counts_once() {
        let cx = testing::context().state(Tally::default());
        let (book, id) = customer_key(1234);
        let mut customer = Customer::from(CustomerKey { book, id });
        let date = "19970101".parse().unwrap();
        for order in [1, 2, 1] {
            customer.record(order, date, 3, Cents::new(1000), &cx);
        }
        assert_eq!(customer.totals(&cx), Totals { orders: 2, cds: 6, paid: Cents::new(2000) });
        assert_eq!((book, id), (12, 1234));
    }

    #[test]
    fn an_average_of_nothing_is_none() {
        let cx = testing::context().state(Tally::default());
        assert_eq!(Order::quote(0, Cents::new(500), &cx), None);
        assert_eq!(Order::quote(2, Cents::new(2933), &cx), Some(Cents::new(1466)));
    }
}
