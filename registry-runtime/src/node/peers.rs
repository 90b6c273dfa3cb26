//! The nodes that this one has met, and the connections with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::differences::Differences;
use crate::client::Peer;
use crate::exec::Lease;
use crate::id::{LinkId, NodeId, Process, Start};
use crate::time::Moment;
use crate::transport::Link;

/// The nodes that this one has met, itself included.
pub(super) struct Peers {
    own: NodeId,
    /// What has been said of what they offer.
    pub(super) differences: Differences,
    met: BTreeMap<NodeId, Met>,
}

struct Met {
    peer: Arc<Peer>,
    link: Option<Link>,
    /// The process that was connected last, and what holds while it is heard.
    heard: Option<(Start, Lease)>,
}

impl Met {
    fn new(peer: Arc<Peer>) -> Self {
        Self { peer, link: None, heard: None }
    }
}

impl Peers {
    /// Knows only this node.
    pub(super) fn new(own: NodeId) -> Self {
        let met = Met::new(Peer::new(own.clone(), true));
        Self { met: BTreeMap::from([(own.clone(), met)]), differences: Differences::default(), own }
    }

    /// This node.
    pub(super) fn own(&self) -> &NodeId {
        &self.own
    }

    /// Makes sure that a member can be pointed at, whether or not there is a connection with it.
    pub(super) fn meet(&mut self, node: &NodeId) {
        self.met.entry(node.clone()).or_insert_with(|| Met::new(Peer::new(node.clone(), false)));
    }

    /// Forgets nodes that are no members any more, have no connection, and that no caller's table points at: clients come and go for ever.
    pub(super) fn forget(&mut self, is_member: impl Fn(&NodeId) -> bool) {
        let Self { own, met, .. } = self;
        let is_needed = |met: &Met| met.link.is_some() || Arc::strong_count(&met.peer) > 1;
        met.retain(|node, met| node == own || is_needed(met) || is_member(node));
    }

    /// A connection stands.
    pub(super) fn connect(&mut self, link: Link) {
        let node = link.peer().node.clone();
        let met = self.met.entry(node.clone()).or_insert_with(|| Met::new(Peer::new(node, false)));
        let start = link.peer().start;
        // Whoever follows a former process of that node is not to take this one for it.
        if met.heard.as_ref().is_none_or(|(former, _)| *former != start) {
            met.heard = Some((start, unheard()));
        }
        met.peer.set_link(Some(link.clone()));
        met.link = Some(link);
    }

    /// A connection has ended; `true` when it was the one in use.
    pub(super) fn disconnect(&mut self, node: &NodeId, link: LinkId) -> bool {
        self.differences.forget(link);
        match self.met.get_mut(node) {
            Some(met) if met.link.as_ref().is_some_and(|current| current.id() == link) => {
                met.link = None;
                met.peer.set_link(None);
                true
            }
            _ => false,
        }
    }

    /// Lets go of all connections.
    pub(super) fn clear(&mut self) {
        for met in self.met.values_mut() {
            met.link = None;
            met.peer.set_link(None);
        }
    }

    /// A process was heard, which counts until then.
    pub(super) fn hear(&self, process: &Process, until: Moment) {
        self.lease_of(process).into_iter().for_each(|heard| heard.set(until));
    }

    /// Holds while a process is heard.
    pub(super) fn heard(&self, process: &Process) -> Lease {
        self.lease_of(process).map_or_else(unheard, Lease::clone)
    }

    fn lease_of(&self, process: &Process) -> Option<&Lease> {
        let (start, heard) = self.met.get(&process.node)?.heard.as_ref()?;
        (*start == process.start).then_some(heard)
    }

    /// A node as callers see it.
    pub(super) fn get(&self, node: &NodeId) -> Option<&Arc<Peer>> {
        self.met.get(node).map(|met| &met.peer)
    }

    /// The connection with a node.
    pub(super) fn link(&self, node: &NodeId) -> Option<&Link> {
        self.met.get(node)?.link.as_ref()
    }

    /// All connections.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.met.values().filter_map(|met| met.link.as_ref())
    }
}

/// Of a process that was never heard.
fn unheard() -> Lease {
    Lease::until(Moment::default())
}

impl Drop for Peers {
    /// Callers hold on to the nodes for as long as handles live, and the socket must close before, whatever ends the driver.
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_member_is_forgotten_unless_somebody_points_at_it() {
        let node = |name: &str| NodeId::new(name).unwrap();
        let mut peers = Peers::new(node("own"));
        for name in ["member", "pointed-at", "gone"] {
            peers.meet(&node(name));
        }
        let held = peers.get(&node("pointed-at")).cloned();
        peers.forget(|peer| *peer == node("member"));
        let known =
            |peers: &Peers| ["own", "member", "pointed-at", "gone"].map(|name| peers.get(&node(name)).is_some());
        assert_eq!(known(&peers), [true, true, true, false]);
        drop(held);
        peers.forget(|_| false);
        assert_eq!(known(&peers), [true, false, false, false]);
    }
}
