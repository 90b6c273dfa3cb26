//! Whom this node is connected with, and whom it dials when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;

use super::identity::Identity;
use crate::id::{NodeId, Start};
use crate::time::{Moment, Timing};

/// Connections, and the dialling of everyone who should be connected and is not.
///
/// Live members and unanswered join addresses are dialled soon and then ever less often up to a pace; Down members and
/// addresses that have not answered for long at a slow pace, so that the halves of a healed network find each other.
#[derive(Debug)]
pub(super) struct Links {
    own: Identity,
    pace: Pace,
    connected: BTreeMap<NodeId, Identity>,
    members: BTreeMap<NodeId, Target>,
    seeds: BTreeMap<SocketAddr, Seed>,
    /// Not before then is anyone to be dialled; it may come to nothing. It is asked for after every packet.
    wake: Option<Moment>,
    /// When all were last looked through.
    looked: Option<Moment>,
}

/// How often to dial.
#[derive(Clone, Copy, Debug)]
struct Pace {
    first: Duration,
    live: Duration,
    slow: Duration,
}

/// A member that should be connected.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    live: bool,
    /// Whether it is.
    connected: bool,
    /// The process that it was connected with last.
    met: Option<Start>,
    dial: Dial,
}

/// An address of the join list.
#[derive(Debug)]
struct Seed {
    /// Who answered there last.
    node: Option<NodeId>,
    dial: Dial,
}

/// How the dialling of one target goes.
#[derive(Debug)]
struct Dial {
    tries: u32,
    due: Moment,
    under_way: bool,
}

/// The most dials of live members and of the join list that are under way at once: each costs a handshake on both sides.
const DIALS_MAX: usize = 32;
/// The most dials of Down members that are under way at once: most will not be answered, and they must not keep live members waiting, nor
/// the join list.
const DOWN_DIALS_MAX: usize = 8;
/// The least time between two looks through all that may be dialled: one that meets a thousand would look through a thousand for
/// each of them.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a dial may take before it counts as failed, when nobody says so: above the transport's own limit.
pub(super) const DIAL_PATIENCE: Duration = Duration::from_secs(10);
/// The most join addresses: a list is written by hand or comes from one name look-up.
pub(super) const SEEDS_MAX: usize = 64;
/// After so many tries, an unanswered join address counts as slow.
const SEED_TRIES: u32 = 12;

impl Links {
    /// Connected with nobody.
    pub(super) fn new(now: Moment, own: Identity, timing: &Timing, seeds: &[SocketAddr]) -> Self {
        let live = timing.probe_period.saturating_mul(4);
        let pace = Pace { first: timing.gossip_period, live, slow: live.saturating_mul(2) };
        let mut links = Self {
            own,
            pace,
            connected: BTreeMap::new(),
            members: BTreeMap::new(),
            seeds: BTreeMap::new(),
            wake: None,
            looked: None,
        };
        links.set_seeds(now, seeds);
        links
    }

    // What is known.

    /// The process at the other end of the connection with a node.
    pub(super) fn peer(&self, node: &NodeId) -> Option<&Identity> {
        self.connected.get(node)
    }

    /// All processes that this node is connected with.
    pub(super) fn peers(&self) -> impl ExactSizeIterator<Item = &Identity> {
        self.connected.values()
    }

    /// Whether this node is or was connected with a process.
    pub(super) fn has_met(&self, process: &Identity) -> bool {
        let is_it = |start: Start| start >= process.start;
        self.connected.get(&process.node).is_some_and(|peer| is_it(peer.start))
            || self.members.get(&process.node).and_then(|target| target.met).is_some_and(is_it)
    }

    /// When to dial again.
    pub(super) fn next(&self) -> Option<Moment> {
        let rested = self.looked.map(|looked| looked + PAUSE);
        self.wake.map(|wake| rested.map_or(wake, |rested| wake.max(rested)))
    }

