//! A cluster of engines, a network with faults, and clocks that run at different rates; one seed repeats it all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::oracle::Oracle;
use super::store::{Frame, Heard, Mail, Store};
use crate::engine::output::{Event, Output, StopReason};
use crate::engine::ownership::{Config, Input, Ownership};
use crate::engine::set::Set;
use crate::engine::store::{Fence, Fenced, Opened, Report, Seal, Stored, Task};
use crate::engine::table::SlotState;
use crate::engine::view::{HostedRegistry, Member, MemberState, Profile};
use crate::id::{Epoch, Incarnation, NodeId, Process, RegistryName, Slot, Start};
use crate::message::{Batch, Body, Message, Word};
use crate::rules::Rules;
use crate::spec::Failover;
use crate::time::{Moment, Timing};

/// True time in microseconds.
pub(crate) type Micros = u64;

pub(crate) const MS: Micros = 1000;

/// How long a store takes to answer its engine, at most.
const STORE_DELAY: Micros = 2 * MS;

/// How a simulated cluster is made.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) nodes: usize,
    /// How many entries the `join` list has: the first so many nodes.
    pub(crate) charter: usize,
    pub(crate) slots: u32,
    pub(crate) replicas: u8,
    pub(crate) serves_all: bool,
    pub(crate) failover: Failover,
    pub(crate) timing: Timing,
    pub(crate) rules: Rules,
    /// How far clock rates are from true, at most, in thousandths.
    pub(crate) clock_error: i64,
    /// Of a thousand messages so many are lost, and so many arrive twice.
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
    /// How long a message takes.
    pub(crate) delay: (Micros, Micros),
    /// Nodes hear of one another's state after so long; `None` when a test tells them itself.
    pub(crate) detection: Option<Micros>,
    /// A restarted process takes itself for its former one. A fault.
    pub(crate) same_start: bool,
    /// Every process is told who first stood behind the entries of the `join` list, so that no majority of it can forget
    /// that a slot was founded. Without a disk that is more than a real process can know.
    pub(crate) charter_is_remembered: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            charter: 3,
            slots: 24,
            replicas: 3,
            serves_all: false,
            failover: Failover::AutoReassign,
            timing: Timing::fast(),
            rules: Rules::ALL,
            clock_error: 0,
            loss: 0,
            duplication: 0,
            delay: (MS, 3 * MS),
            detection: Some(1000 * MS),
            same_start: false,
            charter_is_remembered: false,
        }
    }
}

/// The cluster.
pub(crate) struct Sim {
    pub(crate) options: Options,
    pub(crate) now: Micros,
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) oracle: Oracle,
    /// What went wrong first.
    pub(crate) fault: Option<String>,
    queue: BTreeMap<(Micros, u64), Happening>,
    /// How much was given to engines to handle.
    pub(crate) handled: usize,
    /// Counts what was put into the queue.
    queued: u64,
    /// Pairs of nodes that cannot hear one another.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// How often something was done to data.
    pub(crate) counts: Counts,
    /// The last value written.
    written: u64,
    /// How many of the next streams cannot begin.
    pub(crate) unbegun: usize,
    /// Nodes that do not hear what they are handed over.
    pub(crate) takes_nothing: BTreeSet<usize>,
    /// Slots whose content cannot be sent to anybody.
    pub(crate) unfit: BTreeSet<Slot>,
    /// Nodes that cannot read what is sent to them.
    pub(crate) strangers: BTreeSet<usize>,
    /// The openings whose streams could not.
    void: BTreeSet<(Slot, Epoch)>,
}

/// How often something was done to data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) records: usize,
    pub(crate) fills: usize,
    /// Copies that lacked the last records of what an opening took over, and were sent them.
    pub(crate) catch_ups: usize,
    pub(crate) fetches: usize,
    pub(crate) acknowledgements: usize,
    pub(crate) forgotten: usize,
    /// Rows that one node told another, and questions where tables differ.
    pub(crate) rows: usize,
    pub(crate) questions: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.fills += other.fills;
        self.catch_ups += other.catch_ups;
        self.fetches += other.fetches;
        self.acknowledgements += other.acknowledgements;
        self.forgotten += other.forgotten;
        self.rows += other.rows;
        self.questions += other.questions;
    }
}

