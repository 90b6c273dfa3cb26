//! A client's own questions about its registry.

use std::fmt::Write;

use super::Client;
use super::route::Route;
use super::routes::{SlotState, Table};
use crate::id::{Epoch, NodeId, Slot};
use crate::resource::{Commands, IntoKey};

/// A client's own questions about its registry: `client.registry()`.
pub struct RegistryHandle<'a, R: Commands> {
    client: &'a Client<R>,
}

impl<'a, R: Commands> RegistryHandle<'a, R> {
    pub(super) fn new(client: &'a Client<R>) -> Self {
        Self { client }
    }

    /// The node that has the key's slot open, as far as this node knows. Asks nobody.
    pub fn owner(&self, key: impl IntoKey<R::Key>) -> Option<NodeId> {
        let slot = self.client.definition.slot_of(&key.into_key());
        let table = self.client.reach.as_ref()?.subscription.routes.table();
        let route = table.slot(slot)?;
        if route.state != SlotState::Open {
            return None;
        }
        Some(table.owner(route)?.peer.node.clone())
    }

    /// Where a command on the key would go, and why. Asks nobody.
    pub fn explain(&self, key: impl IntoKey<R::Key>) -> Route {
        let slot = self.client.definition.slot_of(&key.into_key());
        match &self.client.reach {
            Some(reach) => explain(&reach.subscription.routes.table(), slot, reach.subscription.spec.replicas),
            None => nowhere(slot, "the node has stopped"),
        }
    }
}

fn explain(table: &Table, slot: Slot, wanted: u8) -> Route {
    let Some(entry) = table.slot(slot) else { return nowhere(slot, "the slot is not in the table") };
    let owner = table.owner(entry).map(|route| route.peer.node.clone());
    let rank: Vec<NodeId> =
        table.plan.iter().flat_map(|plan| plan.rank(slot)).map(|process| process.node.clone()).collect();
    let mut why = match entry.state {
        SlotState::Open if rank.first() == owner.as_ref() => "open where the plan wants it".to_owned(),
        SlotState::Open => "open, not yet where the plan wants it".to_owned(),
        SlotState::Waiting(reason) => format!("not open yet: {reason}"),
        SlotState::Refused(reason) => format!("not open: {reason}"),
    };
    let replicas: Vec<NodeId> = entry.set.iter().map(|process| process.node.clone()).collect();
    if entry.state == SlotState::Open && replicas.len() < usize::from(wanted) {
        let _ = write!(why, " (degraded: {} of {wanted} replicas)", replicas.len());
    }
    Route { slot, rank, owner, replicas, epoch: entry.epoch, why }
}

fn nowhere(slot: Slot, why: &str) -> Route {
    Route { slot, rank: Vec::new(), owner: None, replicas: Vec::new(), epoch: Epoch::ZERO, why: why.to_owned() }
}
