//! The slot's copy on this node: fenced, adopted, filled, written to by the owner, or the owner's own.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::Lease;
use super::super::flow::{Flow, Pending, given_up};
use super::super::outcome::Refused;
use super::super::pledge::Pledge;
use super::super::record::{Filling, Line};
use super::{Change, Claim, Clock, Gate, Incoming, Memory, Outcomes, Receipt, Shelf, Swept};
use crate::id::{Epoch, LinkId, Position, Process, Slot};
use crate::policy::receipts::Saved;
use crate::policy::replica::{Next, Stamp};
use crate::policy::stream::{Heard, Stream};
use crate::resource::Resource;
use crate::rules::Rule;
use crate::spec::Reads;

/// Where a copy stands after something that the owner sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It reaches this far.
    Reaches(Position),
    /// It is being filled, and will.
    Filling,
    /// It reaches this far in what the opening takes over, and lacks only what comes after that.
    Trails(Position),
    /// It lacks what comes before.
    Lacks,
}

/// What comes of one part of a filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// There is more to come.
    More,
    /// The copy is whole and has this stamp.
    Whole(Stamp),
    /// It does not belong to what is being filled.
    Refused,
}

/// The content of a slot at one moment.
#[derive(Debug)]
pub(in crate::exec) struct Cut<R: Resource> {
    pub(in crate::exec) filling: Filling,
    pub(in crate::exec) instances: Vec<(R::Key, Arc<R>)>,
    pub(in crate::exec) receipts: Vec<Saved>,
    pub(in crate::exec) past: Option<Memory<R::Key>>,
}

/// What one part of a filling brings.
#[derive(Debug)]
pub(in crate::exec) struct Part<R: Resource> {
    pub(in crate::exec) instances: Vec<(R::Key, Arc<R>)>,
    pub(in crate::exec) receipts: Vec<Saved>,
    pub(in crate::exec) past: Memory<R::Key>,
}

impl<R: Resource> Default for Part<R> {
    fn default() -> Self {
        Self { instances: Vec::new(), receipts: Vec::new(), past: Memory::default() }
    }
}

/// As the owner, and on the way to becoming one.
impl<R: Resource> Shelf<R> {
    /// Takes nothing below `epoch` from now on. Says how far the copy reaches; with what is under way, for an owner that opens the slot
    /// again itself.
    pub(in crate::exec) fn fence(&mut self, epoch: Epoch, own: bool) -> Stamp {
        if self.rules.keeps(Rule::Fenced) {
            self.replica.raise_fence(epoch);
        }
        self.stop_filling(|incoming| incoming.filling.epoch < epoch);
        let serves = !matches!(self.gate, Gate::Closed);
        match &mut self.flow {
            Some(flow) if own && serves => {
                // A seal's alarm would take the stream away that goes on in the new epoch, and what runs may commit there.
                self.seals = self.seals.wrapping_add(1);
                flow.hold();
                (self.replica.stamp().0, flow.last())
            }
            _ => {
                self.flow = None;
                self.replica.stamp()
            }
        }
    }

    /// Begins the stream of an opening that takes over what is here. `false` when something else is here.
    pub(in crate::exec) fn begin(&mut self, epoch: Epoch, base: Stamp, lines: Vec<Arc<dyn Line>>) -> bool {
        let former = self.flow.take();
        let (stamp, last) = (self.replica.stamp(), former.as_deref().map(Flow::last));
        let goes_on = last.is_some_and(|last| stamp.0 == base.0 && last >= base.1);
        if epoch < self.replica.fence() || !(goes_on || stamp == base) {
            self.flow = former;
            return false;
        }
        self.begin_epoch(base, (epoch, stamp.1));
        self.stop_filling(|_| true);
        let stream = Stream::new(epoch, base.1, last.unwrap_or(base.1), lines.len(), self.rules);
        let reads = if self.reading.is_some() { Reads::Replicas } else { Reads::Owner };
        self.flow = Some(Box::new(Flow::begin(stream, lines, former.map(|former| *former), reads)));
        true
    }

