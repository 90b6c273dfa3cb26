//! A foca packet taken apart, so that it can be judged before foca believes it.

use std::net::SocketAddr;

use bytes::Buf;
use foca::{Header, Message, State};

use super::identity::Identity;
use super::packet::{Refusal, SWIM_BYTES_MAX};
use super::swim::Mark;

/// The header of a foca packet and the news that ride on it.
#[derive(Debug)]
pub(super) struct Gossip {
    header: Header<Identity>,
    /// What the sender tells of members.
    pub(super) marks: Vec<Mark>,
}

impl Gossip {
    /// Takes a packet apart: the header, two bytes of count (big-endian), that many members, and nothing more.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let (header, mut rest): (Header<Identity>, _) =
            postcard::take_from_bytes(bytes).map_err(|_| Refusal::Malformed)?;
        let mut marks = Vec::new();
        if matches!(header.message, Message::Broadcast | Message::TurnUndead) {
            // Nobody sends these here; see `Swim::new`.
            return Err(Refusal::Malformed);
        }
        if !rest.is_empty() {
            let told = rest.try_get_u16().map_err(|_| Refusal::Malformed)?;
            for _ in 0..told {
                let (mark, after): (Mark, _) = postcard::take_from_bytes(rest).map_err(|_| Refusal::Malformed)?;
                if mark.id().incarnation > Identity::INCARNATION_MAX {
                    return Err(Refusal::Malformed);
                }
                marks.push(mark);
                rest = after;
            }
        }
        if rest.is_empty() { Ok(Self { header, marks }) } else { Err(Refusal::Malformed) }
    }

    /// Who says that it sent the packet.
    pub(super) const fn sender(&self) -> &Identity {
        &self.header.src
    }

    /// What the packet tells of its sender, which lives.
    pub(super) fn sender_alive(&self) -> Mark {
        Mark::new(self.header.src.clone(), self.header.src_incarnation, State::Alive)
    }

    /// Puts the address where the sender is met in the place of what it says.
    pub(super) const fn locate_sender(&mut self, address: SocketAddr) {
        self.header.src.address = address;
    }

    /// Puts the packet together again, with the members that are left. Addresses may have grown: the last members are left
    /// out when it is too large by that, and come with the next news of them.
    pub(super) fn encode(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut bytes = postcard::to_stdvec(&self.header).ok()?;
            if self.header.message != Message::Announce {
                bytes.extend(u16::try_from(self.marks.len()).ok()?.to_be_bytes());
                for mark in &self.marks {
                    bytes.extend(postcard::to_stdvec(mark).ok()?);
                }
            }
            if bytes.len() <= SWIM_BYTES_MAX {
                return Some(bytes);
            }
            self.marks.pop()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Incarnation, NodeId, Start};

    fn identity(name: &str) -> Identity {
        Identity::at_birth(NodeId::new(name).unwrap(), ([127, 0, 0, 1], 7400).into(), Start::new(1))
    }

    fn packet(message: Message<Identity>, told: &[&str]) -> Vec<u8> {
        let header = Header { src: identity("a"), src_incarnation: 3, dst: identity("b"), message };
        let marks = told.iter().map(|name| Mark::new(identity(name), 1, State::Suspect)).collect();
        Gossip { header, marks }.encode().unwrap()
    }

    #[test]
    fn a_packet_comes_back_from_its_bytes() {
        for (message, told) in [
            (Message::Gossip, &["x", "y"][..]),
            (Message::Ping(7), &[]),
            (Message::Announce, &[]),
            (Message::Feed, &["z"]),
        ] {
            let bytes = packet(message, told);
            let mut gossip = Gossip::parse(&bytes).unwrap();
            assert_eq!(gossip.sender(), &identity("a"));
            assert!(gossip.marks.iter().map(|mark| mark.id().node.as_str()).eq(told.iter().copied()));
            assert_eq!(gossip.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn a_longer_address_costs_the_last_members_and_not_the_packet() {
        let header = Header { src: identity("a"), src_incarnation: 3, dst: identity("b"), message: Message::Gossip };
        let marks = vec![Mark::new(identity("x"), 1, State::Alive); 1000];
        let mut gossip = Gossip { header, marks };
        let full = gossip.encode().unwrap();
        let told = gossip.marks.len();
        assert!(full.len() > SWIM_BYTES_MAX - 40);
        gossip.locate_sender(([u16::MAX; 8], 7400).into());
        let relocated = gossip.encode().unwrap();
        assert!(relocated.len() <= SWIM_BYTES_MAX && gossip.marks.len() + 1 >= told);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let fine = packet(Message::Gossip, &["x"]);
        for end in 0..fine.len() - 1 {
            // A bare header is a packet without news.
            let header = packet(Message::Announce, &[]).len();
            assert!(end == header || Gossip::parse(&fine[..end]).is_err(), "{end}");
        }
        let mut longer = fine;
        longer.push(0);
        assert!(Gossip::parse(&longer).is_err());
        assert!(Gossip::parse(&packet(Message::TurnUndead, &[])).is_err());
        let mut wild = Gossip::parse(&packet(Message::Gossip, &[])).unwrap();
        let incarnation = Incarnation::new(u64::MAX);
        wild.marks.push(Mark::new(Identity { incarnation, ..identity("x") }, 0, State::Down));
        assert!(Gossip::parse(&wild.encode().unwrap()).is_err());
    }
}
