//! Who owns which slot: facts go in, decisions come out as values.
//!
//! This room has no clock, no sockets, no randomness of its own and no hash-ordered maps: one seed and one list of inputs
//! give one list of outputs.

mod compare;
mod hear;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::compare::Asked;
use super::charter::Charter;
use super::epochs::Epochs;
use super::lease::{Borrowed, Lent};
use super::outbox::{Outbox, send};
use super::output::{Closing, Event, Output, StopReason};
use super::plan::Plan;
use super::registry::Registry;
#[cfg(test)]
use super::set::Set;
use super::set::Sets;
use super::shared::{Peer, Shared};
use super::sight::Sight;
use super::store::Report;
use super::table::Table;
use super::view::{HostedRegistry, Life, Member, MemberState, Profile, View, Weight};
#[cfg(test)]
use crate::id::Slot;
use crate::id::{Incarnation, NodeId, Process, RegistryName};
use crate::message::{Body, FORGOTTEN_MAX, Forgotten, Heartbeat, Message, REGISTRIES_MAX};
use crate::rules::Rules;
use crate::time::{Moment, Timing};

/// What ownership is born with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// This process.
    pub(crate) me: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The registries that it hosts.
    pub(crate) hosted: Vec<HostedRegistry>,
    /// How many entries the `join` list has; 1 without one.
    pub(crate) charter: usize,
    /// How long to wait for silent peers.
    pub(crate) timing: Timing,
    /// The wall clock at birth, in milliseconds since the Unix epoch: where epochs begin.
    pub(crate) birth_ms: u64,
    /// Drawn at random; only for how long pauses are.
    pub(crate) seed: u64,
    /// All on, outside of tests.
    pub(crate) rules: Rules,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Time went by; a deadline may have come.
    Tick,
    /// Membership knows something new about members: all that one thing has brought, for each look at the members is one at all slots.
    MembersChanged(Vec<Member>),
    /// A life of this node is over, whatever its start says.
    Outlived(Process),
    /// Membership no longer lists a node.
    #[expect(dead_code, reason = "follows from `Membership::forget`, of the next release")]
    MemberRemoved(NodeId),
    /// There is a connection with this process now.
    Connected(Process),
    /// There is none with this node any more.
    Disconnected(NodeId),
    /// This entry of the `join` list stands for this process now; or nobody can tell for whom.
    Charter(usize, Option<Process>),
    /// A cluster stands at this address that will not have this node.
    ShutOut(SocketAddr),
    /// Who is at this address is connected.
    LetIn(SocketAddr),
    /// A message came over the authenticated connection with a node.
    Received(NodeId, Message),
    /// Something has become of slots of a registry.
    Slots(RegistryName, Report),
    /// This node is to hand everything over and leave.
    Leave,
    /// Whether commands run or wait on this node, once it is to leave.
    Works(bool),
    /// This node opens a slot with a set of others and itself, rules or not.
    #[cfg(test)]
    ForceOpen(RegistryName, Slot, Set),
}

/// How many times the length of a lease a leaving node waits until it goes even so.
const LEAVING_LEASES: u32 = 40;

/// How long a leaving node that has handed everything over waits for the commands that still run: the default timeout of a call.
const DRAINING: Duration = Duration::from_secs(5);

/// The table, the plan and all that leads from one to the other, for every registry that this node knows.
#[derive(Debug)]
pub(crate) struct Ownership {
    shared: Shared,
    registries: BTreeMap<RegistryName, Registry>,
    /// Who is asked where its tables differ, and how many questions there were.
    asked: BTreeMap<RegistryName, Asked>,
    questions: u64,
    /// When the next heartbeat is due.
    beat_at: Moment,
    stay: Stay,
    /// Whether it has been without slots since it began to leave.
    handed_over: bool,
    /// Whether commands run or wait here: actions, once all slots are handed over.
    works: bool,
}

/// Whether this node stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// It does.
    Stays,
    /// It hands everything over, and goes even so at this moment.
    LeavesBy(Moment),
    /// It has left: it serves nothing, and opens nothing any more.
    Left,
}

