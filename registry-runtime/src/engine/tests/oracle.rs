//! What must never be seen, whatever happens.

use std::collections::BTreeMap;

use crate::id::{Epoch, NodeId, Slot};

/// What has been seen of one slot.
#[derive(Debug, Default)]
struct Seen {
    /// The highest epoch that ever had the right to acknowledge.
    acknowledged: Epoch,
    /// The longest log of which all was acknowledged, and the highest epoch in which anything was.
    log: Vec<u64>,
    logged: Epoch,
}

/// Watches the slots of one registry on all nodes.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    slots: BTreeMap<Slot, Seen>,
}

impl Oracle {
    /// At one instant these nodes have the right to acknowledge in these epochs.
    pub(crate) fn sees_right(&mut self, slot: Slot, right: &[(NodeId, Epoch)]) -> Result<(), String> {
        if let [one, other, ..] = right {
            return Err(format!("slot {slot}: two may acknowledge at one instant: {one:?} and {other:?}"));
        }
        let Some((node, epoch)) = right.first() else { return Ok(()) };
        let seen = self.slots.entry(slot).or_default();
        if *epoch < seen.acknowledged {
            return Err(format!("slot {slot}: {node} may acknowledge in {epoch:?}, after {:?}", seen.acknowledged));
        }
        seen.acknowledged = *epoch;
        Ok(())
    }

    /// A slot is opened with data of the epoch `from`. Nothing that was acknowledged may be missing.
    pub(crate) fn sees_open(&mut self, slot: Slot, node: &NodeId, epoch: Epoch, from: Epoch) -> Result<(), String> {
        let seen = self.slots.entry(slot).or_default();
        if epoch > seen.acknowledged && from < seen.acknowledged {
            return Err(format!(
                "slot {slot}: {node} opens {epoch:?} with data of {from:?}, though {:?} has acknowledged",
                seen.acknowledged
            ));
        }
        Ok(())
    }

    /// All of this log is acknowledged: it holds what was acknowledged before, or is a part of it that the owner of a lower
    /// epoch heard of late.
    pub(crate) fn sees_log(&mut self, slot: Slot, node: &NodeId, epoch: Epoch, log: &[u64]) -> Result<(), String> {
        let seen = self.slots.entry(slot).or_default();
        let holds = log.starts_with(&seen.log);
        if !holds && (epoch > seen.logged || !seen.log.starts_with(log)) {
            let (before, at) = (&seen.log, seen.logged);
            return Err(format!(
                "slot {slot}: {node} acknowledges {log:?} in {epoch:?}, after {before:?} in {at:?}, of which that is not a continuation"
            ));
        }
        if holds {
            seen.log = log.to_vec();
        }
        seen.logged = seen.logged.max(epoch);
        Ok(())
    }

    /// Something may have been lost, and was said to be: what came before does not count.
    pub(crate) fn pardons(&mut self, slot: Slot) {
        self.slots.remove(&slot);
    }
}