    fn earliest(&self, now: Moment) -> Option<Moment> {
        // A Down member whose time has come waits for the end of another's dial.
        let waits = |target: &&Target| !target.live && !target.dial.under_way && target.dial.due <= now;
        let away = self.members.values().filter(|target| !target.connected);
        let members = away.filter(|target| !waits(target)).map(|target| &target.dial);
        let seeds = self.seeds.iter().filter(|(at, seed)| self.needs(at, seed)).map(|(_, seed)| &seed.dial);
        members.chain(seeds).map(|dial| dial.due).min()
    }

    // What happens.

    /// Takes another join list, as after a new look-up of its names.
    pub(super) fn set_seeds(&mut self, now: Moment, seeds: &[SocketAddr]) {
        self.look_again(now);
        let wanted = seeds.iter().filter(|address| **address != self.own.address).take(SEEDS_MAX);
        let mut before = std::mem::take(&mut self.seeds);
        for address in wanted {
            let fresh = || Seed { node: None, dial: Dial::due(now) };
            self.seeds.insert(*address, before.remove(address).unwrap_or_else(fresh));
        }
    }

    /// A connection stands. `dialled` is the address that this side had dialled.
    pub(super) fn connect(&mut self, peer: &Identity, dialled: Option<SocketAddr>) {
        if let Some(seed) = dialled.and_then(|address| self.seeds.get_mut(&address)) {
            seed.node = Some(peer.node.clone());
            seed.dial.rest();
        }
        if peer.node == self.own.node {
            return;
        }
        if let Some(target) = self.members.get_mut(&peer.node) {
            target.address = peer.address;
            target.connected = true;
            target.met = Some(peer.start);
            let frees_place = target.dial.under_way;
            target.dial.rest();
            if frees_place {
                self.look_at_waiting();
            }
        }
        // Of two processes with one id, the newer one is the member.
        if self.connected.get(&peer.node).is_none_or(|known| !known.outranks(peer)) {
            self.connected.insert(peer.node.clone(), peer.clone());
        }
    }

    /// A connected process has taken another incarnation.
    pub(super) fn refresh(&mut self, peer: &Identity) {
        if let Some(known) = self.connected.get_mut(&peer.node).filter(|known| peer.outranks(known)) {
            *known = peer.clone();
        }
    }

    /// The last connection with a node is gone; says whether there was one.
    pub(super) fn disconnect(&mut self, now: Moment, node: &NodeId, rng: &mut impl RngExt) -> bool {
        self.look_again(now);
        let was = self.connected.remove(node).is_some();
        if let Some(target) = self.members.get_mut(node).filter(|_| was) {
            target.connected = false;
            target.dial = Dial::due(now);
            target.dial.wait(now, self.pace, target.live, rng);
        }
        for seed in self.seeds.values_mut().filter(|seed| was && seed.node.as_ref() == Some(node)) {
            seed.dial = Dial::due(now);
            seed.dial.wait(now, self.pace, true, rng);
        }
        was
    }

    /// A dial came to nothing.
    pub(super) fn fail(&mut self, now: Moment, node: Option<&NodeId>, address: SocketAddr, rng: &mut impl RngExt) {
        self.look_again(now);
        let pace = self.pace;
        if let Some(target) = node.and_then(|node| self.members.get_mut(node)) {
            target.dial.wait(now, pace, target.live, rng);
        } else if let Some(seed) = self.seeds.get_mut(&address) {
            let soon = seed.dial.tries < SEED_TRIES;
            seed.dial.wait(now, pace, soon, rng);
        }
    }

    /// A member is to be connected at that address: soon while it is alive, now and then when it is Down.
    ///
    /// Of two live nodes that hear of each other at the same time the one with the smaller id dials first.
    pub(super) fn want(&mut self, now: Moment, member: &Identity, live: bool, rng: &mut impl RngExt) {
        let same = |target: &Target| target.address == member.address && target.live == live;
        if self.members.get(&member.node).is_some_and(same) {
            return;
        }
        self.look_again(now);
        let mut dial = Dial::due(now);
        if !live || self.own.node > member.node {
            dial.due = now + jittered(if live { self.pace.live / 4 } else { self.pace.slow }, rng);
        }
        let peer = self.connected.get(&member.node);
        let before = || self.members.get(&member.node).and_then(|target| target.met);
        let met = peer.map(|peer| peer.start).or_else(before);
        let target = Target { address: member.address, live, connected: peer.is_some(), met, dial };
        self.members.insert(member.node.clone(), target);
    }

