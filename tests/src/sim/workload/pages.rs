//! Numbers that only grow, read from any replica: nobody is to see less than before.
//!
//! What runs on a replica runs on no owner, so these commands take no part in what the other oracles look at.

use std::time::Duration;

use registry_runtime::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{AUDIT_MS, Caller};
use crate::sim::history::Place;

/// How many numbers there are.
const KEYS: u64 = 6;

registry! {
    /// Numbers, all zero at first.
    pub(super) pages {
        resource Page;
        sharding consistent_hashing(slots = 8);
        load_balancing round_robin;
        reads replicas;
    }
}

/// A number that only grows.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Page {
    #[key]
    id: u64,
    turns: i64,
}

impl From<u64> for Page {
    fn from(id: u64) -> Self {
        Self { id, turns: 0 }
    }
}

#[commands]
impl Page {
    /// Adds one.
    pub(super) fn turn(&mut self) -> i64 {
        self.turns += 1;
        self.turns
    }

    /// Tells the number.
    pub(super) fn turns(&self) -> i64 {
        self.turns
    }
}

fn place(key: u64) -> Place {
    Place { registry: pages::Registry::NAME, key }
}

pub(super) async fn turn(caller: &mut Caller) {
    let (key, client) = (caller.key(KEYS), pages::client(&caller.node));
    let timeout = Duration::from_millis(caller.timeout_ms());
    if !caller.once_in(3) {
        if let Ok(turns) = client.turn(key).timeout(timeout).await {
            caller.told(place(key), turns);
        }
        if caller.once_in(2) {
            return;
        }
    }
    if let Ok(turns) = client.turns(key).timeout(timeout).await {
        caller.looked(place(key), turns);
    }
}

/// Each must answer.
pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    let client = pages::client(&caller.node);
    for key in 0..KEYS {
        let turns = client.turns(key).timeout(Duration::from_millis(AUDIT_MS)).await;
        let turns = turns.map_err(|error| format!("{} does not answer: {error}", place(key)))?;
        caller.looked(place(key), turns);
    }
    Ok(())
}
