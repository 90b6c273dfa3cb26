//! One registry's slots as this node sees them: each is looked at when something about it has changed, and then brought
//! one step nearer to where it should be.
//!
//! [`Registry::look`] is the whole of it: what is over is ended, then an open slot is tended, or a closed one is opened if
//! that is for this node to do, then an opening under way is carried on.

mod answer;
mod carry;
mod store;
mod tend;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::agenda::Agenda;
use super::failover::{Case, Verdict};
use super::held::{Holdings, Lending, Stage};
use super::opening::{Opening, Phase, Retry, Why};
use super::output::{Closing, Output};
use super::places::Places;
use super::plan::Plan;
use super::set::Set;
use super::shared::Shared;
use super::table::{SlotState, Table};
use super::view::{HostedRegistry, Weight};
use crate::id::{Epoch, Process, RegistryName, Slot};
use crate::spec::Failover;
use crate::time::Moment;

/// A registry.
#[derive(Debug)]
pub(crate) struct Registry {
    name: RegistryName,
    slots: u32,
    failover: Failover,
    replicas: usize,
    /// Whether every side of a partition goes on with what it has.
    serves_all: bool,
    plan: Arc<Plan>,
    /// What the plan was made of.
    planned: Vec<(Process, Weight)>,
    table: Table,
    holdings: Holdings,
    /// Slots of which this process's store may hold something, with the last opening that it took part in.
    kept: BTreeMap<Slot, Epoch>,
    openings: BTreeMap<Slot, Opening>,
    /// Slots whose last attempt met a higher epoch, and when the next may begin.
    pauses: BTreeMap<Slot, Retry>,
    /// Slots whose content could not be sent to a newcomer, and until when nobody is added to their sets.
    unfit: BTreeMap<Slot, Moment>,
    /// Who cannot read what is in a slot, and until when it is not to keep it.
    strangers: BTreeMap<Slot, Vec<(Process, Moment)>>,
    /// Slots that are moved, and those that wait for that.
    places: Places,
    /// Who has not taken a slot that it was handed, and from when on it may be handed it again.
    rebuffs: BTreeMap<Slot, (Process, Retry)>,
    agenda: Agenda,
    table_changed: bool,
}

impl Registry {
    /// A registry of which only its size is known, as a peer's message tells it.
    pub(crate) fn new(name: RegistryName, slots: u32) -> Self {
        Self {
            name,
            slots,
            failover: Failover::AutoReassign,
            replicas: usize::from(crate::spec::defaults::REPLICAS),
            serves_all: false,
            plan: Arc::default(),
            planned: Vec::new(),
            table: Table::new(slots),
            holdings: Holdings::default(),
            kept: BTreeMap::new(),
            openings: BTreeMap::new(),
            pauses: BTreeMap::new(),
            unfit: BTreeMap::new(),
            strangers: BTreeMap::new(),
            places: Places::default(),
            rebuffs: BTreeMap::new(),
            agenda: Agenda::default(),
            table_changed: false,
        }
    }

    /// Takes over the strategies that a host of the registry states.
    pub(crate) fn state_terms(&mut self, hosted: &HostedRegistry) {
        self.failover = hosted.failover;
        self.replicas = usize::from(hosted.replicas).clamp(1, crate::message::SET_MEMBERS_MAX);
        self.serves_all = hosted.serves_all;
    }

    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// How many processes a replica set has where there are enough.
    #[cfg(feature = "testing")]
    pub(crate) fn replicas(&self) -> usize {
        self.replicas
    }

    /// The processes that host it and may own slots.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Process> {
        self.planned.iter().map(|(process, _)| process)
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Makes a new plan if the eligible members are others, and looks at all slots.
    pub(crate) fn view_changed(&mut self, shared: &Shared) {
        let eligible = || shared.view.eligible(&self.name, self.slots);
        let same = eligible().eq(self.planned.iter().map(|(process, weight)| (process, *weight)));
        if !same {
            self.planned = eligible().map(|(process, weight)| (process.clone(), weight)).collect();
            let members = self.planned.iter().map(|(process, weight)| (process, *weight));
            self.plan = Arc::new(Plan::new(&self.name, self.slots, members));
            self.unfit.clear();
            self.strangers.retain(|_, strangers| strangers.iter().any(|(_, until)| *until > shared.now));
        }
        // Who was outbid again and again by members that it could not hear need not wait for long once it hears them.
        let pauses = self.pauses.values_mut();
        pauses.for_each(|pause| pause.begin_anew(shared.now, shared.outbid_pause()));
        self.table_changed = true;
        self.look_at_all();
    }

