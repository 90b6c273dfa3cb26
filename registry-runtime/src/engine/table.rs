//! Who has each slot of a registry open: the rows, what callers are told, and digests to compare tables by.

use super::row::{Active, Row};
use super::set::Set;
use crate::id::{Epoch, Slot};
use crate::message::SLOTS_PER_BUCKET;
use crate::time::Moment;

/// One registry's rows.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// For each run of slots, the exclusive-or over its active sets: the order in which they came does not matter.
    buckets: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    row: Row,
    state: SlotState,
}

/// What a caller may expect of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Its owner has it open.
    Open,
    /// It is being opened, or will be in a moment.
    #[default]
    Opening,
    /// It is kept for its owner's node until this moment: callers wait inside their own deadlines.
    Reserved(Moment),
    /// Its owner's node did not return in time: unavailable until it does.
    Failed,
    /// Too few members of its set can be seen: unavailable on this side.
    NoMajority,
    /// Nobody hosts it.
    Unhosted,
    /// This node sees too little of the cluster to judge.
    Halted,
}

impl Table {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            entries: vec![Entry::default(); slots as usize],
            buckets: vec![0; slots.div_ceil(SLOTS_PER_BUCKET) as usize],
        }
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// What callers are told of a slot, and the set that was last opened.
    pub(crate) fn get(&self, slot: Slot) -> Option<(SlotState, Option<&Active>)> {
        self.entries.get(slot.index()).map(|entry| (entry.state, entry.row.active()))
    }

    /// Every slot that was ever opened.
    pub(crate) fn active(&self) -> impl Iterator<Item = (Slot, &Active)> {
        let rows = (0..).map(Slot::new).zip(&self.entries);
        rows.filter_map(|(slot, entry)| entry.row.active().map(|active| (slot, active)))
    }

    pub(crate) fn row(&self, slot: Slot) -> Option<&Row> {
        self.entries.get(slot.index()).map(|entry| &entry.row)
    }

    /// A row, for promises and installs; what was opened is learnt by [`Table::learn`].
    pub(crate) fn row_mut(&mut self, slot: Slot) -> Option<&mut Row> {
        self.entries.get_mut(slot.index()).map(|entry| &mut entry.row)
    }

    /// Learns that a set was opened. Returns whether it is news.
    pub(crate) fn learn(&mut self, slot: Slot, epoch: Epoch, set: &Set) -> bool {
        let Some(entry) = self.entries.get_mut(slot.index()) else { return false };
        let before = entry.row.active_epoch();
        let is_news = entry.row.learn(epoch, set);
        if is_news && let Some(bucket) = self.buckets.get_mut((slot.get() / SLOTS_PER_BUCKET) as usize) {
            *bucket ^= before.map_or(0, |before| digest(slot, before)) ^ digest(slot, epoch);
        }
        is_news
    }

    /// Sets what callers are told. Returns whether it is news.
    pub(crate) fn set_state(&mut self, slot: Slot, state: SlotState) -> bool {
        self.entries.get_mut(slot.index()).is_some_and(|entry| std::mem::replace(&mut entry.state, state) != state)
    }

    /// A digest of all slots; 0 when none was ever opened.
    pub(crate) fn digest(&self) -> u64 {
        self.buckets.iter().fold(0, |all, bucket| all ^ bucket)
    }

    /// The digests of the runs of slots, in order.
    pub(crate) fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// The opened slots of those runs whose digest differs from a peer's.
    pub(crate) fn differing<'a>(&'a self, theirs: &'a [u64]) -> impl Iterator<Item = (Slot, &'a Active)> {
        let buckets = (0..).zip(self.buckets.iter().zip(theirs)).filter(|(_, (mine, theirs))| mine != theirs);
        let slots = buckets.flat_map(|(bucket, _)| {
            let first = bucket * SLOTS_PER_BUCKET;
            (first..first + SLOTS_PER_BUCKET).map(Slot::new)
        });
        slots.filter_map(|slot| self.row(slot)?.active().map(|active| (slot, active)))
    }
}

fn digest(slot: Slot, epoch: Epoch) -> u64 {
    let mut bytes = [0; 12];
    let (low, high) = bytes.split_at_mut(4);
    low.copy_from_slice(&slot.get().to_le_bytes());
    high.copy_from_slice(&epoch.get().to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}