    /// Whether the stream of this opening has begun here.
    pub(in crate::exec) fn has_begun(&self, epoch: Epoch) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.epoch() == epoch)
    }

    /// A backup says how far it reaches in this epoch.
    pub(in crate::exec) fn hear(
        &mut self,
        slot: Slot,
        epoch: Epoch,
        from: &Process,
        reaches: Position,
        clock: &dyn Clock,
    ) -> (Heard, Outcomes<R>) {
        let applied = self.replica.stamp().1;
        let Some(flow) = self.flow.as_mut().filter(|flow| flow.epoch() == epoch) else {
            return (Heard::default(), Outcomes::none());
        };
        let heard = flow.hear(slot, from, applied, reaches);
        let outcomes = self.advance(slot, clock);
        (heard, outcomes)
    }

    /// A backup lacks only the last records of what the opening took over.
    pub(in crate::exec) fn hear_trails(
        &mut self,
        slot: Slot,
        epoch: Epoch,
        from: &Process,
        reaches: Position,
    ) -> Heard {
        let applied = self.replica.stamp().1;
        let flow = self.flow.as_mut().filter(|flow| flow.epoch() == epoch);
        flow.map(|flow| flow.hear_trails(slot, from, applied, reaches)).unwrap_or_default()
    }

    /// A backup has missed something. Whether it is to be filled.
    pub(in crate::exec) fn hear_lack(&mut self, epoch: Epoch, from: &Process) -> bool {
        let flow = self.flow.as_mut().filter(|flow| flow.epoch() == epoch);
        let is_backup = flow.is_some_and(|flow| flow.interrupt(from));
        if is_backup {
            self.ask_owed(Some(from));
        }
        is_backup
    }

    /// Asks backups that are sent nothing how far they reach; without a process that is one look after all that waits.
    pub(in crate::exec) fn ask(&mut self, slot: Slot, process: Option<&Process>) -> Outcomes<R> {
        let mut outcomes = Outcomes::none();
        self.ask_owed(process);
        if let Some(flow) = &mut self.flow {
            flow.ask(slot, process);
            if process.is_none() {
                outcomes.decided.extend(flow.look().map(|(pledge, refused)| (pledge, Err(refused))));
            }
        }
        self.tell_acknowledged(slot);
        outcomes
    }

    /// More of a filling is on its way to a backup. Whether that still is one, of this epoch.
    pub(in crate::exec) fn carries(&mut self, epoch: Epoch, to: &Process) -> bool {
        let flow = self.flow.as_mut().filter(|flow| flow.epoch() == epoch);
        // For receipts a backup takes a filling to its end, whatever becomes of its records meanwhile.
        let carries = flow.is_some_and(|flow| flow.carries(to)) || self.is_carried_what_it_is_owed(epoch, to);
        match carries {
            true => self.carry_owed(to),
            false => self.ask_owed(Some(to)),
        }
        carries
    }

    /// Begins to fill a backup. `None` when it is none of this epoch, or cannot be reached.
    pub(in crate::exec) fn cut_for(
        &mut self,
        slot: Slot,
        epoch: Epoch,
        to: (&Process, LinkId),
        clock: &dyn Clock,
    ) -> Option<Cut<R>> {
        let applied = self.replica.stamp().1;
        let filling = self.flow.as_mut().filter(|flow| flow.epoch() == epoch)?.fill(slot, to, applied)?;
        self.begin_owed(to.0, filling);
        Some(self.cut(filling, clock))
    }

    /// What is here, for the opener with this epoch, to whom it was promised.
    pub(in crate::exec) fn hand_out(&self, epoch: Epoch, stamp: Stamp, clock: &dyn Clock) -> Option<Cut<R>> {
        let promised = self.replica.fence() == epoch && self.replica.stamp() == stamp && self.is_backup();
        promised.then(|| self.cut(Filling { epoch, number: 0, stamp }, clock))
    }

    fn cut(&self, filling: Filling, clock: &dyn Clock) -> Cut<R> {
        let instance = |(key, lane): (&R::Key, &super::Lane<R>)| Some((key.clone(), lane.state.clone()?));
        Cut {
            filling,
            instances: self.lanes.iter().filter_map(instance).collect(),
            receipts: self.receipts.save(clock.now()),
            past: self.past.as_ref().map(|past| past.tell()),
        }
    }

    /// Whether changes wait for backups.
    pub(in crate::exec) fn has_backups(&self) -> bool {
        self.flow.as_deref().is_some_and(Flow::has_backups)
    }

    /// Whether no more records can be under way.
    pub(super) fn is_full(&self) -> bool {
        self.flow.as_deref().is_some_and(Flow::is_full)
    }

    /// Counts a record that nobody else needs.
    pub(super) fn count_record(&mut self) {
        let (epoch, position) = self.replica.stamp();
        self.restamp((epoch, position.next()));
        if let Some(flow) = &mut self.flow {
            flow.count_alone();
        }
    }

    pub(super) fn propose(
        &mut self,
        slot: Slot,
        key: &R::Key,
        claim: Claim,
        (change, receipt, body): (Change<R>, Option<Receipt>, Vec<u8>),
        pledge: Pledge,
    ) {
        let record = Pending { key: key.clone(), turn: claim.turn, change, receipt, body, pledge, looks: 0 };
        if let Some(flow) = &mut self.flow {
            flow.propose(slot, Box::new(record));
        }
    }

    /// Applies what is acknowledged.
    pub(super) fn advance(&mut self, slot: Slot, clock: &dyn Clock) -> Outcomes<R> {
        let mut outcomes = Outcomes::none();
        while !matches!(self.gate, Gate::Closed)
            && let Some(flow) = self.flow.as_mut().filter(|flow| flow.epoch() == self.epoch)
            && let Some((position, record)) = flow.next_acknowledged(self.replica.stamp().1)
        {
            self.restamp((self.epoch, position));
            let Pending { key, turn, change, receipt, pledge, .. } = *record;
            self.apply(&key, turn, change, receipt, clock, &mut outcomes);
            outcomes.decided.push((pledge, Ok(())));
        }
        self.tell_acknowledged(slot);
        outcomes.drained = self.drain();
        outcomes
    }

    /// Tells backups what they may show. Before the slot is open, that is nothing: a later opener need not hear of what they hold.
    fn tell_acknowledged(&mut self, slot: Slot) {
        let (applied, is_open) = (self.replica.stamp().1, !matches!(self.gate, Gate::Closed));
        if let Some(flow) = self.flow.as_mut().filter(|flow| is_open && flow.epoch() == self.epoch) {
            flow.tell_acknowledged(slot, applied);
        }
    }

    /// Gives up what is under way.
    pub(super) fn abandon(&mut self, refused: &Refused) -> Outcomes<R> {
        let mut outcomes = Outcomes::none();
        for Pending { key, turn, change, receipt, pledge, .. } in
            self.flow.take().into_iter().flat_map(|flow| flow.into_pending())
        {
            self.undo(&key, turn, change, &mut outcomes);
            outcomes.decided.push((pledge, Err(given_up(receipt.as_ref(), refused.clone()))));
        }
        outcomes
    }
}

