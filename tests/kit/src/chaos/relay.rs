//! Carries the packets between namespaces, and does to them what the sky says.
//!
//! In the namespace of each host the relay has a socket at the address of every other one. What host 1 sends to host 2 arrives
//! at the relay's socket for the way 1 → 2, and leaves from its socket for the way 2 → 1, which lies in the namespace of host 2 and
//! has the address of host 1: so the packet looks as if it had come straight.

use std::collections::BTreeMap;
use std::io;
use std::net::UdpSocket as StdUdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ground::address;
use crate::sim::Clock;
use crate::sim::network::{Met, Sky, Way};

/// The packets that may be under way: what a router would queue, and then some. One more is lost.
const UNDER_WAY_MAX: usize = 1 << 16;

/// The longest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// The relay; its tasks end when it is dropped.
pub(super) struct Relay {
    air: Arc<Air>,
    _tasks: JoinSet<()>,
}

struct Air {
    clock: Clock,
    doors: BTreeMap<Way, UdpSocket>,
    state: Mutex<State>,
}

struct State {
    sky: Sky,
    counts: Counts,
}

/// What became of the packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// So many were handed on.
    pub passed: u64,
    /// So many of those twice.
    pub doubled: u64,
    /// So many were lost by chance, or because too many were under way.
    pub lost: u64,
    /// So many met a cut.
    pub cut: u64,
    /// So many were too large for the way.
    pub too_large: u64,
}

struct Packet {
    way: Way,
    due_ms: u64,
    contents: Vec<u8>,
}

impl Relay {
    /// Carries packets between these doors from now on.
    pub(super) fn start(doors: BTreeMap<Way, StdUdpSocket>, sky: Sky, clock: Clock) -> io::Result<Self> {
        let open = |(way, door): (Way, StdUdpSocket)| {
            door.set_nonblocking(true)?;
            Ok((way, UdpSocket::from_std(door)?))
        };
        let doors = doors.into_iter().map(open).collect::<io::Result<BTreeMap<_, _>>>()?;
        let state = Mutex::new(State { sky, counts: Counts::default() });
        let air = Arc::new(Air { clock, doors, state });
        let (sender, packets) = mpsc::channel(UNDER_WAY_MAX);
        let mut tasks = JoinSet::new();
        for way in air.doors.keys() {
            tasks.spawn(Arc::clone(&air).take_in(*way, sender.clone()));
        }
        tasks.spawn(Arc::clone(&air).hand_on(packets));
        Ok(Self { air, _tasks: tasks })
    }

    /// Changes the weather or the cuts.
    pub(super) fn sky<T>(&self, change: impl FnOnce(&mut Sky) -> T) -> T {
        change(&mut self.air.state().sky)
    }

    /// What became of the packets so far.
    pub(super) fn counts(&self) -> Counts {
        self.air.state().counts
    }
}

impl Air {
    /// Takes in what comes along one way.
    async fn take_in(self: Arc<Self>, way: Way, packets: mpsc::Sender<Packet>) {
        let Some(door) = self.doors.get(&way) else { return };
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // An error tells of a packet that found nobody, which is for quinn to find out.
            let Ok((bytes, from)) = door.recv_from(&mut buffer).await else { continue };
            if from != address(way.0) {
                continue;
            }
            let contents = &buffer[..bytes];
            for due_ms in self.meets(way, bytes) {
                let packet = Packet { way, due_ms, contents: contents.to_vec() };
                if packets.try_send(packet).is_err() {
                    self.state().counts.lost += 1;
                }
            }
        }
    }

    /// When a packet arrives: never, once or twice.
    fn meets(&self, way: Way, bytes: usize) -> Vec<u64> {
        let mut state = self.state();
        let State { sky, counts } = &mut *state;
        match sky.meets(way, bytes, self.clock.now_ms()) {
            Met::Cut => counts.cut += 1,
            Met::TooLarge => counts.too_large += 1,
            Met::Lost => counts.lost += 1,
            Met::Arrives(due, again) => {
                counts.passed += 1;
                counts.doubled += u64::from(again.is_some());
                return [Some(due), again].into_iter().flatten().collect();
            }
        }
        Vec::new()
    }

    /// Hands on what is due.
    async fn hand_on(self: Arc<Self>, mut packets: mpsc::Receiver<Packet>) {
        let mut under_way: BTreeMap<(u64, u64), Packet> = BTreeMap::new();
        let mut taken = 0;
        loop {
            let now_ms = self.clock.now_ms();
            while let Some(first) = under_way.first_entry().filter(|first| first.key().0 <= now_ms) {
                let Packet { way: (from, to), contents, .. } = first.remove();
                if let Some(door) = self.doors.get(&(to, from)) {
                    // What finds no room in the kernel is lost, as it would be without a relay.
                    let _ = door.try_send_to(&contents, address(to));
                }
            }
            let wait = under_way.first_key_value().map(|((due_ms, _), _)| due_ms.saturating_sub(now_ms).max(1));
            tokio::select! {
                biased;
                () = sleep(Duration::from_millis(wait.unwrap_or_default())), if wait.is_some() => {}
                packet = packets.recv() => {
                    let Some(packet) = packet else { return };
                    taken += 1;
                    if under_way.len() < UNDER_WAY_MAX {
                        under_way.insert((packet.due_ms, taken), packet);
                    }
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
