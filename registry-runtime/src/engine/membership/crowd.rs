//! Large clusters of memberships in simulated time, on links that lose packets.
//!
//! Where `simulation` asks what a few nodes do in every kind of trouble, this counts how often and how soon many do one thing:
//! all see all, a living one is declared Down, everybody knows of a death. There is nothing in here but memberships: no QUIC, no
//! ownership. How loss is modelled stands in [`wire`].

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a measurement stops where it is wrong itself, and nothing in here comes from a peer"
)]

mod seat;
pub(crate) mod trial;
mod wire;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::seat::{Seat, seat_at, seat_of};
use self::wire::{HANDSHAKE_TIME, IDLE_TIME, Wire};
use super::member::{Change, Member, MemberState};
use super::{Identity, Input, Output};
use crate::id::{Incarnation, NodeId, Start};
use crate::time::{Moment, Timing};

/// The members start within so long.
const START_TIME: Duration = Duration::from_secs(1);

/// A cluster of many members.
pub(crate) struct Crowd {
    now: Moment,
    timing: Timing,
    wire: Wire,
    seats: Vec<Seat>,
    /// One for each pair of seats, see [`Crowd::pair`].
    links: Vec<Link>,
    /// Whether the first sees the second Up in its present life, at `first * n + second`.
    sees: Vec<bool>,
    /// How many of those there are.
    seen: usize,
    /// How many members live.
    living: usize,
    queue: BinaryHeap<Reverse<Due>>,
    sequence: u64,
    rng: ChaCha8Rng,
    dead: Option<Death>,
    /// Which lives were declared Down while they lasted.
    wronged: BTreeSet<(usize, Incarnation)>,
    sent: u64,
    sent_bytes: u64,
}

/// What stands between two seats.
#[derive(Clone, Copy)]
struct Link {
    /// The number of the youngest connection; 0 when there is none.
    id: u64,
    /// Connections up to this number carry nothing any more.
    closed: u64,
    /// The lives at the two ends.
    starts: [Start; 2],
    /// When the last packet arrives that is under way to either end: a stream keeps its order.
    last: [Moment; 2],
}

/// A death, and who knows of it.
struct Death {
    seat: usize,
    at: Moment,
    /// When each of the others came to know.
    known: Vec<Option<Moment>>,
}

struct Due {
    at: Moment,
    sequence: u64,
    happening: Happening,
}

enum Happening {
    Start(usize),
    Tick(usize),
    Arrive {
        from: usize,
        to: usize,
        start: Start,
        link: u64,
        bytes: Bytes,
    },
    Dialled {
        from: usize,
        start: Start,
        node: Option<NodeId>,
        address: SocketAddr,
        reached: bool,
    },
    /// A connection is given up at both ends.
    Cut {
        ends: (usize, usize),
        link: u64,
    },
    /// One end hears that the other has closed a connection.
    Closed {
        to: usize,
        from: usize,
        link: u64,
    },
}

impl Crowd {
    /// So many members that are about to start, on links that lose this share of all packets.
    pub(crate) fn new(members: usize, loss: f64, timing: Timing, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let now = Moment::from_origin(Duration::from_secs(1000));
        let seats = (0..members).map(|nth| Seat::new(nth, members, timing, now, &mut rng)).collect();
        let mut crowd = Self {
            now,
            timing,
            wire: Wire::new(loss, rng.random()),
            seats,
            links: vec![Link::NONE; members * members.saturating_sub(1) / 2],
            sees: vec![false; members * members],
            seen: 0,
            living: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            rng,
            dead: None,
            wronged: BTreeSet::new(),
            sent: 0,
            sent_bytes: 0,
        };
        for nth in 0..members {
            let after = START_TIME.mul_f64(crowd.rng.random_range(0.0..1.0));
            crowd.schedule(now + after, Happening::Start(nth));
        }
        crowd
    }

    // What is known.

    pub(crate) const fn now(&self) -> Moment {
        self.now
    }

    /// Whether everyone who lives sees everyone else who does Up.
    pub(crate) fn is_whole(&self) -> bool {
        let living = self.living;
        living == self.seats.len() - usize::from(self.dead.is_some()) && self.seen == living * living.saturating_sub(1)
    }

    /// How many lives were declared Down by anyone while they lasted.
    pub(crate) fn false_downs(&self) -> usize {
        self.wronged.len()
    }

    /// How many packets memberships have sent, and how many bytes.
    pub(crate) const fn sent(&self) -> (u64, u64) {
        (self.sent, self.sent_bytes)
    }

