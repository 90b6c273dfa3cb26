//! The records of an open slot that are under way to its backups.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::lane::Turn;
use super::outcome::Refused;
use super::pledge::Pledge;
use super::record::{Filling, Line};
use super::shelf::{Change, Receipt};
use super::trail::Trail;
use crate::id::{Epoch, LinkId, Position, Process, Slot};
use crate::policy::stream::{Heard, Stream};
use crate::resource::Resource;
use crate::spec::Reads;

/// The most records of one slot that may be under way. Each has a caller that waits, so this many at once on one slot means that backups
/// are far behind; what comes beside is refused.
pub(super) const PENDING_MAX: usize = 4096;

/// The bytes of records of one slot that may be under way, as their backups are sent them: four of the largest, or an eighth of a second of
/// a line of 1 Gbit/s. What runs when they are reached may still add to them.
pub(super) const PENDING_BYTES_MAX: usize = 16 << 20;

/// How many looks a record waits until its caller is told that nobody knows. With one look a second that is longer than most callers
/// wait; without it a slot whose backups say nothing would hold its callers' places on their connections for as long as it is stuck.
pub(super) const LOOKS_MAX: u8 = 10;

/// The stream of one opening, the ways to its backups, and what waits to be acknowledged.
#[derive(Debug)]
pub(super) struct Flow<R: Resource> {
    stream: Stream,
    lines: SmallVec<[Arc<dyn Line>; 2]>,
    /// In the order of their positions, which have no gap; the last one has the stream's last. Boxed, since a queue goes through all of its
    /// memory in turn, and what was given back last lies nearer.
    pending: VecDeque<Box<Pending<R>>>,
    /// The bytes of what is pending.
    bytes: usize,
    /// What was applied lately, while a backup has not stored the opening.
    trail: Trail,
    /// Another opening of this owner's is under way: nothing is sent or acknowledged until it begins.
    held: bool,
    fillings: u64,
    /// How far each backup was told that the stream is acknowledged, if at all; empty where nobody reads from backups.
    told: Vec<Option<Position>>,
}

/// A record that waits to be acknowledged.
#[derive(Debug)]
pub(super) struct Pending<R: Resource> {
    pub(super) key: R::Key,
    /// The lane that its command still holds.
    pub(super) turn: Option<Turn>,
    pub(super) change: Change<R>,
    pub(super) receipt: Option<Receipt>,
    pub(super) body: Vec<u8>,
    pub(super) pledge: Pledge,
    /// How many looks it has waited.
    pub(super) looks: u8,
}

/// What the caller is told of a record that is given up here, though a backup may have it: without a receipt, another attempt could have a
/// second effect, so there is none.
pub(super) fn given_up(receipt: Option<&Receipt>, refused: Refused) -> Refused {
    match receipt {
        Some(_) => refused,
        None => Refused::Cancelled { started: true },
    }
}

impl<R: Resource> Flow<R> {
    /// Begins to send to the backups of an opening. What was pending before goes on.
    pub(super) fn begin(stream: Stream, lines: Vec<Arc<dyn Line>>, former: Option<Self>, reads: Reads) -> Self {
        let told = if reads == Reads::Replicas { vec![None; lines.len()] } else { Vec::new() };
        let (pending, bytes, trail, fillings) =
            former.map(|former| (former.pending, former.bytes, former.trail, former.fillings)).unwrap_or_default();
        let lines = lines.into_iter().collect();
        let mut this = Self { stream, lines, pending, bytes, trail, held: false, fillings, told };
        this.stream.count();
        this
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.stream.epoch()
    }

    /// The last record that there is.
    pub(super) fn last(&self) -> Position {
        self.stream.last()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether nothing waits, and nothing is on its way to who is to have the slot next.
    pub(super) fn is_over_for(&self, heir: Option<&Process>) -> bool {
        let is_on_the_way = || heir.and_then(|heir| self.find(heir)).is_some_and(|at| self.stream.is_on_the_way_to(at));
        self.is_empty() && !is_on_the_way()
    }

    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= PENDING_MAX || self.bytes >= PENDING_BYTES_MAX
    }