/// As a backup.
impl<R: Resource> Shelf<R> {
    /// Counts the copy as that of an opening if it is what that takes over.
    pub(in crate::exec) fn adopt(&mut self, epoch: Epoch, base: Stamp, heard: Lease) -> Standing {
        if !self.is_backup() {
            return Standing::Lacks;
        }
        let adopts = self.join(epoch, base);
        if self.replica.fence() <= epoch {
            // One that has to be filled first follows that owner, too.
            self.follow(heard);
        }
        if adopts || self.replica.stamp().0 != epoch { self.standing(epoch) } else { Standing::Lacks }
    }

    /// Counts the copy as that of an opening from now on if it is what that takes over.
    fn join(&mut self, epoch: Epoch, base: Stamp) -> bool {
        let before = self.replica.stamp().0;
        let joins = self.replica.adopt(epoch, base);
        if joins {
            self.flow = None;
            self.stop_filling(|_| true);
            if before != epoch {
                self.begin_epoch(base, self.replica.stamp());
                self.copy_replaced();
            }
        }
        joins
    }

    /// Where the copy stands in an opening.
    fn standing(&self, epoch: Epoch) -> Standing {
        let is_coming = self.incoming.as_ref().is_some_and(|incoming| incoming.filling.epoch == epoch);
        match self.replica.stamp() {
            (of, position) if of == epoch => Standing::Reaches(position),
            _ if is_coming => Standing::Filling,
            _ => self.replica.trails(epoch).map_or(Standing::Lacks, Standing::Trails),
        }
    }

