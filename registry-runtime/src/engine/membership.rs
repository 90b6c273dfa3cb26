//! Who is a member: SWIM by the foca crate, and what it lacks.
//!
//! [`Membership::handle`] takes in one thing that happened, [`Membership::poll`] hands out what is to be done, and
//! [`Membership::next_deadline`] says when to come back. Nodes talk over one reliable, ordered stream per pair, inside an
//! authenticated connection; whoever drives a membership carries its packets there.
//!
//! What is added to foca, each in its own file: a [`watchdog`] that brings back a node that sees nobody; [`suspicion`]s
//! that every node times and checks itself; [`health`], by which a node in trouble doubts itself first; the exchange of
//! all that is known after a reconnection and now and then ([`exchange`]), since gossip leaves stragglers; dialling
//! ([`links`]); profiles and loads ([`rumours`]); ages of Downs, goodbyes and forgetting ([`roster`]).
//!
//! Absent on purpose: a clock, sockets, the operating system's randomness, hash-ordered maps.

mod alarms;
#[cfg(any(test, feature = "bench"))]
pub(crate) mod crowd;
mod event;
mod exchange;
mod gossip;
mod health;
mod hearing;
mod hints;
mod identity;
mod input;
mod links;
mod member;
mod output;
mod packet;
mod roster;
mod rumours;
mod suspicion;
mod swim;
mod watchdog;

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod without;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foca::State as Belief;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) use self::event::Event;
pub(crate) use self::identity::Identity;
pub(crate) use self::input::Input;
pub use self::member::MemberState;
pub(crate) use self::member::{Change, HostedFailover, HostedRegistry, Load, Member, Profile, Weight};
pub(crate) use self::output::{Output, StopReason};
#[cfg(test)]
pub(crate) use self::packet::{MEMBERS_MAX, Refusal};

use self::health::Health;
use self::hints::Hints;
use self::links::Links;
use self::packet::{Body, Entry, Packet, Rumour};
use self::roster::Roster;
use self::rumours::Rumours;
use self::suspicion::{Suspicions, Verdict};
use self::swim::{Effect, Mark, Swim};
use self::watchdog::Watchdog;
use crate::id::{NodeId, Start};
use crate::rules::{Rule, Rules};
use crate::time::{Moment, Timing};

/// What a membership is born with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// This node.
    pub(crate) node: NodeId,
    /// Where others dial it.
    pub(crate) address: SocketAddr,
    /// This life: the wall clock's milliseconds at its beginning.
    pub(crate) start: Start,
    /// How soon a silent node is Down.
    pub(crate) timing: Timing,
    /// Where somebody may be found; the own address may be among them.
    pub(crate) join: Vec<SocketAddr>,
    /// What this node says of itself; the revisions are kept here.
    pub(crate) profile: Profile,
    /// Where all randomness comes from.
    pub(crate) seed: u64,
    /// All of them, outside of tests.
    pub(crate) rules: Rules,
}

/// The member list of one node and what keeps it true.
pub(crate) struct Membership {
    rules: Rules,
    timing: Timing,
    phase: Phase,
    swim: Swim,
    roster: Roster,
    suspicions: Suspicions,
    hints: Hints,
    health: Health,
    watchdog: Watchdog,
    links: Links,
    rumours: Rumours,
    profile: Arc<Profile>,
    /// A load that waits until it may be told.
    load: Option<Load>,
    load_due: Moment,
    rumours_due: Moment,
    exchange_due: Moment,
    /// How many new peers were asked whether their views differ, and when to count anew.
    greetings: usize,
    greetings_due: Moment,
    /// When this node had asked to be called.
    promised: Option<Moment>,
    rng: ChaCha8Rng,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// It said goodbye, or must stop.
    Over,
}

/// Between two reports of a load: balancing wants a tendency, and every report goes to every node.
const LOAD_SPACING: Duration = Duration::from_secs(1);
/// New peers that are asked within a round of gossip whether their views differ. A node that meets hundreds at once, each with a
/// list of hundreds, would learn the same from all of them; one is asked in the next round for those that were not.
const GREETINGS_MAX: usize = 8;
/// How many members those that are asked may tell of together, where that is fewer: of a thousand members one is asked.
const GREETED_MAX: usize = 1024;
/// Nodes that a round of rumours goes to.
const RUMOUR_TO: usize = 3;