    /// A node is no longer to be connected.
    pub(super) fn drop_member(&mut self, node: &NodeId) {
        if let Some(target) = self.members.remove(node) {
            // Its address may be one of the join list that nobody else is to be found at; that is no hurry.
            self.look_again(target.dial.due);
            if target.dial.under_way {
                self.look_at_waiting();
            }
        }
    }

    /// A dial has ended, and another member may be waiting for its place.
    fn look_at_waiting(&mut self) {
        self.look_again(self.looked.unwrap_or_default());
    }

    /// Something has changed by which somebody may have to be dialled.
    fn look_again(&mut self, at: Moment) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Takes out whom to dial now.
    pub(super) fn take_due(&mut self, now: Moment, rng: &mut impl RngExt) -> Vec<(Option<NodeId>, SocketAddr)> {
        if self.next().is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.looked = Some(now);
        let pace = self.pace;
        let mut due = Vec::new();
        let mut places = DIALS_MAX.saturating_sub(self.under_way(true));
        for (node, target) in self.members.iter_mut().filter(|(_, target)| target.live && !target.connected) {
            if target.dial.take(now, pace, true, &mut places, rng) {
                due.push((Some(node.clone()), target.address));
            }
        }
        let needed: Vec<_> = self
            .seeds
            .iter()
            .filter(|(address, seed)| self.needs(address, seed))
            .map(|(address, _)| *address)
            .collect();
        for address in needed {
            if let Some(seed) = self.seeds.get_mut(&address) {
                let soon = seed.dial.tries < SEED_TRIES;
                if seed.dial.take(now, pace, soon, &mut places, rng) {
                    due.push((None, address));
                }
            }
        }
        self.take_down(now, rng, &mut due);
        self.wake = self.earliest(now);
        due
    }

    /// How many dials of members that are alive, or of those that are Down, are under way.
    fn under_way(&self, live: bool) -> usize {
        self.members.values().filter(|target| target.live == live && target.dial.under_way).count()
    }

    /// Takes out Down members to dial now, those first that have waited for longest.
    fn take_down(&mut self, now: Moment, rng: &mut impl RngExt, due: &mut Vec<(Option<NodeId>, SocketAddr)>) {
        let mut places = DOWN_DIALS_MAX.saturating_sub(self.under_way(false));
        let mut waiting = Vec::new();
        for (node, target) in self.members.iter_mut().filter(|(_, target)| !target.live && !target.connected) {
            if target.dial.is_lost(now, self.pace, false, rng) {
                places = places.saturating_add(1);
            } else if target.dial.due <= now {
                waiting.push((target.dial.due, node.clone()));
            }
        }
        waiting.sort();
        for (_, node) in waiting.into_iter().take(places) {
            if let Some(target) = self.members.get_mut(&node) {
                target.dial.begin(now);
                due.push((Some(node), target.address));
            }
        }
    }

    /// Whether a join address is to be dialled: not when it is this node's own, and not when whoever lives there is
    /// connected or dialled as a member.
    fn needs(&self, address: &SocketAddr, seed: &Seed) -> bool {
        let answered = |node: &NodeId| *node == self.own.node || self.connected.contains_key(node);
        !seed.node.as_ref().is_some_and(answered)
            && !self.connected.values().any(|peer| peer.address == *address)
            && !self.members.values().any(|target| target.address == *address)
    }
}

impl Dial {
    const fn due(at: Moment) -> Self {
        Self { tries: 0, due: at, under_way: false }
    }

    fn rest(&mut self) {
        self.tries = 0;
        self.under_way = false;
    }

    /// Whether to dial now, which takes one of the places. One too many waits a little.
    fn take(&mut self, now: Moment, pace: Pace, soon: bool, places: &mut usize, rng: &mut impl RngExt) -> bool {
        if self.is_lost(now, pace, soon, rng) {
            *places = places.saturating_add(1);
            return false;
        }
        if self.due > now {
            return false;
        }
        let Some(left) = places.checked_sub(1) else {
            self.due = now + jittered(pace.first, rng);
            return false;
        };
        *places = left;
        self.begin(now);
        true
    }

