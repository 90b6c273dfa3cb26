//! What a peer says, and how much of it is believed.
//!
//! A peer speaks for itself only: a packet must come from the process at the other end of the connection. What it says of
//! others is taken in, except that a member that is alive here is asked before somebody's word that it is Down counts.
//! Where a peer listens is not for it to say but for the connection to show: one that listens on all addresses knows none.

use std::net::SocketAddr;
use std::time::Duration;

use foca::State as Belief;

use super::event::Event;
use super::gossip::Gossip;
use super::identity::Identity;
use super::member::{Change, MemberState};
use super::packet::{Body, Entry, Packet, Refusal, Rumour, Standing, State};
use super::swim::Mark;
use super::{Membership, Output, Phase};
use crate::id::NodeId;
use crate::rules::Rule;
use crate::time::Moment;

/// How many rounds of anti-entropy the others have to deny a Down that was judged here while this node was cut off.
const DENIAL: u32 = 3;

impl Membership {
    /// Takes in what a peer has sent.
    pub(super) fn handle_packet(&mut self, now: Moment, sender: &NodeId, bytes: &[u8]) {
        let Packet { mut from, body } = match Packet::decode(bytes) {
            Ok(packet) => packet,
            Err(reason) => return self.refuse(sender, reason),
        };
        let peer = self.links.peer(sender);
        let is_it = peer.is_none_or(|peer| peer.start == from.start);
        if from.node != *sender || !is_it || from.node == self.swim.identity().node {
            return self.refuse(sender, Refusal::WrongSender);
        }
        // Without a connection the packet is the last of one that is gone, which had shown the address.
        let former = || self.roster.get(sender).map(|known| &known.identity).filter(|known| known.start == from.start);
        match peer.or_else(former).map(|peer| peer.address) {
            Some(address) => from.address = address,
            None if from.address.ip().is_unspecified() => return self.refuse(sender, Refusal::Nowhere),
            None => {}
        }
        if let Some(known) = self.roster.get(sender).filter(|known| known.identity.outranks(&from)) {
            let entry = known.entry(now);
            return self.tell(sender, vec![entry]);
        }
        let is_new = self.roster.get(sender).is_none();
        if is_new && self.roster.room() == 0 && self.make_room(now, MemberState::Up).is_none() {
            let (from, node) = (sender.clone(), from.node);
            return self.outputs.push_back(Output::Event(Event::TableFull { from, node }));
        }
        self.hints.hear(sender);
        self.links.refresh(&from);
        if let Some(member) = self.roster.locate(&from) {
            self.report(now, member, Change::Profile);
        }
        if self.roster.is_gone(&from) {
            return self.handle_gone(now, &from, body);
        }
        match body {
            Body::Swim(bytes) => self.handle_gossip(now, &from, bytes),
            Body::State(state) => self.handle_state(now, &from, state),
            Body::Digest(digest) => self.handle_digest(now, sender, digest),
            Body::Confirm { suspect, refutations } => self.handle_question(now, &from, suspect, refutations),
            Body::Rumours(rumours) => self.handle_rumours(now, rumours),
        }
    }

    /// A member that is Down here is alive. It is told so, and comes back with a higher incarnation; of the others it may
    /// know only what it saw while it was cut off, so that is not taken in.
    fn handle_gone(&mut self, now: Moment, from: &Identity, body: Body) {
        let Some(known) = self.roster.get(&from.node).filter(|known| known.state == MemberState::Down) else {
            // It has said goodbye, and this packet was under way.
            return;
        };
        let verdict = known.entry(now);
        match body {
            Body::State(state) => {
                let own = self.swim.identity().node.clone();
                for entry in state.entries.iter().filter(|entry| entry.identity.node == own) {
                    self.handle_accusation(now, from, entry, state.standing);
                }
                // Two that tell each other in answer to being told would never end.
                if state.complete && self.phase == Phase::Running {
                    self.tell(&from.node, vec![verdict]);
                }
            }
            Body::Swim(_) | Body::Digest(_) | Body::Confirm { .. } | Body::Rumours(_) => {
                self.tell(&from.node, vec![verdict]);
            }
        }
    }

