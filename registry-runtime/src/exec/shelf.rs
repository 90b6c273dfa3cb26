//! What one node keeps of one slot: its gate, its instances, and the records of what becomes of them.

mod copy;
mod judge;
mod owed;
mod past;
mod reading;
mod settle;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use slab::Slab;

use super::attempt::Asked;
use super::control::Control;
use super::flow::Flow;
use super::hash::Seeded;
use super::lane::{Lane, Turn};
use super::outcome::Refused;
use super::record::Filling;
use super::sweeper::Sweeper;
use super::{Clock, Lease};
use crate::id::{Epoch, Mark, Position, Process, Slot};
use crate::policy::admission::RETRY_AFTER_MAX;
use crate::policy::receipts::{Budget, Receipts, Told};
use crate::policy::replica::{Replica, Stamp};
use crate::resource::{Kind, Resource};
use crate::rules::{Rule, Rules};
use crate::spec::{OnPartition, Reads, Spec};
use crate::time::Moment;

pub(super) use copy::{Cut, Part};
pub(crate) use copy::{Filled, Standing};
use judge::{expect_instance, judge};
use past::Past;
pub(super) use past::{Aside, Memory};
use reading::Reading;
pub(super) use settle::{Change, Effect, Outcomes, Receipt, Settled, Settling};

/// How much room for tasks a slot without tasks keeps: enough for a steady trickle, so that a burst is not paid for ever.
const TASKS_KEPT: usize = 8;

/// What one node keeps of one slot. It lives under a lock, so nothing here runs a user's code but a key's `Hash`, `Eq` and
/// `Clone`; what has to be dropped is handed out.
///
/// The node's side: `open`, `seal`, `end_seal`, `close`. The commands' side: `look` and `take` on the fast
/// path, `line_up` and `seat` to become a task, `turn` when the task may start, and exactly one `settle` or `leave` for
/// each `take`, `line_up` and `seat`.
// In this order, so that what most commands look at lies together: there are thousands of slots, and a line of memory that has to be fetched
// costs a command as much as a dozen of its other steps.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shelf<R: Resource> {
    gate: Gate,
    /// The last epoch in which the gate was open.
    epoch: Epoch,
    /// Counts the times that this node had the slot. Openings in a higher epoch without a pause between are one time:
    /// what was begun before may be committed after.
    tenure: u64,
    last_turn: Turn,
    /// Commands that hold a lane on their caller's thread.
    in_place: u32,
    rules: Rules,
    /// The records that are under way, when this node is or becomes the owner.
    flow: Option<Box<Flow<R>>>,
    lanes: HashMap<R::Key, Lane<R>, Seeded>,
    /// What was let go of and is to be dropped outside of the lock.
    gone: Option<Box<Gone<R>>>,
    /// The copy that another node is sending.
    incoming: Option<Box<Incoming<R>>>,
    /// What readers may be shown while another node is the owner; `None` where the owner alone answers reads.
    reading: Option<Box<Reading<R>>>,
    /// Where what is here comes from; `None` where only one side of a partition serves.
    past: Option<Box<Past<R>>>,
    /// How far the instances and receipts reach in the slot's stream of records.
    replica: Replica,
    /// Of finished commands, whatever has become of their instances.
    receipts: Receipts,
    /// Commands that wait or run as tasks.
    tasks: Slab<Arc<Control>>,
    /// The last tenure that ended with a hand-over.
    ceded: Option<u64>,
    /// Counts the seals, so that a late alarm of one does not end the next.
    seals: u64,
    /// Who is to own the slot after the last seal. Without the last record it would have to be sent the whole slot, while nobody serves it.
    heir: Option<Box<Process>>,
}

/// What a slot has let go of beside its instances; a user's `Drop` runs when it goes.
#[derive(Debug)]
pub(super) struct Gone<R: Resource> {
    fillings: Vec<Incoming<R>>,
    parts: Vec<Part<R>>,
}

impl<R: Resource> Gone<R> {
    /// Has it all dropped.
    pub(super) fn sweep_out(self, sweeper: &Sweeper) {
        for Incoming { instances, touched, past, .. } in self.fillings {
            sweeper.sweep(instances);
            sweeper.sweep(touched);
            sweeper.sweep(past.written);
        }
        for Part { instances, past, .. } in self.parts {
            sweeper.sweep(instances);
            sweeper.sweep(past.written);
        }
    }
}

