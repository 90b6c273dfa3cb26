//! Everything that one node keeps of one registry.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::attempt::Asked;
use super::codec;
use super::contain::{contain, discard};
use super::door::Door;
use super::erased::{self, Erased};
use super::guests::Guests;
use super::hash::Seeded;
use super::marks::Marks;
use super::outcome::Refused;
use super::record::{Body, lend};
use super::reply::Unfit;
use super::shelf::{
    Aside, Change, Claim, Effect, Gone, Outcomes, Receipt, Sealing, Settled, Settling, Shelf, Stand, Swept,
};
use super::sweeper::Sweeper;
use super::{Clock, Lease, Load};
use crate::codec::{Raw, encode, with_scratch};
use crate::id::{Epoch, Mark, Process, Slot};
use crate::policy::ration::Ration;
use crate::policy::receipts::Told;
use crate::policy::replica::Stamp;
use crate::resource::{Commands, Definition, Origin, OwnCommand, Resource, own_commands};
use crate::rules::{Rule, Rules};
use crate::spec::Reads;
use crate::telemetry;

/// For how long commands that run may go on when their slot is sealed: long enough for most to end, short against the
/// default deadline of the calls that wait for the next owner.
pub(crate) const SEAL_GRACE: Duration = Duration::from_secs(1);

/// Room for what a record has beside key, state and reply: some twenty numbers, most of which are short. A receipt with a name takes about as
/// much; what takes more is written all the same.
const BODY_HEAD_BYTES: usize = 128;

/// Everything that one node keeps of one registry.
///
/// `open`, `seal` and `close` are the node's; [`call`](Self::call) runs a command for a caller in this
/// process; [`AnyHost`](super::AnyHost) is the same without the resource's type.
pub(crate) struct Host<R: Resource> {
    pub(super) definition: &'static Definition<R>,
    /// By command number.
    pub(super) commands: Vec<Option<Box<dyn Erased<R>>>>,
    pub(super) own_commands: Vec<OwnCommand>,
    pub(super) setting: Setting,
    pub(super) door: Arc<Door>,
    pub(super) guests: Arc<Guests>,
    shelves: Box<[Aligned<R>]>,
    pub(super) marks: Marks,
    sweeper: Sweeper,
    /// How many commands have taken in what other sides of partitions wrote.
    pub(super) salvaged: AtomicU64,
    /// How often a command left what could not be kept.
    unkept: Mutex<Ration<()>>,
    /// How often commands have panicked.
    pub(super) panics: Mutex<Ration<&'static str>>,
}

/// The place of one slot. It begins with a line of memory (64 bytes on what we run on), as its fields are ordered for.
#[repr(align(64))]
struct Aligned<R: Resource>(Mutex<Shelf<R>>);

impl<R: Resource> Aligned<R> {
    fn lock<'a>(&'a self, sweeper: &'a Sweeper) -> Locked<'a, R> {
        // Only a key's `Hash`, `Eq` or `Clone` could panic in there, and the map is whole even then.
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { shelf, fallen: Fallen { gone: None, sweeper } }
    }

    fn try_lock<'a>(&'a self, sweeper: &'a Sweeper) -> Option<Locked<'a, R>> {
        let shelf = match self.0.try_lock() {
            Ok(shelf) => shelf,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Locked { shelf, fallen: Fallen { gone: None, sweeper } })
    }
}

/// What is kept of a slot, while nobody else looks at it. What it has let go of is handed on when the lock is open again, since to drop it
/// runs a user's `Drop`.
pub(super) struct Locked<'a, R: Resource> {
    // In this order: fields are dropped as they are written down.
    shelf: MutexGuard<'a, Shelf<R>>,
    fallen: Fallen<'a, R>,
}

/// What a slot has let go of, on its way to who drops it.
struct Fallen<'a, R: Resource> {
    gone: Option<Box<Gone<R>>>,
    sweeper: &'a Sweeper,
}

impl<R: Resource> Drop for Fallen<'_, R> {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            gone.sweep_out(self.sweeper);
        }
    }
}

impl<R: Resource> Deref for Locked<'_, R> {
    type Target = Shelf<R>;

    fn deref(&self) -> &Shelf<R> {
        &self.shelf
    }
}

impl<R: Resource> DerefMut for Locked<'_, R> {
    fn deref_mut(&mut self) -> &mut Shelf<R> {
        &mut self.shelf
    }
}

