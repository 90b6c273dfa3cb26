//! What two sides of a partition wrote of one slot becomes one again: the side that lost it offers, the owner takes in.
//!
//! The owner's own state stays unless only the other side has changed an instance. Where both have, the resource's `merge` decides; without
//! one the owner's stays, and what is given up is said.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::copies::read_state;
use super::handle::Started;
use super::host::Host;
use super::outcome::Outcome;
use super::record::{PART_BYTES, STATE_BYTES_MAX, keep, lend};
use super::shelf::Aside;
use super::work::{contain, discard, fresh};
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

/// How often the owner looks at an instance anew that others keep changing, and how long it waits where there is no room.
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

    /// As the owner: the epoch of the slot's stream.
    fn leads(&self, slot: Slot) -> Option<Epoch>;

    /// As the owner: the backups of the slot, which know nothing of receipts that were taken in.
    fn backups(&self, slot: Slot) -> Vec<Process>;
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
        let of = |slot: Slot| {
            let asides = self.shelf(slot).map(|shelf| shelf.asides().to_vec()).unwrap_or_default();
            asides.into_iter().map(move |aside| (slot, aside.stamp, aside.lineage.clone()))
        };
        slots.flat_map(of).collect()
    }

    fn remainder(&self, slot: Slot, stamp: Stamp, since: Position, from: u32) -> Option<Result<Remainder, String>> {
        let aside = self.shelf(slot)?.asides().iter().find(|aside| aside.stamp == stamp).cloned()?;
        Some(contain(|| write(&aside, since, from)).unwrap_or_else(|| Err("encoding panicked".into())))
    }

    fn let_go_of(&self, slot: Slot, stamp: Stamp) {
        let gone = self.shelf(slot).and_then(|mut shelf| shelf.let_go_of(stamp));
        discard(gone);
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
                match host.take_in(slot, since, &key, theirs).await? {
                    Fate::Same => {}
                    Fate::Taken => salvage.add(Salvage { taken: 1, ..Salvage::default() }),
                    Fate::Merged => salvage.add(Salvage { merged: 1, ..Salvage::default() }),
                    Fate::GivenUp => {
                        salvage.add(Salvage { given_up: 1, ..Salvage::default() });
                        let (node, registry) = (&host.setting.origin.node, host.definition.spec.name);
                        let key = contain(|| key.key_text()).unwrap_or_default();
                        telemetry::given_up(node, registry, slot, &key);
                    }
                }
            }
            let restored = host.shelf(slot).is_some_and(|mut shelf| shelf.restore(receipts, host.clock()));
            if restored { Ok(salvage) } else { Err(Stranded::NotNow) }
        })
    }

    fn leads(&self, slot: Slot) -> Option<Epoch> {
        self.shelf(slot)?.leads()
    }

    fn backups(&self, slot: Slot) -> Vec<Process> {
        self.shelf(slot).map(|shelf| shelf.backups()).unwrap_or_default()
    }
}

/// Encodes things from the nth on until the part is large enough.
fn write<R: Resource>(aside: &Aside<R>, since: Position, from: u32) -> Result<Remainder, String> {
    let changed: Vec<_> = aside.instances.iter().filter(|(.., position)| *position > since).collect();
    let things = changed.len().saturating_add(aside.receipts.len());
    let mut next = usize::try_from(from).unwrap_or(usize::MAX).min(things);
    let first = next;
    let mut items = Vec::new();
    while items.len() < PART_BYTES && next < things {
        let put = |items: &mut Vec<u8>, item: Item<'_>| bytes::encode(&item, items).map_err(|fault| fault.to_string());
        if let Some((key, state, _)) = changed.get(next) {
            let (mut key_bytes, mut state_bytes) = (Vec::new(), Vec::new());
            let unfit = |unfit| format!("an instance cannot be encoded: {unfit:?}");
            codec::encode(key, &mut key_bytes, STATE_BYTES_MAX).map_err(unfit)?;
            if let Some(state) = state {
                codec::encode(&**state, &mut state_bytes, STATE_BYTES_MAX).map_err(unfit)?;
            }
            let state = state.is_some().then_some(Raw(&state_bytes));
            put(&mut items, Item::Instance { key: Raw(&key_bytes), state })?;
        } else if let Some(saved) = aside.receipts.get(next.saturating_sub(changed.len())) {
            put(&mut items, Item::Saved(saved.with(lend)))?;
        }
        next = next.saturating_add(1);
    }
    let mut body = bytes::encoded(&next.saturating_sub(first)).map_err(|fault| fault.to_string())?;
    body.append(&mut items);
    Ok(Remainder { next: u32::try_from(next).unwrap_or(u32::MAX), last: next >= things, body })
}

/// The instances and receipts of a part.
type Read<R> = (Vec<(<R as Resource>::Key, Option<Arc<R>>)>, Vec<Saved>);

