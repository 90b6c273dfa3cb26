//! The places of a cluster's nodes, and whom a partition keeps apart.

use std::net::SocketAddr;

use crate::id::NodeId;
use crate::node::Node;
use crate::transport::Gate;

/// Every node's place, over all its lives. A partition holds for places: whoever starts during one is cut off like the others.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: Vec<Seat>,
    /// Nodes that share none of these groups do not reach each other.
    groups: Option<Vec<Vec<usize>>>,
}

#[derive(Debug)]
struct Seat {
    address: SocketAddr,
    /// In its latest life; `None` until it has started.
    node: Option<Node>,
    live: bool,
    /// What its packets pass, unless it was killed.
    gate: Option<Gate>,
}

impl Seats {
    /// Takes a place for a node that is to start at this address.
    pub(super) fn reserve(&mut self, address: SocketAddr) -> usize {
        self.seats.push(Seat { address, node: None, live: false, gate: None });
        // Packets from there are held back from now on, if a partition says so.
        self.set_gates();
        self.seats.len() - 1
    }

    /// Begins a life of the node: its packets pass this gate.
    pub(super) fn begin(&mut self, index: usize) -> Gate {
        let gate = Gate::default();
        self.seat_mut(index).gate = Some(gate.clone());
        self.set_gates();
        gate
    }

    /// The node runs.
    pub(super) fn started(&mut self, index: usize, node: Node) {
        let seat = self.seat_mut(index);
        (seat.node, seat.live) = (Some(node), true);
    }

    /// From now on the node is not waited for.
    pub(super) fn ends(&mut self, index: usize) -> Node {
        self.seat_mut(index).live = false;
        self.node(index)
    }

    /// No packet comes from the node or gets to it any more.
    pub(super) fn cut_off(&mut self, index: usize) {
        if let Some(gate) = self.seat_mut(index).gate.take() {
            gate.shut(|_| true);
        }
    }

    /// The node in its latest life.
    pub(super) fn node(&self, index: usize) -> Node {
        match &self.seat(index).node {
            Some(node) => node.clone(),
            None => panic!("node {index} has not started"),
        }
    }

    /// Where the node listens, in each of its lives.
    pub(super) fn address(&self, index: usize) -> SocketAddr {
        self.seat(index).address
    }

    /// The place of the node with this name.
    pub(super) fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.seats.iter().position(|seat| seat.node.as_ref().is_some_and(|node| node.id() == id))
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    /// The nodes that run.
    pub(super) fn live(&self) -> Vec<Node> {
        self.seats.iter().filter(|seat| seat.live).filter_map(|seat| seat.node.clone()).collect()
    }

    /// Keeps apart who shares no group; nobody without groups.
    pub(super) fn part(&mut self, groups: Option<&[&[usize]]>) {
        self.groups = groups.map(|groups| groups.iter().map(|group| group.to_vec()).collect());
        self.set_gates();
    }

    fn set_gates(&self) {
        for (index, seat) in self.seats.iter().enumerate() {
            let Some(gate) = &seat.gate else { continue };
            let Some(groups) = &self.groups else {
                gate.open();
                continue;
            };
            let joined = |other: usize| groups.iter().any(|group| group.contains(&index) && group.contains(&other));
            let cut = self.seats.iter().enumerate().filter(|(other, _)| *other != index && !joined(*other));
            let cut: Vec<_> = cut.map(|(_, seat)| seat.address).collect();
            gate.shut(move |address| cut.contains(&address));
        }
    }

    fn seat(&self, index: usize) -> &Seat {
        self.seats.get(index).unwrap_or_else(|| absent(index, self.seats.len()))
    }

    fn seat_mut(&mut self, index: usize) -> &mut Seat {
        let count = self.seats.len();
        self.seats.get_mut(index).unwrap_or_else(|| absent(index, count))
    }
}

fn absent(index: usize, count: usize) -> ! {
    panic!("there is no node {index} in a cluster of {count}")
}