impl<R: Resource> Drop for Locked<'_, R> {
    fn drop(&mut self) {
        self.fallen.gone = self.shelf.gone();
    }
}

/// What a host needs of its node.
#[derive(Clone)]
pub(crate) struct Setting {
    /// What commands may ask about their surroundings.
    pub(crate) origin: Arc<Origin>,
    /// What leases are measured with.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where commands that wait are driven, whoever polls the caller.
    pub(crate) runtime: Runtime,
    /// Told once for each seal when the slot has nothing left that may commit. It is called on any thread, the caller's
    /// included, so it must neither block nor call the host.
    pub(crate) drained: Arc<dyn Fn(Slot, Epoch) + Send + Sync>,
    /// Drawn at random, and told to nobody; see [`Seeded`].
    pub(crate) secret: u64,
    /// The session of this node's callers.
    pub(crate) session: u64,
    /// The most bytes that an encoded reply may have.
    pub(crate) reply_bytes_max: usize,
    /// All of them, outside of tests.
    pub(crate) rules: Rules,
}

impl Setting {
    /// Drives a command that waits. Boxed, so that what makes a task of a future is compiled once and not for every command of an
    /// application, where it would be a fifth of all code.
    pub(super) fn spawn(&self, command: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(self.runtime.spawn(command));
    }
}

impl<R: Commands> Host<R> {
    /// All slots closed and empty.
    pub(crate) fn new(definition: &'static Definition<R>, setting: Setting) -> Arc<Self> {
        let (hasher, budget) = (Seeded(setting.secret), Arc::default());
        Arc::new(Self {
            definition,
            commands: erased::list(),
            own_commands: own_commands::<R>(),
            door: Arc::new(Door::new(&definition.spec)),
            guests: Arc::default(),
            shelves: (0..definition.spec.slots())
                .map(|_| Aligned(Mutex::new(Shelf::new(hasher, setting.rules, &budget, &definition.spec))))
                .collect(),
            marks: Marks::default(),
            sweeper: Sweeper::new(setting.runtime.clone()),
            setting,
            salvaged: AtomicU64::new(0),
            unkept: Mutex::default(),
            panics: Mutex::default(),
        })
    }
}

impl<R: Resource> Host<R> {
    /// The slot that a key belongs to.
    pub(crate) fn slot_of(&self, key: &R::Key) -> Slot {
        self.definition.slot_of(key)
    }

    /// Opens a slot on the instances that are here; `false` when there is no such slot or `epoch` is not above all before. Opening an
    /// open or sealed slot goes without a pause: what runs may commit, in the new epoch.
    pub(crate) fn open(&self, slot: Slot, epoch: Epoch, lease: Lease) -> bool {
        let opened = self.shelf(slot).and_then(|mut shelf| shelf.open(slot, epoch, lease, self.clock()));
        opened.map(|outcomes| self.finish(slot, outcomes)).is_some()
    }

    /// Closes a slot: running commands are cancelled, and nothing that was begun commits. Instances stay in memory until they are
    /// cleared or filled anew.
    pub(crate) fn close(&self, slot: Slot) {
        let closed = self.shelf(slot).map(|mut shelf| shelf.close());
        closed.into_iter().for_each(|outcomes| self.finish(slot, outcomes));
    }

    /// Closes all slots, stops what runs beside them, and gives up what waits for the slots' owners: the node stops.
    pub(crate) fn stop(&self) {
        self.guests.close();
        for slot in (0..self.definition.spec.slots()).map(Slot::new) {
            self.close(slot);
            for aside in self.shelf(slot).map(|mut shelf| shelf.forsake()).unwrap_or_default() {
                // A subscriber that panics keeps nobody from stopping.
                let _ = contain(|| self.tell_forsaken(slot, &aside));
                self.drop_aside(aside);
            }
        }
    }

    /// Gives up all instances, of a node that has stopped: clients may outlive it.
    pub(crate) fn empty(&self) {
        for slot in (0..self.definition.spec.slots()).map(Slot::new) {
            let swept = self.shelf(slot).map(|mut shelf| shelf.empty());
            self.sweep_out(slot, swept);
        }
    }

    /// Gives up the instances of a closed slot.
    pub(crate) fn clear(&self, slot: Slot) {
        let swept = self.shelf(slot).and_then(|mut shelf| shelf.clear(self.clock()));
        self.sweep_out(slot, swept);
    }

