//! What two sides of a partition wrote of one slot becomes one again: the side that lost it offers, the owner takes in.
//!
//! The owner's own state stays unless only the other side has changed an instance. Where both have, the resource's `merge` decides; without
//! one the owner's stays, and what is given up is said.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::contain::contain;
use super::copies::written;
use super::handle::Started;
use super::host::Host;
use super::outcome::Outcome;
use super::record::{PART_BYTES, keep, lend};
use super::shelf::Aside;
use super::work::fresh;
use super::{Attempt, codec};
use crate::codec::{self as bytes, Raw, is_same};
use crate::id::{CommandId, Epoch, Mark, Position, Process, Slot};
use crate::policy::lineage::Kinship;
use crate::policy::receipts::{Ask, Saved};
use crate::policy::replica::Stamp;
use crate::resource::{Command, ErrorCodec, KeyText, Resource, Run};
use crate::telemetry;

/// How long the owner tries to take in one instance: as long as a call's default deadline.
const INSTANCE_TIME: Duration = Duration::from_secs(5);

/// How often the owner looks at an instance anew that others keep changing, or for which there is no room: each time costs a command, and
/// all of them end within [`INSTANCE_TIME`].
const TRIES_MAX: u32 = 100;

/// Tells the session of an owner that takes in from that of its callers.
const SESSION: u64 = 0x5a1f_a6e5_0f57_0a15;

/// Some of what another side has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remainder {
    /// What comes after it: instances first, then receipts, as they are counted.
    pub(crate) next: u32,
    /// Whether nothing does.
    pub(crate) last: bool,
    /// Instances and receipts.
    pub(crate) body: Vec<u8>,
}

/// What became of the instances in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvage {
    /// Only the other side had changed them: theirs stand here now.
    pub(crate) taken: usize,
    /// Both had, and they were merged.
    pub(crate) merged: usize,
    /// Both had, and what the other side had was given up.
    pub(crate) given_up: usize,
}

impl Salvage {
    fn count(&mut self, fate: Fate) {
        let counted = match fate {
            Fate::Same => return,
            Fate::Taken => &mut self.taken,
            Fate::Merged => &mut self.merged,
            Fate::GivenUp => &mut self.given_up,
        };
        *counted = counted.saturating_add(1);
    }

    /// Counts another part.
    pub(crate) fn add(&mut self, other: Self) {
        self.taken = self.taken.saturating_add(other.taken);
        self.merged = self.merged.saturating_add(other.merged);
        self.given_up = self.given_up.saturating_add(other.given_up);
    }
}

/// Why nothing more is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stranded {
    /// The slot is not this node's any more, or has no room: whoever offers will offer again.
    NotNow,
    /// It cannot be read.
    Unreadable(String),
}

/// What a slot's owner and those that lost the slot want of one another when a partition is over. Where only one side serves there is
/// nothing of the kind.
pub(crate) trait Remains {
    /// What this node has written and another stream has taken the place of: with where it comes from.
    fn remains(&self) -> Vec<(Slot, Stamp, Vec<Stamp>)>;

    /// Some of it that has changed since a record, from the nth thing on. `None` when it is gone.
    fn remainder(&self, slot: Slot, stamp: Stamp, since: Position, from: u32) -> Option<Result<Remainder, String>>;

    /// The owner has taken it in, or has it already.
    fn let_go_of(&self, slot: Slot, stamp: Stamp);

    /// As the owner: how a content that comes from there is related to the slot's. `None` when the slot is not open here.
    fn kinship(&self, slot: Slot, lineage: &[Stamp]) -> Option<Kinship>;

    /// As the owner: takes in what has changed elsewhere since a record.
    fn salvage(&self, slot: Slot, since: Position, body: Vec<u8>) -> Salvaging;

    /// As the owner: a content that comes from there has been taken in.
    fn took_in(&self, slot: Slot, lineage: &[Stamp]);

    /// As the owner: the backups that are to be filled for receipts that were taken in, each with the epoch of its slot's stream. The same
    /// ones again, until that is on its way and they say that they have it.
    fn owed(&self) -> Vec<(Slot, Epoch, Process)>;

    /// As the owner: a backup has the filling with this number whole.
    fn hear_filled(&self, slot: Slot, epoch: Epoch, from: &Process, number: u64);
}