fn read<R: Resource>(body: &[u8]) -> Result<Read<R>, String> {
    let (mut instances, mut receipts) = (Vec::new(), Vec::new());
    for item in bytes::decode::<Vec<Item<'_>>>(body).map_err(|fault| fault.to_string())? {
        match item {
            Item::Instance { key: Raw(key), state } => {
                let key: R::Key = codec::decode(key)?;
                let state = state.map(|Raw(state)| read_state::<R>(&key, state)).transpose()?;
                instances.push((key, state));
            }
            Item::Saved(saved) => receipts.push(saved.with(keep)),
        }
    }
    Ok((instances, receipts))
}

/// What became of one instance.
enum Fate {
    Same,
    Taken,
    Merged,
    GivenUp,
}

/// The commands by which the owner takes in. Each looks whether the instance still is what was judged.
struct TakeIn<R>(Infallible, R);

impl<R: Resource> TakeIn<R> {
    const MERGE: &'static Command<R, (Arc<R>,), (), ()> = &command(Run::Update(|mine, (theirs,), _| {
        let merge = R::MERGE.ok_or(())?;
        merge(mine, R::clone(&theirs));
        Ok(())
    }));

    const REPLACE: &'static Command<R, (Arc<R>, Arc<R>), (), ()> =
        &command(Run::Update(|mine, (expected, theirs), _| {
            *mine = is_same(mine, &*expected).then(|| R::clone(&theirs)).ok_or(())?;
            Ok(())
        }));

    const MAKE: &'static Command<R, (Arc<R>,), (), ()> =
        &command(Run::Create(|_, (theirs,), _| Ok(R::clone(&theirs)), |_| ()));

    const END: &'static Command<R, (Arc<R>,), (), ()> =
        &command(Run::Destroy(|mine, (expected,), _| is_same(&mine, &*expected).then_some(()).ok_or(())));
}

const fn command<R: Resource, A>(run: Run<R, A, (), ()>) -> Command<R, A, (), ()> {
    Command { name: "merge", number: u16::MAX, idempotent: false, error: ErrorCodec::travelling(), written: "", run }
}

impl<R: Resource> Host<R> {
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
            let same = contain(|| match (&mine, &theirs) {
                (Some(mine), Some(theirs)) => is_same(&**mine, &**theirs),
                (mine, theirs) => mine.is_none() && theirs.is_none(),
            });
            let merges = changed && R::MERGE.is_some() && (mine.is_some() || R::FRESH.is_some());
            let merged_in = || theirs.clone().or_else(|| contain(|| R::FRESH.map(|_| Arc::new(fresh(key)))).flatten());
            let outcome = match (mine, &theirs) {
                _ if same != Some(false) => return Ok(if same.is_some() { Fate::Same } else { Fate::GivenUp }),
                _ if merges => match merged_in() {
                    Some(theirs) => self.run_for_all(slot, key, ends, TakeIn::<R>::MERGE, (theirs,)).await,
                    None => return Ok(Fate::GivenUp),
                },
                _ if changed => return Ok(Fate::GivenUp),
                (Some(mine), Some(theirs)) => {
                    self.run_for_all(slot, key, ends, TakeIn::<R>::REPLACE, (mine, theirs.clone())).await
                }
                (None, Some(theirs)) => self.run_for_all(slot, key, ends, TakeIn::<R>::MAKE, (theirs.clone(),)).await,
                (Some(mine), None) => self.run_for_all(slot, key, ends, TakeIn::<R>::END, (mine,)).await,
                (None, None) => return Ok(Fate::Same),
            };
            match outcome {
                Outcome::Done(()) => return Ok(if changed { Fate::Merged } else { Fate::Taken }),
                // It has changed since it was looked at.
                Outcome::Rejected(()) | Outcome::NotFound | Outcome::AlreadyExists => {}
                Outcome::Overloaded { retry_after } => sleep(retry_after).await,
                Outcome::Panicked | Outcome::BadReply { .. } | Outcome::TooLarge { .. } => return Ok(Fate::GivenUp),
                _ => return Err(Stranded::NotNow),
            }
        }
        Err(Stranded::NotNow)
    }

    /// Runs a command on an instance as any caller's, in the present epoch.
    async fn run_for_all<A: Send + 'static>(
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
        let id = CommandId { session: self.setting.seed ^ SESSION, sequence };
        let ask = Ask { id, mark: Mark::new(sequence), name: None, content: None };
        let attempt = Attempt {
            slot,
            epoch,
            seen: None,
            key: Some(key.clone()),
            ask,
            may_repeat: false,
            attempt: 1,
            caller: &self.setting.origin.node,
            begun: Instant::now(),
            deadline,
        };
        match self.call(command, attempt, args, &mut |_, _| ()) {
            Started::Ready(outcome) => outcome,
            Started::Later(handle) => handle.await,
        }
    }
}