    /// Has what was left of a partition dropped, unless somebody else is looking at it, who then has.
    pub(super) fn drop_aside(&self, aside: Arc<Aside<R>>) {
        if let Some(aside) = Arc::into_inner(aside) {
            self.sweeper.sweep(aside.instances);
        }
    }

    /// Has what was swept out of a slot dropped, and says what nobody will take in any more.
    pub(super) fn sweep_out(&self, slot: Slot, swept: Option<Swept<R>>) {
        if let Some(forsaken) = swept.as_ref().and_then(|swept| swept.forsaken.as_ref()) {
            self.tell_forsaken(slot, forsaken);
        }
        swept.into_iter().for_each(|swept| swept.sweep_out(&self.sweeper));
    }

    /// Seals an open slot that `to` is to own next: starts nothing new, gives what runs, and the last records on their way there, [`SEAL_GRACE`],
    /// cancels the rest, then tells `drained`, perhaps before this returns. `false` when the slot is not open; then `drained` is not told, and neither is it when the
    /// slot is closed or opened again before.
    pub(crate) fn seal(self: &Arc<Self>, slot: Slot, to: &Process) -> bool {
        let Some(sealing) = self.shelf(slot).map(|mut shelf| shelf.seal(to)) else { return false };
        match sealing {
            Sealing::NotOpen => return false,
            Sealing::Drained(epoch) => (self.setting.drained)(slot, epoch),
            Sealing::Draining(seal) => {
                let host: Weak<Self> = Arc::downgrade(self);
                self.setting.runtime.spawn(async move {
                    tokio::time::sleep(SEAL_GRACE).await;
                    if let Some(host) = host.upgrade() {
                        host.end_seal(slot, seal);
                    }
                });
            }
        }
        true
    }

    pub(super) fn end_seal(&self, slot: Slot, seal: u64) {
        let ended = self.shelf(slot).and_then(|mut shelf| shelf.end_seal(seal));
        ended.into_iter().for_each(|outcomes| self.finish(slot, outcomes));
    }

    /// Tells those who wait, and drops what was replaced; no lock is held here.
    pub(super) fn finish(&self, slot: Slot, mut outcomes: Outcomes<R>) {
        outcomes.tell();
        let drained = outcomes.drained;
        discard(outcomes);
        if let Some(epoch) = drained {
            (self.setting.drained)(slot, epoch);
        }
    }

    /// Puts another lease in the place of a slot's present one.
    #[cfg(test)]
    pub(crate) fn set_lease(&self, slot: Slot, lease: Lease) {
        if let Some(mut shelf) = self.shelf(slot) {
            shelf.set_lease(lease);
        }
    }

    /// How many receipts of calls are here.
    #[cfg(test)]
    pub(crate) fn receipts(&self) -> usize {
        (0..self.definition.spec.slots()).filter_map(|slot| Some(self.shelf(Slot::new(slot))?.receipts())).sum()
    }

    /// How many instances of a slot are here.
    #[cfg(test)]
    pub(crate) fn len(&self, slot: Slot) -> usize {
        self.shelf(slot).map_or(0, |shelf| shelf.len())
    }

    /// A record up to which this node may have shown a slot to anybody; `None` where the owner alone answers reads.
    pub(crate) fn shown(&self, slot: Slot) -> Option<Stamp> {
        match self.definition.spec.reads {
            Reads::Owner => None,
            Reads::Replicas => self.shelf(slot)?.shown(),
        }
    }

    /// Lets go of receipts that nobody can ask for any more, in all slots that nobody is at: the next look finds the others.
    pub(crate) fn forget_due(&self) {
        let now = self.clock().now();
        for shelf in &self.shelves {
            if let Some(mut shelf) = shelf.try_lock(&self.sweeper) {
                shelf.forget_due(now);
            }
        }
    }

    /// Lets go of receipts that lie below marks, in so many slots from that one on. The next slot, if there is one.
    pub(super) fn pass_some(&self, from: usize, count: usize, marks: &BTreeMap<u64, Mark>) -> Option<usize> {
        let next = from.saturating_add(count);
        for shelf in self.shelves.iter().skip(from).take(count) {
            shelf.lock(&self.sweeper).pass(marks);
        }
        (next < self.shelves.len()).then_some(next)
    }

    /// What is to be remembered of a command that ends now, if anything.
    pub(super) fn receipt(&self, asked: &Asked, told: Option<Told>) -> Option<Receipt> {
        let window = self.definition.spec.idempotency_window;
        told.zip(asked.left()).map(|(told, left)| Receipt { ask: asked.ask, told, left, window })
    }

