//! Who a member is on the wire.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, NodeId, NodeKey, Process, Start};

/// A process, where it listens, and how often it has had to come back.
///
/// Where it listens says nothing of who it is: a process that listens on all addresses of its machine is met at another
/// one by each peer. So addresses are left out of all comparisons.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The node's name, vouched for by its certificate.
    pub(crate) node: NodeId,
    /// Where others dial it. Unspecified only in what a process that listens on all addresses says of itself; whoever hears
    /// that puts the address in its place that the connection shows.
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
        self.node == other.node && self.start == other.start
    }

    /// Whether this one is newer than another identity of the same node.
    ///
    /// The incarnation decides. The start only breaks the tie of a former process that came back as often as to reach the
    /// birth of a later one, so that exactly one of them wins.
    pub(super) fn outranks(&self, other: &Self) -> bool {
        (self.incarnation, self.start) > (other.incarnation, other.start)
    }

    /// Whether a process that listens here would be met at `address`.
    pub(super) fn listens_at(&self, address: SocketAddr) -> bool {
        let ip = self.address.ip();
        self.address.port() == address.port() && (ip == address.ip() || ip.is_unspecified())
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        // The number first: it differs more often than not, and lies at hand.
        self.incarnation == other.incarnation && self.is_same_process(other)
    }
}

impl Eq for Identity {}

impl foca::Identity for Identity {
    /// The node and not the socket address: a node that comes back elsewhere replaces its former self. And of the node the
    /// number that stands for its name: foca asks every member that it knows for this at every packet.
    type Addr = NodeKey;

    fn renew(&self) -> Option<Self> {
        Some(Self { incarnation: self.incarnation.next(), ..self.clone() })
    }

    fn addr(&self) -> NodeKey {
        self.node.key()
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
    fn of_two_processes_in_one_incarnation_exactly_one_wins() {
        let (first, second) = (identity(6, 7, 1), identity(7, 7, 1));
        assert!(second.outranks(&first) && !first.outranks(&second));
        assert!(!first.outranks(&first) && first != second);
    }

    #[test]
    fn where_a_process_is_met_says_nothing_of_who_it_is() {
        let (here, there) = (identity(7, 7, 1), identity(7, 7, 2));
        assert_eq!(here, there);
        assert!(here.is_same_process(&there) && !here.outranks(&there) && !there.outranks(&here));
    }

    #[test]
    fn who_listens_on_all_addresses_is_met_at_each() {
        let check = |own: &str, met: &str, expected: bool| {
            let own = Identity { address: own.parse().unwrap(), ..identity(7, 7, 1) };
            assert_eq!(own.listens_at(met.parse().unwrap()), expected, "{met}");
        };
        check("10.0.0.1:7400", "10.0.0.1:7400", true);
        check("10.0.0.1:7400", "10.0.0.2:7400", false);
        check("0.0.0.0:7400", "10.0.0.2:7400", true);
        check("[::]:7400", "10.0.0.2:7400", true);
        check("0.0.0.0:7400", "10.0.0.2:7401", false);
    }
}