impl Ownership {
    pub(crate) fn new(now: Moment, config: Config) -> Self {
        let Config { me, address, hosted, charter, timing, birth_ms, seed, rules } = config;
        let shared = Shared {
            now,
            born: now,
            timing,
            rules,
            view: View::default(),
            sight: Sight::default(),
            charter: Charter::new(charter),
            epochs: Epochs::new(birth_ms, now),
            borrowed: Borrowed::default(),
            lent: Lent::default(),
            sets: Sets::default(),
            peers: BTreeMap::new(),
            outbox: Outbox::default(),
            outputs: std::collections::VecDeque::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            me: me.clone(),
        };
        let mut this = Self {
            shared,
            registries: BTreeMap::new(),
            asked: BTreeMap::new(),
            questions: 0,
            beat_at: now,
            stay: Stay::Stays,
            handed_over: false,
            works: false,
        };
        let profile = Profile { hosted, weight: Weight::NORMAL, ..Profile::default() };
        let incarnation = Incarnation::new(me.start.get());
        let state = MemberState::Up;
        let member = Member { process: me, incarnation, address, state, down_for: None, profile: Some(profile) };
        let matters = this.take_in(member);
        this.look_at_members(matters);
        this
    }

    /// Takes in one thing that happened. All outputs of the one before have been taken out.
    pub(crate) fn handle(&mut self, now: Moment, input: Input) {
        debug_assert!(self.shared.outputs.is_empty(), "the tray is not empty");
        if self.stay == Stay::Left {
            return;
        }
        self.shared.now = self.shared.now.max(now);
        self.shared.epochs.begin_batch();
        match input {
            Input::Tick => {}
            Input::MembersChanged(members) => self.members_changed(members),
            Input::Outlived(former) => self.shared.view.bury(&former),
            Input::MemberRemoved(node) => self.member_removed(&node),
            Input::Connected(process) => self.connected(process),
            Input::Disconnected(node) => _ = self.shared.peers.remove(&node),
            Input::Charter(entry, process) => self.shared.charter.learn(entry, process),
            Input::ShutOut(address) => {
                self.shared.charter.shut_out(address, self.shared.now + self.shared.timing.forget_after);
                self.look_whether_to_found();
            }
            Input::LetIn(address) => self.shared.charter.let_in(address),
            Input::Received(from, message) => self.received(&from, message),
            Input::Slots(registry, report) => {
                if let Some(registry) = self.registries.get_mut(&registry) {
                    registry.reported(report, &mut self.shared);
                }
            }
            Input::Leave => self.leave(),
            Input::Works(works) => self.works = works,
            #[cfg(test)]
            Input::ForceOpen(registry, slot, set) => {
                if let Some(registry) = self.registries.get_mut(&registry) {
                    registry.open_as_told(slot, set, &mut self.shared);
                }
            }
        }
        if self.shared.now >= self.beat_at {
            self.beat();
        }
        self.registries.values_mut().for_each(|registry| registry.run(&mut self.shared));
        let Shared { outbox, outputs, me, .. } = &mut self.shared;
        outbox.empty(me.start, |output| outputs.push_back(output));
        self.leave_when_done();
    }

