//! Where one member of a crowd sits: its process, and how it is found by name and address.

use std::net::SocketAddr;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::engine::membership::member::{Load, Profile, Weight};
use crate::engine::membership::{Config, Membership};
use crate::id::{NodeId, Start};
use crate::rules::Rules;
use crate::time::{Moment, Timing};

/// Wall-clock milliseconds at the beginning.
const EPOCH_MS: u64 = 1_780_000_000_000;
/// How many members stand in everybody's join list.
const JOIN: usize = 3;

/// A process and what it is called by.
pub(super) struct Seat {
    pub(super) name: NodeId,
    pub(super) address: SocketAddr,
    pub(super) start: Start,
    pub(super) membership: Membership,
    pub(super) alive: bool,
    /// When it is to be called.
    pub(super) tick: Option<Moment>,
}

impl Seat {
    /// A process that has not begun yet.
    pub(super) fn new(nth: usize, members: usize, timing: Timing, now: Moment, rng: &mut ChaCha8Rng) -> Self {
        let name = NodeId::new(format!("n{nth:04}")).unwrap();
        let start = Start::new(EPOCH_MS + u64::try_from(now.since_origin().as_millis()).unwrap());
        let profile = Profile {
            hosted: vec![],
            client_only: false,
            leaving: false,
            weight: Weight::NORMAL,
            load: Load(0),
            version: "0".into(),
            revision: 0,
            load_revision: 0,
        };
        let join = (0..members.min(JOIN)).map(address).collect();
        let config = Config {
            node: name.clone(),
            address: address(nth),
            start,
            timing,
            join,
            profile,
            seed: rng.random(),
            rules: Rules::ALL,
        };
        let membership = Membership::new(config, now);
        Self { name, address: address(nth), start, membership, alive: false, tick: None }
    }
}

fn address(nth: usize) -> SocketAddr {
    let [high, low] = u16::try_from(nth).unwrap().to_be_bytes();
    ([10, 0, high, low], 7400).into()
}

/// The seat with this address; nobody says any other.
pub(super) fn seat_at(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(v4) => usize::from(u16::from_be_bytes([v4.ip().octets()[2], v4.ip().octets()[3]])),
        SocketAddr::V6(v6) => panic!("nobody lives at {v6}"),
    }
}

/// The seat with this name; nobody has any other.
pub(super) fn seat_of(name: &NodeId) -> usize {
    name.as_str()[1..].parse().unwrap()
}