    /// How busy the registry is on this node.
    pub(crate) fn load(&self) -> Load {
        self.door.load()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.setting.clock
    }

    /// Locks what is kept of a slot; `None` when there is no such slot, or somebody is at it, perhaps for as long as it takes to go through all
    /// that is in it.
    pub(super) fn shelf_if_free(&self, slot: Slot) -> Option<Locked<'_, R>> {
        self.shelves.get(slot.index())?.try_lock(&self.sweeper)
    }

    /// Locks what is kept of a slot; `None` when there is no such slot.
    pub(super) fn shelf(&self, slot: Slot) -> Option<Locked<'_, R>> {
        Some(self.shelves.get(slot.index())?.lock(&self.sweeper))
    }

    /// Commits and lets go: see [`Shelf::settle`].
    pub(super) fn settle(
        &self,
        slot: Slot,
        key: &R::Key,
        claim: Claim,
        stand: Stand,
        change: Change<R>,
        receipt: Option<Receipt>,
    ) -> Settled {
        let settle =
            |effect| self.shelf(slot).map(|mut shelf| shelf.settle(slot, key, claim, stand, effect, self.clock()));
        let effect = Effect { change, receipt, body: None };
        // With replicas every change is written down, also while there is no other node, so that nothing comes to be that a replica could not
        // take; without, only while the slot moves. Not while it is locked.
        let is_written = self.definition.spec.replicas > 1 && !matches!(effect.change, Change::Keep);
        let settling = if is_written { Some(Settling::Unwritten(effect)) } else { settle(effect) };
        let (settled, unfit) = match settling {
            Some(Settling::Unwritten(Effect { change, receipt, .. })) => {
                match self.write(key, &change, receipt.as_ref()) {
                    Ok(body) => (settle(Effect { change, receipt, body: Some(body) }), None),
                    Err(unfit) => {
                        discard(change);
                        (settle(Effect::none()), Some(unfit))
                    }
                }
            }
            settled => (settled, None),
        };
        let Some(Settling::Done(settled, outcomes)) = settled else { return Settled::Now(Err(Refused::Lost)) };
        self.finish(slot, outcomes);
        unfit.map_or(settled, |unfit| Settled::Now(Err(self.unkept(slot, unfit))))
    }

    /// What the caller hears of a change that cannot be written down, of which nothing comes. Without replicas that is only for as long as the
    /// slot moves; otherwise it is a mistake in a type, so it is worth a line wherever the caller is.
    fn unkept(&self, slot: Slot, unfit: Refused) -> Refused {
        if self.definition.spec.replicas <= 1 {
            return Refused::Moved { started: true };
        }
        let line = self.unkept.lock().unwrap_or_else(PoisonError::into_inner).count(&(), self.clock().now());
        if let Some(line) = line {
            telemetry::unkept(&self.setting.origin.node, self.definition.spec.name, slot, &unfit, line);
        }
        unfit
    }

    /// Writes down what a command did, for the backups.
    fn write(&self, key: &R::Key, change: &Change<R>, receipt: Option<&Receipt>) -> Result<Vec<u8>, Refused> {
        let told_bytes = receipt.map_or(0, |receipt| receipt.told.bytes());
        let receipt =
            receipt.filter(|_| self.setting.rules.keeps(Rule::ReceiptTravels)).map(|receipt| receipt.with(lend));
        let write = |scratch: &mut Vec<u8>| {
            codec::encode_key::<R>(key, scratch)?;
            let key_bytes = scratch.len();
            if let Change::Put(state) = change {
                codec::encode_state(key, &**state, scratch)?;
            }
            let content_bytes = scratch.len().saturating_add(told_bytes);
            let (key, state) = scratch.split_at_checked(key_bytes).unwrap_or_default();
            let state = matches!(change, Change::Put(_)).then_some(Raw(state));
            let body = Body { key: Raw(key), state, receipt };
            let mut written = Vec::with_capacity(content_bytes.saturating_add(BODY_HEAD_BYTES));
            encode(&body, &mut written).map_err(|fault| Unfit::Fails { detail: fault.to_string() })?;
            Ok(written)
        };
        let written = contain(|| with_scratch(write));
        written.map_or(Err(Refused::Panicked), |written| written.map_err(Unfit::outcome))
    }
}

impl<R: Resource> Debug for Host<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.definition.spec.name).finish_non_exhaustive()
    }
}
