//! Which node owns how many slots, asked through a client.

use std::collections::BTreeMap;

use registry_runtime::NodeId;

use super::domain::SLOTS;

/// The keys that are tried per slot before a survey gives up. Hashing throws keys at slots at random; to hit each of 4,096
/// takes about ln(4096) + 0.6, that is nine keys per slot, and 32 leave a miss improbable beyond mention (4096 · e⁻³²).
const PROBES_PER_SLOT_MAX: usize = 32;

/// The owners of a registry's slots, as one node knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The slots that each node owns.
    pub by_owner: BTreeMap<String, usize>,
    /// The slots that nobody owns at the moment, or that no probe hit.
    pub unowned: usize,
}

impl Slots {
    /// Asks `explain` about one key after another until every slot was met. Asking is a look at the node's own table.
    pub fn survey<S: Ord>(explain: impl Fn(u64) -> (S, Option<NodeId>)) -> Self {
        let mut met = BTreeMap::new();
        for probe in (0..).take(SLOTS * PROBES_PER_SLOT_MAX) {
            let (slot, owner) = explain(probe);
            met.entry(slot).or_insert(owner);
            if met.len() == SLOTS {
                break;
            }
        }
        let mut slots = Self::default();
        for owner in met.into_values().flatten() {
            *slots.by_owner.entry(owner.to_string()).or_default() += 1;
        }
        slots.unowned = SLOTS - slots.by_owner.values().sum::<usize>();
        slots
    }

    /// Whether every slot has an owner and that many nodes share them.
    pub fn settled(&self, nodes: usize) -> bool {
        self.unowned == 0 && self.by_owner.len() == nodes
    }

    /// How many slots the node owns.
    pub fn of(&self, node: &str) -> usize {
        self.by_owner.get(node).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_met_once() {
        let node = |name: &str| NodeId::new(name).ok();
        let slots = Slots::survey(|key| {
            let slot = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
            (
                slot,
                if slot % 4 == 0 {
                    node("a")
                } else if slot == 5 {
                    None
                } else {
                    node("b")
                },
            )
        });
        assert_eq!((slots.of("a"), slots.of("b"), slots.unowned), (SLOTS / 4, SLOTS * 3 / 4 - 1, 1));
        assert!(!slots.settled(2));
    }
}
