//! Another process with this node's id.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::id::Start;
use crate::transport::HandshakeError;
use crate::wire::hello::Refusal;

/// Where a process with this node's id lives that began later than this one, if a failed handshake tells of one. Of the two,
/// the older gives way.
///
/// A peer that knows a later life which listened where this one does (`listening`) tells of this node's own former life:
/// the wall clock was set back between the two. That one is dead, or its address could not have been had. The peer will
/// find it Down, and takes this one then.
pub(super) fn later_twin(error: &HandshakeError, own: Start, listening: SocketAddr) -> Option<SocketAddr> {
    match error {
        HandshakeError::Refused(Refusal::NameTaken { yours: life, .. })
        | HandshakeError::RefusedByPeer(Refusal::NameTaken { ours: life, .. }) => {
            (life.start > own).then_some(life.address)
        }
        HandshakeError::RefusedByPeer(Refusal::Outlived { later }) => {
            (!would_be_met_at(listening, *later)).then_some(*later)
        }
        _ => None,
    }
}

/// Whether a process that listens at `listening`, which may stand for all addresses of this machine, is met at `address`.
fn would_be_met_at(listening: SocketAddr, address: SocketAddr) -> bool {
    let is_mine = |ip: IpAddr| {
        // Only an address of this machine can be bound.
        listening.ip() == ip || (listening.ip().is_unspecified() && UdpSocket::bind((ip, 0)).is_ok())
    };
    listening.port() == address.port() && is_mine(address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hello::Life;

    const OWN: Start = Start::new(100);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_later_life_elsewhere_is_a_twin_and_one_at_the_own_address_is_over() {
        let check = |listening: &str, later: &str, is_twin: bool| {
            let later = address(later);
            let told = HandshakeError::RefusedByPeer(Refusal::Outlived { later });
            assert_eq!(later_twin(&told, OWN, address(listening)), is_twin.then_some(later), "{listening}, {later}");
            let of_the_peer = HandshakeError::Refused(Refusal::Outlived { later });
            assert_eq!(later_twin(&of_the_peer, OWN, address(listening)), None, "it is the peer that was outlived");
        };
        check("10.0.0.1:7400", "10.0.0.1:7400", false);
        check("10.0.0.1:7400", "10.0.0.2:7400", true);
        check("10.0.0.1:7400", "10.0.0.1:7401", true);
        check("0.0.0.0:7400", "127.0.0.1:7400", false);
        check("0.0.0.0:7400", "127.0.0.1:7401", true);
        // Reserved for documentation (RFC 5737): no machine has it.
        check("0.0.0.0:7400", "192.0.2.1:7400", true);
    }

    #[test]
    fn of_two_that_meet_the_older_is_told() {
        let at = address("127.0.0.1:7401");
        let [older, same, newer] = [99, 100, 101].map(|start| Life { start: Start::new(start), address: at });
        let own = Life { start: OWN, address: address("127.0.0.1:7400") };
        let check = |other: Life, expected: Option<SocketAddr>| {
            let by_us = HandshakeError::Refused(Refusal::NameTaken { yours: other, ours: own });
            let by_them = HandshakeError::RefusedByPeer(Refusal::NameTaken { yours: own, ours: other });
            assert_eq!(later_twin(&by_us, OWN, own.address), expected);
            assert_eq!(later_twin(&by_them, OWN, own.address), expected);
        };
        check(older, None);
        check(same, None);
        check(newer, Some(at));
    }
}