    /// Looks through a packet of foca's before foca gets it.
    fn handle_gossip(&mut self, now: Moment, from: &Identity, bytes: Vec<u8>) {
        let mut gossip = match Gossip::parse(&bytes, self.rules) {
            Ok(gossip) if gossip.sender() == from => gossip,
            Ok(_) => return self.refuse(&from.node, Refusal::WrongSender),
            Err(reason) => return self.refuse(&from.node, reason),
        };
        let entries: Vec<_> = std::mem::take(&mut gossip.marks).into_iter().map(Entry::from).collect();
        let (marks, doubted) = self.sift(now, from, &entries, None);
        if self.phase != Phase::Running {
            return;
        }
        gossip.marks = marks;
        gossip.locate_sender(from.address);
        // foca looks through all of its members for each, and most are no news.
        gossip.marks.retain(|mark| !self.roster.is_known(mark));
        let alive = gossip.sender_alive();
        if !self.roster.is_known(&alive) {
            self.swim.touch(&alive.id().node);
        }
        for mark in &gossip.marks {
            self.swim.touch(&mark.id().node);
        }
        if let Some(bytes) = gossip.encode() {
            self.swim.handle_packet(now, &bytes);
            self.settle(now);
        }
        self.doubt(now, from, doubted);
    }

    /// Takes in what a peer knows of members.
    fn handle_state(&mut self, now: Moment, from: &Identity, state: State) {
        let (mut marks, doubted) = self.sift(now, from, &state.entries, Some(state.standing));
        if self.phase != Phase::Running {
            return;
        }
        // foca looks through all of its members for each, and most are no news. The end of a known member may be, by its age.
        marks.retain(|mark| mark.state() == Belief::Down || !self.roster.is_known(mark));
        for entry in state.entries.iter().filter(|entry| !entry.state.is_live()) {
            if marks.iter().any(|mark| *mark.id() == entry.identity) {
                self.roster.hint(entry);
            }
        }
        self.swim.apply(now, marks);
        self.settle(now);
        self.doubt(now, from, doubted);
        for (process, profile) in &state.profiles {
            if let Some(member) = self.roster.set_profile(process, profile) {
                self.report(now, member, Change::Profile);
            }
        }
        self.answer(now, from, &state);
    }

    /// Sorts what a peer tells of members: what concerns this node is dealt with; what fits in the table is believed,
    /// except Downs that are to be checked first. Whom nobody could dial is left out.
    fn sift(
        &mut self,
        now: Moment,
        from: &Identity,
        entries: &[Entry],
        standing: Option<Standing>,
    ) -> (Vec<Mark>, Vec<NodeId>) {
        let own = self.swim.identity().node.clone();
        let mut believed = Vec::new();
        let mut doubted = Vec::new();
        let mut newcomers = 0_usize;
        for entry in entries {
            let identity = &entry.identity;
            if identity.node == own {
                let all = Standing { hosting: u16::MAX, live: u16::MAX };
                self.handle_accusation(now, from, entry, standing.unwrap_or(all));
                if self.phase != Phase::Running {
                    break;
                }
                continue;
            }
            let address = if identity.is_same_process(from) { from.address } else { identity.address };
            if address.ip().is_unspecified() {
                self.refuse(&from.node, Refusal::Nowhere);
                continue;
            }
            if self.roster.get(&identity.node).is_none() {
                if newcomers >= self.roster.room() {
                    let Some(gone) = self.make_room(now, entry.state) else {
                        let (from, node) = (from.node.clone(), identity.node.clone());
                        self.outputs.push_back(Output::Event(Event::TableFull { from, node }));
                        continue;
                    };
                    // What was said of it above would bring it back.
                    believed.retain(|mark: &Mark| mark.id().node != gone);
                    doubted.retain(|node| *node != gone);
                }
                newcomers = newcomers.saturating_add(1);
            }
            let is_doubtful = entry.state == MemberState::Down && from != identity && self.roster.is_live(identity);
            if is_doubtful && self.rules.keeps(Rule::Doubt) {
                doubted.push(identity.node.clone());
                continue;
            }
            believed.push(entry.mark(address));
        }
        (believed, doubted)
    }

    /// Somebody says that live members are Down: they are suspected, and asked at once.
    ///
    /// A node that comes back from being cut off holds everyone else for Down. Believed at its word, it would bring down a
    /// healthy cluster.
    fn doubt(&mut self, now: Moment, by: &Identity, doubted: Vec<NodeId>) {
        self.suspect(now, &doubted);
        for node in doubted {
            self.suspicions.condemn(now, &node);
            self.outputs.push_back(Output::Event(Event::Doubted { node, by: by.node.clone() }));
        }
    }

