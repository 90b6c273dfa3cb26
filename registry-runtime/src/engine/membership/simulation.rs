//! A whole cluster of memberships on one seed: virtual time, reliable ordered connections, crashes, freezes, cuts.
//!
//! Loss shows as delay, because what is lost on a QUIC stream is sent again. A cut stalls connections, and what lasts
//! longer than [`IDLE`] closes them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// After so long without a sign a connection is given up.
const IDLE: Duration = Duration::from_secs(2);
/// After so long a dial to nobody is given up.
const DIAL: Duration = Duration::from_secs(1);
/// Wall-clock milliseconds at the beginning.
const EPOCH_MS: u64 = 1_700_000_000_000;

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) struct Cluster {
    pub(super) now: Moment,
    pub(super) nodes: Vec<Node>,
    /// The share of packets that come late.
    pub(super) loss: f64,
    queue: BTreeMap<(Moment, u64), Happening>,
    sequence: u64,
    links: BTreeMap<u64, Link>,
    cuts: BTreeSet<(usize, usize)>,
    rng: ChaCha8Rng,
    config: Setup,
}

/// What all nodes of a cluster have in common.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) timing: Timing,
    pub(super) join: Vec<SocketAddr>,
    pub(super) rules: Rules,
    /// Nodes listen on all addresses of their machines, and know none.
    pub(super) everywhere: bool,
}

pub(super) struct Node {
    pub(super) membership: Membership,
    pub(super) address: SocketAddr,
    pub(super) name: NodeId,
    /// Everything it reported, in order.
    pub(super) seen: Vec<(Moment, Output)>,
    pub(super) dials: usize,
    pub(super) sent: usize,
    pub(super) sent_bytes: usize,
    alive: bool,
    frozen: bool,
    waiting: VecDeque<Input>,
    tick: Option<Moment>,
}

struct Link {
    ends: (usize, usize),
    last: Moment,
    stalled: VecDeque<(usize, Bytes)>,
}

enum Happening {
    Tick(usize),
    Arrive { link: u64, to: usize, bytes: Bytes },
    Dialled { from: usize, node: Option<NodeId>, address: SocketAddr },
    DialFailed { from: usize, node: Option<NodeId>, address: SocketAddr },
    Idle { link: u64 },
    Closed { to: usize, node: NodeId },
}

impl Node {
    /// Whether it takes part: neither crashed, nor gone by its own will or order.
    pub(super) fn is_running(&self) -> bool {
        self.alive && self.membership.phase == Phase::Running
    }

    pub(super) fn changes_of(&self, node: &NodeId) -> Vec<(Moment, Change)> {
        let of = |output: &Output| match output {
            Output::Member { member, change } if member.process.node == *node => Some(change.clone()),
            _ => None,
        };
        self.seen.iter().filter_map(|(at, output)| Some((*at, of(output)?))).collect()
    }

    pub(super) fn rejoins(&self) -> usize {
        self.seen.iter().filter(|(_, output)| matches!(output, Output::Rejoined { .. })).count()
    }

    pub(super) fn state_of(&self, node: &NodeId) -> Option<MemberState> {
        self.membership.members().find(|member| member.process.node == *node).map(|member| member.state)
    }

    /// How often it has declared somebody Down.
    pub(super) fn downs(&self) -> usize {
        let down = |output: &Output| matches!(output, Output::Member { change: Change::Down, .. });
        self.seen.iter().filter(|(_, output)| down(output)).count()
    }
}

impl Cluster {
    /// `n` nodes that start within 100 ms; the first three addresses are the join list of all.
    pub(super) fn new(n: usize, seed: u64) -> Self {
        Self::with(n, seed, |_| {})
    }

    pub(super) fn with(n: usize, seed: u64, set_up: impl FnOnce(&mut Setup)) -> Self {
        let join = (0..n.min(3)).map(address).collect();
        let mut config = Setup { timing: Timing::fast(), join, rules: Rules::ALL, everywhere: false };
        set_up(&mut config);
        let mut cluster = Self {
            now: Moment::from_origin(Duration::from_secs(1000)),
            nodes: Vec::new(),
            loss: 0.0,
            queue: BTreeMap::new(),
            sequence: 0,
            links: BTreeMap::new(),
            cuts: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            config,
        };
        for nth in 0..n {
            cluster.add(&format!("n{nth:02}"));
            let pause = cluster.rng.random_range(0..100 / n.max(1) as u64 + 1);
            cluster.run_for(ms(pause));
        }
        cluster
    }

