//! How much the receipts of a registry may take on a node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a receipt takes beside its reply: its entry in a queue that doubles when it grows.
pub(super) const RECEIPT_BYTES: usize = 128;

/// What a session takes beside its receipts: its entries in a map and a heap, and the least room of its queue.
pub(super) const SESSION_BYTES: usize = 256;

/// What a number takes whose receipt is gone: its entry in a queue that doubles when it grows.
pub(super) const EXPIRED_BYTES: usize = 16;

/// What a name takes beside its reply: its entries in a map and a queue, and the reply's own allocation.
pub(super) const NAME_BYTES: usize = 256;

/// Who a receipt is kept for. Each has a share of the room, for they come and go by different rules: so the receipts of one, however many,
/// never refuse the commands of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Callers, whose marks say when receipts may go.
    Called,
    /// Commands that make calls: there, only time says.
    Derived,
    /// Whoever knows the name, for the registry's window.
    Named,
}

impl Share {
    const COUNT: usize = 3;

    /// The most bytes that it takes on one node, of one registry.
    pub(super) const fn bytes_max(self) -> usize {
        match self {
            // What marks have not passed is what is under way, and the last receipt of each caller in each slot: with a thousand callers and
            // a tenth of 4,096 slots that is some 150 MiB.
            Self::Called => 256 << 20,
            // Half a million commands with small replies: nearly 900 a second with a name that is remembered for ten minutes, or 8,000 a
            // second within others, remembered for a minute. More is worth another node rather than more memory.
            Self::Derived | Self::Named => 128 << 20,
        }
    }
}

/// What the receipts of all slots of a registry take on one node. It is looked at before a command and added to after it, so it passes its
/// bounds by what the commands leave that run at that time: their number is the registry's `concurrency`.
#[derive(Debug, Default)]
pub(crate) struct Budget([AtomicUsize; Share::COUNT]);

/// What the receipts of one slot take of the registry's budget; given back with the slot's receipts.
#[derive(Debug, Default)]
pub(super) struct Room {
    budget: Arc<Budget>,
    taken: [usize; Share::COUNT],
}

impl Room {
    /// Nothing of that budget.
    pub(super) fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), taken: Default::default() }
    }

    /// What it is a part of.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(super) fn take(&mut self, share: Share, bytes: usize) {
        if let (Some(own), Some(all)) = (self.taken.get_mut(share as usize), self.budget.0.get(share as usize)) {
            *own = own.saturating_add(bytes);
            all.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn free(&mut self, share: Share, bytes: usize) {
        if let (Some(own), Some(all)) = (self.taken.get_mut(share as usize), self.budget.0.get(share as usize)) {
            // Never more than was taken: the others' count is the same number.
            let bytes = bytes.min(*own);
            *own -= bytes;
            all.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Whether all slots together have used up a share.
    pub(super) fn is_full(&self, share: Share) -> bool {
        self.budget.0.get(share as usize).is_some_and(|taken| taken.load(Ordering::Relaxed) >= share.bytes_max())
    }

    /// What the slot takes.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.iter().sum()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for (own, all) in self.taken.iter().zip(&self.budget.0) {
            all.fetch_sub(*own, Ordering::Relaxed);
        }
    }
}