/// A copy that another node is sending, part by part.
#[derive(Debug)]
struct Incoming<R: Resource> {
    filling: Filling,
    /// Whether the copy has all of it but receipts: it stays what it is, and takes records as ever.
    adds: bool,
    /// Who sends it: of one opening there may be several who have something.
    from: Process,
    /// How far it reaches with the records that came meanwhile.
    reaches: Position,
    /// The next part.
    part: u32,
    instances: HashMap<R::Key, Arc<R>, Seeded>,
    /// What the records that came meanwhile have changed, with the last of each: the parts know less of it.
    touched: HashMap<R::Key, Position, Seeded>,
    receipts: Receipts,
    past: Memory<R::Key>,
}

#[derive(Debug)]
enum Gate {
    Closed,
    Open(Lease),
    /// Starts nothing new; what runs may still commit.
    Sealed {
        lease: Lease,
        drained: bool,
    },
}

/// A lane that is held, or an instance that is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) tenure: u64,
    /// `None` for a read.
    pub(super) turn: Option<Turn>,
}

/// What a command finds on a free lane.
#[derive(Debug)]
pub(super) enum Taken<R> {
    /// The lane is held from now on.
    Held(Claim, Option<Arc<R>>),
    /// Somebody else holds it.
    Busy,
    /// The command has ended before, so.
    Told(Told),
}

/// What a task finds when it may start.
#[derive(Debug)]
pub(super) enum Found<R> {
    /// The slot's present epoch and the committed state.
    State(Epoch, Option<Arc<R>>),
    /// The command has ended before, so.
    Told(Told),
}

/// Where a command stands while it holds something of the slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stand {
    /// On its caller's thread.
    InPlace,
    /// In a task, which is known by this number.
    Task(usize),
}

/// What was swept away; have it dropped outside the lock.
#[derive(Debug)]
#[must_use]
pub(super) struct Swept<R: Resource> {
    lanes: HashMap<R::Key, Lane<R>, Seeded>,
    states: Vec<Arc<R>>,
    /// What was left of a partition and found no room any more.
    pub(super) forsaken: Option<Arc<Aside<R>>>,
}

/// What a seal met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealing {
    /// The slot was not open.
    NotOpen,
    /// Nothing ran in this epoch.
    Drained(Epoch),
    /// Something runs: sound the alarm with this number when its time is up.
    Draining(u64),
}

impl<R: Resource> Swept<R> {
    /// Has it all dropped.
    pub(super) fn sweep_out(self, sweeper: &Sweeper) {
        sweeper.sweep(self.lanes);
        sweeper.sweep(self.states);
        // Unless somebody is looking at it, who then drops it.
        if let Some(forsaken) = self.forsaken.and_then(Arc::into_inner) {
            sweeper.sweep(forsaken.instances);
        }
    }
}

impl<R: Resource> Shelf<R> {
    pub(super) fn new(hasher: Seeded, rules: Rules, budget: &Arc<Budget>, spec: &Spec) -> Self {
        Self {
            gate: Gate::Closed,
            epoch: Epoch::ZERO,
            tenure: 0,
            last_turn: Turn::default(),
            in_place: 0,
            rules,
            flow: None,
            lanes: HashMap::with_hasher(hasher),
            gone: None,
            incoming: None,
            reading: (spec.reads == Reads::Replicas).then(Box::default),
            past: (spec.on_partition == OnPartition::ServeAll).then(|| Box::new(Past::new(hasher))),
            replica: Replica::default(),
            receipts: Receipts::new(budget),
            tasks: Slab::new(),
            ceded: None,
            seals: 0,
            heir: None,
        }
    }

    /// Opens in an epoch above all before; `None` when it is not. Records that were acknowledged meanwhile are applied.
    pub(super) fn open(&mut self, slot: Slot, epoch: Epoch, lease: Lease, clock: &dyn Clock) -> Option<Outcomes<R>> {
        if epoch <= self.epoch {
            return None;
        }
        self.epoch = epoch;
        self.gate = Gate::Open(lease);
        Some(self.advance(slot, clock))
    }

