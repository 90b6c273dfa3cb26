//! From a QUIC connection to a peer that is known: certificates are compared, hellos exchanged, before anything else is read.
//!
//! The dialling side greets; the other answers with its own hello or a refusal; the dialling side confirms. Only then does either
//! side count the other as connected.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quinn::{Connection, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;

use super::bounds::FAREWELL_TIME;
use super::certificate;
use super::core::Core;
use super::end::{HandshakeError, Reason, code};
use super::peer::PeerInfo;
use super::roster::Order;
use super::stream::Tag;
use crate::id::{NodeId, Start};
use crate::time::CLOCK_AHEAD_MAX;
use crate::wire::hello::{self, BadHello, Greeting, Hello, HelloReply, PREFIX_BYTES, PROTOCOL_VERSION, Refusal};

/// A peer whose certificate and hello have been checked.
pub(super) struct Acquaintance {
    pub(super) peer: PeerInfo,
    pub(super) order: Order,
    /// How long its certificate is still good.
    pub(super) good_for: Duration,
}

/// What the dialling side says when it has accepted the other's hello.
const CONFIRMED: u8 = 1;

/// Introduces this node on a connection that it dialled.
pub(super) async fn greet(
    core: &Core,
    connection: &Connection,
    expected: Option<&NodeId>,
) -> Result<Acquaintance, HandshakeError> {
    let proven = Proven::of(connection)?;
    if expected.is_some_and(|expected| !proven.bears(expected)) {
        return Err(HandshakeError::Unexpected { found: proven.names });
    }
    let own = core.hello();
    let greeting = Greeting { hello: (*own).clone(), dial: core.dials.fetch_add(1, Ordering::Relaxed) };
    let (mut send, mut receive) = connection.open_bi().await?;
    send_message(&mut send, &[Tag::Hello.byte(), 0], &greeting).await?;
    let hello = match read_message(&mut receive).await? {
        HelloReply::Welcome(hello) => *hello,
        // A node stops on this word, so it must come from who bears its name.
        HelloReply::Refused { refusal: Refusal::NameTaken { .. }, .. } if !proven.bears(&own.node) => {
            return Err(HandshakeError::Refused(Refusal::Malformed));
        }
        HelloReply::Refused { refusal, .. } if !refusal.is_within_limits() => return Err(malformed()),
        HelloReply::Refused { refusal, stands: true } => return Err(HandshakeError::ShutOut(refusal)),
        HelloReply::Refused { refusal, stands: false } => return Err(HandshakeError::RefusedByPeer(refusal)),
    };
    if expected.is_some_and(|expected| *expected != hello.node) {
        // Its certificate may be good for both.
        return Err(HandshakeError::Unexpected { found: vec![hello.node.to_string()] });
    }
    let checked = proven.check(&own, &hello).and_then(|()| {
        let order = Order { dialler: own.node.clone(), dial: greeting.dial, start: hello.start };
        core.roster.weigh(&hello.node, &order)?;
        Ok(order)
    });
    let order = checked.map_err(HandshakeError::Refused)?;
    send.write_all(&[CONFIRMED]).await.map_err(lost)?;
    let _ = send.finish();
    let peer = PeerInfo::new(hello, connection.remote_address());
    Ok(Acquaintance { peer, order, good_for: proven.good_for })
}

/// Lets a peer introduce itself on a connection that it dialled.
pub(super) async fn welcome(core: &Core, connection: &Connection) -> Result<Acquaintance, HandshakeError> {
    let proven = Proven::of(connection)?;
    let (mut send, mut receive) = connection.accept_bi().await?;
    let mut tag = [0; 2];
    receive.read_exact(&mut tag).await.map_err(|_| malformed())?;
    let greeting = match tag {
        [byte, 0] if byte == Tag::Hello.byte() => read_message::<Greeting>(&mut receive).await,
        _ => Err(malformed()),
    };
    let own = core.hello();
    let checked = match &greeting {
        Err(HandshakeError::Hello(BadHello::Version(yours))) => {
            Err(Refusal::Protocol { yours: *yours, ours: PROTOCOL_VERSION })
        }
        Err(HandshakeError::Hello(_)) => Err(Refusal::Malformed),
        Err(error) => return Err(error.clone()),
        Ok(_) if core.is_closing() => Err(Refusal::Closed),
        Ok(Greeting { hello, dial }) => proven.check(&own, hello).and_then(|()| {
            let order = Order { dialler: hello.node.clone(), dial: *dial, start: hello.start };
            core.roster.weigh_incoming(&own.node, &order)?;
            Ok(order)
        }),
    };
    let (order, hello) = match (checked, greeting) {
        (Ok(order), Ok(greeting)) => (order, greeting.hello),
        (Err(refusal), _) => {
            let stands = core.stands() && refusal.lasts();
            send_message(&mut send, &[], &HelloReply::Refused { refusal: refusal.clone(), stands }).await?;
            let _ = send.finish();
            // Closing at once could overtake the answer.
            let _ = timeout(FAREWELL_TIME, connection.closed()).await;
            return Err(HandshakeError::Refused(refusal));
        }
        (Ok(_), Err(error)) => return Err(error),
    };
    send_message(&mut send, &[], &HelloReply::Welcome(Box::new((*own).clone()))).await?;
    let _ = send.finish();
    let mut confirmed = [0];
    match receive.read_exact(&mut confirmed).await {
        Ok(()) if confirmed == [CONFIRMED] => {}
        Err(quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error))) => return Err(error.into()),
        _ => return Err(malformed()),
    }
    let peer = PeerInfo::new(hello, connection.remote_address());
    Ok(Acquaintance { peer, order, good_for: proven.good_for })
}

