//! A counter that comes into being at its first command, and that says where it ran.

use std::sync::Arc;

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use crate::Runs;

/// The slots of [`counters`]: enough for every node of a small cluster, few enough to ask each of them.
pub const SLOTS: usize = 64;

registry! {
    /// Counters that move elsewhere when their owner is down.
    pub counters {
        resource Counter;
        sharding consistent_hashing(slots = 64);
        failover auto_reassign;
    }
}

/// A number that only grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub struct Counter {
    #[key]
    id: u64,
    count: u64,
}

impl From<u64> for Counter {
    fn from(id: u64) -> Self {
        Self { id, count: 0 }
    }
}

#[commands]
impl Counter {
    /// Counts one more; noted in the node's [`Runs`], where it has them.
    pub fn bump(&mut self, cx: &Context) -> Ran {
        if let Some(runs) = cx.try_state::<Arc<Runs>>() {
            runs.record(self.id, cx);
        }
        self.count += 1;
        Ran { node: cx.node().to_string(), epoch: cx.epoch().get(), count: self.count }
    }

    /// The count.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the count is kept.
    pub fn kept(&self, cx: &Context) -> Ran {
        Ran { node: cx.node().to_string(), epoch: cx.epoch().get(), count: self.count }
    }

    /// Ends the counter and says how far it came.
    pub fn retire(self) -> u64 {
        self.count
    }
}

/// Where and in which epoch a command ran, and the count that it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The node's id.
    pub node: String,
    /// The slot's epoch.
    pub epoch: u64,
    /// The count.
    pub count: u64,
}
