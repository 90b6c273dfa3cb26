//! Who must not get in: never connected on either side, and nothing of theirs handed in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519, date_time_ymd};
use rustls::RootCertStore;

use super::support::*;
use crate::transport::end::Closing;
use crate::transport::stream::Tag;
use crate::transport::{HandshakeError, Identity, IdentityError, Seeds, StartError, Transport, bind};
use crate::wire::hello::{self, BadHello, Greeting, HelloReply, Refusal};
use crate::wire::limits::HELLO_BYTES_MAX;

struct Pki(CertifiedIssuer<'static, KeyPair>);

impl Pki {
    fn new() -> Self {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(root, KeyPair::generate_for(&PKCS_ED25519).unwrap()).unwrap())
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity::pem(self.0.pem(), certificate.pem(), key.serialize_pem())
    }
}

fn with(identity: Identity) -> Options {
    Options { identity, ..Options::default() }
}

/// The first dials the second, and neither takes the other in.
async fn check_refused(dialler: &mut Node, other: &mut Node) -> (HandshakeError, HandshakeError) {
    let at_dialler = dialler.dial(other).await.expect_err("nobody is let in");
    let at_other = other.refused().await;
    for node in [dialler, other] {
        assert!(node.transport.links().is_empty());
        assert!(node.events.try_recv().is_err(), "no further event");
        assert_eq!(node.desk.requests.load(Ordering::Relaxed), 0);
        assert_eq!(node.transport.counts().connected, 0);
    }
    (at_dialler, at_other)
}

/// As above, when TLS itself must fail on both sides.
async fn check_untrusted(a: Identity, b: Identity) {
    for (first, second) in [("a", "b"), ("b", "a")] {
        let of = |name: &str| if name == "a" { a.clone() } else { b.clone() };
        let mut dialler = Node::start_with(first, with(of(first)));
        let mut other = Node::start_with(second, with(of(second)));
        let (at_dialler, at_other) = check_refused(&mut dialler, &mut other).await;
        assert!(matches!(at_dialler, HandshakeError::Distrust(_)), "{at_dialler:?}");
        assert!(matches!(at_other, HandshakeError::Distrust(_)), "{at_other:?}");
    }
}

#[tokio::test]
async fn another_secret() {
    check_untrusted(SECRET.clone(), Identity::shared_secret("another")).await;
}

#[tokio::test]
async fn who_began_in_the_far_future() {
    let start = u64::MAX / 2;
    let (mut a, mut b) = (Node::start("a"), Node::start_with("b", Options { start, ..Options::default() }));
    let (at_a, at_b) = check_refused(&mut a, &mut b).await;
    assert_eq!(at_a, HandshakeError::Refused(Refusal::Clock));
    assert!(matches!(at_b, HandshakeError::Connection(_)), "{at_b:?}");
    let (at_b, at_a) = check_refused(&mut b, &mut a).await;
    assert_eq!((at_b, at_a), (HandshakeError::RefusedByPeer(Refusal::Clock), HandshakeError::Refused(Refusal::Clock)));
}

#[tokio::test]
async fn a_secret_and_a_pki() {
    check_untrusted(SECRET.clone(), Pki::new().issue(&["b"], |_| {})).await;
}

#[tokio::test]
async fn another_authority() {
    check_untrusted(Pki::new().issue(&["a"], |_| {}), Pki::new().issue(&["b"], |_| {})).await;
}

