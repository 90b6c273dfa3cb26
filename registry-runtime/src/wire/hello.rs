//! The first words of a connection: who speaks, for which cluster, and which registries it hosts in what shape.
//!
//! A hello travels as `[u32 length][u16 protocol version]` and the postcard encoding of a [`Greeting`] or a [`HelloReply`].
//! The version stands in front so that a peer of another version can be told so, whatever its hello looks like.

mod catalogue;
mod refusal;

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use catalogue::{CommandEntry, CommandKind, RegistryEntry};
pub(crate) use refusal::{Life, Refusal};

use super::limits::{CATALOGUE_COMMANDS_MAX, HELLO_BYTES_MAX};
use crate::codec::{self, DecodeError};
use crate::id::{Incarnation, NAME_BYTES_MAX, NodeId, Start};
use crate::message::REGISTRIES_MAX;
use crate::time::Timing;

/// The version of frames, hello and channels. Peers of different versions refuse each other.
pub(crate) const PROTOCOL_VERSION: u16 = 1;

/// The version of the key hash. Peers that would put one key into different slots refuse each other.
pub(crate) const HASH_VERSION: u16 = 1;

/// What a node says of itself when it meets another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The version of the key hash.
    pub(crate) hash: u16,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The node's name; the certificate must bear it too.
    pub(crate) node: NodeId,
    /// The life of the process.
    pub(crate) start: Start,
    /// The node's incarnation at the time of the hello.
    pub(crate) incarnation: Incarnation,
    /// Where the node listens.
    pub(crate) address: SocketAddr,
    /// What it goes by when others are silent.
    pub(crate) times: Times,
    /// What it hosts. A registry's place in this list is its number in requests to this node.
    pub(crate) catalogue: Vec<RegistryEntry>,
}

/// Times that nodes which own slots together count on of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times {
    /// For how long a node's word holds.
    pub(crate) lease: Duration,
    /// After how long nobody waits for a member that is Down; who sees too few others stops after half of it.
    pub(crate) forget_after: Duration,
}

impl From<Timing> for Times {
    fn from(timing: Timing) -> Self {
        Self { lease: timing.lease, forget_after: timing.forget_after }
    }
}

/// What the dialling side says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// Who dials.
    pub(crate) hello: Hello,
    /// Rises with every dial of that process. Of two connections that the same side dialled, both sides keep the later.
    pub(crate) dial: u64,
}

/// The answer to a greeting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HelloReply {
    /// Come in; this is who answers.
    Welcome(Box<Hello>),
    /// No.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Whether it will be the same at the next try, and owners of slots are known here: who is refused is to found none beside them.
        stands: bool,
    },
}

/// What a connection turned out to begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHello {
    /// The peer speaks another version.
    #[error("the peer speaks version {0} of the protocol, this node {PROTOCOL_VERSION}")]
    Version(u16),
    /// It is larger than any hello may be.
    #[error("a hello of {0} bytes where {HELLO_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// It does not decode.
    #[error("a hello that does not decode: {0}")]
    Malformed(DecodeError),
}

/// The bytes of the length and the version in front of a hello.
pub(crate) const PREFIX_BYTES: usize = 6;

/// A hello or its reply with its prefix, ready to be sent.
///
/// `None` when it is over the limit, which only a node with thousands of commands can bring about.
pub(crate) fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    let mut bytes = vec![0; PREFIX_BYTES];
    codec::encode(message, &mut bytes).ok()?;
    let length = bytes.len().checked_sub(PREFIX_BYTES).filter(|&length| length <= HELLO_BYTES_MAX)?;
    let prefix = bytes.first_chunk_mut::<PREFIX_BYTES>()?;
    let [a, b, c, d] = u32::try_from(length).ok()?.to_le_bytes();
    let [e, f] = PROTOCOL_VERSION.to_le_bytes();
    *prefix = [a, b, c, d, e, f];
    Some(bytes)
}

/// Reads a prefix: how many bytes follow.
pub(crate) fn prefix([a, b, c, d, e, f]: [u8; PREFIX_BYTES]) -> Result<usize, BadHello> {
    let version = u16::from_le_bytes([e, f]);
    if version != PROTOCOL_VERSION {
        return Err(BadHello::Version(version));
    }
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > HELLO_BYTES_MAX { Err(BadHello::TooLong(length)) } else { Ok(length) }
}

/// Reads what follows the prefix.
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, BadHello> {
    codec::decode(bytes).map_err(BadHello::Malformed)
}

