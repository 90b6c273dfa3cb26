//! Which of several nodes takes a command that any of them may run.

use std::sync::atomic::{AtomicU32, Ordering};

use super::routes::{PeerRoute, Table};
use crate::spec::LoadBalancing;

/// Rotates over the candidates of one registry.
#[derive(Default)]
pub(super) struct Rotation(AtomicU32);

/// Chooses among the nodes at these places of the table that can be reached; `None` when there is none.
///
/// `least_busy` compares two random candidates, and tosses for it between equals (Mitzenmacher, "The power of two choices in randomized load balancing", 2001)
/// by the caller's own outstanding calls plus the load that each last stated.
pub(super) fn choose<'t>(
    table: &'t Table,
    places: &[u16],
    how: LoadBalancing,
    rotation: &Rotation,
    dice: u64,
) -> Option<&'t PeerRoute> {
    let reachable = |route: &&PeerRoute| route.peer.local || route.peer.link().is_some();
    let candidates = || places.iter().filter_map(|index| table.peer(*index)).filter(reachable);
    let count = candidates().count();
    match how {
        LoadBalancing::RoundRobin => {
            let turn = rotation.0.fetch_add(1, Ordering::Relaxed) as usize;
            candidates().nth(turn.checked_rem(count)?)
        }
        LoadBalancing::LeastBusy => {
            let (first, second) = two_of(count, dice)?;
            let (first, second) = (candidates().nth(first)?, candidates().nth(second)?);
            Some(if second.peer.business() < first.peer.business() { second } else { first })
        }
    }
}

/// Two different places below `count`, every pair as likely as any other; the same place twice when there is only one.
fn two_of(count: usize, dice: u64) -> Option<(usize, usize)> {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the dice")]
    let (high, low) = ((dice >> 32) as u32 as usize, dice as u32 as usize);
    let first = high.checked_rem(count)?;
    let step = low.checked_rem(count.saturating_sub(1)).map_or(0, |rest| rest.saturating_add(1));
    Some((first, first.saturating_add(step).checked_rem(count)?))
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
            .map(|dice| {
                choose(&table, &table.hosts, LoadBalancing::RoundRobin, &rotation, dice).unwrap().peer.node.to_string()
            })
            .collect();
        assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn least_busy_avoids_the_busy() {
        let (table, rotation) = (table(&["a", "b"]), Rotation::default());
        table.peers[0].peer.report(50);
        let dice = 0; // node a, and of the others the first
        let chosen = choose(&table, &table.hosts, LoadBalancing::LeastBusy, &rotation, dice).unwrap();
        assert_eq!(chosen.peer.node, "b");
        let held: Vec<_> = (0..60).map(|_| Arc::clone(&table.peers[1].peer).occupy()).collect();
        assert_eq!(choose(&table, &table.hosts, LoadBalancing::LeastBusy, &rotation, dice).unwrap().peer.node, "a");
        drop(held);
    }

    #[test]
    fn two_candidates_are_never_the_same_one() {
        for count in 2..6 {
            let pairs = (0..36_u64).map(|dice| two_of(count, ((dice / 6) << 32) | (dice % 6)).unwrap());
            assert!(pairs.clone().all(|(first, second)| first != second && first < count && second < count));
            let mut firsts: Vec<_> = pairs.collect();
            firsts.sort_unstable();
            firsts.dedup();
            assert_eq!(firsts.len(), count * (count - 1), "every pair comes");
        }
        assert_eq!(two_of(1, 7 << 32 | 9), Some((0, 0)));
        assert_eq!(two_of(0, 7), None);
    }

    #[test]
    fn nobody_is_nobody() {
        let (table, rotation) = (table(&[]), Rotation::default());
        assert!(choose(&table, &table.hosts, LoadBalancing::LeastBusy, &rotation, 1).is_none());
        assert!(choose(&table, &table.hosts, LoadBalancing::RoundRobin, &rotation, 1).is_none());
    }
}
