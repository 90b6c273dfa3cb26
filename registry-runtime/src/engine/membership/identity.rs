//! Who a member is on the wire.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, NodeId, Process, Start};

/// A process, where it listens, and how often it has had to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The node's name, vouched for by its certificate.
    pub(crate) node: NodeId,
    /// Where others dial it.
    pub(crate) address: SocketAddr,
    /// The life of its memory.
    pub(crate) start: Start,
    /// Equal to the start at birth; rises whenever the process finds itself declared Down.
    pub(crate) incarnation: Incarnation,
}

impl Identity {
    /// The largest incarnation that is believed: far beyond wall-clock milliseconds, and far enough below the end of the
    /// numbers that counting on never stands still.
    pub(crate) const INCARNATION_MAX: Incarnation = Incarnation::new(1 << 62);

    /// The identity of a process that begins its life.
    pub(crate) const fn at_birth(node: NodeId, address: SocketAddr, start: Start) -> Self {
        Self { node, address, start, incarnation: Incarnation::new(start.get()) }
    }

    /// The process behind it.
    pub(crate) fn process(&self) -> Process {
        Process { node: self.node.clone(), start: self.start }
    }

    /// Whether this one is the same process as `other`, in any of its incarnations.
    pub(super) fn is_same_process(&self, other: &Self) -> bool {
        self.node == other.node && self.start == other.start && self.address == other.address
    }

    /// Whether this one is newer than another identity of the same node.
    ///
    /// The incarnation decides. Start and address only break the tie of two processes that were born in the same
    /// millisecond, so that exactly one of them wins.
    pub(super) fn outranks(&self, other: &Self) -> bool {
        (self.incarnation, self.start, self.address) > (other.incarnation, other.start, other.address)
    }
}

impl foca::Identity for Identity {
    /// The node and not the socket address: a node that comes back elsewhere replaces its former self.
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { incarnation: self.incarnation.next(), ..self.clone() })
    }

    fn addr(&self) -> NodeId {
        self.node.clone()
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.outranks(adversary)
    }
}

#[cfg(test)]
mod tests {
    use foca::Identity as _;

    use super::*;

    fn identity(start: u64, incarnation: u64, port: u16) -> Identity {
        Identity {
            node: NodeId::new("a").unwrap(),
            address: ([127, 0, 0, 1], port).into(),
            start: Start::new(start),
            incarnation: Incarnation::new(incarnation),
        }
    }

    #[test]
    fn a_renewed_identity_is_the_same_process_and_wins() {
        let first = identity(7, 7, 1);
        let second = first.renew().unwrap();
        assert!(second.win_addr_conflict(&first) && !first.win_addr_conflict(&second));
        assert!(second.is_same_process(&first));
        assert_eq!(second.addr(), first.addr());
    }

    #[test]
    fn of_two_processes_of_one_birth_exactly_one_wins() {
        let (first, second) = (identity(7, 7, 1), identity(7, 7, 2));
        assert!(second.outranks(&first) && !first.outranks(&second));
        assert!(!first.outranks(&first));
    }
}
