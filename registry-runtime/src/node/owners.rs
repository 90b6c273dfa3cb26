//! Who owns a slot that was asked for here in vain.

use std::collections::BTreeMap;

use arc_swap::ArcSwap;

use crate::client::Routes;
use crate::id::{Epoch, NodeId, Slot};
use std::sync::Arc;

/// The routes of the hosted registries, by wire name.
#[derive(Default)]
pub(super) struct Owners(ArcSwap<BTreeMap<&'static str, Arc<Routes>>>);

impl Owners {
    /// Puts the routes in place, once they exist.
    pub(super) fn set(&self, routes: BTreeMap<&'static str, Arc<Routes>>) {
        self.0.store(Arc::new(routes));
    }

    /// The owner and epoch of a slot, as far as this node knows.
    pub(super) fn of(&self, registry: &str, slot: Slot) -> Option<(NodeId, Epoch)> {
        let routes = self.0.load();
        let table = routes.get(registry)?.table();
        let entry = table.slot(slot)?;
        let owner = table.peer(entry.owner()?)?;
        Some((owner.peer.node.clone(), entry.epoch))
    }
}
