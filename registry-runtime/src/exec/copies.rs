//! The copies of a registry's slots on this node, for whoever carries records and fillings between nodes.

use std::sync::Arc;

use super::contain::{contain, discard};
use super::host::Host;
use super::record::{Body, Filling, Item, Line, PART_BYTES, Portion, keep, lend};
use super::reply::Unfit;
use super::shelf::{Cut, Filled, Memory, Outcomes, Part, Standing};
use super::{Lease, codec};
use crate::codec as bytes;
use crate::codec::Raw;
use crate::id::{Epoch, LinkId, Position, Process, Slot};
use crate::policy::receipts::Saved;
use crate::policy::replica::Stamp;
use crate::policy::stream::Heard;
use crate::resource::Resource;

/// The copies of one registry on one node. The engine decides, these obey.
///
/// Where a slot does not exist, nothing is held, adopted or taken.
pub(crate) trait Copies {
    /// From now on takes nothing below `epoch`. Says how far the copy reaches; with what is under way, for an owner that opens the slot
    /// again itself (`own`), which sends nothing more until it begins.
    fn fence(&self, slot: Slot, epoch: Epoch, own: bool) -> Stamp;

    /// As the opener: takes what is here as the opening's base, and begins the stream towards the backups. `false` when something else is
    /// here.
    fn begin_stream(&self, slot: Slot, epoch: Epoch, base: Stamp, lines: Vec<Arc<dyn Line>>) -> bool;

    /// As a member: counts the copy as that of the opening, whose owner was heard lately while `heard` holds, if it is what the opening
    /// takes over.
    fn adopt(&self, slot: Slot, epoch: Epoch, base: Stamp, heard: Lease) -> Standing;

    /// As a member: takes the owner's record.
    fn take(&self, slot: Slot, epoch: Epoch, position: Position, body: &[u8]) -> Result<Standing, String>;

    /// As a member: the owner says how far its stream is acknowledged.
    fn hear_acknowledged(&self, slot: Slot, epoch: Epoch, position: Position);

    /// As a member: where the copy stands in this epoch. `None` where this node does not follow its opening.
    fn reaches(&self, slot: Slot, epoch: Epoch) -> Option<Standing>;

    /// A filling begins: for a member that follows the opening, or for the opener (`own`).
    fn begin_filling(&self, slot: Slot, from: &Process, filling: Filling, own: bool);

    /// As a member or the opener: takes the next part of a filling from who has begun it.
    fn fill(
        &self,
        slot: Slot,
        from: &Process,
        filling: Filling,
        part: u32,
        last: bool,
        body: &[u8],
    ) -> Result<Filled, String>;

    /// As the owner: a backup says how far it reaches.
    fn hear(&self, slot: Slot, epoch: Epoch, from: &Process, reaches: Position) -> Heard;

    /// As the owner: a backup says how far it reaches in what the opening took over, of which it lacks the rest.
    fn hear_trails(&self, slot: Slot, epoch: Epoch, from: &Process, reaches: Position) -> Heard;

    /// As the owner: a backup says that it has missed something. Whether it is one.
    fn hear_lack(&self, slot: Slot, epoch: Epoch, from: &Process) -> bool;

    /// As the owner: more of a filling is on its way to a backup. Whether that still is one, of this epoch.
    fn carries(&self, slot: Slot, epoch: Epoch, to: &Process) -> bool;

    /// As the owner: asks the backups that are sent nothing how far they reach; with a process, only that one, which has a new connection.
    /// Whoever waits for a record for too long is told that nobody knows. Without a process that is one of many looks, which passes over slots
    /// that somebody is at.
    fn ask(&self, process: Option<&Process>);

    /// As the owner: the content for a backup, which hears from now on of all that changes.
    /// `None` when it is no backup of this epoch, or is not reached over this connection, the only one that the content may go over.
    fn content_for(&self, slot: Slot, epoch: Epoch, to: &Process, over: LinkId) -> Option<Box<dyn Content>>;

    /// As who has promised: the content for the opener. `None` when it is not promised to this epoch, or another content is here.
    fn content(&self, slot: Slot, epoch: Epoch, stamp: Stamp) -> Option<Box<dyn Content>>;
}

/// What is in a slot at one moment, part by part.
pub(crate) trait Content: Send {
    /// What it fills.
    fn filling(&self) -> Filling;

    /// The next part. `Err` when something in it has no encoding; `None` after the last.
    fn next(&mut self) -> Option<Result<Portion, String>>;
}

impl<R: Resource> Copies for Arc<Host<R>> {
    fn fence(&self, slot: Slot, epoch: Epoch, own: bool) -> Stamp {
        self.shelf(slot).map(|mut shelf| shelf.fence(epoch, own)).unwrap_or_default()
    }

