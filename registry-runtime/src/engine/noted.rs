//! The sets that openings have named, and that may have become active since.

use super::set::Set;
use crate::id::{Epoch, Process};
use crate::message::Noted;

/// Noted sets without repetition. Of the epochs that named one set the lowest and the highest are kept: the lowest says
/// which openers must ask it, the highest until when it may still become active. So an opener that tries again and again
/// with one set takes one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotedSets(Vec<Noted<Set>>);

impl NotedSets {
    /// Notes that an opening with this epoch named this set; `false` when that would be more than `limit` sets.
    pub(crate) fn add(&mut self, epoch: Epoch, set: &Set, limit: usize) -> bool {
        self.merge(&Noted { set: set.clone(), first: epoch, last: epoch }, limit)
    }

    /// Takes in what another has noted; `false` when that would be more than `limit` sets.
    pub(crate) fn merge(&mut self, other: &Noted<Set>, limit: usize) -> bool {
        if let Some(noted) = self.0.iter_mut().find(|noted| noted.set == other.set) {
            noted.first = noted.first.min(other.first);
            noted.last = noted.last.max(other.last);
            return true;
        }
        let fits = self.0.len() < limit;
        if fits {
            self.0.push(other.clone());
        }
        fits
    }

    /// Drops what an opening with this epoch has made void by becoming active.
    pub(crate) fn forget_until(&mut self, active: Epoch) {
        self.0.retain(|noted| noted.last > active);
        for noted in &mut self.0 {
            // The attempts up to `active` are void. Which of the later ones came first is not kept, so the lowest epoch
            // possible stands for it: asking a set too many is safe, asking one too few is not.
            noted.first = noted.first.max(Epoch::new(active.get().saturating_add(1)));
        }
    }

    /// Drops what `opener` has tried above `active`, the last set that it knows to be active, before it tries again. Had
    /// any of that become active, it would know: an opening becomes active in its opener's hands, and an opener has one
    /// at a time. So only openers that died in the attempt leave sets behind.
    pub(crate) fn forget_attempts(&mut self, opener: &Process, active: Option<Epoch>) {
        self.0.retain(|noted| noted.set.owner() != opener || Some(noted.first) <= active);
    }

    /// What was named below `epoch`: whom an opener with that epoch must ask.
    pub(crate) fn below(&self, epoch: Epoch) -> impl Iterator<Item = &Noted<Set>> {
        self.0.iter().filter(move |noted| noted.first < epoch)
    }
}
