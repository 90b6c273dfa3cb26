//! What memberships say to each other.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::member::{Load, MemberState, Profile};
use crate::id::{NodeId, Process};

/// The largest packet that is taken, in bytes: the whole list of [`MEMBERS_MAX`] members with the longest names, twice over.
pub(crate) const PACKET_BYTES_MAX: usize = 256 * 1024;

/// The most members of a view: what the protocol was measured with, and what bounds the memory that peers can claim.
pub(crate) const MEMBERS_MAX: usize = 1024;

/// The largest profile of all, in bytes: 128 registries with the longest names take 20 kB.
#[cfg(test)]
const PROFILE_BYTES_MAX: usize = 32 * 1024;

/// The largest foca packet, in bytes. It travels on a stream and so need not fit a datagram; this lets an answer to a
/// newcomer name about sixty members.
pub(super) const SWIM_BYTES_MAX: usize = 4096;

/// The age of a Down is told again when it is larger by this much, in milliseconds: less is only the time news travel.
const AGE_NEWS_MS: u64 = 1000;

/// How many bytes of profiles are put in one packet before another is begun: with the last one on top it is well below
/// [`PACKET_BYTES_MAX`].
const PROFILES_BYTES: usize = 128 * 1024;

/// A packet and who says that it sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packet {
    /// The sender. Believed only if it is the process at the other end of the connection.
    pub(super) from: Identity,
    /// What it says.
    pub(super) body: Body,
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Body {
    /// A packet of the SWIM library.
    Swim(Vec<u8>),
    /// What the sender knows of members.
    State(State),
    /// The digest of all that the sender knows. Whoever knows otherwise answers with a [`State`].
    Digest(u64),
    /// You, being in that state of refutation, are suspected: speak up.
    Confirm {
        /// Whom the sender suspects.
        suspect: Identity,
        /// The suspect's count of refutations, as far as the sender knows.
        refutations: u16,
    },
    /// News of profiles and loads that go from node to node.
    Rumours(Vec<Rumour>),
}

/// What a node knows of members, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// How much of the cluster the sender sees alive.
    pub(super) standing: Standing,
    /// The members.
    pub(super) entries: Vec<Entry>,
    /// What some of them say of themselves.
    pub(super) profiles: Vec<(Process, Profile)>,
    /// Whose profiles the sender asks for.
    pub(super) wanted: Vec<NodeId>,
    /// Whether `entries` is everything, and the receiver is to answer with what is missing or older there.
    pub(super) complete: bool,
}

/// What a node knows of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The member.
    pub(super) identity: Identity,
    /// How often this incarnation has refuted a suspicion.
    pub(super) refutations: u16,
    /// What the teller believes of it.
    pub(super) state: MemberState,
    /// For how long it has been Down or Left, in milliseconds.
    pub(super) down_ms: u64,
    /// The revision of its profile that the teller has.
    pub(super) profile: Option<u64>,
}

impl Entry {
    /// For how long it has been Down or Left.
    pub(super) const fn down_for(&self) -> Duration {
        Duration::from_millis(self.down_ms)
    }

    /// Whether somebody who knows `other` of the same node learns something about its life from this.
    pub(super) fn tells_more_than(&self, other: &Self) -> bool {
        if self.identity != other.identity {
            return self.identity.outranks(&other.identity);
        }
        match (self.state.is_live(), other.state.is_live()) {
            (true, true) => (self.refutations, self.state) > (other.refutations, other.state),
            (false, false) => self.state > other.state || self.down_ms > other.down_ms.saturating_add(AGE_NEWS_MS),
            (live, _) => !live,
        }
    }
}

/// How much of the cluster a node sees alive, itself included; of two sides of a healed split the one with the lower
/// standing gives way.
///
/// Nodes that host count first: a crowd of clients is no majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Live members that are not client-only.
    pub(super) hosting: u16,
    /// Live members.
    pub(super) live: u16,
}

/// Something that a member says of itself, on its way through the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Rumour {
    /// All of it.
    Profile(Process, Profile),
    /// Only the load, which changes often.
    Load(Process, Load, u64),
}

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// Over [`PACKET_BYTES_MAX`].
    TooLarge,
    /// Bytes that are no packet, or break a limit inside.
    Malformed,
    /// It claims to come from somebody else than the peer that sent it.
    WrongSender,
    /// It tells of a process without saying where that listens.
    Nowhere,
}

impl Packet {
    /// As bytes; `None` when it would be too large to be taken.
    pub(super) fn encode(&self) -> Option<Bytes> {
        let bytes = postcard::to_stdvec(self).ok()?;
        (bytes.len() <= PACKET_BYTES_MAX).then(|| bytes.into())
    }