    /// Looks at all slots.
    pub(crate) fn look_at_all(&mut self) {
        (0..self.slots).map(Slot::new).for_each(|slot| self.agenda.look(slot));
    }

    /// A process has a connection: slots that are held here may be waiting to be brought there.
    pub(crate) fn meet(&mut self, process: &Process) {
        if self.plan.contains(process) {
            self.holdings.slots().for_each(|slot| self.agenda.look(slot));
        }
    }

    /// Looks at the slots that nobody has opened.
    pub(crate) fn look_at_unopened(&mut self) {
        for slot in (0..self.slots).map(Slot::new) {
            if self.table.get(slot).is_some_and(|(_, active)| active.is_none()) {
                self.agenda.look(slot);
            }
        }
    }

    /// Stops serving everything.
    pub(crate) fn close_all(&mut self, shared: &mut Shared, why: Closing) {
        let slots: Vec<_> = self.holdings.slots().collect();
        slots.into_iter().for_each(|slot| self.close(slot, shared, why));
    }

    /// Looks at every slot whose time has come.
    pub(crate) fn run(&mut self, shared: &mut Shared) {
        loop {
            while let Some(slot) = self.agenda.next(shared.now) {
                let again = self.look(slot, shared);
                self.agenda.look_at(slot, again);
            }
            let Some(next) = self.places.next(shared.now) else { break };
            self.agenda.look(next);
        }
        if std::mem::take(&mut self.table_changed) {
            shared.outputs.push_back(Output::TableChanged(self.name.clone()));
        }
    }