impl Hello {
    /// Whether this node may work with that one. Says the same on both sides of a connection.
    ///
    /// Registries that both host must be cut into the same slots and kept in the same way, or the two would disagree about
    /// who owns a key. Commands may differ: that is found out command by command, with [`RegistryEntry::number_of`].
    pub(crate) fn check(&self, peer: &Self) -> Result<(), Refusal> {
        if !peer.is_within_limits() {
            return Err(Refusal::OverLimits);
        }
        if self.cluster != peer.cluster {
            return Err(Refusal::Cluster { yours: peer.cluster.clone(), ours: self.cluster.clone() });
        }
        if self.hash != peer.hash {
            return Err(Refusal::Hash { yours: peer.hash, ours: self.hash });
        }
        if self.node == peer.node {
            let refusal = Refusal::NameTaken { yours: peer.life(), ours: self.life() };
            return Err(if self.start == peer.start { Refusal::Myself } else { refusal });
        }
        for ours in &self.catalogue {
            let Some(yours) = peer.registry(&ours.name) else { continue };
            if let Some(what) = ours.differs(yours).or_else(|| self.times_differ(peer)) {
                return Err(Refusal::Registry { name: ours.name.clone(), what });
            }
        }
        Ok(())
    }

    /// How the times of two nodes that host one registry differ, if they do: one would take the other's word for longer than it holds.
    fn times_differ(&self, peer: &Self) -> Option<String> {
        let said =
            |times: &Times| format!("leases of {:?}, members forgotten after {:?}", times.lease, times.forget_after);
        (self.times != peer.times).then(|| format!("timing: {} here, {} there", said(&self.times), said(&peer.times)))
    }

    fn life(&self) -> Life {
        Life { start: self.start, address: self.address }
    }

    /// The entry of a registry that this node hosts.
    pub(crate) fn registry(&self, name: &str) -> Option<&RegistryEntry> {
        self.catalogue.iter().find(|entry| entry.name == name)
    }