    // What is seen.

    pub(super) fn name(&self, nth: usize) -> NodeId {
        self.nodes[nth].name.clone()
    }

    pub(super) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|nth| self.nodes[*nth].is_running()).collect()
    }

    /// Whether every running node sees exactly the running ones Up and all views are equal.
    pub(super) fn is_whole(&self) -> bool {
        let running = self.running();
        let names: BTreeSet<_> = running.iter().map(|nth| self.name(*nth)).collect();
        let sees_all = |nth: usize| {
            let mut up: BTreeSet<_> = self.nodes[nth]
                .membership
                .members()
                .filter(|member| member.state == MemberState::Up)
                .map(|member| member.process.node)
                .collect();
            up.insert(self.name(nth));
            let mut live = self.nodes[nth].membership.members().filter(|member| member.state.is_live());
            up == names && live.all(|member| names.contains(&member.process.node))
        };
        let digests: BTreeSet<_> = running.iter().map(|nth| self.nodes[*nth].membership.digest()).collect();
        digests.len() <= 1 && running.iter().all(|nth| sees_all(*nth))
    }

    /// Every view in words, for a failed assertion.
    pub(super) fn picture(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let members: Vec<_> = node
                .membership
                .members()
                .map(|member| {
                    format!("{}:{}:{:?}", member.process.node, member.incarnation.get() % 100_000, member.state)
                })
                .collect();
            let own = node.membership.identity().incarnation.get() % 100_000;
            text += &format!("{}:{own} running {}: {}\n", node.name, node.is_running(), members.join(" "));
        }
        text
    }

    // What happens.

    /// Runs until something holds, and says after how long it did.
    pub(super) fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> Option<Duration> {
        let start = self.now;
        while !holds(self) {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at)?;
            if next.since(start) > limit {
                return None;
            }
            self.step(next);
        }
        Some(self.now.since(start))
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.queue.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= end) {
            self.step(next);
        }
        self.now = end;
    }

    #[track_caller]
    pub(super) fn run_until_whole(&mut self, limit: Duration) -> Duration {
        match self.run_until(limit, Self::is_whole) {
            Some(took) => took,
            None => panic!("not whole after {limit:?}:\n{}", self.picture()),
        }
    }

    /// Starts one more process.
    pub(super) fn add(&mut self, name: &str) -> usize {
        let nth = self.nodes.len();
        let start = Start::new(self.wall_clock_ms());
        let node = self.process(name, address(nth), start);
        self.nodes.push(node);
        self.call(nth, Input::Tick);
        nth
    }

    /// Starts a new process in the place of one that has crashed.
    pub(super) fn restart(&mut self, nth: usize) {
        let start = Start::new(self.wall_clock_ms());
        self.restart_as(nth, start);
    }

    pub(super) fn restart_as(&mut self, nth: usize, start: Start) {
        assert!(!self.nodes[nth].alive);
        let name = self.name(nth);
        let seen = std::mem::take(&mut self.nodes[nth].seen);
        self.nodes[nth] = Node { seen, ..self.process(name.as_str(), address(nth), start) };
        self.call(nth, Input::Tick);
    }

    fn process(&mut self, name: &str, address: SocketAddr, start: Start) -> Node {
        let name = NodeId::new(name).unwrap();
        let everywhere = SocketAddr::from(([0, 0, 0, 0], address.port()));
        let membership = Membership::new(
            Config {
                node: name.clone(),
                address: if self.config.everywhere { everywhere } else { address },
                start,
                timing: self.config.timing,
                join: self.config.join.clone(),
                profile: plain_profile(),
                seed: self.rng.random(),
                rules: self.config.rules,
            },
            self.now,
        );
        Node {
            membership,
            address,
            name,
            seen: vec![],
            dials: 0,
            sent: 0,
            sent_bytes: 0,
            alive: true,
            frozen: false,
            waiting: VecDeque::new(),
            tick: None,
        }
    }

    pub(super) fn wall_clock_ms(&self) -> u64 {
        EPOCH_MS + u64::try_from(self.now.since_origin().as_millis()).unwrap()
    }

    /// As kill -9: no goodbye.
    pub(super) fn crash(&mut self, nth: usize) {
        self.nodes[nth].alive = false;
        self.nodes[nth].frozen = false;
        self.nodes[nth].waiting.clear();
        self.expect_idle(|ends| ends.0 == nth || ends.1 == nth);
    }

    pub(super) fn freeze(&mut self, nth: usize) {
        self.nodes[nth].frozen = true;
        self.expect_idle(|ends| ends.0 == nth || ends.1 == nth);
    }

    pub(super) fn thaw(&mut self, nth: usize) {
        self.nodes[nth].frozen = false;
        let waiting = std::mem::take(&mut self.nodes[nth].waiting);
        for input in waiting {
            self.call(nth, input);
        }
        self.call(nth, Input::Tick);
    }

    /// Cuts every pair with one node on each side.
    pub(super) fn cut(&mut self, one: &[usize], other: &[usize]) {
        for a in one {
            for b in other.iter().filter(|b| *b != a) {
                self.cuts.insert((*a.min(b), *a.max(b)));
            }
        }
        let cuts = self.cuts.clone();
        self.expect_idle(|ends| cuts.contains(ends));
    }

    /// Every node alone.
    pub(super) fn black_out(&mut self) {
        let all: Vec<_> = (0..self.nodes.len()).collect();
        self.cut(&all, &all);
    }

    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        let links: Vec<_> = self.links.keys().copied().collect();
        for id in links {
            let stalled = self.links.get_mut(&id).map(|link| std::mem::take(&mut link.stalled)).unwrap_or_default();
            for (to, bytes) in stalled {
                self.carry(id, to, bytes);
            }
        }
    }

    /// Lets a node take something in.
    pub(super) fn call(&mut self, nth: usize, input: Input) {
        let now = self.now;
        let node = &mut self.nodes[nth];
        if !node.alive {
            return;
        }
        if node.frozen {
            if !matches!(input, Input::Tick) {
                node.waiting.push_back(input);
            }
            return;
        }
        node.membership.handle(now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| node.membership.poll()).collect();
        if let Some(deadline) = node.membership.next_deadline()
            && node.tick.is_none_or(|tick| tick > deadline || tick <= now)
        {
            node.tick = Some(deadline);
            self.schedule(deadline, Happening::Tick(nth));
        }
        for output in outputs {
            self.carry_out(nth, output);
        }
    }

    fn carry_out(&mut self, nth: usize, output: Output) {
        match output {
            Output::Send { to, bytes } => {
                self.nodes[nth].sent += 1;
                self.nodes[nth].sent_bytes += bytes.len();
                // The youngest connection with that node.
                let link = self.links.iter().rev().find_map(|(id, link)| {
                    let peer = link.peer(nth).filter(|peer| self.nodes[*peer].name == to)?;
                    Some((*id, peer))
                });
                if let Some((id, peer)) = link {
                    self.carry(id, peer, bytes);
                }
            }
            Output::Dial { node, address } => {
                self.nodes[nth].dials += 1;
                let after = self.latency() * 2;
                self.schedule(self.now + after, Happening::Dialled { from: nth, node, address });
            }
            Output::Hangup { process } => {
                let with: Vec<_> = self
                    .links
                    .iter()
                    .filter_map(|(id, link)| Some((*id, link.peer(nth)?)))
                    .filter(|(_, peer)| self.nodes[*peer].membership.identity().process() == process)
                    .collect();
                for (id, peer) in with {
                    self.links.remove(&id);
                    let after = if self.is_cut(nth, peer) { IDLE } else { self.latency() };
                    let closed = Happening::Closed { to: peer, node: self.name(nth) };
                    self.schedule(self.now + after, closed);
                }
            }
            output => self.nodes[nth].seen.push((self.now, output)),
        }
    }

    fn carry(&mut self, id: u64, to: usize, bytes: Bytes) {
        let late = if self.rng.random_bool(self.loss) { ms(self.rng.random_range(50..200)) } else { Duration::ZERO };
        let arrival = self.now + self.latency() + late;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.last = link.last.max(arrival);
        let at = link.last;
        self.schedule(at, Happening::Arrive { link: id, to, bytes });
    }

    fn step(&mut self, at: Moment) {
        self.now = at;
        let Some((_, happening)) = self.queue.pop_first() else { return };
        match happening {
            Happening::Tick(nth) => {
                if self.nodes[nth].tick == Some(at) {
                    self.nodes[nth].tick = None;
                    self.call(nth, Input::Tick);
                }
            }
            Happening::Arrive { link: id, to, bytes } => {
                let Some(link) = self.links.get_mut(&id) else { return };
                let from = link.peer(to).unwrap();
                if self.cuts.contains(&link.ends) {
                    link.stalled.push_back((to, bytes));
                } else {
                    let from = self.name(from);
                    self.call(to, Input::Packet { from, bytes });
                }
            }
            Happening::Dialled { from, node, address } => {
                let at = |nth: &usize| self.nodes[*nth].address == address && self.nodes[*nth].alive;
                let reached = (0..self.nodes.len()).find(at);
                let reached = reached.filter(|nth| !self.is_cut(from, *nth) && !self.nodes[*nth].frozen);
                let expected = |nth: &usize| node.as_ref().is_none_or(|node| *node == self.nodes[*nth].name);
                match reached.filter(expected).filter(|nth| self.nodes[*nth].is_running()) {
                    Some(to) if self.nodes[from].is_running() => self.open(from, to, address),
                    _ => self.schedule(self.now + DIAL, Happening::DialFailed { from, node, address }),
                }
            }
            Happening::DialFailed { from, node, address } => self.call(from, Input::DialFailed { node, address }),
            Happening::Idle { link: id } => {
                let Some(link) = self.links.get(&id) else { return };
                let (a, b) = link.ends;
                let dead = |nth: usize| !self.nodes[nth].alive || self.nodes[nth].frozen;
                if self.cuts.contains(&(a, b)) || dead(a) || dead(b) {
                    self.links.remove(&id);
                    for (to, other) in [(a, b), (b, a)] {
                        self.close(to, self.name(other));
                    }
                }
            }
            Happening::Closed { to, node } => self.close(to, node),
        }
    }

    /// Tells a node that a connection is gone, if it was the last one with that node.
    fn close(&mut self, to: usize, node: NodeId) {
        let left = self.links.values().filter_map(|link| link.peer(to)).any(|peer| self.nodes[peer].name == node);
        if !left {
            self.call(to, Input::Disconnected { node });
        }
    }

    fn open(&mut self, from: usize, to: usize, address: SocketAddr) {
        let met = |node: &Node| Identity { address: node.address, ..node.membership.identity().clone() };
        let (there, here) = (met(&self.nodes[to]), met(&self.nodes[from]));
        if from != to {
            let link = Link { ends: (from.min(to), from.max(to)), last: self.now, stalled: VecDeque::new() };
            self.sequence += 1;
            self.links.insert(self.sequence, link);
        }
        self.call(from, Input::Connected { peer: there, dialled: Some(address) });
        if from != to {
            self.call(to, Input::Connected { peer: here, dialled: None });
        }
    }

    fn expect_idle(&mut self, affected: impl Fn(&(usize, usize)) -> bool) {
        let links: Vec<_> = self.links.iter().filter(|(_, link)| affected(&link.ends)).map(|(id, _)| *id).collect();
        for link in links {
            self.schedule(self.now + IDLE, Happening::Idle { link });
        }
    }

    fn schedule(&mut self, at: Moment, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), happening);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.random_range(200..1000))
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cuts.contains(&(a.min(b), a.max(b)))
    }
}

impl Link {
    fn peer(&self, nth: usize) -> Option<usize> {
        match self.ends {
            (a, b) if a == nth => Some(b),
            (a, b) if b == nth => Some(a),
            _ => None,
        }
    }
}

pub(super) fn address(nth: usize) -> SocketAddr {
    ([10, 0, 0, 1], 7000 + u16::try_from(nth).unwrap()).into()
}

pub(super) fn plain_profile() -> Profile {
    Profile {
        hosted: vec![],
        client_only: false,
        leaving: false,
        weight: Weight::NORMAL,
        load: Load(0),
        version: "0".into(),
        revision: 0,
        load_revision: 0,
    }
}