    /// When the next slot's time comes.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.agenda.deadline().into_iter().chain(self.places.deadline()).min()
    }

    /// Whether nothing here depends on this node any more: it has nothing open, and no set names it; or nobody is left
    /// to take over, not even somebody who is away for a moment.
    pub(crate) fn is_rid_of(&self, shared: &Shared) -> bool {
        let is_named = || self.table.active().any(|(_, active)| active.set.contains(&shared.me));
        let has_heirs = || !self.plan.is_empty() || shared.has_heirs(&self.name, self.slots);
        !has_heirs() || (self.holdings.is_empty() && self.openings.is_empty() && !is_named())
    }

    /// Looks again at the leases that a peer backs.
    pub(crate) fn lent(&mut self, by: &Process, shared: &mut Shared) {
        let mut changed = Vec::new();
        self.holdings.lent(by, lending(shared), |slots, until| changed.push((slots.clone(), until)));
        changed.into_iter().for_each(|(slots, until)| shared.lease(&self.name, slots, until));
    }

    /// What was sealed is empty now: the next owner may open it.
    fn drained(&mut self, slot: Slot, epoch: Epoch) {
        if let Some(held) = self.holdings.get_mut(slot)
            && held.epoch == epoch
            && let Stage::Sealed { to, until } = &held.stage
        {
            held.stage = Stage::HandedOver { to: to.clone(), until: *until };
            held.retry = Retry::default();
            self.agenda.look(slot);
        }
    }

    /// Opens a slot whatever the rules say about who may.
    #[cfg(test)]
    pub(crate) fn open_as_told(&mut self, slot: Slot, set: Set, shared: &mut Shared) {
        self.openings.remove(&slot);
        self.start(slot, set, Why::Told, shared);
        self.agenda.look(slot);
    }

    /// Brings one slot a step further. Says when to look again if nothing happens before.
    fn look(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        self.end_what_is_over(slot, shared);
        let mut again =
            if self.holdings.get(slot).is_some() { self.tend(slot, shared) } else { self.settle(slot, shared) };
        self.carry_on(slot, shared);
        self.forget_what_is_over(slot, shared);
        if let Some(opening) = self.openings.get_mut(&slot) {
            again = again.into_iter().chain([opening.retry().at()]).min();
        } else if self.has_moved(slot, shared) && self.places.end(slot) {
            self.agenda.look(slot);
        }
        self.publish(slot, shared);
        again
    }

    /// Ends what a newer opening by anybody has made void.
    fn end_what_is_over(&mut self, slot: Slot, shared: &mut Shared) {
        let active = self.table.row(slot).and_then(|row| row.active_epoch());
        if self.holdings.get(slot).is_some_and(|held| active > Some(held.epoch)) {
            self.close(slot, shared, Closing::Opened);
        }
        let is_over = |opening: &Opening| {
            active >= Some(opening.epoch()) || opening.is_hopeless(|process| shared.view.is_live(process))
        };
        if self.openings.get(&slot).is_some_and(is_over) {
            self.openings.remove(&slot);
        }
        if self.is_halted(shared) {
            self.close(slot, shared, Closing::Halted);
            self.openings.remove(&slot);
        }
    }

    /// Whether this node has seen too few others for so long that they may have forgotten it, and that matters here.
    fn is_halted(&self, shared: &Shared) -> bool {
        shared.sight.is_halted() && !self.serves_all
    }

    /// Whether the last step of a slot is done: it is served, and the plan's owner, if it is in the set by now, is filled.
    fn has_moved(&self, slot: Slot, shared: &Shared) -> bool {
        let next = self.plan.owner(slot).filter(|next| shared.view.is_live(next));
        self.holdings.get(slot).is_none_or(|held| {
            held.stage == Stage::Serving && !next.is_some_and(|next| held.missing().any(|member| member == next))
        })
    }

    /// A slot that this node does not have open: opens it if that is for this node to do.
    fn settle(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        if self.is_halted(shared) {
            return None;
        }
        let verdict = self.case(slot, shared).verdict();
        if let Some(opening) = self.openings.get(&slot) {
            let for_others = matches!(opening.why(), Why::Founding | Why::Failover | Why::Return)
                && opening.phase() == Phase::Collecting
                && !matches!(verdict, Verdict::Open(..));
            if for_others {
                self.openings.remove(&slot);
            }
        }
        match verdict {
            Verdict::Open(set, why) if !self.openings.contains_key(&slot) => {
                let paused = self.pauses.get(&slot).map(Retry::at).filter(|at| *at > shared.now);
                if paused.is_none() {
                    self.start(slot, set, why, shared);
                }
                paused
            }
            Verdict::WaitUntil(moment) | Verdict::Reserved(moment) => Some(moment),
            Verdict::Open(..) | Verdict::Wait | Verdict::Failed | Verdict::Unhosted => None,
        }
    }

    /// Stops serving a slot. What was never acknowledged of it is dropped by that; this node's own opening may count on it, so
    /// that begins anew.
    fn close(&mut self, slot: Slot, shared: &mut Shared, why: Closing) {
        if let Some(held) = self.holdings.close(slot) {
            shared.close(&self.name, slot, held.epoch, why);
            self.rebuffs.remove(&slot);
            self.openings.remove(&slot);
            self.agenda.look(slot);
        }
    }

    /// Tells callers what has changed for them.
    fn publish(&mut self, slot: Slot, shared: &Shared) {
        let case = self.case(slot, shared);
        let is_open = |set: &Set| {
            let owner = set.owner();
            let has_it = *owner != shared.me || self.holdings.get(slot).is_some();
            has_it && shared.view.is_live(owner) && set.is_majority(|member| shared.view.is_live(member))
        };
        let state = if self.is_halted(shared) {
            SlotState::Halted
        } else if case.active.is_some_and(|active| is_open(&active.set)) {
            SlotState::Open
        } else {
            match case.verdict() {
                Verdict::Reserved(until) => SlotState::Reserved(until),
                Verdict::Failed => SlotState::Failed,
                _ if !case.has_majority() => SlotState::NoMajority,
                Verdict::Unhosted => SlotState::Unhosted,
                _ => SlotState::Opening,
            }
        };
        self.table_changed |= self.table.set_state(slot, state);
    }

    fn case<'a>(&'a self, slot: Slot, shared: &'a Shared) -> Case<'a> {
        Case {
            me: &shared.me,
            now: shared.now,
            born: shared.born,
            timing: &shared.timing,
            rules: shared.rules,
            view: &shared.view,
            sight: &shared.sight,
            charter: &shared.charter,
            plan: &self.plan,
            peers: &shared.peers,
            slot,
            active: self.table.row(slot).and_then(|row| row.active()),
            failover: self.failover,
            replicas: self.replicas,
            serves_all: self.serves_all,
            // Beside what stands of a registry, what this node is shut out of does not matter.
            may_found: shared.may_found().filter(|_| !shared.charter.is_shut_out() || self.table.digest() != 0),
        }
    }
}

fn lending(shared: &Shared) -> Lending<'_> {
    Lending { me: &shared.me, borrowed: &shared.borrowed, rules: shared.rules }
}