    /// From bytes, with every limit checked.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let packet: Self = match postcard::take_from_bytes(bytes) {
            Ok((packet, [])) => packet,
            _ => return Err(Refusal::Malformed),
        };
        if packet.fits() { Ok(packet) } else { Err(Refusal::Malformed) }
    }

    fn fits(&self) -> bool {
        let sane = |identity: &Identity| identity.incarnation <= Identity::INCARNATION_MAX;
        sane(&self.from)
            && match &self.body {
                Body::Swim(bytes) => bytes.len() <= SWIM_BYTES_MAX,
                Body::Digest(_) => true,
                Body::Confirm { suspect, .. } => sane(suspect),
                Body::Rumours(rumours) => rumours.iter().all(|rumour| match rumour {
                    Rumour::Profile(_, profile) => profile.fits(),
                    Rumour::Load(..) => true,
                }),
                Body::State(state) => {
                    // One more than the limit: the teller itself.
                    state.entries.len() <= MEMBERS_MAX.saturating_add(1)
                        && state.wanted.len() <= MEMBERS_MAX.saturating_add(1)
                        && state.entries.iter().all(|entry| sane(&entry.identity))
                        && state.profiles.iter().all(|(_, profile)| profile.fits())
                }
            }
    }
}

/// Deals profiles out to packets of a bearable size, at least one.
pub(super) fn in_portions(profiles: Vec<(Process, Profile)>) -> Vec<Vec<(Process, Profile)>> {
    let mut portions = Vec::new();
    let mut portion = Vec::new();
    let mut bytes = 0_usize;
    for profile in profiles {
        bytes = bytes.saturating_add(profile_bytes(&profile.1));
        portion.push(profile);
        if bytes > PROFILES_BYTES {
            portions.push(std::mem::take(&mut portion));
            bytes = 0;
        }
    }
    portions.push(portion);
    portions
}

/// The size of a profile, in bytes; the largest number when it cannot be told.
pub(super) fn profile_bytes(profile: &Profile) -> usize {
    postcard::to_stdvec(profile).map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::membership::member::{HostedFailover, HostedRegistry, Weight};
    use crate::id::{Incarnation, RegistryName, Start};

    fn identity(name: &str) -> Identity {
        Identity::at_birth(NodeId::new(name).unwrap(), ([127, 0, 0, 1], 7400).into(), Start::new(1))
    }

    fn largest_profile() -> Profile {
        let hosted = HostedRegistry {
            name: RegistryName::new(&"r".repeat(128)).unwrap(),
            slots: u32::MAX,
            replicas: u8::MAX,
            failover: HostedFailover::WaitForNode { wait: Duration::MAX, reassign: true },
            serves_all: true,
            weighs: true,
        };
        Profile {
            hosted: vec![hosted; Profile::HOSTED_MAX],
            client_only: false,
            leaving: false,
            weight: Weight(u16::MAX),
            load: Load(u16::MAX),
            version: "v".repeat(Profile::VERSION_BYTES_MAX),
            revision: u64::MAX,
            load_revision: u64::MAX,
        }
    }

    fn longest_state(entries: usize) -> Body {
        let mut from = identity(&"n".repeat(63));
        from.address = ([u16::MAX; 8], u16::MAX).into();
        from.start = Start::new(u64::MAX);
        from.incarnation = Identity::INCARNATION_MAX;
        let entry = Entry {
            identity: from,
            refutations: u16::MAX,
            state: MemberState::Left,
            down_ms: u64::MAX,
            profile: Some(u64::MAX),
        };
        Body::State(State {
            standing: Standing { hosting: u16::MAX, live: u16::MAX },
            entries: vec![entry; entries],
            profiles: vec![],
            wanted: vec![],
            complete: true,
        })
    }

    #[test]
    fn a_packet_comes_back_from_its_bytes() {
        let profile = Rumour::Profile(identity("a").process(), largest_profile());
        for body in [Body::Digest(7), Body::Rumours(vec![profile]), longest_state(3), Body::Swim(vec![1, 2])] {
            let packet = Packet { from: identity("a"), body };
            assert_eq!(Packet::decode(&packet.encode().unwrap()), Ok(packet));
        }
    }

    #[test]
    fn the_longest_list_and_the_largest_profile_fit() {
        let packet = Packet { from: identity("a"), body: longest_state(MEMBERS_MAX + 1) };
        assert!(Packet::decode(&packet.encode().unwrap()).is_ok());
        assert!(profile_bytes(&largest_profile()) <= PROFILE_BYTES_MAX);
        let many = vec![(identity("a").process(), largest_profile()); 20];
        for profiles in in_portions(many) {
            let Body::State(state) = longest_state(0) else { unreachable!() };
            let packet = Packet { from: identity("a"), body: Body::State(State { profiles, ..state }) };
            assert!(packet.encode().is_some());
        }
    }

    #[test]
    fn bad_bytes_are_refused() {
        let fine = Packet { from: identity("a"), body: Body::Digest(7) }.encode().unwrap();
        let mut longer = fine.to_vec();
        longer.push(0);
        let mut wild = identity("a");
        wild.incarnation = Incarnation::new(u64::MAX);
        let wild = Packet { from: wild, body: Body::Digest(7) }.encode().unwrap();
        let too_many = Packet { from: identity("a"), body: longest_state(MEMBERS_MAX + 2) };
        let too_many = postcard::to_stdvec(&too_many).unwrap();
        for bytes in [&[][..], &[0xff; 40], &[0; 40], &fine[..fine.len() - 1], &longer, &wild, &too_many] {
            assert_eq!(Packet::decode(bytes), Err(Refusal::Malformed));
        }
        assert_eq!(Packet::decode(&vec![0; PACKET_BYTES_MAX + 1]), Err(Refusal::TooLarge));
    }
}