/// One place in the cluster, with the process that runs there now.
pub(crate) struct SimNode {
    pub(crate) process: Process,
    pub(crate) incarnation: u64,
    pub(crate) engine: Option<Ownership>,
    /// Its clock's rate in thousandths of true time, and what it shows at the beginning.
    rate: i64,
    offset: Micros,
    birth_ms: u64,
    pub(crate) serving: BTreeMap<Slot, Serving>,
    /// What it holds, unless it has forgotten it.
    pub(crate) stores: BTreeMap<Slot, Store>,
    pub(crate) events: Vec<Event>,
    pub(crate) left: bool,
    pub(crate) stopped: Option<StopReason>,
    /// The registries that it says it hosts.
    hosted: Vec<HostedRegistry>,
    pub(crate) leaving: bool,
}

/// What a node's data plane knows of an open slot.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) epoch: Epoch,
    pub(crate) set: Set,
    pub(crate) sealed: bool,
    pub(crate) lease: Moment,
}

enum Happening {
    Delivery(usize, NodeId, Message),
    Reported(usize, Start, Report),
    Frame(usize, Start, Process, Slot, Frame),
    Fact(usize, Member),
    Connected(usize, Process),
}

fn node_id(index: usize) -> NodeId {
    NodeId::new(format!("n{index}")).unwrap()
}

pub(crate) fn registry() -> RegistryName {
    RegistryName::new("orders").unwrap()
}

