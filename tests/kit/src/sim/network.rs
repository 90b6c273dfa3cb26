//! The network between the hosts: it loses, doubles, delays and cuts as it is told, by a seeded die.

mod sky;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

pub use sky::{Met, Sky, Way, Weather};

use super::socket::Inbox;
use super::trace::{Fate, Trace};
use super::{Clock, dice};

/// The port that every node listens on.
const PORT: u16 = 7400;

/// The network. Clones are the same network.
#[derive(Clone, Debug)]
pub struct Network(Arc<Mutex<Wires>>);

#[derive(Debug)]
struct Wires {
    clock: Clock,
    trace: Trace,
    sky: Sky,
    flying: BTreeMap<(u64, u64), Packet>,
    sent: u64,
    inboxes: BTreeMap<u16, Arc<Inbox>>,
}

#[derive(Debug)]
struct Packet {
    from: u16,
    to: u16,
    contents: Vec<u8>,
}

/// The address of the host with this number.
pub fn address(host: u16) -> SocketAddr {
    let [high, low] = host.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), PORT))
}

fn host_at(address: SocketAddr) -> Option<u16> {
    match address {
        SocketAddr::V4(v4) if v4.port() == PORT => {
            let [_, _, high, low] = v4.ip().octets();
            Some(u16::from_be_bytes([high, low]))
        }
        _ => None,
    }
}

impl Network {
    pub(super) fn new(seed: u64, clock: Clock, trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(Wires {
            clock,
            trace,
            sky: Sky::new(dice(seed, "network", 0)),
            flying: BTreeMap::new(),
            sent: 0,
            inboxes: BTreeMap::new(),
        })))
    }

    /// What all links do that have no weather of their own.
    pub fn set_climate(&self, climate: Weather) {
        self.wires().sky.set_climate(climate);
    }

    /// What one link does from now on.
    pub fn set_weather(&self, way: Way, weather: Weather) {
        self.wires().sky.set_weather(way, weather);
    }

    /// The link does what all do.
    pub fn clear_weather(&self, way: Way) {
        self.wires().sky.clear_weather(way);
    }

    /// What a link does at present.
    pub fn weather(&self, way: Way) -> Weather {
        self.wires().sky.weather(way)
    }

    /// Cuts these ways; a way that several faults cut is open when all of them have mended it.
    pub fn cut(&self, ways: &BTreeSet<Way>) {
        self.wires().sky.cut(ways);
    }

    /// Mends what [`cut`](Self::cut) has cut.
    pub fn mend(&self, ways: &BTreeSet<Way>) {
        self.wires().sky.mend(ways);
    }

    /// Mends every way and clears the weather; what is under way arrives. What the paths carried they carry on: one that
    /// suddenly carries smaller packets would be one more fault.
    pub fn heal(&self) {
        self.wires().sky.heal();
    }

    /// From now on a host's packets go into this inbox.
    pub(super) fn plug_in(&self, host: u16, inbox: Arc<Inbox>) {
        self.wires().inboxes.insert(host, inbox);
    }

    /// Nobody listens at the host any more.
    pub(super) fn unplug(&self, host: u16) {
        self.wires().inboxes.remove(&host);
    }

    /// Sends a packet on its way.
    pub(super) fn send(&self, from: u16, to: SocketAddr, contents: &[u8]) {
        self.wires().send(from, to, contents);
    }

    /// Hands over what arrives now.
    pub(super) fn deliver(&self) {
        let mut wires = self.wires();
        let now = wires.clock.now_ms();
        while let Some(packet) = wires.flying.first_entry().filter(|first| first.key().0 <= now) {
            let Packet { from, to, contents } = packet.remove();
            let bytes = contents.len();
            let fate = match wires.inboxes.get(&to) {
                Some(inbox) if inbox.push(address(from), contents) => continue,
                Some(_) => Fate::Full,
                None => Fate::Nobody,
            };
            wires.trace.packet(from, to, bytes, fate);
        }
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap()
    }
}

impl Wires {
    fn send(&mut self, from: u16, to: SocketAddr, contents: &[u8]) {
        let Some(to) = host_at(to) else { return };
        let bytes = contents.len();
        match self.sky.meets((from, to), bytes, self.clock.now_ms()) {
            Met::Cut => self.trace.packet(from, to, bytes, Fate::Cut),
            Met::TooLarge => self.trace.packet(from, to, bytes, Fate::TooLarge),
            Met::Lost => self.trace.packet(from, to, bytes, Fate::Lost),
            Met::Arrives(due, again) => {
                self.fly((from, to), due, contents);
                self.trace.packet(from, to, bytes, Fate::Arrives(due));
                if let Some(due) = again {
                    self.fly((from, to), due, contents);
                    self.trace.packet(from, to, bytes, Fate::ArrivesAgain(due));
                }
            }
        }
    }

    fn fly(&mut self, (from, to): Way, due: u64, contents: &[u8]) {
        self.sent += 1;
        self.flying.insert((due, self.sent), Packet { from, to, contents: contents.to_vec() });
    }
}
