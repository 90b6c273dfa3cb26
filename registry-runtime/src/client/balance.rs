//! Which of several nodes takes a command that any of them may run.

use std::sync::atomic::{AtomicU32, Ordering};

use super::routes::{PeerRoute, Table};
use crate::spec::LoadBalancing;

/// Rotates over the candidates of one registry.
#[derive(Default)]
pub(super) struct Rotation(AtomicU32);

/// Chooses among the nodes at these places of the table that can be reached, and of these among those that run the command as it is called,
/// if there are any: while a cluster is updated node by node, some may not have it yet. `None` when nobody can be reached.
///
/// `least_busy` compares two random candidates, and tosses for it between equals (Mitzenmacher, "The power of two choices in randomized load balancing", 2001)
/// by the caller's own outstanding calls plus the load that each last stated.
pub(super) fn choose<'t>(
    table: &'t Table,
    places: &[u16],
    how: LoadBalancing,
    rotation: &Rotation,
    dice: u64,
    fits: impl Fn(&PeerRoute) -> bool,
) -> Option<&'t PeerRoute> {
    let reachable = |route: &&PeerRoute| route.peer.local || route.peer.link().is_some();
    let reached = || places.iter().filter_map(|index| table.peer(*index)).filter(reachable);
    let is_any = !reached().any(&fits);
    let candidates = || reached().filter(|route| is_any || fits(route));
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
    use std::collections::BTreeSet;
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
                let how = LoadBalancing::RoundRobin;
                choose(&table, &table.hosts, how, &rotation, dice, |_| true).unwrap().peer.node.to_string()
            })
            .collect();
        assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn least_busy_avoids_the_busy() {
        let (table, rotation) = (table(&["a", "b"]), Rotation::default());
        table.peers[0].peer.report(50);
        let dice = 0; // node a, and of the others the first
        let choose = || {
            choose(&table, &table.hosts, LoadBalancing::LeastBusy, &rotation, dice, |_| true).unwrap().peer.node.clone()
        };
        assert_eq!(choose(), "b");
        let held: Vec<_> = (0..60).map(|_| Arc::clone(&table.peers[1].peer).occupy()).collect();
        assert_eq!(choose(), "a");
        drop(held);
    }

    #[test]
    fn who_does_not_have_the_command_is_chosen_only_where_nobody_has_it() {
        let (table, rotation) = (table(&["old", "new", "newer"]), Rotation::default());
        table.peers[1].peer.report(50);
        table.peers[2].peer.report(50);
        let chosen = |how, dice, fits: &dyn Fn(&PeerRoute) -> bool| {
            choose(&table, &table.hosts, how, &rotation, dice, fits).unwrap().peer.node.to_string()
        };
        for how in [LoadBalancing::LeastBusy, LoadBalancing::RoundRobin] {
            let all: BTreeSet<_> = (0..9_u64)
                .map(|dice| chosen(how, ((dice / 3) << 32) | (dice % 3), &|route| route.peer.node != "old"))
                .collect();
            assert_eq!(Vec::from_iter(all), ["new", "newer"]);
            assert!((0..9).any(|_| chosen(how, 0, &|_| false) == "old"), "somebody has to refuse it");
        }
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
        for how in [LoadBalancing::LeastBusy, LoadBalancing::RoundRobin] {
            assert!(choose(&table, &table.hosts, how, &rotation, 1, |_| true).is_none());
        }
    }
}