    /// Where the copy stands, for an owner that has lost count. What was being filled has to begin anew, unless that needs no records. `None`
    /// where this node was not told yet to follow that opening: it would be filled in vain. It will be told.
    pub(in crate::exec) fn reaches(&mut self, epoch: Epoch) -> Option<Standing> {
        self.stop_filling(|incoming| incoming.filling.epoch == epoch && !incoming.adds);
        (self.is_backup() && self.replica.follows(epoch)).then(|| self.standing(epoch))
    }

    /// Takes a record of the owner's: the instance is there in this state from now on, or gone.
    pub(in crate::exec) fn take_record(
        &mut self,
        (epoch, position): Stamp,
        key: R::Key,
        state: Option<Arc<R>>,
        receipt: Option<Receipt>,
        clock: &dyn Clock,
        outcomes: &mut Outcomes<R>,
    ) -> Standing {
        if !self.is_backup() || epoch < self.replica.fence() {
            outcomes.states.extend(state);
            return Standing::Lacks;
        }
        let is_replaced = |incoming: &&mut Box<Incoming<R>>| incoming.filling.epoch == epoch && !incoming.adds;
        if let Some(incoming) = self.incoming.as_mut().filter(is_replaced) {
            if position != incoming.reaches.next() {
                outcomes.states.extend(state);
                return if position <= incoming.reaches { Standing::Filling } else { Standing::Lacks };
            }
            let receipt = receipt.filter(|_| self.rules.keeps(Rule::ReceiptFills));
            outcomes.states.extend(incoming.take(position, key, state, receipt, clock));
            return Standing::Filling;
        }
        match self.replica.place(epoch, position, self.rules) {
            Next::Fits => {
                self.copy_changed(position, &key);
                if let Some(past) = &mut self.past {
                    past.wrote(&key, position);
                }
                self.put(key, state, outcomes);
                if let Some(Receipt { ask, told, left, window }) = receipt {
                    self.receipts.remember(&ask, told, left, window, clock.now());
                }
                let trailed = self.replica.trails(epoch).is_some();
                let stamp = (self.replica.stamp().0, position);
                self.restamp(stamp);
                if trailed && self.replica.trails(epoch).is_none() {
                    self.join(epoch, stamp);
                }
                self.standing(epoch)
            }
            Next::Known => {
                outcomes.states.extend(state);
                self.standing(epoch)
            }
            Next::Refused => {
                outcomes.states.extend(state);
                Standing::Lacks
            }
        }
    }

    /// A filling begins, in the place of an earlier one. One that would take the copy back is late. One of an owner whose opening this node
    /// was not told to follow is early: with it this node would count among those that have stored the opening, and lend its word for it,
    /// without knowing to whom.
    ///
    /// Where every side of a partition serves, one of the copy's own epoch that tells nothing new of instances is taken for its receipts.
    pub(in crate::exec) fn begin_filling(&mut self, filling: Filling, from: &Process, own: bool) {
        let is_early = !own && !self.replica.follows(filling.epoch);
        let is_older = filling.stamp < self.replica.stamp();
        let adds = self.adds(filling);
        let is_late = (is_older && !adds) || filling.epoch < self.replica.fence();
        if self.is_backup() && !is_early && !is_late {
            let hasher = *self.lanes.hasher();
            self.stop_filling(|_| true);
            self.incoming = Some(Box::new(Incoming {
                filling,
                adds,
                from: from.clone(),
                reaches: filling.stamp.1,
                part: 1,
                instances: HashMap::with_hasher(hasher),
                touched: HashMap::with_hasher(hasher),
                receipts: self.receipts.alike(),
                past: Memory::default(),
            }));
        }
    }

    /// Whether all that a filling has is in the copy, but for receipts that its owner has taken in from elsewhere.
    fn adds(&self, filling: Filling) -> bool {
        let (epoch, position) = self.replica.stamp();
        self.past.is_some() && (filling.epoch, filling.stamp.0) == (epoch, epoch) && filling.stamp.1 <= position
    }

