//! What a slot knows of its past, where every side of a partition serves: so that nothing that a losing side wrote is dropped unseen.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::hash::Seeded;
use super::owed::Owed;
use super::{Clock, Shelf};
use crate::id::Position;
use crate::policy::lineage::{Kinship, Lineage};
use crate::policy::receipts::Saved;
use crate::policy::replica::Stamp;
use crate::resource::Resource;

/// Of how many instances a slot knows which record changed them last, those that are gone included. Beyond it, it begins anew: then more
/// instances than need be are compared when a partition ends.
const WRITTEN_MAX: usize = 1 << 16;

/// How many contents a slot keeps that wait for the slot's owner to take them in. A partition leaves one behind; another is made only if the
/// node is given content anew and loses it again before the first has been taken.
const ASIDES_MAX: usize = 4;

/// Of how many contents that were taken in a slot knows so: several replicas of the side that lost may offer the same.
const TAKEN_IN_MAX: usize = 8;

/// The past of one slot.
#[derive(Debug)]
pub(super) struct Past<R: Resource> {
    lineage: Lineage,
    /// Which record changed an instance last.
    written: HashMap<R::Key, Position, Seeded>,
    /// Nothing is known of changes up to this record.
    since: Position,
    /// Contents of other sides that were taken in, so that nobody's offer of them is taken in twice.
    taken_in: VecDeque<Lineage>,
    asides: Vec<Arc<Aside<R>>>,
    /// The backups that do not have all receipts that were taken in.
    pub(super) owed: Vec<Owed>,
}

/// A content that another stream has taken the place of, until that stream's owner has looked at it.
#[derive(Debug)]
pub(in crate::exec) struct Aside<R: Resource> {
    /// Tells it from others of the slot.
    pub(in crate::exec) stamp: Stamp,
    /// Where it comes from.
    pub(in crate::exec) lineage: Vec<Stamp>,
    /// The instances, and those that are known to be gone, each with the record up to which it may have changed.
    pub(in crate::exec) instances: Vec<(R::Key, Option<Arc<R>>, Position)>,
    pub(in crate::exec) receipts: Vec<Saved>,
}

/// What a filling tells of the past of its content.
#[derive(Debug)]
pub(in crate::exec) struct Memory<K> {
    /// The epochs that it went through, each with its last record; also with what is still to come of it.
    pub(in crate::exec) ends: Vec<Stamp>,
    /// Nothing is known of changes up to this record.
    pub(in crate::exec) since: Position,
    /// Which record changed an instance last.
    pub(in crate::exec) written: Vec<(K, Position)>,
}

impl<K> Default for Memory<K> {
    fn default() -> Self {
        Self { ends: Vec::new(), since: Position::default(), written: Vec::new() }
    }
}

impl<R: Resource> Past<R> {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self {
            lineage: Lineage::default(),
            written: HashMap::with_hasher(hasher),
            since: Position::default(),
            taken_in: VecDeque::new(),
            asides: Vec::new(),
            owed: Vec::new(),
        }
    }

    /// The content reaches this far now.
    pub(super) fn reach(&mut self, stamp: Stamp) {
        self.lineage.reach(stamp);
    }

    /// A record has changed an instance.
    pub(super) fn wrote(&mut self, key: &R::Key, position: Position) {
        if self.written.len() >= WRITTEN_MAX && !self.written.contains_key(key) {
            let last = self.written.drain().map(|(_, position)| position).max();
            self.since = last.unwrap_or(position).max(position);
        }
        match self.written.get_mut(key) {
            Some(last) => *last = position,
            None => _ = self.written.insert(key.clone(), position),
        }
    }

    /// Other content has come, which reaches this far.
    pub(super) fn replace(&mut self, stamp: Stamp, told: Memory<R::Key>) {
        // Of one that tells nothing, nothing is known.
        self.since = if told.ends.is_empty() { stamp.1 } else { told.since };
        self.lineage = Lineage::of(told.ends.into_iter().chain([stamp]));
        self.written.clear();
        told.written.into_iter().for_each(|(key, position)| self.wrote(&key, position));
        self.taken_in.clear();
        self.owed.clear();
    }

    /// What is known, for whoever takes the content over.
    pub(super) fn tell(&self) -> Memory<R::Key> {
        let written = self.written.iter().map(|(key, position)| (key.clone(), *position)).collect();
        Memory { ends: self.lineage.ends_to_come().collect(), since: self.since, written }
    }

    /// Whether a record after that one may have changed an instance.
    fn has_changed(&self, key: &R::Key, after: Position) -> bool {
        self.written.get(key).copied().unwrap_or(self.since) > after
    }
}