    fn begin_stream(&self, slot: Slot, epoch: Epoch, base: Stamp, lines: Vec<Arc<dyn Line>>) -> bool {
        self.shelf(slot).is_some_and(|mut shelf| shelf.begin(epoch, base, lines))
    }

    fn adopt(&self, slot: Slot, epoch: Epoch, base: Stamp, heard: Lease) -> Standing {
        self.shelf(slot).map_or(Standing::Lacks, |mut shelf| shelf.adopt(epoch, base, heard))
    }

    fn take(&self, slot: Slot, epoch: Epoch, position: Position, body: &[u8]) -> Result<Standing, String> {
        let read = || -> Result<_, String> {
            let body: Body<'_> = bytes::decode(body).map_err(|fault| fault.to_string())?;
            let key: R::Key = codec::decode(body.key.0)?;
            let state = body.state.map(|Raw(state)| codec::decode_state::<R>(&key, state)).transpose()?;
            Ok((key, state, body.receipt.map(|receipt| receipt.with(keep))))
        };
        let (key, state, receipt) = contain(read).unwrap_or_else(|| Err("decoding panicked".into()))?;
        let mut outcomes = Outcomes::none();
        let taken = self
            .shelf(slot)
            .map(|mut shelf| shelf.take_record((epoch, position), key, state, receipt, self.clock(), &mut outcomes));
        discard(outcomes);
        Ok(taken.unwrap_or(Standing::Lacks))
    }

    fn hear_acknowledged(&self, slot: Slot, epoch: Epoch, position: Position) {
        if let Some(mut shelf) = self.shelf(slot) {
            shelf.hear_acknowledged(epoch, position);
        }
    }

    fn reaches(&self, slot: Slot, epoch: Epoch) -> Option<Standing> {
        self.shelf(slot)?.reaches(epoch)
    }

    fn begin_filling(&self, slot: Slot, from: &Process, filling: Filling, own: bool) {
        if let Some(mut shelf) = self.shelf(slot) {
            shelf.begin_filling(filling, from, own);
        }
    }

    fn fill(
        &self,
        slot: Slot,
        from: &Process,
        filling: Filling,
        part: u32,
        last: bool,
        body: &[u8],
    ) -> Result<Filled, String> {
        let read = || -> Result<Part<R>, String> {
            let mut part = Part::default();
            for item in bytes::decode::<Vec<Item<'_>>>(body).map_err(|fault| fault.to_string())? {
                match item {
                    Item::Instance { key: Raw(key), state: Raw(state) } => {
                        let key: R::Key = codec::decode(key)?;
                        let state = codec::decode_state::<R>(&key, state)?;
                        part.instances.push((key, state));
                    }
                    Item::Saved(saved) => part.receipts.push(saved.with(keep)),
                    Item::Past { ends, since } => (part.past.ends, part.past.since) = (ends, since),
                    Item::Written { key: Raw(key), position } => {
                        part.past.written.push((codec::decode(key)?, position));
                    }
                }
            }
            Ok(part)
        };
        let brought = contain(read).unwrap_or_else(|| Err("decoding panicked".into()))?;
        let filled =
            self.shelf(slot).map(|mut shelf| shelf.take_part((filling, from), (part, last), brought, self.clock()));
        let Some((filled, swept)) = filled else { return Ok(Filled::Refused) };
        self.sweep_out(slot, swept);
        Ok(filled)
    }

    fn hear(&self, slot: Slot, epoch: Epoch, from: &Process, reaches: Position) -> Heard {
        let Some((heard, outcomes)) =
            self.shelf(slot).map(|mut shelf| shelf.hear(slot, epoch, from, reaches, self.clock()))
        else {
            return Heard::default();
        };
        self.finish(slot, outcomes);
        heard
    }

    fn hear_trails(&self, slot: Slot, epoch: Epoch, from: &Process, reaches: Position) -> Heard {
        self.shelf(slot).map(|mut shelf| shelf.hear_trails(slot, epoch, from, reaches)).unwrap_or_default()
    }

    fn hear_lack(&self, slot: Slot, epoch: Epoch, from: &Process) -> bool {
        self.shelf(slot).is_some_and(|mut shelf| shelf.hear_lack(epoch, from))
    }

    fn carries(&self, slot: Slot, epoch: Epoch, to: &Process) -> bool {
        self.shelf(slot).is_some_and(|mut shelf| shelf.carries(epoch, to))
    }

    fn ask(&self, process: Option<&Process>) {
        for slot in (0..self.definition.spec.slots()).map(Slot::new) {
            let shelf = if process.is_some() { self.shelf(slot) } else { self.shelf_if_free(slot) };
            let asked = shelf.map(|mut shelf| shelf.ask(slot, process));
            asked.into_iter().for_each(|outcomes| self.finish(slot, outcomes));
        }
    }

    fn content_for(&self, slot: Slot, epoch: Epoch, to: &Process, over: LinkId) -> Option<Box<dyn Content>> {
        let cut = self.shelf(slot)?.cut_for(slot, epoch, (to, over), self.clock())?;
        Some(Box::new(Parts::of(cut)))
    }

    fn content(&self, slot: Slot, epoch: Epoch, stamp: Stamp) -> Option<Box<dyn Content>> {
        let cut = self.shelf(slot)?.hand_out(epoch, stamp, self.clock())?;
        Some(Box::new(Parts::of(cut)))
    }
}

