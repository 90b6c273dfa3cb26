//! Places for strangers whose handshake is under way.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::bounds::{HANDSHAKES_AT_ONCE, HANDSHAKES_OF_ONE};

/// The places that are taken.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    /// In the order in which they came.
    strangers: BTreeMap<u64, Stranger>,
    next: u64,
}

#[derive(Debug)]
struct Stranger {
    address: SocketAddr,
    pushed_out: Arc<Notify>,
}

/// One stranger's place; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    pushed_out: Arc<Notify>,
}

impl Places {
    /// Whether half of the places are taken, or half of those that a stranger from this address could have: the rest is for who has shown that
    /// it receives where it says it is. Else whoever makes up addresses could use up the share of any node.
    pub(super) fn are_crowded(&self, address: IpAddr) -> bool {
        let taken = self.lock();
        let of_one = taken.of(source(address)).count();
        taken.strangers.len() >= HANDSHAKES_AT_ONCE / 2 || of_one >= HANDSHAKES_OF_ONE / 2
    }

    /// Takes a place for a stranger from this address. Where there is none, or its source has its share, the oldest gives way, of all or of
    /// that source: an honest handshake is over in a few round trips, and who does not get on is not to keep the others out.
    pub(super) fn take(self: &Arc<Self>, address: SocketAddr) -> (Place, Option<SocketAddr>) {
        let mut taken = self.lock();
        let source = source(address.ip());
        let oldest = match taken.of(source).count() >= HANDSHAKES_OF_ONE {
            true => taken.of(source).next(),
            false if taken.strangers.len() >= HANDSHAKES_AT_ONCE => taken.strangers.keys().next().copied(),
            false => None,
        };
        let gives_way = oldest.and_then(|oldest| taken.strangers.remove(&oldest));
        let pushed_out = Arc::new(Notify::new());
        let number = taken.next;
        taken.next = number.wrapping_add(1);
        taken.strangers.insert(number, Stranger { address, pushed_out: Arc::clone(&pushed_out) });
        drop(taken);
        let place = Place { places: Arc::clone(self), number, pushed_out };
        (place, gives_way.map(|stranger| stranger.push_out()))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing in here can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// The places of one source, the oldest first.
    fn of(&self, of: IpAddr) -> impl Iterator<Item = u64> {
        let is_of = move |stranger: &Stranger| source(stranger.address.ip()) == of;
        self.strangers.iter().filter(move |(_, stranger)| is_of(stranger)).map(|(number, _)| *number)
    }
}

impl Stranger {
    fn push_out(self) -> SocketAddr {
        self.pushed_out.notify_one();
        self.address
    }
}

impl Place {
    /// Waits until another needs the place.
    pub(super) async fn pushed_out(&self) {
        self.pushed_out.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().strangers.remove(&self.number);
    }
}

/// What counts as one source: whoever has one address of IPv6 has the other 2^64 of its network.
pub(super) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Takes so many places from an address; with who had to give way.
    fn take(places: &Arc<Places>, address: &str, count: usize) -> (Vec<Place>, Vec<IpAddr>) {
        let address = SocketAddr::new(address.parse().unwrap(), 7);
        let (taken, out): (Vec<_>, Vec<_>) = (0..count).map(|_| places.take(address)).unzip();
        (taken, out.into_iter().flatten().map(|address| address.ip()).collect())
    }

    #[test]
    fn one_source_takes_only_its_share_and_all_together_no_more_than_there_are() {
        let places = Arc::new(Places::default());
        let crowded = |address: &str| places.are_crowded(address.parse().unwrap());
        let (neighbour, other) = ("2001:db8::2", "::ffff:192.0.2.99");
        let (half, nobody) = take(&places, "2001:db8::1", HANDSHAKES_OF_ONE / 2);
        assert!(nobody.is_empty());
        assert!(crowded(neighbour) && !crowded(other), "of the same network, and of another");
        let (first, out) = take(&places, neighbour, HANDSHAKES_OF_ONE);
        assert_eq!(out.len(), HANDSHAKES_OF_ONE / 2);
        assert!(out.iter().all(|address| *address == "2001:db8::1".parse::<IpAddr>().unwrap()), "the oldest of it");
        let mut others = Vec::new();
        for host in 1..=10 {
            others.extend(take(&places, &format!("192.0.2.{host}"), HANDSHAKES_OF_ONE / 2).0);
        }
        assert_eq!(places.lock().strangers.len(), HANDSHAKES_AT_ONCE);
        drop((half, first, others));
        assert!(places.lock().strangers.is_empty());
    }

    #[tokio::test]
    async fn who_is_pushed_out_hears_of_it_and_nobody_else_does() {
        let places = Arc::new(Places::default());
        let (taken, _) = take(&places, "192.0.2.1", HANDSHAKES_OF_ONE);
        let (_next, out) = take(&places, "192.0.2.1", 1);
        assert_eq!(out.len(), 1);
        taken[0].pushed_out().await;
        assert!(timeout(Duration::ZERO, taken[1].pushed_out()).await.is_err());
        drop(taken);
        assert_eq!(places.lock().strangers.len(), 1, "each gives back its own place");
    }
}