impl Sim {
    /// A cluster whose nodes have just started.
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let mut this = Self {
            now: 0,
            nodes: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            oracle: Oracle::default(),
            fault: None,
            queue: BTreeMap::new(),
            handled: 0,
            queued: 0,
            cut: BTreeSet::new(),
            counts: Counts::default(),
            unbegun: 0,
            takes_nothing: BTreeSet::new(),
            unfit: BTreeSet::new(),
            strangers: BTreeSet::new(),
            void: BTreeSet::new(),
            written: 0,
            options,
        };
        for _ in 0..this.options.nodes {
            this.add();
        }
        this
    }

    /// A node more. Returns its index.
    pub(crate) fn add(&mut self) -> usize {
        let hosted = HostedRegistry {
            name: registry(),
            slots: self.options.slots,
            failover: self.options.failover,
            replicas: self.options.replicas,
            serves_all: self.options.serves_all,
            weighs: true,
        };
        self.add_host(vec![hosted])
    }

    /// A node more that hosts nothing. Returns its index.
    pub(crate) fn add_client(&mut self) -> usize {
        self.add_host(Vec::new())
    }

    fn add_host(&mut self, hosted: Vec<HostedRegistry>) -> usize {
        let index = self.nodes.len();
        let error = self.options.clock_error;
        self.nodes.push(SimNode {
            process: Process { node: node_id(index), start: Start::new(0) },
            incarnation: 0,
            engine: None,
            rate: 1000 + self.rng.random_range(-error..=error),
            offset: self.rng.random_range(0..1000 * MS),
            // One node's wall clock is an hour ahead, so that the others draw epochs above what they have met.
            birth_ms: if index == 0 { 3_600_000 } else { 0 },
            serving: BTreeMap::new(),
            stores: BTreeMap::new(),
            events: Vec::new(),
            left: false,
            stopped: None,
            hosted,
            leaving: false,
        });
        self.boot(index);
        index
    }

    /// Starts a process at a node.
    pub(crate) fn boot(&mut self, index: usize) {
        let number = (self.now / MS).max(self.nodes[index].incarnation) + 1;
        let former = self.nodes[index].process.start;
        let same = self.options.same_start && former.get() != 0;
        self.boot_as(index, if same { former } else { Start::new(number) });
    }

    /// Starts a process at a node where the wall clock shows something of its own.
    pub(crate) fn boot_as(&mut self, index: usize, start: Start) {
        let number = (self.now / MS).max(self.nodes[index].incarnation) + 1;
        let born = self.local(index);
        let seed = self.rng.next_u64();
        let node = &mut self.nodes[index];
        node.process.start = start;
        node.incarnation = number;
        node.leaving = false;
        let config = Config {
            me: node.process.clone(),
            address: "127.0.0.1:1".parse().unwrap(),
            hosted: node.hosted.clone(),
            charter: self.options.charter,
            timing: self.options.timing,
            birth_ms: node.birth_ms + self.now / MS,
            seed,
            rules: self.options.rules,
        };
        node.engine = Some(Ownership::new(born, config));
        node.serving.clear();
        node.stores.clear();
        self.take_out(index);
        let process = self.nodes[index].process.clone();
        for other in (0..self.nodes.len()).filter(|other| *other != index) {
            if self.nodes[other].engine.is_some() && self.is_connected(index, other) {
                self.meet(index, other);
                self.meet(other, index);
            }
        }
        if self.options.charter_is_remembered {
            for entry in 0..self.options.charter {
                let process = Process { node: node_id(entry), start: Start::new(1) };
                self.handle(index, Input::Charter(entry, Some(process)));
            }
        } else if index < self.options.charter {
            self.handle(index, Input::Charter(index, Some(process)));
        }
    }

    /// One node hears of another and gets a connection with it.
    fn meet(&mut self, index: usize, other: usize) {
        let delay = self.delay();
        let member = self.member(other, MemberState::Up);
        let process = member.process.clone();
        self.put(delay, Happening::Fact(index, member));
        self.put(delay + 1, Happening::Connected(index, process));
    }

    /// What is true of a node.
    pub(crate) fn member(&self, index: usize, state: MemberState) -> Member {
        let node = &self.nodes[index];
        let profile = Profile { hosted: node.hosted.clone(), leaving: node.leaving, ..Profile::default() };
        Member {
            process: node.process.clone(),
            incarnation: Incarnation::new(node.incarnation),
            address: "127.0.0.1:1".parse().unwrap(),
            state,
            down_for: None,
            profile: Some(profile),
        }
    }

    /// Tells one node about another after a while.
    pub(crate) fn tell(&mut self, index: usize, member: Member, after: Micros) {
        self.put(after, Happening::Fact(index, member));
    }

    /// Ends a process without goodbye.
    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes[index].engine = None;
        self.nodes[index].serving.clear();
        self.nodes[index].stores.clear();
        if let Some(detection) = self.options.detection {
            for other in (0..self.nodes.len()).filter(|other| *other != index) {
                let lag = self.delay();
                self.tell(other, self.member(index, MemberState::Suspect), detection / 2 + lag);
                self.tell(other, self.member(index, MemberState::Down), detection + lag);
            }
        }
    }

    /// Cuts the cluster into groups; a node of no group is alone.
    pub(crate) fn partition(&mut self, groups: &[&[usize]]) {
        let all = 0..self.nodes.len();
        let together = |a: usize, b: usize| groups.iter().any(|group| group.contains(&a) && group.contains(&b));
        self.cut = all
            .clone()
            .flat_map(|a| all.clone().map(move |b| (a, b)))
            .filter(|(a, b)| a != b && !together(*a, *b))
            .collect();
        for (a, b) in self.cut.clone() {
            if let Some(detection) = self.options.detection {
                self.tell(a, self.member(b, MemberState::Down), detection);
            }
        }
    }

    /// Joins all groups: who was declared Down comes back with a higher incarnation.
    pub(crate) fn heal(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        let live = |this: &Self, index: usize| this.nodes[index].engine.is_some();
        let back: BTreeSet<usize> = cut.iter().map(|(_, b)| *b).filter(|b| live(self, *b)).collect();
        for index in back {
            self.nodes[index].incarnation += 1;
            self.tell(index, self.member(index, MemberState::Up), 0);
            for other in (0..self.nodes.len()).filter(|other| *other != index) {
                self.meet(other, index);
            }
        }
    }

    /// Lets a node leave.
    pub(crate) fn leave(&mut self, index: usize) {
        self.leave_unheard(index, 5 * MS);
    }

    /// Lets a node leave, of which the others hear after some time.
    pub(crate) fn leave_unheard(&mut self, index: usize, after: Micros) {
        self.nodes[index].leaving = true;
        self.handle(index, Input::Leave);
        for other in 0..self.nodes.len() {
            self.tell(other, self.member(index, MemberState::Up), after);
        }
    }

    /// Does the next thing, if there is one before `until`; else lets time go by until then.
    pub(crate) fn step(&mut self, until: Micros) -> bool {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let ticks = (0..self.nodes.len()).filter_map(|index| Some((self.deadline(index)?, index))).min();
        let next = queued.into_iter().chain(ticks.map(|(at, _)| at)).min().filter(|at| *at <= until);
        let Some(next) = next else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        match ticks {
            Some((at, index)) if at == next => self.handle(index, Input::Tick),
            _ => {
                let (_, happening) = self.queue.pop_first().unwrap();
                self.happen(happening);
            }
        }
        true
    }

    /// Lets so much time go by, and watches.
    pub(crate) fn run(&mut self, span: Micros) {
        let until = self.now + span;
        while self.fault.is_none() && self.step(until) {
            self.watch();
        }
    }

    /// Runs until something holds, at most for so long. Returns whether it does.
    pub(crate) fn run_until(&mut self, span: Micros, holds: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + span;
        while self.fault.is_none() && !holds(self) {
            if !self.step(until) {
                return holds(self);
            }
            self.watch();
        }
        self.fault.is_none()
    }

    /// Whether every slot is served with a lease by exactly one node, and all live nodes know it.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled().is_empty()
    }

    /// Slots for which that does not hold.
    pub(crate) fn unsettled(&self) -> Vec<Slot> {
        (0..self.options.slots).map(Slot::new).filter(|slot| self.owner(*slot).is_none()).collect()
    }

    /// The one node with the right to acknowledge, if all live nodes that are not cut off from it know it.
    pub(crate) fn owner(&self, slot: Slot) -> Option<usize> {
        let mut right = (0..self.nodes.len()).filter(|index| self.has_right(*index, slot));
        let (owner, None) = (right.next()?, right.next()) else { return None };
        let epoch = self.nodes[owner].serving.get(&slot)?.epoch;
        let others = (0..self.nodes.len()).filter(|other| *other == owner || self.is_connected(owner, *other));
        let known = others.filter_map(|other| self.nodes[other].engine.as_ref()).all(|engine| {
            let table = engine.table(&registry()).unwrap();
            matches!(table.get(slot), Some((SlotState::Open, Some(active))) if active.epoch == epoch)
        });
        known.then_some(owner)
    }

    /// Whether a node may acknowledge now.
    pub(crate) fn has_right(&self, index: usize, slot: Slot) -> bool {
        let serving = self.nodes[index].serving.get(&slot);
        serving.is_some_and(|serving| !serving.sealed && self.local(index) < serving.lease)
    }

    /// What a node says of a slot.
    pub(crate) fn state(&self, index: usize, slot: Slot) -> SlotState {
        let engine = self.nodes[index].engine.as_ref().unwrap();
        engine.table(&registry()).unwrap().get(slot).unwrap().0
    }

    /// Gives a node something to handle and takes out what comes of it.
    pub(crate) fn handle(&mut self, index: usize, input: Input) {
        let now = self.local(index);
        self.handled += 1;
        if let Some(engine) = &mut self.nodes[index].engine {
            engine.handle(now, input);
            self.take_out(index);
        }
    }

    pub(crate) fn chance(&mut self, thousandths: u32) -> bool {
        self.rng.random_range(0..1000) < thousandths
    }

    pub(crate) fn is_connected(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b))
    }

    /// Whether another process of its node has followed this one.
    fn is_over(&self, process: &Process) -> bool {
        self.index(&process.node).is_some_and(|index| self.nodes[index].process != *process)
    }

    fn index(&self, node: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|other| other.process.node == *node)
    }

    fn take_out(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].engine.as_mut().and_then(Ownership::poll) {
            self.carry_out(index, output);
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        let node = &mut self.nodes[index];
        match output {
            Output::Send { to, message } => self.post(index, &to, message),
            Output::Slots(_, Task::Open(slots)) => {
                for Opened { slot, epoch, set } in slots {
                    if self.void.contains(&(slot, epoch)) {
                        continue;
                    }
                    let node = &mut self.nodes[index];
                    node.serving.insert(slot, Serving { epoch, set, sealed: false, lease: Moment::default() });
                    let (from, log) = node.stores.get_mut(&slot).expect("begun before").open(epoch);
                    let name = &node.process.node;
                    let seen = self.oracle.sees_open(slot, name, epoch, from);
                    let seen = seen.and_then(|()| self.oracle.sees_log(slot, name, epoch, log));
                    self.note(seen);
                    self.acknowledge(index, slot);
                }
            }
            Output::Slots(_, Task::Close(slots)) => {
                for (slot, epoch) in slots {
                    if self.void.contains(&(slot, epoch)) {
                        continue;
                    }
                    node.serving.remove(&slot).expect("closes what is open");
                    node.stores.get_mut(&slot).expect("begun before").close();
                }
            }
            Output::Slots(_, Task::Fence(slots)) => {
                let start = node.process.start;
                for Fence { slot, epoch, own } in slots {
                    let accepted = self.store(index, slot).fence(epoch, own);
                    let delay = self.rng.random_range(0..=STORE_DELAY);
                    self.put(
                        delay,
                        Happening::Reported(index, start, Report::Fenced(vec![Fenced { slot, epoch, accepted }])),
                    );
                }
            }
            Output::Slots(_, Task::Fetch(slots)) => {
                for fetch in slots {
                    let ask = self.store(index, fetch.slot).fetch(&fetch);
                    self.mail(index, fetch.slot, vec![(fetch.from, ask)]);
                }
            }
            Output::Slots(_, Task::Begin(slots)) => {
                let start = node.process.start;
                for begin in slots {
                    if self.unbegun > 0 {
                        self.unbegun -= 1;
                        self.void.insert((begin.slot, begin.epoch));
                        let delay = self.delay();
                        let report = Report::Unbegun(begin.slot, begin.epoch);
                        self.put(delay, Happening::Reported(index, start, report));
                        continue;
                    }
                    let mail = self.store(index, begin.slot).begin(&begin);
                    self.mail(index, begin.slot, mail);
                }
            }
            Output::Slots(_, Task::Adopt(slots)) => {
                for adopt in slots {
                    let mail = self.store(index, adopt.slot).adopt(&adopt);
                    self.mail(index, adopt.slot, mail);
                }
            }
            Output::Slots(_, Task::Forget(slots)) => {
                for slot in slots {
                    assert!(!node.serving.contains_key(&slot), "gives up what it serves");
                    node.stores.get_mut(&slot).expect("there is something").forget();
                    self.counts.forgotten += 1;
                }
            }
            Output::Slots(_, Task::Seal(slots)) => {
                let start = node.process.start;
                for Seal { slot, epoch, .. } in slots {
                    self.nodes[index].serving.get_mut(&slot).unwrap().sealed = true;
                    let delay = self.delay();
                    self.put(delay, Happening::Reported(index, start, Report::Drained(slot, epoch)));
                }
            }
            Output::Slots(_, Task::Lease(slots, until)) => {
                for slot in slots {
                    if let Some(serving) = node.serving.get_mut(&slot) {
                        serving.lease = until;
                    }
                }
            }
            Output::Event(event) => {
                if let Event::PossibleLoss { slot, .. } = &event {
                    self.oracle.pardons(*slot);
                }
                self.nodes[index].events.push(event);
            }
            Output::Stop(reason) => node.stopped = Some(reason),
            Output::Left => {
                node.left = true;
                node.engine = None;
                node.serving.clear();
                for other in 0..self.nodes.len() {
                    self.tell(other, self.member(index, MemberState::Left), 5 * MS);
                }
            }
            Output::TableChanged(_) => {}
        }
    }

    fn post(&mut self, from: usize, to: &NodeId, mut message: Message) {
        if let Body::Batch(batch) = &mut message.body
            && self.index(to).is_some_and(|to| self.takes_nothing.contains(&to))
        {
            batch.words.retain(|(_, word)| !matches!(word, Word::HandOver { .. }));
        }
        let name = self.nodes[from].process.node.clone();
        match &message.body {
            Body::Batch(Batch { words, .. }) => {
                self.counts.rows += words.iter().filter(|(_, word)| matches!(word, Word::Active { .. })).count();
            }
            Body::Digests(_) => self.counts.questions += 1,
            _ => {}
        }
        self.carry(from, to, |index| Happening::Delivery(index, name.clone(), message.clone()));
    }

    /// Brings something from one node to another, as the network has it.
    fn carry(&mut self, from: usize, to: &NodeId, happening: impl Fn(usize) -> Happening) {
        let Some(to) = self.index(to) else { return };
        if !self.is_connected(from, to) || self.chance(self.options.loss) {
            return;
        }
        let twice = self.chance(self.options.duplication);
        for _ in 0..=usize::from(twice) {
            let delay = self.delay();
            self.put(delay, happening(to));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Delivery(index, from, message) => self.handle(index, Input::Received(from, message)),
            Happening::Reported(index, start, report) => {
                if self.nodes[index].process.start == start {
                    self.handle(index, Input::Slots(registry(), report));
                }
            }
            Happening::Frame(index, start, from, slot, frame) => {
                if self.nodes[index].process.start == start && self.nodes[index].engine.is_some() {
                    self.hear(index, &from, slot, frame);
                }
            }
            Happening::Fact(index, member) => self.handle(index, Input::MembersChanged(vec![member])),
            // A connection with a process that another one has followed since does not come about.
            Happening::Connected(_, process) if self.is_over(&process) => {}
            Happening::Connected(index, process) => {
                let entry = self.index(&process.node).filter(|entry| *entry < self.options.charter);
                self.handle(index, Input::Connected(process.clone()));
                if let (Some(entry), false) = (entry, self.options.charter_is_remembered) {
                    self.handle(index, Input::Charter(entry, Some(process)));
                }
            }
        }
    }

    /// The owner of a slot writes something, if there is one that has the right to.
    pub(crate) fn write(&mut self, slot: Slot) -> Option<u64> {
        let owner = (0..self.nodes.len()).find(|index| self.has_right(*index, slot))?;
        Some(self.write_at(owner, slot))
    }

    /// All who still serve a slot write something, whether they have the right to or had it when the command began.
    pub(crate) fn write_late(&mut self, slot: Slot) {
        let serves = |node: &SimNode| node.serving.contains_key(&slot);
        let serving: Vec<_> = (0..self.nodes.len()).filter(|index| serves(&self.nodes[*index])).collect();
        serving.into_iter().for_each(|index| _ = self.write_at(index, slot));
    }

    fn write_at(&mut self, owner: usize, slot: Slot) -> u64 {
        self.written += 1;
        let value = self.written;
        let mail = self.store(owner, slot).write(value);
        self.mail(owner, slot, mail);
        self.acknowledge(owner, slot);
        value
    }

    /// Owners send again what was not confirmed.
    pub(crate) fn send_again(&mut self, slot: Slot) {
        for index in 0..self.nodes.len() {
            let mail = self.store(index, slot).send_last();
            self.mail(index, slot, mail);
        }
    }

    pub(crate) fn store(&mut self, index: usize, slot: Slot) -> &mut Store {
        let rules = self.options.rules;
        self.nodes[index].stores.entry(slot).or_insert_with(|| Store::new(rules))
    }

    fn hear(&mut self, index: usize, from: &Process, slot: Slot, frame: Frame) {
        let (heard, mail) = self.store(index, slot).hear(from, frame);
        self.mail(index, slot, mail);
        let registry = registry();
        match heard {
            Heard::Nothing => {}
            Heard::Taken => self.counts.records += 1,
            Heard::CaughtUp => self.counts.catch_ups += 1,
            Heard::Filled => self.counts.fills += 1,
            Heard::Fetched(epoch) => {
                self.counts.fetches += 1;
                self.handle(index, Input::Slots(registry, Report::Fetched(slot, epoch)));
            }
            Heard::Stored(epoch) => {
                let stored = Stored { slot, epoch, by: from.clone() };
                self.handle(index, Input::Slots(registry, Report::Stored(stored)));
            }
        }
        self.acknowledge(index, slot);
    }

    fn acknowledge(&mut self, index: usize, slot: Slot) {
        let node = &mut self.nodes[index];
        if let Some((epoch, log)) = node.stores.get_mut(&slot).and_then(Store::acknowledge) {
            self.counts.acknowledgements += 1;
            let seen = self.oracle.sees_log(slot, &node.process.node, epoch, log);
            self.note(seen);
        }
    }

    fn mail(&mut self, from: usize, slot: Slot, mail: Mail) {
        let sender = self.nodes[from].process.clone();
        for (to, frame) in mail {
            if let (Frame::Fill { epoch, .. }, true) = (&frame, self.unfit.contains(&slot)) {
                let report = Report::Unfillable(slot, *epoch, to);
                let delay = self.delay();
                self.put(delay, Happening::Reported(from, sender.start, report));
                continue;
            }
            let of = match &frame {
                Frame::Fill { epoch, log } if !log.is_empty() => Some(*epoch),
                Frame::Record { epoch, .. } => Some(*epoch),
                _ => None,
            };
            let is_stranger = |index: &usize| self.nodes[*index].process == to;
            if let Some(epoch) = of.filter(|_| self.strangers.iter().any(is_stranger)) {
                let report = Report::Unreadable(slot, epoch, to);
                let delay = self.delay();
                self.put(delay, Happening::Reported(from, sender.start, report));
                continue;
            }
            self.carry(from, &to.node, |index| Happening::Frame(index, to.start, sender.clone(), slot, frame.clone()));
        }
    }

    /// Looks whether anything is seen that must not be.
    fn watch(&mut self) {
        for slot in (0..self.options.slots).map(Slot::new) {
            let right: Vec<_> = (0..self.nodes.len())
                .filter(|index| self.has_right(*index, slot))
                .map(|index| (self.nodes[index].process.node.clone(), self.nodes[index].serving[&slot].epoch))
                .collect();
            let seen = self.oracle.sees_right(slot, &right);
            self.note(seen);
        }
    }

    fn note(&mut self, seen: Result<(), String>) {
        // Where all serve, nothing of this is promised.
        if let (Err(fault), None, false) = (seen, &self.fault, self.options.serves_all) {
            self.fault = Some(format!("at {} ms: {fault}", self.now / MS));
        }
    }

    fn delay(&mut self) -> Micros {
        let (low, high) = self.options.delay;
        self.rng.random_range(low..=high)
    }

    fn put(&mut self, after: Micros, happening: Happening) {
        self.queued += 1;
        self.queue.insert((self.now + after, self.queued), happening);
    }

    /// What a node's clock shows now.
    pub(crate) fn local(&self, index: usize) -> Moment {
        let node = &self.nodes[index];
        let micros = node.offset + self.now * u64::try_from(node.rate).unwrap() / 1000;
        Moment::from_origin(Duration::from_micros(micros))
    }

    /// The true time of a node's next deadline.
    fn deadline(&self, index: usize) -> Option<Micros> {
        let node = &self.nodes[index];
        let local = node.engine.as_ref()?.next_deadline()?;
        let micros = u64::try_from(local.since_origin().as_micros()).unwrap_or(u64::MAX / 2000);
        let elapsed = micros.saturating_sub(node.offset).saturating_mul(1000);
        Some(elapsed.div_ceil(u64::try_from(node.rate).unwrap()).max(self.now))
    }
}