/// What a handshake that failed closes the connection with.
pub(super) fn closing_code(error: &HandshakeError) -> VarInt {
    match error {
        HandshakeError::Refused(Refusal::Duplicate) => code::DUPLICATE,
        HandshakeError::Hello(_) => code::VIOLATION,
        HandshakeError::ShuttingDown => code::SHUTDOWN,
        _ => code::REFUSED,
    }
}

/// What a peer's certificate proves.
struct Proven {
    names: Vec<String>,
    good_for: Duration,
}

impl Proven {
    fn of(connection: &Connection) -> Result<Self, HandshakeError> {
        let none = || HandshakeError::Connection(Reason::Failed("the peer showed no certificate".to_owned()));
        let shown = connection.peer_identity().ok_or_else(none)?;
        let chain = <dyn Any>::downcast_ref::<Vec<CertificateDer<'static>>>(&*shown).ok_or_else(none)?;
        let leaf = chain.first().ok_or_else(none)?;
        let unreadable = |error: certificate::Unreadable| HandshakeError::Connection(Reason::Failed(error.to_string()));
        let names = certificate::names(leaf).map_err(unreadable)?;
        // It proves nothing any more when one that it hangs from is over. Those that are over now were shown beside it, and not needed.
        let now = SystemTime::now();
        let of_leaf = certificate::good_for(leaf, now).map_err(unreadable)?;
        let others = chain.iter().skip(1).filter_map(|shown| certificate::good_for(shown, now).ok());
        let good_for = others.filter(|good_for| !good_for.is_zero()).fold(of_leaf, Duration::min);
        Ok(Self { names, good_for })
    }

    fn bears(&self, node: &NodeId) -> bool {
        self.names.iter().any(|name| node == name.as_str())
    }

    fn check(&self, own: &Hello, peer: &Hello) -> Result<(), Refusal> {
        if !self.bears(&peer.node) {
            return Err(Refusal::Certificate { claimed: peer.node.clone() });
        }
        if is_from_the_future(peer.start, SystemTime::now()) {
            return Err(Refusal::Clock);
        }
        own.check(peer)
    }
}

/// Whether a process that says it began then has another clock than this node, or this node a wrong one.
fn is_from_the_future(start: Start, now: SystemTime) -> bool {
    let latest = now.duration_since(UNIX_EPOCH).unwrap_or_default() + CLOCK_AHEAD_MAX;
    u128::from(start.get()) > latest.as_millis()
}

async fn send_message<T: serde::Serialize>(
    stream: &mut SendStream,
    before: &[u8],
    message: &T,
) -> Result<(), HandshakeError> {
    let too_long = || HandshakeError::Refused(Refusal::OverLimits);
    let message = hello::encode(message).ok_or_else(too_long)?;
    stream.write_all(&[before, &message].concat()).await.map_err(lost)
}

async fn read_message<T: serde::de::DeserializeOwned>(stream: &mut RecvStream) -> Result<T, HandshakeError> {
    let mut prefix = [0; PREFIX_BYTES];
    read_exact(stream, &mut prefix).await?;
    let mut body = vec![0; hello::prefix(prefix).map_err(HandshakeError::Hello)?];
    read_exact(stream, &mut body).await?;
    hello::decode(&body).map_err(HandshakeError::Hello)
}

async fn read_exact(stream: &mut RecvStream, into: &mut [u8]) -> Result<(), HandshakeError> {
    match stream.read_exact(into).await {
        Ok(()) => Ok(()),
        Err(quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error))) => Err(error.into()),
        Err(_) => Err(malformed()),
    }
}

fn malformed() -> HandshakeError {
    use crate::codec::DecodeError;
    HandshakeError::Hello(BadHello::Malformed(DecodeError::Malformed(postcard::Error::DeserializeUnexpectedEnd)))
}

fn lost(error: quinn::WriteError) -> HandshakeError {
    match error {
        quinn::WriteError::ConnectionLost(error) => error.into(),
        error => HandshakeError::Connection(Reason::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_told_from_one_that_is_off() {
        let day = Duration::from_secs(24 * 60 * 60);
        let today = UNIX_EPOCH + day * 20_000;
        let began = |days: u32| Start::new(u64::try_from((day * days).as_millis()).unwrap());
        assert!(!is_from_the_future(began(20_000), today) && !is_from_the_future(began(20_300), today));
        assert!(is_from_the_future(began(20_400), today));
        assert!(is_from_the_future(began(20_000), UNIX_EPOCH), "the clock here begins in 1970");
        assert!(!is_from_the_future(began(1), today), "who has run for long has an old start");
    }
}