/// The taking in of a part.
pub(crate) type Salvaging = Pin<Box<dyn Future<Output = Result<Salvage, Stranded>> + Send>>;

/// One thing in a part.
#[derive(Serialize, Deserialize)]
enum Item<'a> {
    Instance {
        #[serde(borrow)]
        key: Raw<'a>,
        /// `None` when it is gone.
        #[serde(borrow)]
        state: Option<Raw<'a>>,
    },
    Saved(#[serde(borrow)] Saved<Raw<'a>>),
}

impl<R: Resource> Remains for Arc<Host<R>> {
    fn remains(&self) -> Vec<(Slot, Stamp, Vec<Stamp>)> {
        let slots = (0..self.definition.spec.slots()).map(Slot::new);
        let of = |slot: Slot| -> Vec<_> {
            // Somebody may be going through all that is in it; the next look finds it.
            let shelf = self.shelf_if_free(slot);
            let asides = shelf.iter().flat_map(|shelf| shelf.asides());
            asides.map(|aside| (slot, aside.stamp, aside.lineage.clone())).collect()
        };
        slots.flat_map(of).collect()
    }

    fn remainder(&self, slot: Slot, stamp: Stamp, since: Position, from: u32) -> Option<Result<Remainder, String>> {
        let aside = self.shelf(slot)?.asides().iter().find(|aside| aside.stamp == stamp).cloned()?;
        let written = contain(|| self.write_remainder(slot, &aside, since, from));
        self.drop_aside(aside);
        Some(written.unwrap_or_else(|| Err("encoding panicked".into())))
    }

    fn let_go_of(&self, slot: Slot, stamp: Stamp) {
        let gone = self.shelf(slot).and_then(|mut shelf| shelf.let_go_of(stamp));
        gone.into_iter().for_each(|aside| self.drop_aside(aside));
    }

    fn kinship(&self, slot: Slot, lineage: &[Stamp]) -> Option<Kinship> {
        self.shelf(slot)?.kinship(lineage)
    }

    fn salvage(&self, slot: Slot, since: Position, body: Vec<u8>) -> Salvaging {
        let host = Arc::clone(self);
        Box::pin(async move {
            let (instances, receipts) = contain(|| read::<R>(&body))
                .unwrap_or_else(|| Err("decoding panicked".into()))
                .map_err(Stranded::Unreadable)?;
            drop(body);
            let mut salvage = Salvage::default();
            for (key, theirs) in instances {
                let fate = host.take_in(slot, since, &key, theirs).await?;
                salvage.count(fate);
                if matches!(fate, Fate::GivenUp) {
                    host.tell_given_up(slot, &key);
                }
            }
            let restored = host.shelf(slot).is_some_and(|mut shelf| shelf.restore(receipts, host.clock()));
            if restored { Ok(salvage) } else { Err(Stranded::NotNow) }
        })
    }

    fn took_in(&self, slot: Slot, lineage: &[Stamp]) {
        if let Some(mut shelf) = self.shelf(slot) {
            shelf.took_in(lineage);
        }
    }

    fn owed(&self) -> Vec<(Slot, Epoch, Process)> {
        let slots = (0..self.definition.spec.slots()).map(Slot::new);
        let of = |slot: Slot| {
            let owed = self.shelf_if_free(slot).map(|shelf| shelf.owed()).unwrap_or_default();
            owed.into_iter().map(move |(epoch, backup)| (slot, epoch, backup))
        };
        slots.flat_map(of).collect()
    }

    fn hear_filled(&self, slot: Slot, epoch: Epoch, from: &Process, number: u64) {
        if let Some(mut shelf) = self.shelf(slot) {
            shelf.hear_filled(epoch, from, number);
        }
    }
}

/// The instances and receipts of a part.
type Read<R> = (Vec<(<R as Resource>::Key, Option<Arc<R>>)>, Vec<Saved>);

fn read<R: Resource>(body: &[u8]) -> Result<Read<R>, String> {
    let (mut instances, mut receipts) = (Vec::new(), Vec::new());
    for item in bytes::decode::<Vec<Item<'_>>>(body).map_err(|fault| fault.to_string())? {
        match item {
            Item::Instance { key: Raw(key), state } => {
                let key: R::Key = codec::decode(key)?;
                let state = state.map(|Raw(state)| codec::decode_state::<R>(&key, state)).transpose()?;
                instances.push((key, state));
            }
            Item::Saved(saved) => receipts.push(saved.with(keep)),
        }
    }
    Ok((instances, receipts))
}

