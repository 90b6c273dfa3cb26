//! Places for strangers whose handshake is under way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bounds::{HANDSHAKES_AT_ONCE, HANDSHAKES_OF_ONE};

/// The places that are taken, by where strangers come from.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<BTreeMap<IpAddr, usize>>);

/// One stranger's place; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Places {
    /// Whether half of the places are taken, or half of those that a stranger from this address could have: the rest is for who has shown that
    /// it receives where it says it is. Else whoever makes up addresses could use up the share of any node.
    pub(super) fn are_crowded(&self, address: IpAddr) -> bool {
        let (of_all, of_one) = counts(&self.lock(), source(address));
        of_all >= HANDSHAKES_AT_ONCE / 2 || of_one >= HANDSHAKES_OF_ONE / 2
    }

    /// Takes a place for a stranger from this address. `None` when there is none, or its source has its share.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let source = source(address);
        let mut taken = self.lock();
        let (of_all, of_one) = counts(&taken, source);
        let is_free = of_all < HANDSHAKES_AT_ONCE && of_one < HANDSHAKES_OF_ONE;
        is_free.then(|| {
            taken.insert(source, of_one.saturating_add(1));
            Place { places: Arc::clone(self), source }
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        // Nothing in here can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

/// How many places are taken, by all and by one source.
fn counts(taken: &BTreeMap<IpAddr, usize>, source: IpAddr) -> (usize, usize) {
    (taken.values().sum(), taken.get(&source).copied().unwrap_or_default())
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
    use super::*;

    #[test]
    fn one_source_takes_only_its_share_and_all_together_no_more_than_there_are() {
        let places = Arc::new(Places::default());
        let take = |address: &str, count| -> Vec<_> {
            (0..count).map_while(|_| places.take(address.parse().unwrap())).collect()
        };
        let crowded = |address: &str| places.are_crowded(address.parse().unwrap());
        let (neighbour, other) = ("2001:db8::2", "::ffff:192.0.2.99");
        let half = take("2001:db8::1", HANDSHAKES_OF_ONE / 2);
        assert!(crowded(neighbour) && !crowded(other), "of the same network, and of another");
        let first = take("2001:db8::1", HANDSHAKES_AT_ONCE);
        assert_eq!(half.len() + first.len(), HANDSHAKES_OF_ONE);
        assert!(places.take(neighbour.parse().unwrap()).is_none());
        let mut others = Vec::new();
        for host in 1..=10 {
            others.extend(take(&format!("192.0.2.{host}"), HANDSHAKES_AT_ONCE));
        }
        assert_eq!(half.len() + first.len() + others.len(), HANDSHAKES_AT_ONCE);
        assert!(crowded(other) && places.take(other.parse().unwrap()).is_none());
        drop(first);
        assert_eq!(take(other, 1).len(), 1);
        drop((half, others));
        assert!(places.lock().is_empty());
    }
}
