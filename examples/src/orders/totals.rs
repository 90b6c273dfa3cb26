//! Totals: what is computed from the file, and what must be counted through the cluster.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::cents::Cents;
use super::purchase::Purchase;

/// How much was bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The number of orders.
    pub orders: u64,
    /// The number of CDs in them.
    pub cds: u64,
    /// What was paid for them.
    pub paid: Cents,
}

impl Totals {
    /// Counts one purchase more.
    pub fn add(&mut self, purchase: &Purchase) {
        self.orders += 1;
        self.cds += u64::from(purchase.cds);
        self.paid += purchase.paid;
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.orders += other.orders;
        self.cds += other.cds;
        self.paid += other.paid;
    }
}

/// How much was bought, and by how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of customers with an order.
    pub customers: u64,
    /// What they bought together.
    pub totals: Totals,
}