/// What became of one instance.
#[derive(Clone, Copy)]
enum Fate {
    Same,
    Taken,
    Merged,
    GivenUp,
}

/// What is to be done with one instance.
enum Verdict<R> {
    /// Nothing.
    Stands(Fate),
    /// Theirs is merged into whatever is here by then.
    Merge(Arc<R>),
    /// Theirs takes the place of what was looked at.
    Replace(Arc<R>, Arc<R>),
    /// Theirs is made.
    Make(Arc<R>),
    /// What was looked at is gone.
    End(Arc<R>),
}

/// Judges what is here, and whether it has changed since the sides were one, beside what the other side has. Runs users' code.
fn judge<R: Resource>(key: &R::Key, mine: Option<Arc<R>>, changed: bool, theirs: Option<Arc<R>>) -> Verdict<R> {
    match (mine, theirs) {
        (None, None) => Verdict::Stands(Fate::Same),
        (Some(mine), Some(theirs)) if is_same(&*mine, &*theirs) => Verdict::Stands(Fate::Same),
        (Some(mine), Some(theirs)) if !changed => Verdict::Replace(mine, theirs),
        (Some(mine), None) if !changed => Verdict::End(mine),
        (None, Some(theirs)) if !changed => Verdict::Make(theirs),
        (mine, theirs) => {
            // An absent instance of an `on_demand` resource is a fresh one.
            let is_there = mine.is_some() || R::FRESH.is_some();
            let theirs = theirs.or_else(|| R::FRESH.map(|_| Arc::new(fresh(key))));
            match theirs.filter(|_| is_there && R::MERGE.is_some()) {
                Some(theirs) => Verdict::Merge(theirs),
                None => Verdict::Stands(Fate::GivenUp),
            }
        }
    }
}

const fn command<R: Resource, A>(run: Run<R, A, (), ()>) -> Command<R, A, (), ()> {
    Command { name: "merge", number: u16::MAX, idempotent: false, error: ErrorCodec::travelling(), written: "", run }
}

impl<R: Resource> Host<R> {
    // The commands that carry verdicts out. Each is rejected when the instance is not what was judged any more.