#[tokio::test]
async fn an_expired_certificate() {
    let pki = Pki::new();
    let expired = pki.issue(&["b"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    check_untrusted(pki.issue(&["a"], |_| {}), expired).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_good_yet() {
    let pki = Pki::new();
    let early = pki.issue(&["b"], |params| params.not_before = date_time_ymd(3000, 1, 1));
    check_untrusted(pki.issue(&["a"], |_| {}), early).await;
}

#[tokio::test]
async fn a_certificate_for_something_else() {
    let pki = Pki::new();
    let mail = pki.issue(&["b"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::EmailProtection];
    });
    check_untrusted(pki.issue(&["a"], |_| {}), mail).await;
}

#[tokio::test]
async fn one_pki_gets_in() {
    let pki = Pki::new();
    let mut a = Node::start_with("a", with(pki.issue(&["a"], |_| {})));
    let mut b = Node::start_with("b", with(pki.issue(&["b", "b.example"], |_| {})));
    let link = a.dial(&b).await.unwrap();
    assert_eq!(link.peer().node, id("b"));
    assert_eq!(b.connected().await.peer().node, id("a"));
    assert_eq!(a.connected().await.peer().address, b.transport.local_addr());
    assert_eq!(call(&link, ECHO, b"hi").await.payload, &b"hi"[..]);
}

#[tokio::test]
async fn another_name_than_the_certificates_own() {
    let refusal = Refusal::Certificate { claimed: id("c") };
    let (mut a, mut b) = (Node::start("a"), Node::start("b"));
    a.transport.set_hello(|hello| hello.node = id("c"));
    let (at_a, at_b) = check_refused(&mut a, &mut b).await;
    assert_eq!(
        (at_a, at_b),
        (HandshakeError::RefusedByPeer(refusal.clone()), HandshakeError::Refused(refusal.clone()))
    );
    // The other way round it is the dialling side that finds out.
    let (mut a, mut b) = (Node::start("a"), Node::start("b"));
    b.transport.set_hello(|hello| hello.node = id("c"));
    let (at_a, at_b) = check_refused(&mut a, &mut b).await;
    assert_eq!(at_a, HandshakeError::Refused(refusal));
    assert!(matches!(&at_b, HandshakeError::Connection(reason) if is_closing(reason, Closing::Refused)), "{at_b:?}");
}

#[tokio::test]
async fn another_node_than_was_expected() {
    let (a, mut b) = (Node::start("a"), Node::start("b"));
    let dialled = a.transport.dial(b.transport.local_addr(), Some(id("c")), PATIENCE).await;
    assert_eq!(dialled.err(), Some(HandshakeError::Unexpected { found: vec!["b".to_owned()] }));
    let at_b = b.refused().await;
    assert!(matches!(&at_b, HandshakeError::Connection(reason) if is_closing(reason, Closing::Refused)), "{at_b:?}");
    let dialled = a.transport.dial(b.transport.local_addr(), Some(id("b")), PATIENCE).await;
    assert_eq!(dialled.unwrap().peer().node, id("b"));
}

#[tokio::test]
async fn another_cluster() {
    let mut a = Node::start("a");
    let mut b = Node::start_with("b", Options { cluster: "test", ..Options::default() });
    let refusal = Refusal::Cluster { yours: "main".to_owned(), ours: "test".to_owned() };
    // Whatever stands there is not what this node looks for.
    b.transport.tell_that_it_stands();
    let (at_a, at_b) = check_refused(&mut a, &mut b).await;
    assert_eq!((at_a, at_b), (HandshakeError::RefusedByPeer(refusal.clone()), HandshakeError::Refused(refusal)));
}

#[tokio::test]
async fn another_key_hash() {
    let (mut a, mut b) = (Node::start("a"), Node::start("b"));
    a.transport.set_hello(|hello| hello.hash = 9);
    let (at_a, _) = check_refused(&mut a, &mut b).await;
    assert_eq!(at_a, HandshakeError::RefusedByPeer(Refusal::Hash { yours: 9, ours: 1 }));
    assert!(!at_a.shuts_out());
    b.transport.tell_that_it_stands();
    let (at_a, _) = check_refused(&mut a, &mut b).await;
    assert_eq!(at_a, HandshakeError::ShutOut(Refusal::Hash { yours: 9, ours: 1 }));
    assert!(at_a.shuts_out());
}

#[tokio::test]
async fn the_node_itself() {
    let mut a = Node::start("a");
    let dialled = a.transport.dial(a.transport.local_addr(), None, PATIENCE).await;
    assert_eq!(dialled.err(), Some(HandshakeError::RefusedByPeer(Refusal::Myself)));
    assert_eq!(a.refused().await, HandshakeError::Refused(Refusal::Myself));
}

#[tokio::test]
async fn another_process_of_the_same_name() {
    let mut one = Node::start("a");
    let mut other = Node::start_with("a", Options { start: 2, ..Options::default() });
    let (at_one, _) = check_refused(&mut one, &mut other).await;
    assert!(matches!(
        at_one,
        HandshakeError::RefusedByPeer(Refusal::NameTaken { yours, ours }) if yours.start < ours.start
    ));
}

#[tokio::test]
async fn another_version_of_the_protocol_is_told_so() {
    let mut node = Node::start("node");
    let rogue = Rogue::connect("rogue", &node).await;
    let (_send, mut receive) = rogue.say(Tag::Hello, &[4, 0, 0, 0, 9, 0, 1, 2, 3, 4]).await;
    let refusal = Refusal::Protocol { yours: 9, ours: 1 };
    assert_eq!(read_reply(&mut receive).await, HelloReply::Refused { refusal: refusal.clone(), stands: false });
    rogue.connection.close(0_u32.into(), b"");
    assert_eq!(node.refused().await, HandshakeError::Refused(refusal));
}

#[tokio::test]
async fn a_hello_that_is_none() {
    let long = (HELLO_BYTES_MAX as u32 + 1).to_le_bytes();
    let mut greeting = hello::encode(&Greeting { hello: hello("rogue"), dial: 1 }).unwrap();
    greeting.truncate(greeting.len() - 4);
    let short = (greeting.len() as u32 - 6).to_le_bytes();
    greeting[..4].copy_from_slice(&short);
    for bytes in [vec![3, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff], [&long[..], &[1, 0]].concat(), greeting] {
        let mut node = Node::start("node");
        let rogue = Rogue::connect("rogue", &node).await;
        let (_send, mut receive) = rogue.say(Tag::Hello, &bytes).await;
        let reply = HelloReply::Refused { refusal: Refusal::Malformed, stands: false };
        assert_eq!(read_reply(&mut receive).await, reply);
        rogue.connection.close(0_u32.into(), b"");
        assert_eq!(node.refused().await, HandshakeError::Refused(Refusal::Malformed));
    }
}

#[tokio::test]
async fn anything_before_the_hello() {
    let mut node = Node::start("node");
    for tag in [Tag::Lane, Tag::Channel, Tag::SoloRequest] {
        let rogue = Rogue::connect("rogue", &node).await;
        let mut frame = Vec::new();
        request(ECHO, 1, b"let me in").put(&mut frame, 1);
        let _stream = rogue.say(tag, &frame).await;
        let (_send, mut receive) = (rogue.tell(&[tag.byte(), 0]).await, rogue.connection.open_bi().await.unwrap().1);
        assert!(receive.read_to_end(100).await.is_err());
        let refused = node.refused().await;
        assert!(
            matches!(
                refused,
                HandshakeError::Hello(BadHello::Malformed(_)) | HandshakeError::Refused(Refusal::Malformed)
            ),
            "{refused:?}"
        );
    }
    assert_eq!(node.desk.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_stranger_without_a_certificate() {
    let mut node = Node::start("node");
    let mut seeds = Seeds::from_system().unwrap();
    let roots = SECRET.credentials(&id("rogue"), &mut seeds).unwrap().roots;
    for (alpn, roots) in [(&b"registry/1"[..], roots.clone()), (b"h3", roots)] {
        let roots: RootCertStore = (*roots).clone();
        let mut client = rustls::ClientConfig::builder_with_provider(Arc::new(seeds.crypto()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![alpn.to_vec()];
        let client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).unwrap()));
        let endpoint = quinn::Endpoint::client(loopback()).unwrap();
        // The certificate bears the node's name, so the stranger is content.
        let connecting = endpoint.connect_with(client, node.transport.local_addr(), "node").unwrap();
        if let Ok(connection) = connecting.await {
            connection.closed().await;
        }
        assert!(matches!(node.refused().await, HandshakeError::Connection(_) | HandshakeError::Distrust(_)));
    }
    assert_eq!(node.transport.counts().strangers_refused, 2);
}

#[tokio::test]
async fn nobody_lives_there() {
    let a = Node::start("a");
    let silent = std::net::UdpSocket::bind(loopback()).unwrap();
    let dialled = a.transport.dial(silent.local_addr().unwrap(), None, Duration::from_millis(50)).await;
    assert_eq!(dialled.err(), Some(HandshakeError::TimedOut));
    let dialled = a.transport.dial(([127, 0, 0, 1], 0).into(), None, PATIENCE).await;
    assert!(matches!(dialled, Err(HandshakeError::Address(_))));
    assert_eq!(a.transport.counts().dials_failed, 2);
}

#[tokio::test]
async fn a_stranger_that_says_nothing_holds_up_nobody() {
    let mut node = Node::start("node");
    let _silent = Rogue::connect("silent", &node).await;
    let other = Node::start("other");
    other.dial(&node).await.unwrap();
    assert_eq!(node.connected().await.peer().node, id("other"));
}

#[tokio::test]
async fn a_taken_port_and_a_wrong_identity_are_errors() {
    let node = Node::start("node");
    assert_eq!(bind(node.transport.local_addr()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let identity = Pki::new().issue(&["other"], |_| {});
    let desk = Arc::new(Desk::default());
    let socket = crate::transport::Socket::new(bind(loopback()).unwrap(), Default::default()).unwrap();
    let started = Transport::start(crate::transport::Setup {
        identity,
        hello: hello("node"),
        socket,
        seeds: Seeds::from_system().unwrap(),
        handler: desk,
        runtime: Arc::new(quinn::TokioRuntime),
    });
    assert!(matches!(started, Err(StartError::Identity(IdentityError::NameMismatch { .. }))));
}

#[tokio::test]
async fn seeds_make_an_endpoint_that_works() {
    let node = |name, seed| Node::start_with(name, Options { seeds: Seeds::repeatable(seed), ..Options::default() });
    let (a, b) = (node("a", 1), node("b", 2));
    let link = a.dial(&b).await.unwrap();
    assert_eq!(call(&link, ECHO, b"hi").await.payload, &b"hi"[..]);
}
