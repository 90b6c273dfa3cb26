//! What a node has run, counted where it runs.

use std::sync::atomic::{AtomicU64, Ordering};

use registry_runtime::Context;
use serde::{Deserialize, Serialize};

use super::receipts::Receipts;

/// A node's own count of the commands that it started; each node is given one as its state.
///
/// The commands count themselves, so an attempt whose answer was lost counts as well.
#[derive(Debug, Default)]
pub struct Tally {
    quotes: AtomicU64,
    places: AtomicU64,
    records: AtomicU64,
    reads: AtomicU64,
    local: AtomicU64,
    resent: AtomicU64,
    receipts: Receipts,
}

impl Tally {
    /// Nothing is counted yet; what `receipts` counts is told with the rest.
    pub fn new(receipts: Receipts) -> Self {
        Self { receipts, ..Self::default() }
    }

    /// The tally of the node that runs the command.
    pub fn of(cx: &Context) -> &Self {
        cx.state()
    }

    /// Counts a command; it is local when the node that called is the node that runs it.
    pub fn count(&self, ran: Ran, cx: &Context) {
        let counter = match ran {
            Ran::Quote => &self.quotes,
            Ran::Place => &self.places,
            Ran::Record => &self.records,
            Ran::Read => &self.reads,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if cx.caller() == cx.node() {
            self.local.fetch_add(1, Ordering::Relaxed);
        }
        if cx.attempt() > 1 {
            self.resent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts as they stand.
    pub fn counts(&self, cx: &Context) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            node: cx.node().to_string(),
            quotes: read(&self.quotes),
            places: read(&self.places),
            records: read(&self.records),
            reads: read(&self.reads),
            local: read(&self.local),
            resent: read(&self.resent),
            receipts: self.receipts.get(),
        }
    }
}

/// What was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The action, on whichever node `least_busy` chose.
    Quote,
    /// The create of an order.
    Place,
    /// The update of a customer, called by the node that placed the order.
    Record,
    /// A read of either.
    Read,
}

/// A node's counts, as they travel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The node.
    pub node: String,
    /// Actions.
    pub quotes: u64,
    /// Creates.
    pub places: u64,
    /// Updates.
    pub records: u64,
    /// Reads.
    pub reads: u64,
    /// How many of all these were called by the node itself.
    pub local: u64,
    /// How many of all these were not their call's first attempt.
    pub resent: u64,
    /// How many calls a receipt answered here: an earlier attempt had taken effect.
    pub receipts: u64,
}

impl Counts {
    /// All commands together.
    pub const fn commands(&self) -> u64 {
        self.quotes + self.places + self.records + self.reads
    }
}