impl<R: Resource> Shelf<R> {
    /// The content reaches this far now.
    pub(super) fn restamp(&mut self, stamp: Stamp) {
        self.replica.restamp(stamp);
        if let Some(past) = &mut self.past {
            past.reach(stamp);
        }
    }

    /// Another epoch begins on what was taken over, of which the content has so much yet.
    pub(super) fn begin_epoch(&mut self, base: Stamp, stamp: Stamp) {
        self.replica.restamp(stamp);
        if let Some(past) = &mut self.past {
            past.lineage.begin(base, stamp);
        }
    }

    /// Keeps what is here for the owner of what takes its place, unless that is known to go on from it: whoever led it may be gone. What
    /// there is no room for is handed out.
    pub(super) fn set_aside(
        &mut self,
        coming: impl IntoIterator<Item = Stamp>,
        clock: &dyn Clock,
    ) -> Option<Arc<Aside<R>>> {
        let past = self.past.as_mut()?;
        let lineage: Vec<_> = past.lineage.ends().collect();
        if Lineage::of(coming).kinship(&lineage) == Kinship::Contained {
            return None;
        }
        let last_written = |key: &R::Key| past.written.get(key).copied().unwrap_or(past.since);
        let there = self.lanes.iter().filter_map(|(key, lane)| Some((key, lane.state.clone()?)));
        let mut instances: Vec<_> = there.map(|(key, state)| (key.clone(), Some(state), last_written(key))).collect();
        let is_gone = |key: &R::Key| self.lanes.get(key).is_none_or(|lane| lane.state.is_none());
        let gone = past.written.iter().filter(|(key, _)| is_gone(key));
        instances.extend(gone.map(|(key, position)| (key.clone(), None, *position)));
        let receipts = self.receipts.save(clock.now());
        let aside = Aside { stamp: self.replica.stamp(), lineage, instances, receipts };
        if aside.instances.is_empty() && aside.receipts.is_empty() {
            return None;
        }
        past.asides.push(Arc::new(aside));
        (past.asides.len() > ASIDES_MAX).then(|| past.asides.remove(0))
    }

    /// What waits for the slot's owner.
    pub(in crate::exec) fn asides(&self) -> &[Arc<Aside<R>>] {
        self.past.as_ref().map_or(&[], |past| &past.asides)
    }

    /// The slot's owner has looked at it. It is handed out, to be dropped.
    pub(in crate::exec) fn let_go_of(&mut self, stamp: Stamp) -> Option<Arc<Aside<R>>> {
        let asides = &mut self.past.as_mut()?.asides;
        let at = asides.iter().position(|aside| aside.stamp == stamp)?;
        Some(asides.remove(at))
    }

    /// How a content with this lineage is related to what is here; `None` where that does not matter, or the slot is not open here.
    pub(in crate::exec) fn kinship(&self, lineage: &[Stamp]) -> Option<Kinship> {
        let past = self.past.as_ref().filter(|_| !self.is_backup())?;
        let is_in = |taken: &Lineage| taken.kinship(lineage) == Kinship::Contained;
        Some(if past.taken_in.iter().any(is_in) { Kinship::Contained } else { past.lineage.kinship(lineage) })
    }

    /// A content with this lineage has been taken in. The backups have heard of its instances by records, and of its receipts not at all.
    pub(in crate::exec) fn took_in(&mut self, lineage: &[Stamp]) {
        if let Some(past) = &mut self.past {
            past.owed = self.flow.iter().flat_map(|flow| flow.backups()).cloned().map(Owed::new).collect();
            past.taken_in.push_back(Lineage::of(lineage.iter().copied()));
            while past.taken_in.len() > TAKEN_IN_MAX {
                past.taken_in.pop_front();
            }
        }
    }

    /// An instance, and whether it may have changed here since a record. `None` when the slot is not open here any more.
    pub(in crate::exec) fn instance_since(&self, key: &R::Key, since: Position) -> Option<(Option<Arc<R>>, bool)> {
        let past = self.past.as_ref().filter(|_| !self.is_backup())?;
        let state = self.lanes.get(key).and_then(|lane| lane.state.clone());
        Some((state, past.has_changed(key, since)))
    }

    /// Gives up everything that waits for the slot's owner.
    pub(in crate::exec) fn forsake(&mut self) -> Vec<Arc<Aside<R>>> {
        self.past.as_mut().map(|past| std::mem::take(&mut past.asides)).unwrap_or_default()
    }

    /// Takes in receipts of another content of the slot; whether it is open here still.
    pub(in crate::exec) fn restore(&mut self, receipts: Vec<Saved>, clock: &dyn Clock) -> bool {
        if self.is_backup() {
            return false;
        }
        receipts.into_iter().for_each(|saved| self.receipts.restore(saved, clock.now()));
        true
    }
}