    /// Somebody tells of this node itself.
    fn handle_accusation(&mut self, now: Moment, from: &Identity, entry: &Entry, standing: Standing) {
        let me = self.swim.identity().clone();
        if entry.identity == me {
            match entry.state {
                MemberState::Up => {}
                MemberState::Suspect => {
                    self.swim.apply(now, vec![Mark::new(me, entry.refutations, Belief::Suspect)]);
                    self.settle(now);
                }
                MemberState::Down | MemberState::Left => {
                    // Two that hold each other for Down: the one that sees less of the cluster gives way, and of two that
                    // see as much the larger node id.
                    let mine = self.roster.standing(&self.profile);
                    let gives_way = (mine, &from.node) < (standing, &me.node);
                    if self.roster.is_gone(from) && !gives_way {
                        self.outputs.push_back(Output::Event(Event::Overruled { node: from.node.clone() }));
                        return;
                    }
                    let doubtful = self.roster.withdraw(now + self.timing.anti_entropy.saturating_mul(DENIAL));
                    self.swim.rejoin(now, doubtful);
                    self.settle(now);
                }
            }
        } else if entry.identity.outranks(&me) {
            // A process that listens where this one does is not alive, whatever they say: the wall clock was set back
            // before this start. One that listens on all addresses cannot tell its own from those of another machine; if
            // there is another process after all, the older one hears of it at its next connection.
            let other = !entry.identity.is_same_process(&me) && !me.listens_at(entry.identity.address);
            if other && entry.state.is_live() {
                self.stop(entry.identity.address);
            } else {
                if !entry.identity.is_same_process(&me) {
                    self.outputs.push_back(Output::Outlived { former: entry.identity.process() });
                }
                self.swim.leap(now, entry.identity.incarnation);
                self.settle(now);
            }
        }
    }

    /// A peer suspects this node and asks. The answer is how often this node has refuted by now, and no more than that: all
    /// members ask at about the same time.
    fn handle_question(&mut self, now: Moment, from: &Identity, suspect: Identity, refutations: u16) {
        if suspect.node != self.swim.identity().node {
            return;
        }
        let state = MemberState::Suspect;
        let entry = Entry { identity: suspect, refutations, state, down_ms: 0, profile: None };
        let all = Standing { hosting: u16::MAX, live: u16::MAX };
        self.handle_accusation(now, from, &entry, all);
        if self.phase == Phase::Running {
            let answer = self.own_entry();
            self.tell(&from.node, vec![answer]);
        }
    }

    /// What is news here is passed on.
    fn handle_rumours(&mut self, now: Moment, rumours: Vec<Rumour>) {
        for rumour in rumours {
            let news = match &rumour {
                Rumour::Profile(process, profile) => {
                    self.roster.set_profile(process, profile).map(|member| (member, Change::Profile))
                }
                Rumour::Load(process, load, revision) => {
                    self.roster.set_load(process, *load, *revision).map(|member| (member, Change::Load))
                }
            };
            if let Some((member, change)) = news {
                self.report(now, member, change);
                self.rumours.add(rumour);
            }
        }
    }

    /// Gives up the least worthy member for another in that state, and says which; `None` when all are needed. One that is Down itself takes
    /// the place of no other: of two such, each would come back by the word of somebody else.
    fn make_room(&mut self, now: Moment, newcomer: MemberState) -> Option<NodeId> {
        let long = if newcomer.is_live() { self.timing.forget_after } else { Duration::MAX };
        let identity = self.roster.expendable(now, long)?;
        self.roster.remove(&identity.node);
        self.links.drop_member(&identity.node);
        let node = identity.node.clone();
        self.swim.forget(now, identity);
        Some(node)
    }

    fn refuse(&mut self, from: &NodeId, reason: Refusal) {
        self.outputs.push_back(Output::Event(Event::Refused { from: from.clone(), reason }));
    }
}

impl From<Mark> for Entry {
    fn from(mark: Mark) -> Self {
        let state = match mark.state() {
            Belief::Alive => MemberState::Up,
            Belief::Suspect => MemberState::Suspect,
            Belief::Down => MemberState::Down,
        };
        Self { identity: mark.id().clone(), refutations: mark.incarnation(), state, down_ms: 0, profile: None }
    }
}

impl Entry {
    /// As foca has it, of a member that listens at `address`.
    fn mark(&self, address: SocketAddr) -> Mark {
        let belief = match self.state {
            MemberState::Up => Belief::Alive,
            MemberState::Suspect => Belief::Suspect,
            MemberState::Down | MemberState::Left => Belief::Down,
        };
        Mark::new(Identity { address, ..self.identity.clone() }, self.refutations, belief)
    }
}
