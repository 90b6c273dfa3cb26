//! The network between the hosts: it loses, doubles, delays and cuts as it is told, by a seeded die.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::socket::Inbox;
use super::trace::{Fate, Trace};
use super::{Clock, dice};

/// The port that every node listens on.
const PORT: u16 = 7400;

/// The largest payload that UDP over IPv4 carries at all.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// What a link does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Of a thousand packets so many are lost.
    pub loss: u32,
    /// Of a thousand packets so many arrive twice.
    pub duplication: u32,
    /// Of a thousand packets so many may overtake or be overtaken; the others keep their order.
    pub reordering: u32,
    /// How long a packet takes, from and to, in milliseconds; at least 1.
    pub delay_ms: (u64, u64),
    /// The largest payload that passes; larger ones vanish without a word.
    pub mtu: usize,
}

impl Weather {
    /// Half a data centre: a millisecond or two, nothing is lost, Ethernet frames.
    pub const FAIR: Self = Self { loss: 0, duplication: 0, reordering: 0, delay_ms: (1, 2), mtu: 1472 };
}

/// A directed link: from one host to another, by their numbers.
pub type Way = (u16, u16);

/// The network. Clones are the same network.
#[derive(Clone, Debug)]
pub struct Network(Arc<Mutex<Wires>>);

#[derive(Debug)]
struct Wires {
    clock: Clock,
    trace: Trace,
    rng: ChaCha8Rng,
    climate: Weather,
    weather: BTreeMap<Way, Weather>,
    /// How many faults cut each way at present.
    cuts: BTreeMap<Way, u32>,
    /// When the last packet that keeps its order arrives.
    order: BTreeMap<Way, u64>,
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
            rng: dice(seed, "network", 0),
            climate: Weather::FAIR,
            weather: BTreeMap::new(),
            cuts: BTreeMap::new(),
            order: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent: 0,
            inboxes: BTreeMap::new(),
        })))
    }

    /// What all links do that have no weather of their own.
    pub fn set_climate(&self, climate: Weather) {
        self.wires().climate = climate;
    }

    /// What one link does from now on.
    pub fn set_weather(&self, way: Way, weather: Weather) {
        self.wires().weather.insert(way, weather);
    }

    /// The link does what all do.
    pub fn clear_weather(&self, way: Way) {
        self.wires().weather.remove(&way);
    }

    /// What a link does at present.
    pub fn weather(&self, way: Way) -> Weather {
        self.wires().weather_of(way)
    }

    /// Cuts these ways; a way that several faults cut is open when all of them have mended it.
    pub fn cut(&self, ways: &BTreeSet<Way>) {
        let mut wires = self.wires();
        for way in ways {
            *wires.cuts.entry(*way).or_default() += 1;
        }
    }

    /// Mends what [`cut`](Self::cut) has cut.
    pub fn mend(&self, ways: &BTreeSet<Way>) {
        let mut wires = self.wires();
        for way in ways {
            match wires.cuts.get_mut(way) {
                Some(count) if *count > 1 => *count -= 1,
                _ => _ = wires.cuts.remove(way),
            }
        }
    }

    /// Mends every way and clears the weather; what is under way arrives. What the paths carried they carry on: one that
    /// suddenly carries smaller packets would be one more fault.
    pub fn heal(&self) {
        let mut wires = self.wires();
        wires.cuts.clear();
        wires.weather.clear();
        wires.climate = Weather { mtu: wires.climate.mtu.max(Weather::FAIR.mtu), ..Weather::FAIR };
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
    fn weather_of(&self, way: Way) -> Weather {
        self.weather.get(&way).copied().unwrap_or(self.climate)
    }

    fn send(&mut self, from: u16, to: SocketAddr, contents: &[u8]) {
        let Some(to) = host_at(to) else { return };
        let way = (from, to);
        let weather = self.weather_of(way);
        let bytes = contents.len();
        // One roll for each packet, whatever becomes of it: a cut then changes what passes and not the luck of the rest.
        let lost = self.rng.random_range(0..1000) < weather.loss;
        let again = self.rng.random_range(0..1000) < weather.duplication;
        if self.cuts.contains_key(&way) {
            return self.trace.packet(from, to, bytes, Fate::Cut);
        }
        if bytes > weather.mtu.min(DATAGRAM_BYTES_MAX) {
            return self.trace.packet(from, to, bytes, Fate::TooLarge);
        }
        if lost {
            return self.trace.packet(from, to, bytes, Fate::Lost);
        }
        let due = self.fly(way, &weather, contents);
        self.trace.packet(from, to, bytes, Fate::Arrives(due));
        if again {
            let due = self.fly(way, &weather, contents);
            self.trace.packet(from, to, bytes, Fate::ArrivesAgain(due));
        }
    }

    fn fly(&mut self, way: Way, weather: &Weather, contents: &[u8]) -> u64 {
        let (least, most) = weather.delay_ms;
        let mut due = self.clock.now_ms() + self.rng.random_range(least..=most).max(1);
        if self.rng.random_range(0..1000) >= weather.reordering {
            let last = self.order.entry(way).or_default();
            due = due.max(*last);
            *last = due;
        }
        self.sent += 1;
        let (from, to) = way;
        self.flying.insert((due, self.sent), Packet { from, to, contents: contents.to_vec() });
        due
    }
}