    const MERGE: &'static Command<R, (Arc<R>,), (), ()> = &command(Run::Update(|mine, (theirs,), _| {
        let merge = R::MERGE.ok_or(())?;
        merge(mine, R::clone(&theirs));
        Ok(())
    }));

    const REPLACE: &'static Command<R, (Arc<R>, Arc<R>), (), ()> =
        &command(Run::Update(|mine, (judged, theirs), _| {
            *mine = is_same(mine, &*judged).then(|| R::clone(&theirs)).ok_or(())?;
            Ok(())
        }));

    const MAKE: &'static Command<R, (Arc<R>,), (), ()> =
        &command(Run::Create(|_, (theirs,), _| Ok(R::clone(&theirs)), |_| ()));

    const END: &'static Command<R, (Arc<R>,), (), ()> =
        &command(Run::Destroy(|mine, (judged,), _| is_same(&mine, &*judged).then_some(()).ok_or(())));

    /// Makes one instance what it is to be, theirs considered.
    async fn take_in(
        self: &Arc<Self>,
        slot: Slot,
        since: Position,
        key: &R::Key,
        theirs: Option<Arc<R>>,
    ) -> Result<Fate, Stranded> {
        let ends = Instant::now() + INSTANCE_TIME;
        for _ in 0..TRIES_MAX {
            let looked = self.shelf(slot).and_then(|shelf| shelf.instance_since(key, since));
            let (mine, changed) = looked.ok_or(Stranded::NotNow)?;
            let judged = contain(|| judge::<R>(key, mine, changed, theirs.clone()));
            let (outcome, fate) = match judged.unwrap_or(Verdict::Stands(Fate::GivenUp)) {
                Verdict::Stands(fate) => return Ok(fate),
                Verdict::Merge(theirs) => (self.run(slot, key, ends, Self::MERGE, (theirs,)).await, Fate::Merged),
                Verdict::Replace(mine, theirs) => {
                    (self.run(slot, key, ends, Self::REPLACE, (mine, theirs)).await, Fate::Taken)
                }
                Verdict::Make(theirs) => (self.run(slot, key, ends, Self::MAKE, (theirs,)).await, Fate::Taken),
                Verdict::End(mine) => (self.run(slot, key, ends, Self::END, (mine,)).await, Fate::Taken),
            };
            match outcome {
                Outcome::Done(()) => return Ok(fate),
                // It has changed since it was looked at.
                Outcome::Rejected(()) | Outcome::NotFound | Outcome::AlreadyExists => {}
                Outcome::Overloaded { retry_after } => sleep(retry_after).await,
                Outcome::Panicked | Outcome::BadReply { .. } | Outcome::TooLarge { .. } => return Ok(Fate::GivenUp),
                _ => return Err(Stranded::NotNow),
            }
        }
        Err(Stranded::NotNow)
    }

    /// Encodes things from the nth on until the part is large enough. An instance that has no encoding is given up.
    fn write_remainder(&self, slot: Slot, aside: &Aside<R>, since: Position, from: u32) -> Result<Remainder, String> {
        let changed: Vec<_> = aside.instances.iter().filter(|(.., position)| *position > since).collect();
        let things = changed.len().saturating_add(aside.receipts.len());
        let mut next = usize::try_from(from).unwrap_or(usize::MAX).min(things);
        let (mut items, mut count) = (Vec::new(), 0_u64);
        while items.len() < PART_BYTES && next < things {
            let put =
                |items: &mut Vec<u8>, item: Item<'_>| bytes::encode(&item, items).map_err(|fault| fault.to_string());
            if let Some((key, state, _)) = changed.get(next) {
                let state = state.as_ref().map(|state| written(|into| codec::encode_state(key, &**state, into)));
                if let (Ok(key), Ok(state)) = (written(|into| codec::encode_key::<R>(key, into)), state.transpose()) {
                    put(&mut items, Item::Instance { key: Raw(&key), state: state.as_deref().map(Raw) })?;
                    count = count.saturating_add(1);
                } else {
                    self.tell_given_up(slot, key);
                }
            } else if let Some(saved) = aside.receipts.get(next.saturating_sub(changed.len())) {
                put(&mut items, Item::Saved(saved.with(lend)))?;
                count = count.saturating_add(1);
            }
            next = next.saturating_add(1);
        }
        let mut body = bytes::encoded(&count).map_err(|fault| fault.to_string())?;
        body.append(&mut items);
        Ok(Remainder { next: u32::try_from(next).unwrap_or(u32::MAX), last: next >= things, body })
    }

    fn tell_given_up(&self, slot: Slot, key: &R::Key) {
        let key = contain(|| key.key_text()).unwrap_or_default();
        telemetry::given_up(&self.setting.origin.node, self.definition.spec.name, slot, &key);
    }

    pub(super) fn tell_forsaken(&self, slot: Slot, aside: &Aside<R>) {
        let (registry, instances) = (self.definition.spec.name, aside.instances.len());
        telemetry::forsaken(&self.setting.origin.node, registry, slot, instances);
    }

    /// Runs a command on an instance as any caller's, in the present epoch.
    async fn run<A: Send + 'static>(
        self: &Arc<Self>,
        slot: Slot,
        key: &R::Key,
        deadline: Instant,
        command: &'static Command<R, A, (), ()>,
        args: A,
    ) -> Outcome<(), ()> {
        let Some(epoch) = self.shelf(slot).map(|shelf| shelf.epoch()) else { return Outcome::Lost };
        // A session of its own, apart from that of this node's callers; nobody asks for its receipts.
        let sequence = self.salvaged.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let id = CommandId { session: self.setting.session ^ SESSION, sequence };
        let ask = Ask { id, mark: Mark::new(sequence), name: None, content: None };
        let attempt = Attempt {
            slot,
            epoch,
            seen: None,
            key: Some(key.clone()),
            ask,
            keeps_receipt: false,
            attempt: 1,
            only_asks: false,
            caller: &self.setting.origin.node,
            begun: Instant::now(),
            deadline,
            descent: None,
            bytes: 0,
        };
        match self.call(command, attempt, args, &mut |_, _| ()) {
            Started::Ready(outcome) => outcome,
            Started::Later(handle) => handle.await,
        }
    }
}