impl Membership {
    /// A node that knows nobody yet.
    pub(crate) fn new(config: Config, now: Moment) -> Self {
        let Config { node, address, start, timing, join, profile, seed, rules } = config;
        let identity = Identity::at_birth(node, address, start);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let profile = Arc::new(Profile { revision: 1, load_revision: 1, ..profile });
        let links = Links::new(now, identity.clone(), &timing, &join);
        Self {
            rules,
            phase: Phase::Running,
            swim: Swim::new(identity, &timing, rng.random(), rules),
            roster: Roster::default(),
            suspicions: Suspicions::new(&timing),
            hints: Hints::new(timing.probe_rtt),
            // Trouble counts for a few rounds of probes: fewer would forget it before it can matter.
            health: Health::new(now, timing.probe_period.saturating_mul(4)),
            watchdog: Watchdog::new(now, rules),
            links,
            rumours: Rumours::default(),
            profile,
            load: None,
            load_due: now,
            rumours_due: now,
            exchange_due: now + timing.anti_entropy.mul_f64(rng.random_range(0.0..1.0)),
            greetings: 0,
            greetings_due: now,
            promised: None,
            rng,
            outputs: VecDeque::new(),
            timing,
        }
    }

    // What is known.

    /// Who this node is now.
    pub(crate) fn identity(&self) -> &Identity {
        self.swim.identity()
    }

    /// This node as a member.
    pub(crate) fn myself(&self) -> Member {
        let identity = self.swim.identity();
        Member {
            process: identity.process(),
            incarnation: identity.incarnation,
            address: identity.address,
            state: if self.phase == Phase::Running { MemberState::Up } else { MemberState::Left },
            down: None,
            profile: Some(self.profile.clone()),
        }
    }