    /// Takes one part of a filling; with the last, the copy is replaced, unless it only takes receipts. What was here is handed out.
    pub(in crate::exec) fn take_part(
        &mut self,
        (filling, from): (Filling, &Process),
        (part, last): (u32, bool),
        brought: Part<R>,
        clock: &dyn Clock,
    ) -> (Filled, Option<Swept<R>>) {
        let is_due = |incoming: &&mut Box<Incoming<R>>| {
            incoming.filling == filling && incoming.from == *from && incoming.part == part
        };
        let is_backup = self.is_backup();
        let Some(incoming) = self.incoming.as_mut().filter(is_due).filter(|_| is_backup) else {
            self.let_fall(None, Some(brought));
            return (Filled::Refused, None);
        };
        incoming.part = part.saturating_add(1);
        if incoming.adds {
            return (self.take_receipts(brought, last, clock), None);
        }
        let Part { instances, receipts, past } = brought;
        let mut outdated = Part::default();
        for (key, state) in instances {
            if incoming.touched.contains_key(&key) {
                outdated.instances.push((key, state));
            } else if let Some(twice) = incoming.instances.insert(key.clone(), state) {
                outdated.instances.push((key, twice));
            }
        }
        incoming.remember(past);
        receipts.into_iter().for_each(|saved| incoming.receipts.restore(saved, clock.now()));
        self.let_fall(None, (!outdated.instances.is_empty()).then_some(outdated));
        if !last {
            return (Filled::More, None);
        }
        let Some(incoming) = self.incoming.take() else { return (Filled::Refused, None) };
        let Incoming { reaches, instances, receipts, past: mut told, touched, .. } = *incoming;
        let stamp = (filling.stamp.0, reaches);
        let forsaken = self.set_aside(told.ends.iter().copied().chain([stamp]), clock);
        let swept = Swept { forsaken, ..self.sweep() };
        self.flow = None;
        self.receipts = receipts;
        for (key, state) in instances {
            self.lanes.entry(key).or_insert_with(super::Lane::new).state = Some(state);
        }
        self.replica.restamp(stamp);
        if let Some(past) = &mut self.past {
            told.written.extend(touched);
            past.replace(stamp, told);
        }
        self.copy_replaced();
        (Filled::Whole(stamp), Some(swept))
    }

    /// Takes from one part of a filling what the copy does not have.
    fn take_receipts(&mut self, mut brought: Part<R>, last: bool, clock: &dyn Clock) -> Filled {
        let receipts = std::mem::take(&mut brought.receipts);
        receipts.into_iter().for_each(|saved| self.receipts.restore(saved, clock.now()));
        self.let_fall(None, Some(brought));
        if !last {
            return Filled::More;
        }
        self.stop_filling(|_| true);
        Filled::Whole(self.replica.stamp())
    }

    /// Whether the copy is written to by others.
    pub(super) fn is_backup(&self) -> bool {
        matches!(self.gate, Gate::Closed)
    }

    fn put(&mut self, key: R::Key, state: Option<Arc<R>>, outcomes: &mut Outcomes<R>) {
        let lane = self.lanes.entry(key.clone()).or_insert_with(super::Lane::new);
        outcomes.states.extend(std::mem::replace(&mut lane.state, state));
        if lane.is_empty() {
            self.remove_lane(&key, outcomes);
        }
    }
}

impl<R: Resource> Incoming<R> {
    /// Takes in more of the content's past.
    fn remember(&mut self, past: Memory<R::Key>) {
        let Memory { ends, since, written } = past;
        if !ends.is_empty() {
            (self.past.ends, self.past.since) = (ends, since);
        }
        self.past.written.extend(written);
    }

    /// Takes a record that came meanwhile. What it takes the place of is handed out.
    fn take(
        &mut self,
        position: Position,
        key: R::Key,
        state: Option<Arc<R>>,
        receipt: Option<Receipt>,
        clock: &dyn Clock,
    ) -> Option<Arc<R>> {
        let before = match state {
            Some(state) => self.instances.insert(key.clone(), state),
            None => self.instances.remove(&key),
        };
        self.touched.insert(key, position);
        if let Some(Receipt { ask, told, left, window }) = receipt {
            self.receipts.remember(&ask, told, left, window, clock.now());
        }
        self.reaches = position;
        before
    }
}