/// Lets a key or an instance be encoded into bytes of its own.
pub(super) fn written(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), Unfit>) -> Result<Vec<u8>, String> {
    let mut written = Vec::new();
    encode(&mut written).map_err(|unfit| format!("an instance cannot be encoded: {unfit:?}"))?;
    Ok(written)
}

/// A cut that is being encoded.
pub(super) struct Parts<R: Resource> {
    filling: Filling,
    instances: std::vec::IntoIter<(R::Key, Arc<R>)>,
    receipts: std::vec::IntoIter<Saved>,
    past: Option<(Vec<Stamp>, Position)>,
    written: std::vec::IntoIter<(R::Key, Position)>,
    part: u32,
    ended: bool,
}

impl<R: Resource> Parts<R> {
    pub(super) fn of(cut: Cut<R>) -> Self {
        let Cut { filling, instances, receipts, past } = cut;
        let (past, written) =
            past.map_or((None, Vec::new()), |Memory { ends, since, written }| (Some((ends, since)), written));
        let (instances, receipts, written) = (instances.into_iter(), receipts.into_iter(), written.into_iter());
        Self { filling, instances, receipts, past, written, part: 0, ended: false }
    }

    /// Encodes items until the part is large enough. A sequence is its length and then its items, so the items are written first.
    fn write(&mut self) -> Result<Vec<u8>, String> {
        let (mut items, mut count) = (Vec::new(), 0_u64);
        let put = |items: &mut Vec<u8>, item: Item<'_>| bytes::encode(&item, items).map_err(|fault| fault.to_string());
        while items.len() < PART_BYTES
            && let Some((key, state)) = self.instances.next()
        {
            let key_bytes = written(|into| codec::encode_key::<R>(&key, into))?;
            let state_bytes = written(|into| codec::encode_state(&key, &*state, into))?;
            put(&mut items, Item::Instance { key: Raw(&key_bytes), state: Raw(&state_bytes) })?;
            count = count.saturating_add(1);
        }
        while items.len() < PART_BYTES
            && let Some(saved) = self.receipts.next()
        {
            put(&mut items, Item::Saved(saved.with(lend)))?;
            count = count.saturating_add(1);
        }
        if let Some((ends, since)) = self.past.take() {
            put(&mut items, Item::Past { ends, since })?;
            count = count.saturating_add(1);
        }
        while items.len() < PART_BYTES
            && let Some((key, position)) = self.written.next()
        {
            let key = written(|into| codec::encode_key::<R>(&key, into))?;
            put(&mut items, Item::Written { key: Raw(&key), position })?;
            count = count.saturating_add(1);
        }
        let mut body = bytes::encoded(&count).map_err(|fault| fault.to_string())?;
        body.append(&mut items);
        Ok(body)
    }

    /// Whether all has been encoded.
    fn is_empty(&self) -> bool {
        self.instances.as_slice().is_empty()
            && self.receipts.as_slice().is_empty()
            && self.written.as_slice().is_empty()
    }
}

/// What is left of a cut may be the last of its instances, and a user's `Drop` may panic.
impl<R: Resource> Drop for Parts<R> {
    fn drop(&mut self) {
        discard((std::mem::take(&mut self.instances), std::mem::take(&mut self.written)));
    }
}

impl<R: Resource> Content for Parts<R> {
    fn filling(&self) -> Filling {
        self.filling
    }

    fn next(&mut self) -> Option<Result<Portion, String>> {
        if self.ended {
            return None;
        }
        let written = contain(|| self.write()).unwrap_or_else(|| Err("encoding panicked".into()));
        self.part = self.part.saturating_add(1);
        self.ended = written.is_err() || self.is_empty();
        Some(written.map(|body| Portion { part: self.part, last: self.ended, body }))
    }
}
