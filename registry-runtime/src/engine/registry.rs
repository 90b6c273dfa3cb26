//! One registry's slots as this node sees them: each is looked at when something about it has changed, and then brought
//! one step nearer to where it should be.
//!
//! [`Registry::look`] is the whole of it: what is over is ended, then an open slot is tended, or a closed one is opened if
//! that is for this node to do, then an opening under way is carried on.

mod answer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::agenda::Agenda;
use super::failover::{Case, Verdict};
use super::held::{Holdings, Lending, Stage};
use super::moves::{self, MOVES_MAX, Move};
use super::opening::{Opening, Phase, Promises, Retry, Why};
use super::output::{Closing, Event, Opened, Output};
use super::plan::Plan;
use super::row::Ask;
use super::set::Set;
use super::shared::Shared;
use super::table::{SlotState, Table};
use super::view::{HostedRegistry, Weight};
use crate::id::{Epoch, Process, RegistryName, Slot};
use crate::message::{Refusal, Word};
use crate::spec::Failover;
use crate::time::Moment;

/// How many times the length of a lease an owner waits for the next one before it takes a slot back, and for what runs
/// before it may be handed over. What runs gets a second; a lease is more than half of one.
const PATIENCE_LEASES: u32 = 5;

/// A registry.
#[derive(Debug)]
pub(crate) struct Registry {
    name: RegistryName,
    slots: u32,
    failover: Failover,
    replicas: usize,
    plan: Arc<Plan>,
    /// What the plan was made of.
    planned: Vec<(Process, Weight)>,
    table: Table,
    holdings: Holdings,
    openings: BTreeMap<Slot, Opening>,
    /// Slots whose last attempt met a higher epoch, and when the next may begin.
    pauses: BTreeMap<Slot, Retry>,
    /// Slots that are re-opened or handed over for the plan's sake or a backup's.
    moving: BTreeSet<Slot>,
    /// Slots that wait for others to be moved.
    waiting: BTreeSet<Slot>,
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
            plan: Arc::default(),
            planned: Vec::new(),
            table: Table::new(slots),
            holdings: Holdings::default(),
            openings: BTreeMap::new(),
            pauses: BTreeMap::new(),
            moving: BTreeSet::new(),
            waiting: BTreeSet::new(),
            agenda: Agenda::default(),
            table_changed: false,
        }
    }

    /// Takes over the strategies that a host of the registry states.
    pub(crate) fn state_terms(&mut self, hosted: &HostedRegistry) {
        self.failover = hosted.failover;
        self.replicas = usize::from(hosted.replicas).clamp(1, crate::message::SET_MEMBERS_MAX);
    }

    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// How many processes a replica set has where there are enough.
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
        }
        self.table_changed = true;
        self.look_at_all();
    }

    /// Looks at all slots.
    pub(crate) fn look_at_all(&mut self) {
        (0..self.slots).map(Slot::new).for_each(|slot| self.agenda.look(slot));
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
            let next = if self.moving.len() < MOVES_MAX { self.waiting.pop_first() } else { None };
            let Some(next) = next else { break };
            self.agenda.look(next);
        }
        if std::mem::take(&mut self.table_changed) {
            shared.outputs.push_back(Output::TableChanged(self.name.clone()));
        }
    }

    /// When the next slot's time comes.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.agenda.deadline()
    }

    /// Whether nothing here depends on this process any more: it has nothing open, and no set names it; or nobody is left
    /// to take over.
    pub(crate) fn is_rid_of(&self, me: &Process) -> bool {
        let is_named = || self.table.active().any(|(_, active)| active.set.contains(me));
        self.plan.is_empty() || (self.holdings.is_empty() && self.openings.is_empty() && !is_named())
    }

    /// Looks again at the leases that a peer backs.
    pub(crate) fn lent(&mut self, by: &Process, shared: &mut Shared) {
        let mut changed = Vec::new();
        self.holdings.lent(by, lending(shared), |slots, until| changed.push((slots.clone(), until)));
        changed.into_iter().for_each(|(slots, until)| shared.lease(&self.name, slots, until));
    }

    /// What was sealed is empty now: the next owner may open it.
    pub(crate) fn drained(&mut self, slot: Slot, epoch: Epoch) {
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
        if let Some(opening) = self.openings.get_mut(&slot) {
            again = again.into_iter().chain([opening.retry().at()]).min();
        } else if self.holdings.get(slot).is_none_or(|held| held.stage == Stage::Serving) && self.moving.remove(&slot) {
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
        if shared.sight.is_halted() {
            self.close(slot, shared, Closing::Halted);
            self.openings.remove(&slot);
        }
    }

    /// A slot that this node has open: repair, rebalance, hand over, take back.
    fn tend(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        let held = self.holdings.get(slot)?;
        if self.openings.contains_key(&slot) {
            return None;
        }
        if let Some((to, until)) = held.ends() {
            if shared.now >= until || !shared.view.is_live(to) {
                let live = held.set().members().iter().filter(|member| shared.view.is_live(member));
                let set = Set::of(&shared.me, live.cloned(), held.set().len());
                self.start(slot, set, Why::TakeBack, shared);
                return None;
            }
            return Some(until.min(self.ask_to_take_over(slot, shared)));
        }
        let missing = self.ask_to_store(slot, shared);
        let paused = self.pauses.get(&slot).map(Retry::at).filter(|at| *at > shared.now);
        if paused.is_none() {
            self.make_a_move(slot, shared);
        }
        missing.into_iter().chain(paused).min()
    }

    fn make_a_move(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(held) = self.holdings.get(slot) else { return };
        let rank: Vec<_> = self.plan.rank(slot).collect();
        let calm = !shared.view.is_suspecting();
        let next = moves::next(held.set(), &rank, self.replicas, calm, |process| shared.view.is_live(process));
        if next != Move::Stay && self.moving.len() >= MOVES_MAX {
            self.waiting.insert(slot);
            return;
        }
        match next {
            Move::Stay => {}
            Move::Reopen(set, why) => {
                self.moving.insert(slot);
                self.start(slot, set, why, shared);
            }
            Move::HandOver(to) => {
                self.moving.insert(slot);
                let until = shared.now + shared.timing.lease * PATIENCE_LEASES;
                let epoch = held.epoch;
                if let Some(held) = self.holdings.get_mut(slot) {
                    held.stage = Stage::Sealed { to, until };
                    self.agenda.look(slot);
                }
                shared.seal(&self.name, slot, epoch);
            }
        }
    }

    /// Asks the members that have not stored an opening which is served already. Says when to ask again.
    fn ask_to_store(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        let position = self.table.row(slot)?.accepted().1;
        let random = shared.random();
        let pause = shared.first_pause();
        let held = self.holdings.get_mut(slot)?;
        let missing: Vec<_> = held.missing().filter(|member| shared.view.is_live(member)).cloned().collect();
        if missing.is_empty() {
            return None;
        }
        if held.retry.at() <= shared.now {
            held.retry.tried(shared.now, pause, random);
            for member in missing {
                let word = Word::Install { epoch: held.epoch, set: held.set().clone(), position };
                shared.outbox.say(&member, &self.name, self.slots, slot, word);
            }
        }
        Some(held.retry.at())
    }

    /// Asks the next owner of a sealed and empty slot to open it. Says when to ask again.
    fn ask_to_take_over(&mut self, slot: Slot, shared: &mut Shared) -> Moment {
        let random = shared.random();
        let pause = shared.first_pause();
        let Some(held) = self.holdings.get_mut(slot) else { return Moment::FOREVER };
        let Stage::HandedOver { to, .. } = &held.stage else { return Moment::FOREVER };
        if held.retry.at() <= shared.now {
            held.retry.tried(shared.now, pause, random);
            let word = Word::HandOver { epoch: held.epoch, set: held.set().clone() };
            shared.outbox.say(to, &self.name, self.slots, slot, word);
            let to = to.node.clone();
            shared.event(Event::HandedOver { registry: self.name.clone(), slot, to });
        }
        held.retry.at()
    }

    /// A slot that this node does not have open: opens it if that is for this node to do.
    fn settle(&mut self, slot: Slot, shared: &mut Shared) -> Option<Moment> {
        if shared.sight.is_halted() {
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

    fn start(&mut self, slot: Slot, set: Set, why: Why, shared: &mut Shared) {
        let Some(row) = self.table.row_mut(slot) else { return };
        let distinct = shared.rules.epochs_differ;
        let tag = if distinct { super::epochs::tag(&shared.me, &self.name, slot) } else { 0 };
        let epoch = shared.epochs.draw(shared.now, row.met(), tag);
        row.meet(epoch);
        let set = shared.sets.share(set);
        self.openings.insert(slot, Opening::new(epoch, set, why));
    }

    /// Does what an opening under way can do now.
    fn carry_on(&mut self, slot: Slot, shared: &mut Shared) {
        self.promise_myself(slot, shared);
        self.go_on_with_promises(slot, shared);
        self.finish_if_stored(slot, shared);
        self.ask(slot, shared);
    }

    /// The opener's own promise, which also keeps it from opening one slot twice at a time.
    fn promise_myself(&mut self, slot: Slot, shared: &mut Shared) {
        let Self { table, openings, holdings, .. } = self;
        let (Some(row), Some(opening)) = (table.row_mut(slot), openings.get_mut(&slot)) else { return };
        if opening.has_promise_of(&shared.me) {
            return;
        }
        let ask = Ask {
            opener: &shared.me,
            epoch: opening.epoch(),
            set: opening.set(),
            known: row.active_epoch(),
            released: opening.released_for(&shared.me),
        };
        debug_assert!(holdings.get(slot).is_none_or(|held| held.epoch < opening.epoch()));
        match row.promise(ask, |owner| shared.lent.runs(owner, shared.now), &shared.rules) {
            Ok(superseded) => {
                let noted: Vec<_> = row.noted_below(opening.epoch()).cloned().collect();
                opening.promised(&shared.me, row.active_epoch(), &noted, row.accepted());
                shared.supersede(superseded, &self.name, slot, opening.epoch());
            }
            Err(Refusal::Promised(epoch)) => self.outbid(slot, epoch, shared),
            // The word that this node has given runs out, or its owner gives it back; the rest only others can mend.
            Err(Refusal::Lent(epoch, owner)) => opening.waits_for(&shared.me, epoch, owner),
            Err(Refusal::Outdated | Refusal::Full) => {}
        }
    }

    fn go_on_with_promises(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(opening) = self.openings.get(&slot) else { return };
        if opening.phase() != Phase::Collecting || !opening.has_promise_of(&shared.me) {
            return;
        }
        let promises = opening.promises(&self.case(slot, shared), &shared.charter);
        let Self { table, openings, .. } = self;
        let (Some(row), Some(opening)) = (table.row_mut(slot), openings.get_mut(&slot)) else { return };
        if promises == Promises::TooFew {
            return;
        }
        opening.install(promises == Promises::WhatThereIs);
        let position = opening.source(&shared.me).1.1;
        let stored = row.install(&shared.me, opening.epoch(), opening.set(), position, &shared.rules);
        match stored {
            Ok(_) => opening.stored(&shared.me),
            Err(Refusal::Promised(epoch)) => self.outbid(slot, epoch, shared),
            Err(_) => {}
        }
    }

    fn finish_if_stored(&mut self, slot: Slot, shared: &mut Shared) {
        let early = |opening: &Opening| !shared.rules.majority_stores && opening.phase() == Phase::Installing;
        if !self.openings.get(&slot).is_some_and(|opening| opening.is_stored() || early(opening)) {
            return;
        }
        let Some(opening) = self.openings.remove(&slot) else { return };
        let (epoch, set, why) = (opening.epoch(), opening.set().clone(), opening.why());
        self.pauses.remove(&slot);
        self.table.learn(slot, epoch, &set);
        self.table_changed = true;
        let (source, taken_over) = opening.source(&shared.me);
        let keep = source == shared.me;
        let registry = self.name.clone();
        if opening.loses() {
            shared.event(Event::PossibleLoss { registry: registry.clone(), slot, epoch });
        }
        shared.event(Event::Opened { registry, slot, epoch, why });
        shared.open(&self.name, Opened { slot, epoch, set: set.clone(), source, taken_over, keep });
        let mut until = self.holdings.open(slot, epoch, &set, lending(shared));
        for member in opening.stored_by() {
            until = self.holdings.stored(slot, member, lending(shared)).unwrap_or(until);
        }
        shared.lease(&self.name, [slot], until);
        for peer in shared.peers.values() {
            let word = Word::Active { epoch, set: set.clone() };
            shared.outbox.say(&peer.process, &self.name, self.slots, slot, word);
        }
        self.agenda.look(slot);
    }

    /// Asks whom an opening still needs.
    fn ask(&mut self, slot: Slot, shared: &mut Shared) {
        let Some(mut opening) = self.openings.remove(&slot) else { return };
        if opening.retry().at() <= shared.now {
            let (pause, random) = (shared.first_pause(), shared.random());
            opening.retry().tried(shared.now, pause, random);
            opening.ask_all_again();
        }
        let known = self.table.row(slot).and_then(|row| row.active_epoch());
        let position = opening.source(&shared.me).1.1;
        for process in opening.ask(&self.case(slot, shared), &shared.charter) {
            let (epoch, set) = (opening.epoch(), opening.set().clone());
            let word = match opening.phase() {
                Phase::Collecting => Word::Collect { epoch, set, known, released: opening.released_for(&process) },
                Phase::Installing => Word::Install { epoch, set, position },
            };
            if process != shared.me {
                shared.outbox.say(&process, &self.name, self.slots, slot, word);
            }
        }
        self.openings.insert(slot, opening);
    }

    /// Ends an attempt that has met a higher epoch; the next begins after a pause, if it is still for this node to do.
    fn outbid(&mut self, slot: Slot, by: Epoch, shared: &mut Shared) {
        shared.epochs.meet(by);
        if let Some(row) = self.table.row_mut(slot) {
            row.meet(by);
        }
        if let Some(opening) = self.openings.remove(&slot) {
            self.pause(slot, shared);
            let (registry, epoch) = (self.name.clone(), opening.epoch());
            shared.event(Event::Outbid { registry, slot, epoch });
        }
        self.agenda.look(slot);
    }

    /// Lets others go first for a while.
    fn pause(&mut self, slot: Slot, shared: &mut Shared) {
        let (pause, random) = (shared.outbid_pause(), shared.random());
        self.pauses.entry(slot).or_default().tried(shared.now, pause, random);
    }

    fn close(&mut self, slot: Slot, shared: &mut Shared, why: Closing) {
        if let Some(held) = self.holdings.close(slot) {
            shared.close(&self.name, slot, held.epoch, why);
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
        let state = if shared.sight.is_halted() {
            SlotState::Halted
        } else if case.active.is_some_and(|active| is_open(&active.set)) {
            SlotState::Open
        } else {
            match case.verdict() {
                Verdict::Reserved(until) => SlotState::Reserved(until),
                Verdict::Failed => SlotState::Failed,
                Verdict::Unhosted => SlotState::Unhosted,
                _ if !case.has_majority() => SlotState::NoMajority,
                _ => SlotState::Opening,
            }
        };
        self.table_changed |= self.table.set_state(slot, state);
    }

    #[cfg(test)]
    pub(crate) fn dump(&self, slot: Slot, shared: &Shared) -> String {
        format!(
            "row {:?}\nheld {:?}\nopening {:?}\npause {:?}\nmoving {:?} verdict {:?} maylose {}\nview {:?}\n rank {:?} {:?}",
            self.table.row(slot),
            self.holdings.get(slot),
            self.openings.get(&slot),
            self.pauses.get(&slot),
            self.moving,
            self.case(slot, shared).verdict(),
            self.case(slot, shared).may_lose(),
            shared.view.members().map(|m| (&m.process, m.state)).collect::<Vec<_>>(),
            self.plan.rank(slot).collect::<Vec<_>>(),
            shared.sight
        )
    }

    fn case<'a>(&'a self, slot: Slot, shared: &'a Shared) -> Case<'a> {
        Case {
            me: &shared.me,
            now: shared.now,
            born: shared.born,
            timing: &shared.timing,
            rules: &shared.rules,
            view: &shared.view,
            sight: &shared.sight,
            plan: &self.plan,
            slot,
            active: self.table.row(slot).and_then(|row| row.active()),
            failover: self.failover,
            replicas: self.replicas,
            may_found: shared.may_found(),
        }
    }
}

fn lending(shared: &Shared) -> Lending<'_> {
    Lending { me: &shared.me, borrowed: &shared.borrowed, rules: &shared.rules }
}