    /// After which times the others came to know of the last death; `None` while one does not.
    pub(crate) fn known_after(&self) -> Option<Vec<Duration>> {
        let death = self.dead.as_ref()?;
        let others = death.known.iter().enumerate().filter(|(nth, _)| *nth != death.seat);
        others.map(|(_, known)| known.map(|known| known.since(death.at))).collect()
    }

    // What happens.

    /// Lets time pass until something holds; whether it does within the limit.
    pub(crate) fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !holds(self) {
            if !self.step(end) {
                return holds(self);
            }
        }
        true
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
    }

    /// Kills one of them at random, without a goodbye.
    pub(crate) fn kill(&mut self) {
        let seat = self.rng.random_range(0..self.seats.len());
        self.seats[seat].alive = false;
        self.living -= 1;
        self.dead = Some(Death { seat, at: self.now, known: vec![None; self.seats.len()] });
        self.forget(seat);
        for other in (0..self.seats.len()).filter(|other| *other != seat) {
            let link = self.links[self.pair(seat, other)].id;
            if link != 0 {
                // Nobody closes it; the other end gives it up in the end.
                self.schedule(self.now + IDLE_TIME, Happening::Cut { ends: (seat, other), link });
            }
        }
    }

    /// Starts another process in the place of the dead one.
    pub(crate) fn revive(&mut self) {
        let Some(Death { seat, .. }) = self.dead.take() else { return };
        let members = self.seats.len();
        self.forget(seat);
        self.seats[seat] = Seat::new(seat, members, self.timing, self.now, &mut self.rng);
        self.schedule(self.now, Happening::Start(seat));
    }

    /// Counts a seat's life as seen by nobody and seeing nobody.
    fn forget(&mut self, seat: usize) {
        let n = self.seats.len();
        for other in 0..n {
            for place in [seat * n + other, other * n + seat] {
                self.seen -= usize::from(std::mem::take(&mut self.sees[place]));
            }
        }
    }

    /// Does the next thing, unless it lies beyond `end`.
    fn step(&mut self, end: Moment) -> bool {
        let Some(Reverse(next)) =
            self.queue.peek_mut().filter(|next| next.0.at <= end).map(std::collections::binary_heap::PeekMut::pop)
        else {
            self.now = end;
            return false;
        };
        self.now = next.at;
        match next.happening {
            Happening::Start(nth) => {
                self.seats[nth].alive = true;
                self.living += 1;
                self.call(nth, Input::Tick);
            }
            Happening::Tick(nth) => {
                if self.seats[nth].tick == Some(next.at) {
                    self.seats[nth].tick = None;
                    self.call(nth, Input::Tick);
                }
            }
            Happening::Arrive { from, to, start, link, bytes } => {
                let open = self.links[self.pair(from, to)].closed < link;
                if open && self.seats[to].start == start {
                    let from = self.seats[from].name.clone();
                    self.call(to, Input::Packet { from, bytes });
                }
            }
            Happening::Dialled { from, start, node, address, reached } => {
                if self.seats[from].start == start {
                    self.dialled(from, node, address, reached);
                }
            }
            Happening::Cut { ends: (one, other), link } => {
                let pair = self.pair(one, other);
                self.links[pair].closed = self.links[pair].closed.max(link);
                if self.links[pair].id == link {
                    self.links[pair].id = 0;
                    for (to, from) in [(one, other), (other, one)] {
                        let node = self.seats[from].name.clone();
                        self.call(to, Input::Disconnected { node });
                    }
                }
            }
            Happening::Closed { to, from, link } => {
                let id = self.links[self.pair(from, to)].id;
                if id == 0 || id == link {
                    let node = self.seats[from].name.clone();
                    self.call(to, Input::Disconnected { node });
                }
            }
        }
        true
    }

    /// A dial has come to its end.
    fn dialled(&mut self, from: usize, node: Option<NodeId>, address: SocketAddr, reached: bool) {
        let to = seat_at(address);
        let there = &self.seats[to];
        if !reached || !there.alive || to == from || node.as_ref().is_some_and(|node| *node != there.name) {
            return self.call(from, Input::DialFailed { node, address });
        }
        self.sequence += 1;
        let (pair, id) = (self.pair(from, to), self.sequence);
        let starts = [from.min(to), from.max(to)].map(|end| self.seats[end].start);
        let link = &mut self.links[pair];
        *link = Link { id, starts, last: [self.now; 2], ..*link };
        let met = |seat: &Seat| Identity { address: seat.address, ..seat.membership.identity().clone() };
        let (there, here) = (met(&self.seats[to]), met(&self.seats[from]));
        self.call(from, Input::Connected { peer: there, dialled: Some(address) });
        self.call(to, Input::Connected { peer: here, dialled: None });
    }

    /// Lets a member take something in, and does what it wants done.
    fn call(&mut self, nth: usize, input: Input) {
        let now = self.now;
        let seat = &mut self.seats[nth];
        if !seat.alive {
            return;
        }
        seat.membership.handle(now, input);
        while let Some(output) = self.seats[nth].membership.poll() {
            self.carry_out(nth, output);
        }
        let seat = &mut self.seats[nth];
        if let Some(deadline) = seat.membership.next_deadline()
            && seat.tick.is_none_or(|tick| tick > deadline || tick <= now)
        {
            seat.tick = Some(deadline);
            self.schedule(deadline, Happening::Tick(nth));
        }
    }

    fn carry_out(&mut self, nth: usize, output: Output) {
        match output {
            Output::Send { to, bytes } => self.send(nth, seat_of(&to), bytes),
            Output::Dial { node, address } => {
                let took =
                    Some(seat_at(address)).filter(|to| self.seats[*to].alive).and_then(|_| self.wire.handshake());
                let (reached, start) = (took.is_some(), self.seats[nth].start);
                let at = self.now + took.unwrap_or(HANDSHAKE_TIME);
                self.schedule(at, Happening::Dialled { from: nth, start, node, address, reached });
            }
            Output::Hangup { process } => {
                let peer = seat_of(&process.node);
                let pair = self.pair(nth, peer);
                let link = &mut self.links[pair];
                if link.id != 0 && link.starts[usize::from(peer > nth)] == process.start {
                    let id = std::mem::take(&mut link.id);
                    link.closed = id;
                    let at = self.now + self.wire.packet().unwrap_or(IDLE_TIME);
                    self.schedule(at, Happening::Closed { to: peer, from: nth, link: id });
                }
            }
            Output::Member { member, change } => self.note(nth, &member, &change),
            Output::Rejoined { .. } | Output::Outlived { .. } | Output::Stop(_) | Output::Event(_) => {}
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: Bytes) {
        self.sent += 1;
        self.sent_bytes += bytes.len() as u64;
        let pair = self.pair(from, to);
        let link = self.links[pair].id;
        if link == 0 || !self.seats[to].alive {
            return;
        }
        let start = self.seats[to].start;
        let last = &mut self.links[pair].last[usize::from(to > from)];
        match self.wire.packet() {
            Some(took) => {
                *last = (*last).max(self.now + took);
                let at = *last;
                self.schedule(at, Happening::Arrive { from, to, start, link, bytes });
            }
            None => {
                // What is sent later waits behind it, and ends with the connection.
                let at = self.now + IDLE_TIME;
                *last = (*last).max(at);
                self.schedule(at, Happening::Cut { ends: (from, to), link });
            }
        }
    }

    /// Takes down what a member says of another.
    fn note(&mut self, observer: usize, member: &Member, change: &Change) {
        let subject = seat_of(&member.process.node);
        let seat = &self.seats[subject];
        if seat.start != member.process.start {
            return;
        }
        if *change == Change::Down {
            match &mut self.dead {
                Some(death) if death.seat == subject => _ = death.known[observer].get_or_insert(self.now),
                _ if seat.alive && seat.membership.identity().incarnation == member.incarnation => {
                    self.wronged.insert((subject, member.incarnation));
                }
                _ => {}
            }
        }
        if seat.alive {
            let up = member.state == MemberState::Up;
            let place = observer * self.seats.len() + subject;
            let before = std::mem::replace(&mut self.sees[place], up);
            self.seen = self.seen + usize::from(up) - usize::from(before);
        }
    }

    /// Where the link of two seats is kept.
    fn pair(&self, one: usize, other: usize) -> usize {
        let (low, high) = (one.min(other), one.max(other));
        low * (2 * self.seats.len() - low - 1) / 2 + high - low - 1
    }

    fn schedule(&mut self, at: Moment, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), sequence: self.sequence, happening }));
    }
}

impl Link {
    const NONE: Self =
        Self { id: 0, closed: 0, starts: [Start::new(0); 2], last: [Moment::from_origin(Duration::ZERO); 2] };
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