    /// Gives up the instances of a closed slot; `None` when it is not closed. What is swept away is handed out.
    pub(super) fn clear(&mut self, clock: &dyn Clock) -> Option<Swept<R>> {
        matches!(self.gate, Gate::Closed).then(|| {
            let forsaken = self.set_aside([], clock);
            Swept { forsaken, ..self.empty() }
        })
    }

    /// Gives up the copy. What is swept away is handed out.
    pub(super) fn empty(&mut self) -> Swept<R> {
        self.stop_reading();
        self.replica.clear();
        if let Some(past) = &mut self.past {
            past.replace(Stamp::default(), Memory::default());
        }
        self.flow = None;
        self.stop_filling(|_| true);
        self.sweep()
    }

    /// What was let go of: drop it outside of the lock.
    pub(super) fn gone(&mut self) -> Option<Box<Gone<R>>> {
        self.gone.take()
    }

    /// Lets go of something when the lock is open again.
    fn let_fall(&mut self, filling: Option<Box<Incoming<R>>>, part: Option<Part<R>>) {
        if filling.is_some() || part.is_some() {
            let gone = self.gone.get_or_insert_with(|| Box::new(Gone { fillings: Vec::new(), parts: Vec::new() }));
            gone.fillings.extend(filling.map(|filling| *filling));
            gone.parts.extend(part);
        }
    }

    /// Gives up the copy that is being sent, if it is such a one.
    fn stop_filling(&mut self, is_it: impl FnOnce(&Incoming<R>) -> bool) {
        let stopped = self.incoming.take_if(|incoming| is_it(incoming));
        self.let_fall(stopped, None);
    }

    fn sweep(&mut self) -> Swept<R> {
        let lanes = HashMap::with_hasher(*self.lanes.hasher());
        let mut swept = Swept { states: Vec::new(), lanes, forsaken: None };
        self.stop(Control::stop_closed);
        std::mem::swap(&mut self.lanes, &mut swept.lanes);
        // Stopped commands stand on their lanes until they notice, and nobody may join them there before.
        for (key, mut lane) in swept.lanes.extract_if(|_, lane| !lane.is_free()) {
            swept.states.extend(lane.state.take());
            self.lanes.insert(key, lane);
        }
        self.receipts.clear();
        swept
    }

    /// Closes; what runs is stopped and commits nothing, and what is under way counts no more. Instances stay.
    pub(super) fn close(&mut self) -> Outcomes<R> {
        self.stop(Control::stop_closed);
        self.gate = Gate::Closed;
        self.abandon(&Refused::Lost)
    }

    /// Starts nothing new from here on, the waiting commands included.
    pub(super) fn seal(&mut self, to: &Process) -> Sealing {
        let Gate::Open(lease) = &self.gate else { return Sealing::NotOpen };
        self.gate = Gate::Sealed { lease: lease.clone(), drained: false };
        self.heir = Some(Box::new(to.clone()));
        self.seals = self.seals.wrapping_add(1);
        for (_, task) in &self.tasks {
            task.stop_moved_unless_started();
        }
        self.drain().map_or(Sealing::Draining(self.seals), Sealing::Drained)
    }

    /// The time of that seal is up: stops what runs, and gives up what is under way. `None` when the slot has drained before.
    pub(super) fn end_seal(&mut self, seal: u64) -> Option<Outcomes<R>> {
        match &mut self.gate {
            Gate::Sealed { drained, .. } if self.seals == seal && !*drained => {
                *drained = true;
                self.ceded = Some(self.tenure);
                self.stop(Control::stop_moved);
                Some(Outcomes { drained: Some(self.epoch), ..self.abandon(&Refused::Moved { started: true }) })
            }
            _ => None,
        }
    }

    /// Puts another lease in the place of the present one.
    #[cfg(test)]
    pub(super) fn set_lease(&mut self, new: Lease) {
        match &mut self.gate {
            Gate::Closed => {}
            Gate::Open(lease) | Gate::Sealed { lease, .. } => *lease = new,
        }
    }

    /// The last epoch in which the slot was open here.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Lets go of receipts that nobody can ask for any more.
    pub(super) fn forget_due(&mut self, now: Moment) {
        self.receipts.forget_due(now);
    }