    fn is_within_limits(&self) -> bool {
        (1..=NAME_BYTES_MAX).contains(&self.cluster.len())
            && self.catalogue.len() <= REGISTRIES_MAX
            && self.catalogue.iter().all(|entry| entry.commands.len() <= CATALOGUE_COMMANDS_MAX && entry.has_names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Failover, LoadBalancing, OnPartition, Reads, Sharding, Spec, Then};

    const ORDERS: Spec = Spec {
        idempotency_window: Duration::from_secs(600),
        name: "orders",
        sharding: Sharding::ConsistentHashing { slots: 64 },
        load_balancing: LoadBalancing::LeastBusy,
        failover: Failover::AutoReassign,
        replicas: 3,
        reads: Reads::Owner,
        on_partition: OnPartition::PauseMinority,
        timeout: Duration::from_secs(5),
        queue: 10,
        concurrency: 10,
    };

    fn hello(node: &str, specs: &[Spec]) -> Hello {
        let command = CommandEntry { name: "place".into(), kind: CommandKind::Create, fingerprint: 7 };
        Hello {
            hash: HASH_VERSION,
            cluster: "main".into(),
            node: NodeId::new(node).unwrap(),
            start: Start::new(1),
            incarnation: Incarnation::new(1),
            address: "127.0.0.1:7400".parse().unwrap(),
            times: Timing::balanced().into(),
            catalogue: specs.iter().map(|spec| RegistryEntry::new(spec, Some(3), vec![command.clone()])).collect(),
        }
    }

    fn check(peer: Hello, expected: Result<(), Refusal>) {
        let own = hello("a", &[ORDERS]);
        assert_eq!(own.check(&peer), expected);
        assert_eq!(peer.check(&own).is_ok(), expected.is_ok(), "both sides come to the same end");
    }

    #[test]
    fn like_meets_like() {
        check(hello("b", &[ORDERS]), Ok(()));
        check(hello("b", &[]), Ok(()));
        check(hello("b", &[Spec { name: "users", sharding: Sharding::Singleton, ..ORDERS }]), Ok(()));
        check(hello("b", &[Spec { queue: 1, concurrency: 1, timeout: Duration::from_secs(1), ..ORDERS }]), Ok(()));
        check(hello("b", &[Spec { load_balancing: LoadBalancing::RoundRobin, ..ORDERS }]), Ok(()));
    }

    #[test]
    fn others_are_refused_by_both() {
        let cluster = |name: &str| Hello { cluster: name.into(), ..hello("b", &[]) };
        check(cluster("test"), Err(Refusal::Cluster { yours: "test".into(), ours: "main".into() }));
        check(Hello { hash: 2, ..hello("b", &[]) }, Err(Refusal::Hash { yours: 2, ours: HASH_VERSION }));
        check(hello("a", &[ORDERS]), Err(Refusal::Myself));
        let life = |start| Life { start: Start::new(start), address: "127.0.0.1:7400".parse().unwrap() };
        let taken = Refusal::NameTaken { yours: life(2), ours: life(1) };
        check(Hello { start: Start::new(2), ..hello("a", &[]) }, Err(taken));
    }

    #[test]
    fn registries_must_be_kept_in_the_same_way() {
        let wait = |seconds, then| Failover::WaitForNode { wait: Duration::from_secs(seconds), then };
        for other in [
            Spec { sharding: Sharding::ConsistentHashing { slots: 65 }, ..ORDERS },
            Spec { sharding: Sharding::Singleton, ..ORDERS },
            Spec { sharding: Sharding::ByAttribute { field: "tenant", slots: 64 }, ..ORDERS },
            Spec { replicas: 1, ..ORDERS },
            Spec { failover: wait(30, Then::Reassign), ..ORDERS },
            Spec { on_partition: OnPartition::ServeAll, ..ORDERS },
        ] {
            let refused = hello("a", &[ORDERS]).check(&hello("b", &[other]));
            assert!(matches!(refused, Err(Refusal::Registry { name, .. }) if name == "orders"), "{other:?}");
        }
        let keeping = |instances| {
            let mut peer = hello("b", &[ORDERS]);
            peer.catalogue.iter_mut().for_each(|entry| entry.instances = instances);
            peer
        };
        let what = "the resource's fields (their shape): 0000000000000003 here, 0000000000000004 there".to_owned();
        let refused = Refusal::Registry { name: "orders".into(), what };
        assert_eq!(hello("a", &[ORDERS]).check(&keeping(Some(4))), Err(refused));
        check(keeping(None), Ok(()));
        let fast = |specs: &[Spec]| Hello { times: Timing::fast().into(), ..hello("b", specs) };
        let what = "timing: leases of 1.2s, members forgotten after 300s here, leases of 600ms, members forgotten after 30s there";
        let what = what.to_owned();
        let refused = Refusal::Registry { name: "orders".into(), what };
        assert_eq!(hello("a", &[ORDERS]).check(&fast(&[ORDERS])), Err(refused));
        check(fast(&[]), Ok(()));
        check(fast(&[Spec { name: "users", ..ORDERS }]), Ok(()));
        let with = |failover| hello("b", &[Spec { failover, ..ORDERS }]);
        assert!(
            with(wait(30, Then::Fail))
                .registry("orders")
                .unwrap()
                .differs(&with(wait(31, Then::Fail)).catalogue[0])
                .is_some()
        );
        assert!(
            with(wait(30, Then::Fail))
                .registry("orders")
                .unwrap()
                .differs(&with(wait(30, Then::Reassign)).catalogue[0])
                .is_some()
        );
    }

    #[test]
    fn a_hello_travels() {
        let own = hello("a", &[ORDERS]);
        let bytes = encode(&own).unwrap();
        let (head, rest) = bytes.split_first_chunk().unwrap();
        assert_eq!(prefix(*head), Ok(rest.len()));
        assert_eq!(decode::<Hello>(rest), Ok(own.clone()));
        let reply = HelloReply::Welcome(Box::new(own));
        let bytes = encode(&reply).unwrap();
        assert_eq!(decode::<HelloReply>(&bytes[PREFIX_BYTES..]), Ok(reply));
    }

    #[test]
    fn other_versions_and_bombs_are_refused_by_the_prefix() {
        assert_eq!(prefix([1, 0, 0, 0, 2, 0]), Err(BadHello::Version(2)));
        assert_eq!(prefix([0, 0, 0, 1, 1, 0]), Err(BadHello::TooLong(1 << 24)));
        assert!(encode(&Hello { cluster: "x".repeat(HELLO_BYTES_MAX), ..hello("a", &[]) }).is_none());
        assert!(decode::<Hello>(&[0xff; 100]).is_err());
    }

    #[test]
    fn names_over_their_limits_are_refused() {
        let long = |name: usize| {
            let mut peer = hello("b", &[ORDERS]);
            peer.catalogue[0].commands[0].name = "x".repeat(name);
            peer
        };
        assert_eq!(hello("a", &[]).check(&long(128)), Ok(()));
        assert_eq!(hello("a", &[]).check(&long(129)), Err(Refusal::OverLimits));
        let named = |name: usize, node| Hello { cluster: "x".repeat(name), ..hello(node, &[]) };
        assert_eq!(named(NAME_BYTES_MAX, "a").check(&named(NAME_BYTES_MAX, "b")), Ok(()));
        let longer = NAME_BYTES_MAX + 1;
        assert_eq!(named(longer, "a").check(&named(longer, "b")), Err(Refusal::OverLimits));
        let hosting = |count: usize| Hello { catalogue: vec![long(9).catalogue.remove(0); count], ..hello("b", &[]) };
        assert_eq!(hello("a", &[]).check(&hosting(REGISTRIES_MAX)), Ok(()));
        assert_eq!(hello("a", &[]).check(&hosting(REGISTRIES_MAX + 1)), Err(Refusal::OverLimits));
    }

    #[test]
    fn a_command_is_found_by_name_kind_and_shape() {
        let entry = RegistryEntry::new(
            &ORDERS,
            None,
            vec![CommandEntry { name: "place".into(), kind: CommandKind::Create, fingerprint: 7 }],
        );
        assert_eq!(entry.number_of("place", CommandKind::Create, 7), Ok(0));
        assert!(entry.number_of("ship", CommandKind::Create, 7).unwrap_err().contains("no command `ship`"));
        assert!(entry.number_of("place", CommandKind::Update, 7).unwrap_err().contains("create"));
        assert!(entry.number_of("place", CommandKind::Create, 8).unwrap_err().contains("shape"));
    }
}
