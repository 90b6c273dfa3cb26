//! Which nodes are connected, and which of two connections of one pair stays.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bounds::HANDSHAKE_TIME;
use super::link::Link;
use crate::id::{LinkId, NodeId, Start};
use crate::wire::hello::Refusal;

/// How long after its making a connection may still meet one that the other side began before it knew. Later, a peer that
/// dials anew has lost the connection that we still hold.
const RACE_TIME: Duration = HANDSHAKE_TIME.saturating_mul(2);

/// What decides between two connections of one pair. Both sides know it, so that they come to the same end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Who dialled.
    pub(super) dialler: NodeId,
    /// The dialler's number for the dial.
    pub(super) dial: u64,
    /// The life of the peer's process.
    pub(super) start: Start,
}

/// The connected nodes.
#[derive(Debug, Default)]
pub(super) struct Roster(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<NodeId, Entry>,
    /// The nodes that are being dialled by name, and how often.
    dialling: BTreeMap<NodeId, usize>,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    link: Link,
    order: Order,
    since: Instant,
}

/// A connection that has given way.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) link: Link,
    /// Whether it was with the same process, and both sides had begun one each, at about the same time.
    pub(super) twin: bool,
}

impl Roster {
    /// The connection to a node.
    pub(super) fn link(&self, node: &NodeId) -> Option<Link> {
        self.lock().peers.get(node).map(|entry| entry.link.clone())
    }

    /// Every connection, in the order of the nodes' names.
    pub(super) fn links(&self) -> Vec<Link> {
        self.lock().peers.values().map(|entry| entry.link.clone()).collect()
    }

    /// Notes that a node is being dialled, until what comes back is dropped.
    pub(super) fn dialling(&self, node: &NodeId) -> Dialling<'_> {
        let mut state = self.lock();
        let count = state.dialling.entry(node.clone()).or_default();
        *count = count.saturating_add(1);
        Dialling { roster: self, node: node.clone() }
    }

    /// Whether a new connection to a node would stay.
    pub(super) fn weigh(&self, node: &NodeId, order: &Order) -> Result<(), Refusal> {
        self.lock().weigh(node, order)
    }

    /// Whether a connection that a peer dialled would stay, the dials under way to that peer considered.
    pub(super) fn weigh_incoming(&self, own: &NodeId, order: &Order) -> Result<(), Refusal> {
        let state = self.lock();
        if state.dialling.contains_key(&order.dialler) && *own < order.dialler {
            return Err(Refusal::Duplicate);
        }
        state.weigh(&order.dialler, order)
    }

    /// Takes a new connection in; gives out the one that it replaces.
    pub(super) fn admit(&self, link: Link, order: Order) -> Result<Option<Replaced>, Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        let node = link.peer().node.clone();
        state.weigh(&node, &order)?;
        let (start, dialler) = (order.start, order.dialler.clone());
        let replaced = state.peers.insert(node, Entry { link, order, since: Instant::now() });
        Ok(replaced.map(|Entry { link, order, since }| {
            let twin = order.start == start && order.dialler != dialler && since.elapsed() < RACE_TIME;
            Replaced { link, twin }
        }))
    }

    /// Takes a connection out, unless another has taken its place.
    pub(super) fn remove(&self, node: &NodeId, link: LinkId) {
        let mut state = self.lock();
        if state.peers.get(node).is_some_and(|entry| entry.link.id() == link) {
            state.peers.remove(node);
        }
    }

    /// Takes nothing in any more; gives out what there is.
    pub(super) fn close(&self) -> Vec<Link> {
        self.lock().closed = true;
        self.links()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn weigh(&self, node: &NodeId, order: &Order) -> Result<(), Refusal> {
        let Some(there) = self.peers.get(node) else { return Ok(()) };
        let is_race = there.since.elapsed() < RACE_TIME && there.link.is_open();
        judge(node, &there.order, order, is_race, there.link.peer().address)
    }
}

/// Whether a new connection to a node stays beside the one that is there.
///
/// A later start of the process always does, an earlier one never. Of two that the same side dialled the later dial stays,
/// since whoever dials anew has lost the former. Of two that both sides dialled at once, the one that the smaller node id dialled.
fn judge(node: &NodeId, there: &Order, new: &Order, is_race: bool, address: SocketAddr) -> Result<(), Refusal> {
    if new.start != there.start {
        return if new.start > there.start { Ok(()) } else { Err(Refusal::Outlived { later: address }) };
    }
    if new.dialler == there.dialler {
        return if new.dial > there.dial { Ok(()) } else { Err(Refusal::Duplicate) };
    }
    // One of the two was dialled by `node`, the other by this node.
    let dialler_is_smaller = if new.dialler == *node { *node < there.dialler } else { new.dialler < *node };
    if dialler_is_smaller || !is_race { Ok(()) } else { Err(Refusal::Duplicate) }
}

/// A node is being dialled while this lives.
pub(super) struct Dialling<'a> {
    roster: &'a Roster,
    node: NodeId,
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        let mut state = self.roster.lock();
        if let Some(count) = state.dialling.get_mut(&self.node) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.dialling.remove(&self.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 7400).into()
    }

    fn order(dialler: &str, dial: u64, start: u64) -> Order {
        Order { dialler: node(dialler), dial, start: Start::new(start) }
    }

    /// What both of "a" and "b" make of a connection beside another.
    fn check(there: Order, new: Order, is_race: bool, expected: Result<(), Refusal>) {
        assert_eq!(judge(&node("a"), &there, &new, is_race, address()), expected, "at b");
        assert_eq!(judge(&node("b"), &there, &new, is_race, address()), expected, "at a");
    }

    #[test]
    fn of_two_at_once_the_one_dialled_by_the_smaller_id_stays_whatever_the_order() {
        check(order("a", 9, 1), order("b", 1, 1), true, Err(Refusal::Duplicate));
        check(order("b", 1, 1), order("a", 9, 1), true, Ok(()));
    }

    #[test]
    fn of_two_dials_of_one_side_the_later_stays_whatever_the_order() {
        for side in ["a", "b"] {
            check(order(side, 1, 1), order(side, 2, 1), true, Ok(()));
            check(order(side, 2, 1), order(side, 1, 1), false, Err(Refusal::Duplicate));
        }
    }

    #[test]
    fn whoever_dials_long_after_has_lost_the_other() {
        check(order("a", 9, 1), order("b", 1, 1), false, Ok(()));
    }

    #[test]
    fn the_later_start_stays() {
        check(order("a", 9, 1), order("b", 1, 2), true, Ok(()));
        check(order("a", 9, 2), order("a", 10, 1), false, Err(Refusal::Outlived { later: address() }));
    }
}
