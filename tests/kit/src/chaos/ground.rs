//! Where the processes of a run live: in namespaces with a relay between them, or side by side on the loopback device.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::{io, process};

use super::ChaosError;
use super::clock::machine_time;
use super::janitor::Janitor;
use super::namespace::Namespace;
use super::relay::Relay;
use crate::sim::Clock;
use crate::sim::network::{Sky, Way};
use crate::{free_addresses, sim};

/// The port of every host that has a namespace of its own.
const PORT: u16 = 7400;

/// Where the processes of a run live.
pub(super) enum Ground {
    /// Each in a namespace of its own; all packets pass through the relay.
    Apart { namespaces: BTreeMap<u16, Namespace>, relay: Relay },
    /// All on the loopback device, and nobody touches their packets.
    Together { addresses: BTreeMap<u16, SocketAddr> },
}

impl Ground {
    /// Makes a namespace for each of so many hosts, or says why it cannot be done.
    pub(super) async fn apart(
        hosts: u16,
        seed: u64,
        clock: &Clock,
        janitor: &mut Janitor,
    ) -> Result<Result<Self, String>, ChaosError> {
        let run = format!("chaos-{}-{:x}", process::id(), machine_time().as_millis());
        let mut namespaces = BTreeMap::new();
        for host in 1..=hosts {
            let name = format!("{run}-{host}");
            janitor.namespace(&name).await?;
            match Namespace::create(&name) {
                Ok(namespace) => _ = namespaces.insert(host, namespace),
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        let doors = match doors(&namespaces) {
            Ok(doors) => doors,
            // Containers may allow to make a namespace and forbid to enter it.
            Err(error) => return Ok(Err(format!("a namespace cannot be entered: {error}"))),
        };
        let sky = Sky::new(sim::dice(seed, "network", 0));
        let relay = Relay::start(doors, sky, clock.clone()).map_err(ChaosError::Relay)?;
        Ok(Ok(Self::Apart { namespaces, relay }))
    }

    /// Finds an address on the loopback device for each of so many hosts.
    pub(super) fn together(hosts: u16) -> Self {
        Self::Together { addresses: (1..=hosts).zip(free_addresses(hosts.into())).collect() }
    }

    /// Where a host listens.
    pub(super) fn address(&self, host: u16) -> SocketAddr {
        match self {
            Self::Apart { .. } => address(host),
            Self::Together { addresses } => addresses[&host],
        }
    }

    /// Does something where the host lives.
    pub(super) fn on<T: Send>(&self, host: u16, job: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        match self {
            Self::Apart { namespaces, .. } => namespaces[&host].inside(job),
            Self::Together { .. } => job(),
        }
    }

    /// The relay, if there is one.
    pub(super) fn relay(&self) -> Option<&Relay> {
        match self {
            Self::Apart { relay, .. } => Some(relay),
            Self::Together { .. } => None,
        }
    }
}

/// Where a host with a namespace of its own listens; in each namespace this is an address of the loopback device.
pub(super) fn address(host: u16) -> SocketAddr {
    let [high, low] = host.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 1, high, low), PORT))
}

/// A socket for each way: in the namespace of the one host, at the address of the other.
fn doors(namespaces: &BTreeMap<u16, Namespace>) -> io::Result<BTreeMap<Way, UdpSocket>> {
    let mut doors = BTreeMap::new();
    for (from, namespace) in namespaces {
        let others = namespaces.keys().filter(|to| *to != from);
        let bind = |to: &u16| Ok(((*from, *to), UdpSocket::bind(address(*to))?));
        doors.extend(namespace.inside(|| others.map(bind).collect::<io::Result<Vec<_>>>())?);
    }
    Ok(doors)
}