    /// Hands out what is to be done; call until `None` before the next input.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// When to come back with a tick if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let due = self.registries.values().filter_map(Registry::deadline).chain([self.beat_at]);
        due.min().filter(|_| self.stay != Stay::Left)
    }

    /// Who has each slot of a registry open.
    pub(crate) fn table(&self, registry: &RegistryName) -> Option<&Table> {
        self.registries.get(registry).map(Registry::table)
    }

    /// Until when a process's answer to this node counts: a while from when it was asked, however late the answer came.
    pub(crate) fn lent_until(&self, process: &Process) -> Moment {
        self.shared.borrowed.until_of(process)
    }

    /// Whether another member may take over what this node has of a registry, now or when it is back.
    pub(crate) fn has_heirs(&self, name: &RegistryName) -> bool {
        self.registries.get(name).is_some_and(|registry| self.shared.has_heirs(name, registry.slots()))
    }

    /// Where each slot of a registry should be.
    pub(crate) fn plan(&self, registry: &RegistryName) -> Option<&Arc<Plan>> {
        self.registries.get(registry).map(Registry::plan)
    }

    /// How many processes a replica set of a registry has where there are enough.
    #[cfg(feature = "testing")]
    pub(crate) fn replicas(&self, registry: &RegistryName) -> Option<usize> {
        self.registries.get(registry).map(Registry::replicas)
    }

    /// The processes that host a registry and may own its slots.
    pub(crate) fn hosts(&self, registry: &RegistryName) -> impl Iterator<Item = &Process> {
        self.registries.get(registry).into_iter().flat_map(Registry::hosts)
    }

    /// Whether this node leaves and has handed over all that it can: what still runs is waited for.
    pub(crate) const fn has_handed_over(&self) -> bool {
        self.handed_over
    }

    /// The registries that this node knows, hosted by it or not.
    pub(crate) fn registries(&self) -> impl Iterator<Item = &RegistryName> {
        self.registries.keys()
    }

    fn members_changed(&mut self, members: Vec<Member>) {
        let mut matters = false;
        for member in members {
            matters |= self.member_changed(member);
        }
        self.look_at_members(matters);
    }

    /// Takes in one member. Says whether that matters to slots.
    fn member_changed(&mut self, mut member: Member) -> bool {
        let shared = &mut self.shared;
        if member.process.node == shared.me.node {
            if member.process.start > shared.me.start {
                shared.outputs.push_back(Output::Stop(StopReason::DuplicateNode));
                return false;
            }
            if member.process.start < shared.me.start {
                return false;
            }
            member.state = MemberState::Up;
            member.down_for = None;
            let before = shared.view.member(&member.process.node);
            let was_declared_down = before.is_some_and(|before| before.incarnation < member.incarnation);
            member.profile = member.profile.or_else(|| before.and_then(|before| before.profile.clone()));
            if let Some(profile) = &mut member.profile {
                profile.leaving |= self.stay != Stay::Stays;
            }
            if was_declared_down {
                let close = |registry: &mut Registry| registry.close_all(&mut self.shared, Closing::DeclaredDown);
                self.registries.values_mut().for_each(close);
            }
        } else if member.profile.as_ref().is_some_and(|profile| profile.hosted.len() > REGISTRIES_MAX) {
            let from = member.process.node.clone();
            shared.event(Event::BadInput { from, what: "a profile with too many registries" });
            return false;
        }
        self.take_in(member)
    }

    fn take_in(&mut self, member: Member) -> bool {
        let node = member.process.node.clone();
        let mine = node == self.shared.me.node;
        for hosted in member.profile.iter().flat_map(|profile| &profile.hosted) {
            match self.registry(&node, &hosted.name, hosted.slots) {
                // What this node says of a registry that it hosts weighs more than what others say.
                Some(registry) if mine || !self.is_host_of(&hosted.name) => {
                    if let Some(registry) = self.registries.get_mut(&registry) {
                        registry.state_terms(hosted);
                    }
                }
                _ => {}
            }
        }
        let now = self.shared.now;
        self.shared.view.update(now, member)
    }

    /// Looks at the members, and at all slots if they are others or that matters in another way.
    fn look_at_members(&mut self, matters: bool) {
        if self.look_around() || matters {
            self.registries.values_mut().for_each(|registry| registry.view_changed(&self.shared));
        }
    }

    fn member_removed(&mut self, node: &NodeId) {
        if *node != self.shared.me.node {
            self.shared.view.remove(node);
            self.look_at_members(true);
        }
    }

    fn connected(&mut self, process: Process) {
        self.forget_asked(&process);
        self.shared.peers.insert(process.node.clone(), Peer::new(process.clone(), self.shared.now));
        if self.shared.sight.sees_majority() {
            self.tell_forgotten(&process);
        }
        self.registries.values_mut().for_each(|registry| registry.meet(&process));
        // Founding, leases and the comparison of tables should not wait for the next round.
        self.beat_at = self.shared.now;
    }

    /// Everything that comes round with a heartbeat.
    fn beat(&mut self) {
        let sequence = self.shared.borrowed.beat(self.shared.now);
        self.beat_at = self.shared.now + self.shared.timing.heartbeat;
        let tables: Vec<_> = self.tables().map(|(name, digest)| (name.clone(), digest)).collect();
        let Shared { me, peers, borrowed, outputs, .. } = &mut self.shared;
        for peer in peers.values() {
            let heard = borrowed.heard(&peer.process);
            let heartbeat = Heartbeat { sequence, heard, tables: tables.clone() };
            outputs.push_back(send(me.start, &peer.process, Body::Heartbeat(heartbeat)));
        }
        self.look_at_members(false);
        let Shared { now, view, borrowed, lent, .. } = &mut self.shared;
        let is_over = |process: &Process| view.life(process) == Life::Over;
        borrowed.forget(is_over);
        lent.forget(*now, is_over);
        self.look_whether_to_found();
    }

    fn look_around(&mut self) -> bool {
        let Shared { sight, view, me, timing, now, .. } = &mut self.shared;
        let was_halted = sight.is_halted();
        let changed = sight.look(*now, view, &me.node, timing);
        let is_halted = sight.is_halted();
        if sight.take_news() {
            let peers: Vec<_> = self.shared.peers.values().map(|peer| peer.process.clone()).collect();
            peers.iter().for_each(|peer| self.tell_forgotten(peer));
        }
        if was_halted != is_halted {
            self.shared.event(if is_halted { Event::Halted } else { Event::Resumed });
        }
        changed
    }

    /// Tells a peer whom nobody needs to wait for. Who has just started would count them for ever: names that never come back.
    fn tell_forgotten(&mut self, peer: &Process) {
        let Shared { sight, outputs, me, timing, .. } = &mut self.shared;
        let processes: Vec<_> = sight.forgotten().take(FORGOTTEN_MAX).cloned().collect();
        if !processes.is_empty() {
            let forgotten = Forgotten { after: timing.forget_after, processes };
            outputs.push_back(send(me.start, peer, Body::Forgotten(forgotten)));
        }
    }

    fn look_whether_to_found(&mut self) {
        let Shared { charter, peers, me, now, .. } = &mut self.shared;
        let before = (charter.ready_since(), charter.is_shut_out());
        charter.look(*now, |process| {
            let agreed = || peers.get(&process.node).is_some_and(|peer| peer.agreed && peer.process == *process);
            process == me || agreed()
        });
        // While this node is shut out, any registry may come to stand without it.
        if charter.is_shut_out() || (charter.ready_since(), charter.is_shut_out()) != before {
            self.registries.values_mut().for_each(Registry::look_at_unopened);
        }
    }

    fn leave(&mut self) {
        if self.stay != Stay::Stays {
            return;
        }
        self.stay = Stay::LeavesBy(self.shared.now + self.shared.timing.lease * LEAVING_LEASES);
        let me = self.shared.view.member(&self.shared.me.node).cloned();
        if let Some(mut member) = me
            && let Some(profile) = &mut member.profile
        {
            profile.leaving = true;
            let matters = self.take_in(member);
            self.look_at_members(matters);
        }
    }

    fn leave_when_done(&mut self) {
        let Stay::LeavesBy(leave_by) = &mut self.stay else { return };
        let is_rid = self.registries.values().all(|registry| registry.is_rid_of(&self.shared));
        self.handed_over |= is_rid;
        if is_rid {
            *leave_by = (*leave_by).min(self.shared.now + DRAINING);
        }
        if self.shared.now >= *leave_by || (is_rid && !self.works) {
            let close = |registry: &mut Registry| registry.close_all(&mut self.shared, Closing::Leaving);
            self.registries.values_mut().for_each(close);
            self.shared.outputs.push_back(Output::Left);
            self.stay = Stay::Left;
        }
    }

    fn tables(&self) -> impl Iterator<Item = (&RegistryName, u64)> {
        self.registries.iter().map(|(name, registry)| (name, registry.table().digest()))
    }
}
