//! News that go from node to node.

use std::collections::BTreeMap;

use super::packet::{Rumour, profile_bytes};
use crate::id::NodeId;

/// What is still to be passed on: for each node its newest profile and its newest load.
///
/// foca could carry these, but gives no way to look at what has arrived; and a profile may be larger than its packets.
#[derive(Debug, Default)]
pub(super) struct Rumours {
    waiting: BTreeMap<(NodeId, Kind), Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Profile,
    Load,
}

#[derive(Debug)]
struct Waiting {
    rumour: Rumour,
    told: u32,
}

/// How many bytes of rumours go into one round; a larger profile goes alone.
const ROUND_BYTES: usize = 8 * 1024;
/// About what a load takes.
const LOAD_BYTES: usize = 96;

impl Rumours {
    /// Passes something on that is news here; it takes the place of what it outdates.
    pub(super) fn add(&mut self, rumour: Rumour) {
        let key = match &rumour {
            Rumour::Profile(process, _) => (process.node.clone(), Kind::Profile),
            Rumour::Load(process, ..) => (process.node.clone(), Kind::Load),
        };
        self.waiting.insert(key, Waiting { rumour, told: 0 });
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes out what to tell this time to `listeners` nodes: what was told least often first, each `enough` times.
    pub(super) fn take_round(&mut self, listeners: u32, enough: u32) -> Vec<Rumour> {
        let mut order: Vec<_> = self.waiting.iter().map(|(key, waiting)| (waiting.told, key.clone())).collect();
        order.sort();
        let mut round = Vec::new();
        let mut bytes = 0_usize;
        for (_, key) in order {
            let Some(waiting) = self.waiting.get_mut(&key) else { continue };
            let size = match &waiting.rumour {
                Rumour::Profile(_, profile) => profile_bytes(profile),
                Rumour::Load(..) => LOAD_BYTES,
            };
            if !round.is_empty() && bytes.saturating_add(size) > ROUND_BYTES {
                break;
            }
            bytes = bytes.saturating_add(size);
            round.push(waiting.rumour.clone());
            waiting.told = waiting.told.saturating_add(listeners);
            if waiting.told >= enough {
                self.waiting.remove(&key);
            }
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::membership::member::Load;
    use crate::id::{Process, Start};

    fn load(name: &str, load: u16) -> Rumour {
        Rumour::Load(Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }, Load(load), u64::from(load))
    }

    #[test]
    fn the_newest_is_told_often_enough_and_no_more() {
        let mut rumours = Rumours::default();
        rumours.add(load("a", 1));
        rumours.add(load("a", 2));
        assert_eq!(rumours.take_round(3, 5), [load("a", 2)]);
        rumours.add(load("b", 1));
        assert_eq!(rumours.take_round(3, 5), [load("b", 1), load("a", 2)]);
        assert_eq!(rumours.take_round(3, 5), [load("b", 1)]);
        assert!(rumours.is_empty());
    }

    #[test]
    fn a_round_is_bounded_and_everything_gets_its_turn() {
        let mut rumours = Rumours::default();
        for nth in 0..200 {
            rumours.add(load(&format!("n{nth}"), 1));
        }
        let mut told = 0;
        while !rumours.is_empty() {
            let round = rumours.take_round(3, 3);
            assert!(round.len() * LOAD_BYTES <= ROUND_BYTES && !round.is_empty());
            told += round.len();
        }
        assert_eq!(told, 200);
    }
}
