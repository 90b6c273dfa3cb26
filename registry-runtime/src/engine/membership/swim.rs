//! The SWIM library, fenced in: foca without its runtime, its stale timer and its broken packets.

use std::collections::{BTreeSet, VecDeque};
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use bytes::Bytes;
use foca::{
    AccumulatingRuntime, Foca, Header, NoCustomBroadcast, OwnedNotification, PeriodicParams, PostcardCodec, State,
    Timer,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::alarms::Alarms;
use super::identity::Identity;
use super::packet::SWIM_BYTES_MAX;
use crate::id::{Incarnation, NodeId, NodeKey};
use crate::rules::{Rule, Rules};
use crate::time::{Moment, Timing};

/// A member as foca keeps it: an identity, its count of refutations, and Alive, Suspect or Down.
pub(super) type Mark = foca::Member<Identity>;

/// foca, its timers, and what it wants done.
///
/// Nothing hardens in here: foca's timer that turns a suspect Down is dropped, and [`super::suspicion`] decides instead.
/// foca 2.0.0 fires that timer for members that have long refuted, too, and then tells them that they are Down.
pub(super) struct Swim {
    foca: Foca<Identity, PostcardCodec, ChaCha8Rng, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<Identity>,
    timers: Alarms<Timer<Identity>>,
    effects: VecDeque<Effect>,
    /// Members that foca may have changed its mind about since they were last looked at.
    touched: BTreeSet<NodeKey>,
    refutations: u16,
    active: bool,
    config: foca::Config,
    rules: Rules,
}

/// What foca wants done or known.
#[derive(Debug)]
pub(super) enum Effect {
    /// Hand these bytes to that member.
    Send(Identity, Bytes),
    /// This node's own probe of that member has failed, when the member had refuted so often.
    Failed(Identity, u16),
    /// This node has a new incarnation, because it was found to be Down.
    Rejoined(Incarnation),
    /// foca refused something.
    Fault(String),
}

/// Members that are asked to probe one that has not answered; SWIM's k (Das, Gupta, Motivala, DSN 2002, section 4.1).
const INDIRECT_PROBES: usize = 3;
/// Members that one round of gossip goes to.
const GOSSIP_TO: usize = 3;
/// Down members that are knocked at in one round, in case they are alive after all.
const KNOCKS: usize = 2;

impl Swim {
    /// Alone.
    pub(super) fn new(identity: Identity, timing: &Timing, seed: u64, rules: Rules) -> Self {
        let config = foca::Config {
            probe_period: timing.probe_period,
            probe_rtt: timing.probe_rtt,
            num_indirect_probes: count(INDIRECT_PROBES),
            max_transmissions: transmissions(1),
            suspect_to_down_after: timing.suspicion,
            // Forgetting is decided elsewhere, see `forget`.
            remove_down_after: None,
            max_packet_size: count(SWIM_BYTES_MAX),
            // foca's own message says neither who is meant nor who says so. The membership tells a Down node itself.
            notify_down_members: !rules.keeps(Rule::StaleTimer),
            periodic_announce: None,
            periodic_announce_to_down_members: Some(PeriodicParams {
                frequency: timing.anti_entropy,
                num_members: count(KNOCKS),
            }),
            periodic_gossip: Some(PeriodicParams { frequency: timing.gossip_period, num_members: count(GOSSIP_TO) }),
        };
        Self {
            foca: Foca::new(identity, config.clone(), ChaCha8Rng::seed_from_u64(seed), PostcardCodec),
            runtime: AccumulatingRuntime::new(),
            timers: Alarms::new(),
            effects: VecDeque::new(),
            touched: BTreeSet::new(),
            refutations: 0,
            active: false,
            config,
            rules,
        }
    }

    // What is known.

    /// Who this node is now.
    pub(super) const fn identity(&self) -> &Identity {
        self.foca.identity()
    }

    /// How often this incarnation of this node has refuted a suspicion, as last told to anyone.
    pub(super) const fn refutations(&self) -> u16 {
        self.refutations
    }

    /// Whether foca runs its rounds; it stops when it sees no live member.
    pub(super) const fn is_active(&self) -> bool {
        self.active
    }

    /// Every other member, Down ones included.
    #[cfg(test)]
    pub(super) fn members(&self) -> impl Iterator<Item = &Mark> {
        let own = &self.foca.identity().node;
        // foca also keeps former selves of this node.
        self.foca.iter_membership_state().filter(move |mark| mark.id().node != *own)
    }

    /// What foca believes of the members that it may have changed its mind about since the last time. To compare all of them after
    /// every packet costs more than all else in a cluster of a thousand.
    pub(super) fn take_touched(&mut self) -> Vec<Mark> {
        if self.touched.is_empty() {
            return Vec::new();
        }
        let mut touched = std::mem::take(&mut self.touched);
        // foca also keeps former selves of this node.
        touched.remove(&self.foca.identity().node.key());
        let wanted = touched.len();
        // It has one member of each node.
        self.foca
            .iter_membership_state()
            .filter(|mark| touched.contains(&mark.id().node.key()))
            .take(wanted)
            .cloned()
            .collect()
    }

    /// When foca's next timer falls due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// What is to be done; ask until `None` after every call.
    pub(super) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    // What happens.

    /// Notes that a packet may change foca's mind about a member.
    pub(super) fn touch(&mut self, node: &NodeId) {
        self.touched.insert(node.key());
    }

    /// Fires the timers that are due.
    pub(super) fn handle_due(&mut self, now: Moment) {
        while let Some(timer) = self.timers.pop_due(now) {
            let done = self.foca.handle_timer(timer, &mut self.runtime);
            self.settle(now, done);
        }
    }

    /// Takes a packet that was looked through as a [`super::gossip::Gossip`]; of whom it brings news was told to [`Self::touch`].
    pub(super) fn handle_packet(&mut self, now: Moment, bytes: &[u8]) {
        let done = self.foca.handle_data(bytes, &mut self.runtime);
        self.settle(now, done);
    }

    /// Takes in what others know; a Suspect mark on this node is refuted, a Down mark makes it rejoin.
    pub(super) fn apply(&mut self, now: Moment, marks: Vec<Mark>) {
        self.touched.extend(marks.iter().map(|mark| mark.id().node.key()));
        let done = self.foca.apply_many(marks.into_iter(), true, &mut self.runtime);
        self.settle(now, done);
    }

    /// Asks a process for what it knows, and shows it that this node is alive.
    pub(super) fn announce(&mut self, now: Moment, to: Identity) {
        let done = self.foca.announce(to, &mut self.runtime);
        self.settle(now, done);
    }

    /// Comes back with the next incarnation, and forgets `doubtful` Down members before it says a word to anyone.
    pub(super) fn rejoin(&mut self, now: Moment, doubtful: Vec<Identity>) {
        for identity in doubtful {
            self.forget(now, identity);
        }
        let me = Mark::new(self.foca.identity().clone(), self.refutations, State::Down);
        self.apply(now, vec![me]);
    }

    /// Comes back with an incarnation above one that a former process of this node has reached.
    pub(super) fn leap(&mut self, now: Moment, over: Incarnation) {
        let incarnation = over.next();
        let identity = Identity { incarnation, ..self.foca.identity().clone() };
        let done = self.foca.change_identity(identity, &mut self.runtime);
        self.refutations = 0;
        self.active = false;
        self.effects.push_back(Effect::Rejoined(incarnation));
        self.settle(now, done);
    }

    /// Says goodbye.
    pub(super) fn leave(&mut self, now: Moment) {
        let done = self.foca.leave_cluster(&mut self.runtime);
        self.settle(now, done);
    }

    /// Forgets a Down member.
    pub(super) fn forget(&mut self, now: Moment, gone: Identity) {
        let done = self.foca.handle_timer(Timer::RemoveDown(gone), &mut self.runtime);
        self.settle(now, done);
    }

    /// Fits the gossip to the number of members.
    pub(super) fn resize(&mut self, now: Moment, members: usize) {
        let max_transmissions = transmissions(members);
        if max_transmissions != self.config.max_transmissions {
            self.config.max_transmissions = max_transmissions;
            let done = self.foca.set_config(self.config.clone());
            self.settle(now, done);
        }
    }

    /// Puts all timers off, as if foca's clock had stood still.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.timers.postpone(by);
    }

    /// Takes everything off foca's tray.
    fn settle(&mut self, now: Moment, done: Result<(), foca::Error>) {
        if let Err(fault) = done {
            self.effects.push_back(Effect::Fault(fault.to_string()));
        }
        self.drain(now);
        // After a change of identity foca is mute although it may know live members. This wakes it.
        if !self.active && self.foca.num_members() > 0 {
            if let Err(fault) = self.foca.apply_many(std::iter::empty(), true, &mut self.runtime) {
                self.effects.push_back(Effect::Fault(fault.to_string()));
            }
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Moment) {
        while let Some(notification) = self.runtime.to_notify() {
            match notification {
                OwnedNotification::Active => self.active = true,
                OwnedNotification::Idle | OwnedNotification::Defunct => self.active = false,
                OwnedNotification::Rejoin(identity) => {
                    self.active = false;
                    self.refutations = 0;
                    self.effects.push_back(Effect::Rejoined(identity.incarnation));
                }
                // foca does not tell of suspicions, so this alone would not do.
                OwnedNotification::MemberUp(identity)
                | OwnedNotification::MemberDown(identity)
                | OwnedNotification::Rename(_, identity) => _ = self.touched.insert(identity.node.key()),
            }
        }
        while let Some((after, timer)) = self.runtime.to_schedule() {
            if let Timer::ChangeSuspectToDown { member_id, incarnation, .. } = &timer {
                self.touched.insert(member_id.node.key());
                self.effects.push_back(Effect::Failed(member_id.clone(), *incarnation));
                if self.rules.keeps(Rule::StaleTimer) {
                    continue;
                }
            }
            self.timers.set(now + after, timer);
        }
        while let Some((to, bytes)) = self.runtime.to_send() {
            // foca does not say how often it has refuted, but writes it on every packet.
            if let Ok((header, _)) = postcard::take_from_bytes::<Header<Identity>>(&bytes)
                && header.src == *self.foca.identity()
            {
                self.refutations = self.refutations.max(header.src_incarnation);
            }
            if to.node != self.foca.identity().node {
                self.effects.push_back(Effect::Send(to, bytes));
            }
        }
    }
}

/// How often a piece of news is passed on by each node: rises with the logarithm of the cluster's size.
fn transmissions(members: usize) -> NonZeroU8 {
    let doublings = members.saturating_add(1).ilog2();
    u8::try_from(doublings.saturating_mul(2).saturating_add(3)).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MAX)
}

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NodeId, Start};

    fn identity(name: &str) -> Identity {
        Identity::at_birth(NodeId::new(name).unwrap(), ([127, 0, 0, 1], 7400).into(), Start::new(1))
    }

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    /// One that knows `x`, which never answers.
    fn with_a_silent_peer() -> Swim {
        let mut swim = Swim::new(identity("a"), &Timing::fast(), 1, Rules::ALL);
        swim.apply(at(0), vec![Mark::new(identity("x"), 0, State::Alive)]);
        swim
    }

    fn state_of_x(swim: &Swim) -> State {
        swim.members().next().unwrap().state()
    }

    #[test]
    fn a_silent_peer_is_suspected_and_told_of_and_never_down_by_itself() {
        let mut swim = with_a_silent_peer();
        let mut failed = 0;
        while let Some(now) = swim.next().filter(|now| *now < at(10_000)) {
            swim.handle_due(now);
            failed += std::iter::from_fn(|| swim.poll()).filter(|effect| matches!(effect, Effect::Failed(..))).count();
        }
        assert!(failed > 0 && swim.is_active());
        assert_eq!(state_of_x(&swim), State::Suspect);
    }

    #[test]
    fn whom_a_call_touches_is_told_once() {
        let mut swim = with_a_silent_peer();
        swim.apply(at(0), vec![Mark::new(identity("y"), 0, State::Alive), Mark::new(identity("a"), 0, State::Suspect)]);
        let touched = |swim: &mut Swim| -> Vec<String> {
            let mut names: Vec<_> = swim.take_touched().iter().map(|mark| mark.id().node.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(touched(&mut swim), ["x", "y"], "not this node itself");
        assert_eq!(touched(&mut swim), [""; 0]);
        swim.touch(&identity("y").node);
        swim.touch(&identity("z").node);
        assert_eq!(touched(&mut swim), ["y"], "z is unknown");
        let mut suspected = Vec::new();
        while let Some(now) = swim.next().filter(|now| *now < at(2_000)) {
            swim.handle_due(now);
            suspected.extend(touched(&mut swim));
        }
        assert!(["x", "y"].iter().all(|name| suspected.iter().any(|seen| seen == name)), "their probes failed");
    }

    #[test]
    fn a_refutation_is_counted() {
        let mut swim = with_a_silent_peer();
        assert_eq!(swim.refutations(), 0);
        swim.apply(at(1), vec![Mark::new(identity("a"), 0, State::Suspect)]);
        assert_eq!(swim.refutations(), 1);
    }

    #[test]
    fn after_a_return_it_goes_on_without_being_spoken_to() {
        let mut swim = with_a_silent_peer();
        swim.rejoin(at(1), vec![]);
        assert!(swim.is_active(), "foca alone would wait");
        assert_eq!(swim.identity().incarnation, Incarnation::new(2));
        assert_eq!((swim.identity().start, swim.refutations()), (Start::new(1), 0));
        let rejoined = |effect: Effect| matches!(effect, Effect::Rejoined(number) if number == Incarnation::new(2));
        assert!(std::iter::from_fn(|| swim.poll()).any(rejoined));
    }

    #[test]
    fn doubtful_downs_are_gone_after_a_return() {
        let mut swim = with_a_silent_peer();
        swim.apply(at(1), vec![Mark::new(identity("x"), 0, State::Down)]);
        assert!(!swim.is_active());
        swim.rejoin(at(2), vec![identity("x")]);
        assert_eq!(swim.members().count(), 0);
        swim.apply(at(3), vec![Mark::new(identity("x"), 0, State::Alive)]);
        assert_eq!(state_of_x(&swim), State::Alive);
    }
}