    /// Whether a dial is under way whose outcome nobody has told for too long: it counts as failed from here on.
    fn is_lost(&mut self, now: Moment, pace: Pace, soon: bool, rng: &mut impl RngExt) -> bool {
        let is_lost = self.under_way && self.due <= now;
        if is_lost {
            self.wait(now, pace, soon, rng);
        }
        is_lost
    }

    fn begin(&mut self, now: Moment) {
        self.under_way = true;
        self.due = now + DIAL_PATIENCE;
    }

    /// Waits before the next try, twice as long each time up to the pace.
    fn wait(&mut self, now: Moment, pace: Pace, soon: bool, rng: &mut impl RngExt) {
        let ceiling = if soon { pace.live } else { pace.slow };
        let doubled = pace.first.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        self.tries = self.tries.saturating_add(1);
        self.under_way = false;
        self.due = now + jittered(doubled.min(ceiling), rng);
    }
}

/// Half to one and a half times as long, so that nodes do not dial in step.
fn jittered(span: Duration, rng: &mut impl RngExt) -> Duration {
    span.mul_f64(rng.random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn identity(name: &str, port: u16) -> Identity {
        Identity::at_birth(NodeId::new(name).unwrap(), ([127, 0, 0, 1], port).into(), Start::new(1))
    }

    fn links(seeds: &[u16]) -> (Links, ChaCha8Rng) {
        let seeds: Vec<SocketAddr> = seeds.iter().map(|port| ([127, 0, 0, 1], *port).into()).collect();
        let links = Links::new(Moment::default(), identity("m", 1), &Timing::fast(), &seeds);
        (links, ChaCha8Rng::seed_from_u64(1))
    }

    /// Runs for a while in which every dial fails, and tells when each was made, in milliseconds.
    fn run(links: &mut Links, rng: &mut ChaCha8Rng, from: Moment, span: Duration) -> Vec<u64> {
        let mut dials = Vec::new();
        while let Some(now) = links.next().filter(|next| next.since(from) < span) {
            for (node, address) in links.take_due(now, rng) {
                dials.push(u64::try_from(now.since(from).as_millis()).unwrap());
                links.fail(now, node.as_ref(), address, rng);
            }
        }
        dials
    }

    #[test]
    fn a_join_address_is_dialled_at_once_then_less_and_less_but_for_ever() {
        let (mut links, mut rng) = links(&[1, 2]);
        let dials = run(&mut links, &mut rng, Moment::default(), Duration::from_secs(600));
        assert_eq!(dials[0], 0);
        assert!(dials[4] < 2_000, "{dials:?}");
        let gaps = dials.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.clone().max().unwrap() <= 2_400 && gaps.skip(20).min().unwrap() >= 800, "{dials:?}");
    }

    #[test]
    fn own_and_answered_addresses_are_left_alone() {
        let (mut links, mut rng) = links(&[1, 2, 3]);
        let now = Moment::default();
        assert_eq!(links.take_due(now, &mut rng).len(), 2);
        links.connect(&identity("m", 1), Some(([127, 0, 0, 1], 2).into()));
        links.connect(&identity("b", 9), Some(([127, 0, 0, 1], 3).into()));
        assert_eq!(links.earliest(now), None);
        assert!(links.disconnect(now, &identity("b", 9).node, &mut rng));
        assert!(!run(&mut links, &mut rng, now, Duration::from_secs(5)).is_empty());
    }

    #[test]
    fn a_lost_member_is_dialled_soon_and_a_down_one_slowly() {
        let (mut links, mut rng) = links(&[]);
        let now = Moment::default();
        let peer = identity("b", 9);
        links.connect(&peer, None);
        links.want(now, &peer, true, &mut rng);
        assert_eq!(links.earliest(now), None);
        links.disconnect(now, &peer.node, &mut rng);
        let live = run(&mut links, &mut rng, now, Duration::from_secs(60));
        assert!(live[0] <= 75, "{live:?}");
        let now = now + Duration::from_secs(60);
        links.want(now, &peer, false, &mut rng);
        let down = run(&mut links, &mut rng, now, Duration::from_secs(60));
        assert!(down[0] >= 800 && down.len() > 20 && down.len() < live.len(), "{down:?}");
        links.drop_member(&peer.node);
        assert_eq!(links.earliest(now), None);
    }

    #[test]
    fn few_dials_are_under_way_at_once_and_a_silent_one_ends() {
        let (mut links, mut rng) = links(&[]);
        let now = Moment::default();
        for nth in 0..100 {
            links.want(now, &identity(&format!("n{nth:03}"), 1000 + nth), true, &mut rng);
        }
        assert_eq!(links.take_due(now, &mut rng).len(), DIALS_MAX);
        assert_eq!(links.take_due(now + Duration::from_secs(1), &mut rng).len(), 0);
        let mut later = 0;
        for second in 11..15 {
            later += links.take_due(now + Duration::from_secs(second), &mut rng).len();
        }
        assert!(later > 0);
    }

    #[test]
    fn the_dead_keep_nobody_else_waiting() {
        let (mut links, mut rng) = links(&[7]);
        let now = Moment::default();
        for nth in 0..500 {
            links.want(now, &identity(&format!("dead{nth:03}"), 1000 + nth), false, &mut rng);
        }
        let living = identity("living", 9);
        let (mut dead, mut of_living, mut of_seed) = (std::collections::BTreeSet::new(), 0, 0);
        let mut under_way: Vec<(Option<NodeId>, SocketAddr)> = Vec::new();
        for second in 0..1_200 {
            let now = now + Duration::from_secs(second);
            if second == 600 {
                links.want(now, &living, true, &mut rng);
            }
            // Each takes a second to come to nothing.
            for (node, address) in std::mem::take(&mut under_way) {
                links.fail(now, node.as_ref(), address, &mut rng);
            }
            under_way = links.take_due(now, &mut rng);
            for (node, _) in &under_way {
                match node {
                    Some(node) if *node == living.node => of_living += 1,
                    Some(node) => _ = dead.insert(node.clone()),
                    None => of_seed += 1,
                }
            }
            assert!(under_way.len() <= DOWN_DIALS_MAX + 2, "{under_way:?}");
        }
        assert_eq!(dead.len(), 500, "each has its turn");
        assert!(of_living > 200 && of_seed > 200, "{of_living} {of_seed}");
    }

    #[test]
    fn a_place_that_is_free_again_is_taken_at_once() {
        let (mut links, mut rng) = links(&[]);
        let mut now = Moment::default();
        let dead: Vec<_> = (0..20).map(|nth| identity(&format!("dead{nth:02}"), 1000 + nth)).collect();
        dead.iter().for_each(|dead| links.want(now, dead, false, &mut rng));
        now = now + Duration::from_secs(5);
        let under_way = links.take_due(now, &mut rng);
        assert_eq!(under_way.len(), DOWN_DIALS_MAX);
        now = now + Duration::from_secs(1);
        assert!(links.next().is_none_or(|next| next > now), "the others wait for a place");
        let answers = dead.iter().find(|dead| under_way[0].0.as_ref() == Some(&dead.node)).unwrap();
        links.connect(answers, None);
        assert_eq!(links.take_due(now, &mut rng).len(), 1);
    }

    #[test]
    fn a_storm_of_changes_is_looked_through_now_and_then() {
        let (mut links, mut rng) = links(&[]);
        let (mut looks, mut met) = (0, 0);
        for us in 0..100_000_u64 {
            let now = Moment::default() + Duration::from_micros(us);
            if us % 100 == 0 {
                links.want(now, &identity(&format!("n{us:06}"), 1000), true, &mut rng);
            }
            if links.next().is_some_and(|next| next <= now) {
                looks += 1;
                for (node, _) in links.take_due(now, &mut rng) {
                    met += 1;
                    links.connect(&Identity { node: node.unwrap(), ..identity("n", 1000) }, None);
                }
            }
        }
        assert!((1..=10).contains(&looks), "{looks}");
        assert!(met > 100, "and they are dialled all the same: {met}");
    }
}