    /// Whether records have to be written at all.
    pub(super) fn has_backups(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Who follows the stream.
    pub(super) fn backups(&self) -> impl Iterator<Item = &Process> {
        self.lines.iter().map(|line| line.process())
    }

    /// Sends and acknowledges nothing any more until the next opening begins.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Sends a record.
    pub(super) fn propose(&mut self, slot: Slot, record: Box<Pending<R>>) {
        let position = self.stream.propose();
        for (at, line) in self.lines.iter().enumerate() {
            let sends = !self.held && self.stream.flows(at);
            if sends && !line.record(slot, self.stream.epoch(), position, &record.body) {
                self.stream.interrupt(at);
            }
        }
        self.bytes = self.bytes.saturating_add(record.body.len());
        self.pending.push_back(record);
        self.stream.count();
    }

    /// Counts a record that was applied at once, for there are no backups.
    pub(super) fn count_alone(&mut self) {
        self.stream.propose();
        self.stream.count();
    }

    /// Takes the next record that is acknowledged, if there is one after `applied`.
    pub(super) fn next_acknowledged(&mut self, applied: Position) -> Option<(Position, Box<Pending<R>>)> {
        let next = applied.next();
        if self.held || next > self.stream.acknowledged() {
            return None;
        }
        let mut record = self.pending.pop_front()?;
        self.bytes = self.bytes.saturating_sub(record.body.len());
        if !self.stream.is_stored_by_all() {
            self.trail.keep(std::mem::take(&mut record.body));
        }
        Some((next, record))
    }

    /// Tells backups what they may show, as far as they do not know.
    pub(super) fn tell_acknowledged(&mut self, slot: Slot, applied: Position) {
        for (at, (line, told)) in self.lines.iter().zip(&mut self.told).enumerate() {
            let is_news = !self.held && *told < Some(applied) && self.stream.flows(at);
            if is_news && line.acknowledged(slot, self.stream.epoch(), applied) {
                *told = Some(applied);
            }
        }
    }

    /// A backup says how far it reaches.
    pub(super) fn hear(&mut self, slot: Slot, from: &Process, applied: Position, reaches: Position) -> Heard {
        let Some(at) = self.find(from) else { return Heard::default() };
        let heard = self.stream.hear(at, self.trail.after(applied), reaches);
        self.resume(slot, at, applied, heard);
        if heard.stored && self.stream.is_stored_by_all() {
            self.trail.clear();
        }
        heard
    }

    /// A backup has what the opening took over up to here, and lacks the rest of it.
    pub(super) fn hear_trails(&mut self, slot: Slot, from: &Process, applied: Position, reaches: Position) -> Heard {
        let Some(at) = self.find(from) else { return Heard::default() };
        let heard = self.stream.hear_trails(at, self.trail.after(applied), reaches);
        self.resume(slot, at, applied, heard);
        heard
    }

    fn resume(&mut self, slot: Slot, at: usize, applied: Position, heard: Heard) {
        // Between an own promise and the new stream nothing is sent: a record that a backup took now would be newer than the promise.
        if let Some(after) = heard.resume_after.filter(|_| !self.held) {
            self.forget_told(at);
            self.send_after(slot, at, applied, after);
        }
    }

    /// A backup has missed something.
    pub(super) fn interrupt(&mut self, process: &Process) -> bool {
        let found = self.find(process);
        found.into_iter().for_each(|at| self.stream.interrupt(at));
        found.is_some()
    }

    /// More of a filling is on its way to a backup. Whether that is one and still takes it: one that is to say first how far it reaches has
    /// given up what it was sent.
    pub(super) fn carries(&mut self, to: &Process) -> bool {
        let found = self.find(to).filter(|at| self.stream.flows(*at));
        found.into_iter().for_each(|at| self.stream.carries(at));
        found.is_some()
    }

    /// Counts a look at what waits. Says whom to tell what, since nobody knows; their records go on waiting.
    pub(super) fn look(&mut self) -> impl Iterator<Item = (Pledge, Refused)> {
        // They are in the order in which they came, so those that have waited for long come first.
        self.pending.iter_mut().for_each(|record| record.looks = record.looks.saturating_add(1));
        self.pending
            .iter()
            .take_while(|record| record.looks >= LOOKS_MAX)
            .filter(|record| record.looks == LOOKS_MAX)
            .map(|record| (record.pledge.clone(), given_up(record.receipt.as_ref(), Refused::Lost)))
    }

    /// Begins to fill a backup with what is applied, and sends it what is pending. `None` when that cannot be done now.
    pub(super) fn fill(&mut self, slot: Slot, (to, over): (&Process, LinkId), applied: Position) -> Option<Filling> {
        let at = self.find(to).filter(|_| !self.held)?;
        self.fillings = self.fillings.saturating_add(1);
        let epoch = self.stream.epoch();
        let filling = Filling { epoch, number: self.fillings, stamp: (epoch, applied) };
        // A stream that flows over another connection goes on there.
        if !self.lines.get(at)?.begin(slot, filling, over) {
            return None;
        }
        self.stream.fill(at);
        self.forget_told(at);
        self.send_after(slot, at, applied, applied);
        Some(filling)
    }

    /// Asks the backups that are sent nothing how far they reach; with a process, only that one, which has a new connection.
    pub(super) fn ask(&mut self, slot: Slot, process: Option<&Process>) {
        if let Some(process) = process {
            self.interrupt(process);
        }
        for (at, line) in self.lines.iter().enumerate() {
            let is_meant = !self.held && process.is_none_or(|process| process == line.process());
            if is_meant && self.stream.look_after(at) {
                line.ask(slot, self.stream.epoch());
            }
        }
    }

    /// What waited, when the slot is lost.
    pub(super) fn into_pending(self) -> impl Iterator<Item = Pending<R>> {
        self.pending.into_iter().map(|record| *record)
    }

    fn send_after(&mut self, slot: Slot, at: usize, applied: Position, after: Position) {
        let Some(line) = self.lines.get(at) else { return };
        let mut position = self.trail.after(applied);
        for body in self.trail.bodies().chain(self.pending.iter().map(|record| record.body.as_slice())) {
            position = position.next();
            if position > after && !line.record(slot, self.stream.epoch(), position, body) {
                self.stream.interrupt(at);
                return;
            }
        }
    }

    /// A backup may have missed what it was told.
    fn forget_told(&mut self, at: usize) {
        if let Some(told) = self.told.get_mut(at) {
            *told = None;
        }
    }

    fn find(&self, process: &Process) -> Option<usize> {
        self.lines.iter().position(|line| line.process() == process)
    }
}
