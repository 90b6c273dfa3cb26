//! Which of several nodes takes a command that any of them may run.

use std::sync::atomic::{AtomicU32, Ordering};

use super::routes::{PeerRoute, Table};
use crate::spec::LoadBalancing;

/// Rotates over the candidates of one registry.
#[derive(Default)]
pub(super) struct Rotation(AtomicU32);

/// Chooses among the nodes that host the registry and can be reached; `None` when there is none.
///
/// `least_busy` compares two random candidates (Mitzenmacher, "The power of two choices in randomized load balancing", 2001)
/// by the caller's own outstanding calls plus the load that each last stated.
pub(super) fn choose<'t>(
    table: &'t Table,
    how: LoadBalancing,
    rotation: &Rotation,
    dice: u64,
) -> Option<&'t PeerRoute> {
    let reachable = |route: &&PeerRoute| route.peer.local || route.peer.link().is_some();
    let candidates = || table.hosts.iter().filter_map(|index| table.peer(*index)).filter(reachable);
    let count = candidates().count();
    match how {
        LoadBalancing::RoundRobin => {
            let turn = rotation.0.fetch_add(1, Ordering::Relaxed) as usize;
            candidates().nth(turn.checked_rem(count)?)
        }
        LoadBalancing::LeastBusy => {
            let count = count as u64;
            let first = candidates().nth(usize::try_from((dice >> 32).checked_rem(count)?).ok()?)?;
            let second = candidates().nth(usize::try_from((dice & 0xffff_ffff).checked_rem(count)?).ok()?)?;
            Some(if second.peer.business() < first.peer.business() { second } else { first })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::{Codes, Peer};
    use crate::id::NodeId;

    fn table(names: &[&str]) -> Table {
        let peers = names
            .iter()
            .map(|name| PeerRoute { peer: Peer::new(NodeId::new(name).unwrap(), true), codes: Codes::default() })
            .collect();
        let hosts = (0..names.len()).map(|index| u16::try_from(index).unwrap()).collect();
        Table { slots: Vec::new(), peers, hosts, plan: None, mismatch: None }
    }

    #[test]
    fn round_robin_takes_turns() {
        let (table, rotation) = (table(&["a", "b", "c"]), Rotation::default());
        let turns: Vec<_> = (0..6)
            .map(|dice| choose(&table, LoadBalancing::RoundRobin, &rotation, dice).unwrap().peer.node.to_string())
            .collect();
        assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn least_busy_avoids_the_busy() {
        let (table, rotation) = (table(&["a", "b"]), Rotation::default());
        table.peers[0].peer.report(50);
        let dice = 1; // high half 0: node a; low half 1: node b
        let chosen = choose(&table, LoadBalancing::LeastBusy, &rotation, dice).unwrap();
        assert_eq!(chosen.peer.node, "b");
        let held: Vec<_> = (0..60).map(|_| Arc::clone(&table.peers[1].peer).occupy()).collect();
        assert_eq!(choose(&table, LoadBalancing::LeastBusy, &rotation, dice).unwrap().peer.node, "a");
        drop(held);
    }

    #[test]
    fn nobody_is_nobody() {
        let (table, rotation) = (table(&[]), Rotation::default());
        assert!(choose(&table, LoadBalancing::LeastBusy, &rotation, 1).is_none());
        assert!(choose(&table, LoadBalancing::RoundRobin, &rotation, 1).is_none());
    }
}
