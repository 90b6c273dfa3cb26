//! Brings what sides of a partition wrote of one slot together, where every side serves.
//!
//! Who has lost a slot offers what it wrote, again and again, until the slot's owner has it. The owner asks for it part by part, so that
//! neither side holds more than a part, and takes in one offer for each slot at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::line::with_frame;
use super::offers::Offers;
use crate::codec::{self, Raw};
use crate::exec::{AnyHost, Remainder, Salvage, Stranded};
use crate::id::{Epoch, NodeId, Position, Slot};
use crate::policy::lineage::{EPOCHS_MAX, Kinship};
use crate::policy::replica::Stamp;
use crate::telemetry;
use crate::transport::{Channel, Link};
use crate::wire::record::RecordWord;

/// How long the next part may take before another offer is heard: one of 256 KiB at 1 Mbit/s takes two seconds.
const PART_TIME: Duration = Duration::from_secs(10);

/// How long the taking in of a part may take before another offer is heard: thousands of instances, some of which others hold up.
const TAKING_TIME: Duration = Duration::from_secs(600);

/// The offers that this node is taking in.
#[derive(Clone)]
pub(super) struct Salvages {
    runtime: Handle,
    taking: Arc<Mutex<Taking>>,
}

/// What was offered, and what of it is being taken in.
#[derive(Debug, Default)]
struct Taking {
    offers: Offers,
    /// By slot, so it is bounded by those.
    under_way: BTreeMap<(&'static str, Slot), UnderWay>,
    /// Counts the offers that were begun.
    begun: u64,
}

/// An offer that is being taken in.
#[derive(Debug)]
struct UnderWay {
    /// Tells it from others, of the same content too.
    number: u64,
    node: NodeId,
    stamp: Stamp,
    lineage: Vec<Stamp>,
    /// Up to this record the two were one.
    since: Position,
    /// The thing that comes next; `None` while a part is being taken in.
    next: Option<u32>,
    /// When it counts as given up.
    until: Instant,
    sum: Salvage,
}

impl UnderWay {
    /// Whether it is what that node offers of that content.
    fn is_of(&self, node: &NodeId, stamp: Stamp) -> bool {
        self.node == *node && self.stamp == stamp
    }
}

impl Salvages {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, taking: Arc::default() }
    }

    /// Offers what this node has written to those that own the slots now.
    pub(super) fn offer(
        &self,
        host: &Arc<dyn AnyHost>,
        own: &NodeId,
        owner: impl Fn(Slot) -> Option<NodeId>,
        say: impl Fn(&NodeId, Slot, Epoch, RecordWord<'_>),
    ) {
        for (slot, stamp, lineage) in host.remains() {
            match owner(slot) {
                Some(owner) if owner == *own => self.take_in_own(host, slot, stamp, lineage),
                Some(owner) => {
                    if let Ok(lineage) = codec::encoded(&lineage) {
                        say(&owner, slot, stamp.0, RecordWord::Remains { stamp, lineage: Raw(&lineage) });
                    }
                }
                None => {}
            }
        }
    }

    /// Somebody offers what it has written of a slot.
    pub(super) fn offered(
        &self,
        from: &Link,
        host: &Arc<dyn AnyHost>,
        slot: Slot,
        stamp: Stamp,
        lineage: Raw<'_>,
    ) -> Result<(), String> {
        let lineage: Vec<Stamp> = codec::decode(lineage.0).map_err(|fault| fault.to_string())?;
        if lineage.len() > EPOCHS_MAX {
            return Err("a lineage with too many epochs".to_owned());
        }
        match host.kinship(slot, &lineage) {
            Some(Kinship::Contained) => say(from, host, slot, RecordWord::Salvaged { stamp }),
            Some(Kinship::ForkedAt(since)) if self.begin(host, slot, &from.peer().node, stamp, lineage, since) => {
                say(from, host, slot, RecordWord::Salvage { stamp, since, from: 0 });
            }
            Some(Kinship::ForkedAt(_)) | None => {}
        }
        Ok(())
    }

    /// The owner asks for what this node has written.
    pub(super) fn asked(from: &Link, host: &Arc<dyn AnyHost>, slot: Slot, stamp: Stamp, since: Position, first: u32) {
        match host.remainder(slot, stamp, since, first) {
            None => {}
            Some(Err(fault)) => telemetry::unfillable(host.node(), host.spec().name, slot, &fault),
            Some(Ok(Remainder { next, last, body })) => {
                let body = Raw(&body);
                say(from, host, slot, RecordWord::Remainder { stamp, from: first, next, last, body });
            }
        }
    }

    /// Some of what was asked for has come.
    pub(super) fn came(
        &self,
        from: &Link,
        host: &Arc<dyn AnyHost>,
        slot: Slot,
        stamp: Stamp,
        first: u32,
        remainder: Remainder,
    ) {
        let place = (host.spec().name, slot);
        let Some((number, since)) = self.expect(place, &from.peer().node, stamp, first, host) else { return };
        let (this, link, host) = (self.clone(), from.clone(), Arc::clone(host));
        self.runtime.spawn(async move {
            match this.take_in(place, number, since, remainder, &host).await {
                Step::Next(next) => say(&link, &host, slot, RecordWord::Salvage { stamp, since, from: next }),
                Step::Done => say(&link, &host, slot, RecordWord::Salvaged { stamp }),
                Step::Stop => {}
            }
        });
    }

    /// Takes in what this node wrote itself, before another's content came in its place and the slot came back.
    fn take_in_own(&self, host: &Arc<dyn AnyHost>, slot: Slot, stamp: Stamp, lineage: Vec<Stamp>) {
        let since = match host.kinship(slot, &lineage) {
            None => return,
            Some(Kinship::Contained) => return host.let_go_of(slot, stamp),
            Some(Kinship::ForkedAt(since)) => since,
        };
        if !self.begin(host, slot, host.node(), stamp, lineage, since) {
            return;
        }
        let (this, host, place) = (self.clone(), Arc::clone(host), (host.spec().name, slot));
        self.runtime.spawn(async move {
            let mut first = 0;
            while let Some((number, since)) = this.expect(place, host.node(), stamp, first, &host)
                && let Some(Ok(remainder)) = host.remainder(slot, stamp, since, first)
            {
                match this.take_in(place, number, since, remainder, &host).await {
                    Step::Next(next) => first = next,
                    Step::Done => return host.let_go_of(slot, stamp),
                    Step::Stop => return,
                }
            }
            // It is gone, or a part of it has no encoding: others may offer theirs.
            let Taking { offers, under_way, .. } = &mut *this.lock();
            if under_way.get(&place).is_some_and(|entry| entry.is_of(host.node(), stamp)) {
                under_way.remove(&place);
                offers.failed(place, host.node().clone(), stamp);
            }
        });
    }

    /// Whether an offer is the one to be taken in now.
    fn begin(
        &self,
        host: &Arc<dyn AnyHost>,
        slot: Slot,
        node: &NodeId,
        stamp: Stamp,
        lineage: Vec<Stamp>,
        since: Position,
    ) -> bool {
        let Taking { offers, under_way, begun } = &mut *self.lock();
        let place = (host.spec().name, slot);
        let now = Instant::now();
        let is_busy = under_way.get(&place).is_some_and(|other| other.until > now);
        if let Some(given_up) = under_way.get(&place).filter(|_| !is_busy) {
            // Its next part did not come in time: it may have none.
            offers.failed(place, given_up.node.clone(), given_up.stamp);
            under_way.remove(&place);
        }
        if is_busy || !offers.hear(place, (node, stamp, &lineage), now) {
            return false;
        }
        *begun = begun.saturating_add(1);
        let number = *begun;
        let (node, sum, until) = (node.clone(), Salvage::default(), now + PART_TIME);
        under_way.insert(place, UnderWay { number, node, stamp, lineage, since, next: Some(0), until, sum });
        true
    }

    /// Whether a part is the one that was asked for, and the slot still is what it was asked for; it is being taken in from now on. Says
    /// of which offer it is, and up to where the two were one.
    fn expect(
        &self,
        place: (&'static str, Slot),
        node: &NodeId,
        stamp: Stamp,
        first: u32,
        host: &Arc<dyn AnyHost>,
    ) -> Option<(u64, Position)> {
        let under_way = &mut self.lock().under_way;
        let entry = under_way.get_mut(&place)?;
        if !entry.is_of(node, stamp) || entry.next != Some(first) {
            return None;
        }
        if host.kinship(place.1, &entry.lineage) != Some(Kinship::ForkedAt(entry.since)) {
            // The slot is elsewhere by now, or has come back from there.
            under_way.remove(&place);
            return None;
        }
        (entry.next, entry.until) = (None, Instant::now() + TAKING_TIME);
        Some((entry.number, entry.since))
    }

    /// Takes in a part of an offer. One that took so long that another offer is heard by now is counted for nobody: it is offered again.
    async fn take_in(
        &self,
        place: (&'static str, Slot),
        number: u64,
        since: Position,
        remainder: Remainder,
        host: &Arc<dyn AnyHost>,
    ) -> Step {
        let Remainder { next, last, body } = remainder;
        let taken = host.salvage(place.1, since, body).await;
        let Taking { offers, under_way, .. } = &mut *self.lock();
        let Some(entry) = under_way.get_mut(&place).filter(|entry| entry.number == number) else { return Step::Stop };
        match taken {
            Ok(taken) if !last => {
                entry.sum.add(taken);
                (entry.next, entry.until) = (Some(next), Instant::now() + PART_TIME);
                return Step::Next(next);
            }
            Ok(taken) => entry.sum.add(taken),
            Err(stranded) => {
                let came_to_nothing = under_way.remove(&place);
                if let (Stranded::Unreadable(fault), Some(entry)) = (stranded, came_to_nothing) {
                    offers.failed(place, entry.node, entry.stamp);
                    telemetry::unfillable(host.node(), place.0, place.1, &fault);
                }
                return Step::Stop;
            }
        }
        let Some(UnderWay { node, lineage, sum, .. }) = under_way.remove(&place) else { return Step::Stop };
        offers.done(place);
        host.took_in(place.1, &lineage);
        let Salvage { taken, merged, given_up } = sum;
        telemetry::salvaged(host.node(), &node, place.0, place.1, (taken, merged, given_up));
        Step::Done
    }

    fn lock(&self) -> MutexGuard<'_, Taking> {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes after a part.
enum Step {
    /// The one that begins with this thing.
    Next(u32),
    Done,
    Stop,
}

/// Says something to a peer. What is lost with the connection is said again with the next offer.
fn say(to: &Link, host: &Arc<dyn AnyHost>, slot: Slot, word: RecordWord<'_>) {
    with_frame(host.spec().name, slot, Epoch::ZERO, word, |frame| _ = to.send(Channel::Records, frame));
}