    /// The other members, by node id.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member> {
        self.roster.iter().map(roster::Record::member)
    }

    /// Whether there is a connection with a node.
    #[cfg(test)]
    pub(crate) fn is_connected(&self, node: &NodeId) -> bool {
        self.links.peer(node).is_some()
    }

    /// A number that is the same on all nodes that hold the same view: the same members in the same incarnations, and the
    /// same of them alive. Profiles and suspicions do not count.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn digest(&self) -> u64 {
        self.roster.digest(self.swim.identity())
    }

    /// What is to be done; ask until `None` after every [`Self::handle`].
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Tick`] if nothing happens before. Coming much later counts as this node's own
    /// trouble.
    pub(crate) const fn next_deadline(&self) -> Option<Moment> {
        self.promised
    }

    // What happens.

    /// Takes in one thing that happened.
    pub(crate) fn handle(&mut self, now: Moment, input: Input) {
        if self.phase == Phase::Over {
            return;
        }
        self.notice_delay(now);
        match input {
            Input::Connected { peer, dialled } => self.handle_connection(now, &peer, dialled),
            Input::DialFailed { node, address } => self.links.fail(now, node.as_ref(), address, &mut self.rng),
            Input::Disconnected { node } => {
                self.links.disconnect(now, &node, &mut self.rng);
            }
            Input::Packet { from, bytes } => self.handle_packet(now, &from, &bytes),
            Input::Silent { node } => self.check(now, &node),
            Input::Join(seeds) => self.links.set_seeds(now, &seeds),
            Input::Profile(profile) => self.set_profile(profile),
            Input::Load(load) => self.load = Some(load),
            Input::Leave => self.leave(now),
            Input::Tick => {}
        }
        if self.phase == Phase::Running {
            self.handle_due(now);
        }
        self.promised = if self.phase == Phase::Running { self.earliest(now) } else { None };
    }

    /// Counts a Down or Left member as a member no more. Its incarnation stays out; a later one is taken in again.
    #[cfg_attr(not(test), expect(dead_code, reason = "the operator's way to give a member up, of the next release"))]
    pub(crate) fn forget(&mut self, node: &NodeId) {
        if self.roster.forget(node) {
            self.links.drop_member(node);
        }
    }

    /// A connection stands: both sides say who they are and, if their views differ, all that they know.
    fn handle_connection(&mut self, now: Moment, peer: &Identity, dialled: Option<SocketAddr>) {
        self.links.connect(peer, dialled);
        self.suspicions.meet(now, &peer.node);
        if peer.node == self.swim.identity().node {
            // Either it was the own address after all, or a second process has this node's id.
            if !peer.is_same_process(self.swim.identity()) && peer.outranks(self.swim.identity()) {
                self.stop(peer.address);
            } else {
                self.outputs.push_back(Output::Hangup { process: peer.process() });
            }
            return;
        }
        match self.roster.get(&peer.node) {
            Some(known) if known.identity.outranks(peer) || self.roster.is_gone(peer) => {
                let entry = known.entry(now);
                self.tell(&peer.node, vec![entry]);
            }
            _ if self.watchdog.is_enabled() => self.introduce(now, peer),
            _ => {}
        }
        // One of the two asks whether the views differ; both would do everything twice.
        if self.swim.identity().node < peer.node && self.watchdog.is_enabled() {
            if self.greetings_due <= now {
                self.greetings_due = now + self.timing.gossip_period;
                self.greetings = 0;
            }
            let list = self.roster.len().saturating_add(1);
            if self.greetings < GREETINGS_MAX.min(GREETED_MAX.div_ceil(list)) {
                self.greetings = self.greetings.saturating_add(1);
                self.send_digest(&peer.node);
            } else {
                self.exchange_due = self.exchange_due.min(self.greetings_due);
            }
        }
    }

    /// Asks a member that is said to be silent.
    fn check(&mut self, now: Moment, node: &NodeId) {
        let up = self.roster.get(node).is_some_and(|known| known.state == MemberState::Up);
        if let Some(peer) = self.links.peer(node).filter(|_| up).cloned()
            && self.hints.ask(now, node)
        {
            self.swim.announce(now, peer);
            self.settle(now);
        }
    }

    fn set_profile(&mut self, said: Profile) {
        if !said.fits() {
            return self.outputs.push_back(Output::Event(Event::ProfileTooLarge));
        }
        let before = &self.profile;
        let (revision, load, load_revision) = (before.revision.saturating_add(1), before.load, before.load_revision);
        let begins_to_leave = said.leaving && !before.leaving;
        self.profile = Arc::new(Profile { revision, load, load_revision, ..said });
        let process = self.swim.identity().process();
        let rumour = Rumour::Profile(process, Profile::clone(&self.profile));
        if begins_to_leave {
            // Before it hands anything over: who opens a slot must not think that it belongs back here.
            for node in self.peers() {
                self.send(&node, Body::Rumours(vec![rumour.clone()]));
            }
        }
        self.rumours.add(rumour);
    }

    /// Says goodbye to every peer, so that they see a member that left and not one that is Down.
    fn leave(&mut self, now: Moment) {
        let goodbye = Entry { state: MemberState::Left, ..self.own_entry() };
        for node in self.peers() {
            self.tell(&node, vec![goodbye.clone()]);
        }
        self.swim.leave(now);
        self.settle(now);
        self.phase = Phase::Over;
    }

    fn stop(&mut self, address: SocketAddr) {
        self.phase = Phase::Over;
        self.outputs.push_back(Output::Stop(StopReason::DuplicateNode { address }));
    }

    // Time.

    /// Whoever was called late was asleep or starved, and has not heard the answers that lie waiting. It goes on as if its
    /// clock had stood still meanwhile.
    fn notice_delay(&mut self, now: Moment) {
        let late = self.promised.map_or(Duration::ZERO, |promised| now.since(promised));
        if late > self.timing.probe_rtt / 2 {
            self.swim.postpone(late);
            self.suspicions.postpone(late);
            self.hints.postpone(late);
            self.health.raise(now);
            self.outputs.push_back(Output::Event(Event::Late { by: late, score: self.health.score(now) }));
        }
    }

    fn handle_due(&mut self, now: Moment) {
        self.swim.handle_due(now);
        self.settle(now);
        let silent = self.hints.take_due(now);
        self.suspect(now, &silent);
        let can_hear = |node: &NodeId| self.links.peer(node).is_some();
        for verdict in self.suspicions.take_due(now, self.health.factor(now), can_hear) {
            match verdict {
                Verdict::Ask(..) if !self.rules.keeps(Rule::Question) => {}
                Verdict::Ask(suspect, refutations) => {
                    let node = suspect.node.clone();
                    self.send(&node, Body::Confirm { suspect, refutations });
                }
                Verdict::Down { identity, refutations, known } => self.declare_down(now, identity, refutations, known),
            }
        }
        let undenied = self.roster.restore(now);
        if !undenied.is_empty() {
            let marks = undenied.into_iter().map(|identity| Mark::new(identity, 0, Belief::Down)).collect();
            self.swim.apply(now, marks);
            self.settle(now);
        }
        if self.watchdog.poll(now, self.swim.is_active())
            && let Some(peer) = self.any_peer().cloned()
        {
            self.introduce(now, &peer);
        }
        if let Some(load) = self.load.filter(|_| self.load_due <= now) {
            self.load = None;
            if load != self.profile.load {
                self.load_due = now + LOAD_SPACING;
                let profile = Arc::make_mut(&mut self.profile);
                profile.load = load;
                profile.load_revision = profile.load_revision.saturating_add(1);
                let revision = profile.load_revision;
                self.rumours.add(Rumour::Load(self.swim.identity().process(), load, revision));
            }
        }
        if self.rumours_due <= now && !self.rumours.is_empty() {
            self.rumours_due = now + self.timing.gossip_period;
            self.send_rumours();
        }
        if self.exchange_due <= now {
            self.exchange_due = now + self.timing.anti_entropy.mul_f64(self.rng.random_range(0.75..1.25));
            if let Some(node) = self.any_peer().map(|peer| peer.node.clone()) {
                self.send_digest(&node);
            }
        }
        for (node, address) in self.links.take_due(now, &mut self.rng) {
            self.outputs.push_back(Output::Dial { node, address });
        }
    }

    fn earliest(&mut self, now: Moment) -> Option<Moment> {
        let load = self.load.map(|_| self.load_due);
        let rumours = (!self.rumours.is_empty()).then_some(self.rumours_due);
        let due = [
            self.swim.next(),
            self.suspicions.next(self.health.factor(now)),
            self.hints.next(),
            self.roster.next(),
            self.watchdog.next(),
            self.links.next(),
            load,
            rumours,
            Some(self.exchange_due),
        ];
        due.into_iter().flatten().min()
    }

    /// A suspect did not answer in time. All peers are told at once, the suspect included, should it live: gossip alone
    /// leaves stragglers.
    fn declare_down(&mut self, now: Moment, identity: Identity, refutations: u16, known: bool) {
        if !known {
            let state = MemberState::Down;
            let verdict = Entry { identity: identity.clone(), refutations, state, down_ms: 0, profile: None };
            for node in self.peers() {
                self.tell(&node, vec![verdict.clone()]);
            }
        }
        self.swim.apply(now, vec![Mark::new(identity, refutations, Belief::Down)]);
        self.settle(now);
    }

    /// Suspects members that are alive.
    fn suspect(&mut self, now: Moment, nodes: &[NodeId]) {
        let live = |node| self.roster.get(node).filter(|known| known.state.is_live());
        let suspect = |known: &roster::Record| Mark::new(known.identity.clone(), known.refutations, Belief::Suspect);
        let marks: Vec<_> = nodes.iter().filter_map(live).map(suspect).collect();
        if !marks.is_empty() {
            self.swim.apply(now, marks);
            self.settle(now);
        }
    }

    // Keeping in step with foca.

    /// Empties foca's tray and reports what has changed. Stands after every call of foca.
    fn settle(&mut self, now: Moment) {
        let mut failed = Vec::new();
        let mut rejoined = false;
        while let Some(effect) = self.swim.poll() {
            match effect {
                Effect::Send(to, bytes) => self.send(&to.node, Body::Swim(bytes.into())),
                Effect::Failed(identity, refutations) => failed.push((identity, refutations)),
                Effect::Rejoined(incarnation) => {
                    rejoined = true;
                    self.outputs.push_back(Output::Rejoined { incarnation });
                }
                Effect::Fault(detail) => self.outputs.push_back(Output::Event(Event::Swim { detail })),
            }
        }
        let touched = self.swim.take_touched();
        if !touched.is_empty() {
            for (member, change) in self.roster.compare(now, touched.iter()) {
                self.report(now, member, change);
            }
            for mark in touched.iter().filter(|mark| mark.state() == Belief::Suspect) {
                let met = self.links.has_met(mark.id());
                self.suspicions.open(now, mark.id(), mark.incarnation(), met, &mut self.rng);
            }
        }
        for (identity, refutations) in failed {
            let new = self.suspicions.note_failure(now, &identity, refutations);
            // One failure says nothing of this node; two or more, and more than half of all peers, do.
            let failures = self.suspicions.failures();
            if new && failures >= 2 && failures.saturating_mul(2) > self.roster.live() {
                self.health.raise(now);
                self.outputs.push_back(Output::Event(Event::SelfDoubt { score: self.health.score(now) }));
            }
        }
        if rejoined && self.watchdog.is_enabled() {
            let peers: Vec<_> = self.links.peers().cloned().collect();
            for peer in peers {
                self.introduce(now, &peer);
            }
        }
    }

    /// Tells the outside of a change, and does what it asks for.
    fn report(&mut self, now: Moment, member: Member, change: Change) {
        let node = member.process.node.clone();
        let identity = Identity {
            node: node.clone(),
            address: member.address,
            start: member.process.start,
            incarnation: member.incarnation,
        };
        if member.state != MemberState::Suspect {
            self.suspicions.close(&node);
        }
        let state = member.state;
        let gone = match &change {
            Change::Replaced { former } => Some(former.clone()),
            _ => (!state.is_live()).then(|| member.process.clone()),
        };
        let counts = !matches!(change, Change::Profile | Change::Load);
        self.outputs.push_back(Output::Member { member, change });
        match state {
            MemberState::Up | MemberState::Suspect => self.links.want(now, &identity, true, &mut self.rng),
            MemberState::Down => self.links.want(now, &identity, false, &mut self.rng),
            MemberState::Left => self.links.drop_member(&node),
        }
        if let Some(process) = gone
            && self.links.peer(&node).is_some_and(|peer| peer.start == process.start)
        {
            self.links.disconnect(now, &node, &mut self.rng);
            self.outputs.push_back(Output::Hangup { process });
        }
        if counts {
            self.swim.resize(now, self.roster.live());
            self.settle_faults();
        }
    }

    /// Passes on what foca has refused meanwhile; it has nothing else to say when it is only resized.
    fn settle_faults(&mut self) {
        while let Some(effect) = self.swim.poll() {
            if let Effect::Fault(detail) = effect {
                self.outputs.push_back(Output::Event(Event::Swim { detail }));
            }
        }
    }

    // Sending.

    /// Sends to a node, if it is connected.
    fn send(&mut self, to: &NodeId, body: Body) {
        if self.links.peer(to).is_none() {
            return;
        }
        if let Some(bytes) = (Packet { from: self.swim.identity().clone(), body }).encode() {
            self.outputs.push_back(Output::Send { to: to.clone(), bytes });
        }
    }

    fn send_rumours(&mut self) {
        let live = self.links.peers().filter(|peer| self.roster.is_live(peer)).map(|peer| peer.node.clone()).collect();
        let listeners = self.pick(live, RUMOUR_TO);
        if listeners.is_empty() {
            return;
        }
        // Each node tells a rumour a few times more than the cluster's size has doublings, as gossip needs.
        let enough = self.roster.live().saturating_add(2).ilog2().saturating_mul(2).saturating_add(3);
        let told = u32::try_from(listeners.len()).unwrap_or(u32::MAX);
        let round = self.rumours.take_round(told, enough);
        for node in listeners {
            self.send(&node, Body::Rumours(round.clone()));
        }
    }

    /// Everyone this node is connected with.
    fn peers(&self) -> Vec<NodeId> {
        self.links.peers().map(|peer| peer.node.clone()).collect()
    }

    /// One of those that this node is connected with, at random.
    fn any_peer(&mut self) -> Option<&Identity> {
        let peers = self.links.peers().len();
        let nth = (peers > 0).then(|| self.rng.random_range(0..peers))?;
        self.links.peers().nth(nth)
    }

    /// Up to `wanted` of them at random.
    fn pick<T>(&mut self, mut from: Vec<T>, wanted: usize) -> Vec<T> {
        let mut picked = Vec::new();
        while picked.len() < wanted && !from.is_empty() {
            picked.push(from.swap_remove(self.rng.random_range(0..from.len())));
        }
        picked
    }
}