    /// Callers say below which marks all calls of their sessions are over.
    pub(super) fn pass(&mut self, marks: &BTreeMap<u64, Mark>) {
        self.receipts.pass(marks);
    }

    /// How many receipts are here.
    #[cfg(test)]
    pub(super) fn receipts(&self) -> usize {
        self.receipts.len()
    }

    /// How many instances are here.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lanes.values().filter(|lane| lane.state.is_some()).count()
    }

    /// The present epoch, tenure and committed state, for a command that leaves it as it is; of the copy of another owner's slot, too, for who
    /// has seen only so much.
    pub(super) fn look(
        &self,
        epoch: Epoch,
        key: &R::Key,
        seen: Option<Stamp>,
        clock: &dyn Clock,
    ) -> Result<(Claim, Option<Arc<R>>), Refused> {
        if let (Gate::Closed, Some(seen)) = (&self.gate, seen) {
            return self.look_at_copy(epoch, key, seen, clock);
        }
        let lease = self.admit(epoch)?;
        let state = self.lanes.get(key).and_then(|lane| lane.state.clone());
        if !self.may_show(lease, clock) {
            return Err(Refused::NoLease);
        }
        expect_instance::<R>(Kind::Read, state.is_some())?;
        Ok((Claim { tenure: self.tenure, turn: None }, state))
    }

    /// Holds the key's lane if it is free, for a command on its caller's thread.
    pub(super) fn take(
        &mut self,
        epoch: Epoch,
        key: &R::Key,
        kind: Kind,
        asked: &Asked,
        clock: &dyn Clock,
    ) -> Result<Taken<R>, Refused> {
        self.admit(epoch)?;
        let lane = self.lanes.get_mut(key);
        if lane.as_ref().is_some_and(|lane| !lane.is_free()) {
            return Ok(Taken::Busy);
        }
        let state = lane.as_ref().and_then(|lane| lane.state.clone());
        // Borrowed apart from `lanes`, and asked after the state was read.
        let held = match &self.gate {
            Gate::Open(lease) => lease.holds(clock) || !self.rules.keeps(Rule::Lease),
            _ => false,
        };
        if !held {
            return Err(Refused::NoLease);
        }
        if let Some(told) = judge::<R>(&mut self.receipts, self.rules, kind, state.is_some(), asked, clock)? {
            return Ok(Taken::Told(told));
        }
        if self.flow.as_deref().is_some_and(Flow::is_full) {
            return Err(Refused::Overloaded { retry_after: RETRY_AFTER_MAX });
        }
        self.last_turn = self.last_turn.next();
        match lane {
            Some(lane) => lane.take(self.last_turn),
            None => {
                let mut lane = Lane::new();
                lane.take(self.last_turn);
                self.lanes.insert(key.clone(), lane);
            }
        }
        self.in_place = self.in_place.saturating_add(1);
        Ok(Taken::Held(Claim { tenure: self.tenure, turn: Some(self.last_turn) }, state))
    }

    /// Stands in line for the key's lane; takes it when it is free after all.
    pub(super) fn line_up(
        &mut self,
        epoch: Epoch,
        key: &R::Key,
        control: &Arc<Control>,
        clock: &dyn Clock,
    ) -> Result<(Claim, Stand), Refused> {
        if !self.may_show(self.admit(epoch)?, clock) {
            return Err(Refused::NoLease);
        }
        self.last_turn = self.last_turn.next();
        let lane = self.lanes.entry(key.clone()).or_insert_with(Lane::new);
        if lane.is_free() {
            lane.take(self.last_turn);
            control.grant_turn();
        } else {
            lane.line_up(self.last_turn, Arc::clone(control));
            if !self.rules.keeps(Rule::Alone) {
                control.grant_turn();
            }
        }
        let task = self.tasks.insert(Arc::clone(control));
        Ok((Claim { tenure: self.tenure, turn: Some(self.last_turn) }, Stand::Task(task)))
    }

    /// Turns a command on its caller's thread into a task.
    pub(super) fn seat(&mut self, claim: Claim, control: &Arc<Control>) -> Stand {
        if claim.turn.is_some() {
            self.in_place = self.in_place.saturating_sub(1);
        }
        if claim.tenure != self.tenure {
            control.stop_closed();
        } else if !matches!(self.gate, Gate::Open(_)) {
            control.stop_moved_unless_started();
        }
        Stand::Task(self.tasks.insert(Arc::clone(control)))
    }

    /// What a task finds when it may start.
    pub(super) fn turn(
        &mut self,
        claim: Claim,
        key: &R::Key,
        kind: Kind,
        asked: &Asked,
        clock: &dyn Clock,
    ) -> Result<Found<R>, Refused> {
        let Gate::Open(lease) = &self.gate else { return Err(Refused::Moved { started: false }) };
        if claim.tenure != self.tenure {
            return Err(Refused::Moved { started: false });
        }
        let lane = self.lanes.get(key);
        debug_assert!(
            claim.turn.is_none_or(|turn| lane.is_some_and(|lane| lane.is_held_by(turn)))
                || !self.rules.keeps(Rule::Alone),
            "a command starts without its lane"
        );
        let state = lane.and_then(|lane| lane.state.clone());
        if !self.may_show(lease, clock) {
            return Err(Refused::NoLease);
        }
        if claim.turn.is_none() {
            expect_instance::<R>(kind, state.is_some())?;
        } else if let Some(told) = judge::<R>(&mut self.receipts, self.rules, kind, state.is_some(), asked, clock)? {
            return Ok(Found::Told(told));
        } else if self.is_full() {
            return Err(Refused::Overloaded { retry_after: RETRY_AFTER_MAX });
        }
        Ok(Found::State(self.epoch, state))
    }

    /// Lets go of the lane, or of a stand in its line, or of a look.
    pub(super) fn leave(&mut self, key: &R::Key, claim: Claim, stand: Stand) -> Outcomes<R> {
        let mut outcomes = Outcomes::none();
        if claim.turn.is_some() {
            self.let_go(key, claim.turn, &mut outcomes);
        }
        outcomes.drained = self.depart(stand);
        outcomes
    }

    /// One command fewer; the epoch of a seal under which the slot has just drained.
    fn depart(&mut self, stand: Stand) -> Option<Epoch> {
        match stand {
            Stand::InPlace => self.in_place = self.in_place.saturating_sub(1),
            Stand::Task(number) => {
                self.tasks.try_remove(number);
                if self.tasks.is_empty() && self.tasks.capacity() > TASKS_KEPT {
                    self.tasks = Slab::new();
                }
            }
        }
        self.drain()
    }

    /// Whether nothing is kept but instances.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let busy = self.lanes.values().any(|lane| lane.state.is_none() || !lane.is_free());
        let waits = self.flow.as_ref().is_some_and(|flow| !flow.is_empty());
        !busy && !waits && self.in_place == 0 && self.tasks.is_empty()
    }

    fn admit(&self, epoch: Epoch) -> Result<&Lease, Refused> {
        match &self.gate {
            Gate::Open(lease) if self.epoch == epoch || !self.rules.keeps(Rule::Epoch) => Ok(lease),
            Gate::Sealed { .. } if self.epoch == epoch => Err(Refused::Moved { started: false }),
            _ => Err(Refused::NotOwner { epoch: self.epoch }),
        }
    }

    /// Whether what is here may be shown and changed: ask after the state was read.
    fn may_show(&self, lease: &Lease, clock: &dyn Clock) -> bool {
        lease.holds(clock) || !self.rules.keeps(Rule::Lease)
    }

    /// Ends the present tenure: whatever was begun in it commits nothing.
    fn stop(&mut self, tell: impl Fn(&Control)) {
        self.tenure = self.tenure.wrapping_add(1);
        for (_, task) in &self.tasks {
            tell(task);
        }
    }

    /// The epoch of a seal under which the slot has just drained.
    fn drain(&mut self) -> Option<Epoch> {
        match &mut self.gate {
            Gate::Sealed { drained, .. }
                if !*drained
                    && self.in_place == 0
                    && self.tasks.is_empty()
                    && self.flow.as_deref().is_none_or(|flow| flow.is_over_for(self.heir.as_deref())) =>
            {
                *drained = true;
                Some(self.epoch)
            }
            _ => None,
        }
    }
}
