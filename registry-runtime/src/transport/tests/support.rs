//! A node for tests, and a peer that says what no honest node would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::codec;
use crate::id::{CommandId, Epoch, Incarnation, LinkId, Mark, NodeId, Slot, Start};
use crate::time::Timing;
use crate::transport::bounds::LANES;
use crate::transport::end::Closing;
use crate::transport::endpoint::Endpoint;
use crate::transport::stream::{Tag, read_tag};
use crate::transport::tls::Tls;
use crate::transport::{
    Event, Gate, Handler, HandshakeError, Identity, Link, Part, Reason, Received, Replier, Reply, ReplySlot, Seeds,
    Setup, Socket, Ticket, Transport, bind,
};
use crate::wire::frame::{Request, WireCommand};
use crate::wire::hello::{self, Greeting, HASH_VERSION, Hello, HelloReply, PREFIX_BYTES};
use crate::wire::outcome::Outcome;

/// No test waits longer for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The secret of most tests, derived once.
pub(super) static SECRET: LazyLock<Identity> = LazyLock::new(|| Identity::shared_secret("the secret of the tests"));

/// What the test handler does with a request, by its command's number.
pub(super) const ECHO: u16 = 0;
pub(super) const ECHO_LATER: u16 = 1;
pub(super) const KEEP: u16 = 2;
pub(super) const PANIC: u16 = 3;
pub(super) const PANIC_WHILE_ENCODING: u16 = 4;
pub(super) const FAIL_TO_ENCODE: u16 = 5;
pub(super) const DROP_LATER: u16 = 6;
pub(super) const REPEAT: u16 = 7;
pub(super) const REPEAT_LATER: u16 = 8;
/// Takes the thread for as long as the desk `blocks`.
pub(super) const BLOCK: u16 = 9;

/// A node whose handler does as it is asked.
pub(super) struct Node {
    pub(super) transport: Transport,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) desk: Arc<Desk>,
    pub(super) gate: Gate,
}

/// How a test node differs from the usual.
pub(super) struct Options {
    pub(super) identity: Identity,
    pub(super) start: u64,
    pub(super) cluster: &'static str,
    pub(super) seeds: Seeds,
    /// Instead of one on a free port of loopback.
    pub(super) socket: Option<Socket>,
}

impl Default for Options {
    fn default() -> Self {
        Self { identity: SECRET.clone(), start: 1, cluster: "main", seeds: Seeds::from_system().unwrap(), socket: None }
    }
}

pub(super) fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(super) fn hello(name: &str) -> Hello {
    Hello {
        hash: HASH_VERSION,
        cluster: "main".to_owned(),
        node: id(name),
        start: Start::new(1),
        incarnation: Incarnation::new(1),
        address: loopback(),
        times: Timing::fast().into(),
        catalogue: Vec::new(),
    }
}

impl Node {
    pub(super) fn start(name: &str) -> Self {
        Self::start_with(name, Options::default())
    }

    pub(super) fn start_with(name: &str, options: Options) -> Self {
        let (desk, gate) = (Arc::new(Desk::default()), Gate::default());
        let hello = Hello { start: Start::new(options.start), cluster: options.cluster.to_owned(), ..hello(name) };
        let (transport, events) = Transport::start(Setup {
            identity: options.identity,
            hello,
            socket: options.socket.unwrap_or_else(|| Socket::new(bind(loopback()).unwrap(), gate.clone()).unwrap()),
            seeds: options.seeds,
            handler: desk.clone(),
            runtime: Arc::new(quinn::TokioRuntime),
        })
        .unwrap();
        Self { transport, events, desk, gate }
    }

    pub(super) async fn dial(&self, other: &Self) -> Result<Link, HandshakeError> {
        self.transport.dial(other.transport.local_addr(), None, PATIENCE).await
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event comes").expect("the transport lives")
    }

    /// The next connection, which must be the next event.
    pub(super) async fn connected(&mut self) -> Link {
        match self.event().await {
            Event::Connected { link, .. } => link,
            other => panic!("{other:?} instead of a connection"),
        }
    }

    /// The end of a connection, which must be the next event.
    pub(super) async fn disconnected(&mut self) -> (LinkId, Reason) {
        match self.event().await {
            Event::Disconnected { link, reason, .. } => (link, reason),
            other => panic!("{other:?} instead of the end of a connection"),
        }
    }

    /// The refusal of a stranger, which must be the next event.
    pub(super) async fn refused(&mut self) -> HandshakeError {
        match self.event().await {
            Event::Refused { error, .. } => error,
            other => panic!("{other:?} instead of a refusal"),
        }
    }
}

/// Two nodes that are connected, and the connection as each sees it.
pub(super) async fn pair() -> ((Node, Link), (Node, Link)) {
    let (mut a, mut b) = (Node::start("a"), Node::start("b"));
    let to_b = a.dial(&b).await.unwrap();
    assert_eq!(a.connected().await.id(), to_b.id());
    let to_a = b.connected().await;
    ((a, to_b), (b, to_a))
}

/// What a test handler has seen.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) requests: AtomicUsize,
    pub(super) kept: Mutex<Vec<Replier>>,
    pub(super) cancelled: Mutex<Vec<Ticket>>,
    pub(super) records: Mutex<Vec<Vec<u8>>>,
    pub(super) order: Mutex<Vec<u64>>,
    pub(super) remaining: Mutex<Vec<Duration>>,
    pub(super) blocks: AtomicBool,
    pub(super) blocked: AtomicUsize,
}

impl Handler for Desk {
    fn request(&self, _: &Link, received: Received<'_>, reply: ReplySlot<'_>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.order.lock().unwrap().push(received.request.id.sequence);
        self.remaining.lock().unwrap().push(received.request.remaining);
        let arguments = received.request.arguments.to_vec();
        let repeated = || vec![7_u8; codec::decode::<u32>(&arguments).unwrap() as usize];
        match received.request.command.command() {
            ECHO => reply.answer_with(&Outcome::Ok, 1, |out| {
                out.extend_from_slice(&arguments);
                Ok(())
            }),
            ECHO_LATER => {
                let (replier, key) = (reply.later(), received.request.key.to_vec());
                tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    replier.answer_with(&Outcome::Ok, 1, |out| {
                        assert!(!key.is_empty());
                        out.extend_from_slice(&arguments);
                        Ok(())
                    });
                });
            }
            KEEP => self.kept.lock().unwrap().push(reply.later()),
            PANIC => panic!("as it was asked to"),
            BLOCK => {
                self.blocked.fetch_add(1, Ordering::Relaxed);
                while self.blocks.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
            }
            PANIC_WHILE_ENCODING => reply.answer_with(&Outcome::Ok, 1, |out| {
                out.extend_from_slice(b"half of a");
                panic!("as it was asked to")
            }),
            FAIL_TO_ENCODE => reply.answer_with(&Outcome::Ok, 1, |out| codec::encode(&NoEncoding, out)),
            DROP_LATER => drop(reply.later()),
            REPEAT => reply.answer_with(&Outcome::Rejected, 1, |out| {
                out.extend_from_slice(&repeated());
                Ok(())
            }),
            REPEAT_LATER => reply.later().answer_with(&Outcome::Ok, 1, |out| {
                out.extend_from_slice(&repeated());
                Ok(())
            }),
            _ => reply.answer(&Outcome::BadFrame, 1),
        }
    }

    fn cancel(&self, ticket: Ticket) {
        self.cancelled.lock().unwrap().push(ticket);
    }

    fn record(&self, _: &Link, frame: Part<'_>) {
        self.records.lock().unwrap().push(frame.keep().to_vec());
    }
}

struct NoEncoding;

impl serde::Serialize for NoEncoding {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("none"))
    }
}

/// A request for the test handler.
pub(super) fn request(command: u16, number: u64, arguments: &[u8]) -> Request<'_> {
    Request {
        command: WireCommand::new(0, command),
        slot: Slot::new(1),
        epoch: Epoch::ZERO,
        id: CommandId { session: 1, sequence: number },
        attempt: 1,
        only_asks: false,
        mark: Mark::new(1),
        name: None,
        content: None,
        descent: None,
        seen: None,
        remaining: PATIENCE,
        key: b"key",
        arguments,
    }
}

pub(super) async fn call(link: &Link, command: u16, arguments: &[u8]) -> Reply {
    let pending = link.request(0, &request(command, 1, arguments), Instant::now() + PATIENCE).unwrap();
    pending.await.unwrap()
}

/// Whether a connection ended with that word of the peer's. On a busy machine the word and the peer's forgetting may be
/// read together, and then the latter counts.
pub(super) fn is_closing(reason: &Reason, closing: Closing) -> bool {
    *reason == Reason::Closed(closing) || *reason == Reason::Forgotten
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// A peer with good certificates and bad manners.
pub(super) struct Rogue {
    pub(super) connection: Connection,
    _endpoint: Endpoint,
}

impl Rogue {
    /// Connects without a word.
    pub(super) async fn connect(name: &str, to: &Node) -> Self {
        let mut seeds = Seeds::from_system().unwrap();
        let credentials = SECRET.credentials(&id(name), &mut seeds).unwrap();
        let tls = Tls::new(credentials, seeds.crypto()).unwrap();
        let socket = Socket::new(bind(loopback()).unwrap(), Gate::default()).unwrap();
        let endpoint = Endpoint::new(socket, tls, &mut seeds, Arc::new(quinn::TokioRuntime)).unwrap();
        let connection = endpoint.connect(to.transport.local_addr()).unwrap().await.unwrap();
        Self { connection, _endpoint: endpoint }
    }

    /// Connects and introduces itself as it should.
    pub(super) async fn welcomed(name: &str, to: &Node) -> Self {
        let rogue = Self::connect(name, to).await;
        let greeting = hello::encode(&Greeting { hello: hello(name), dial: 1 }).unwrap();
        let (mut send, mut receive) = rogue.say(Tag::Hello, &greeting).await;
        assert!(matches!(read_reply(&mut receive).await, HelloReply::Welcome(_)));
        send.write_all(&[1]).await.unwrap();
        send.finish().unwrap();
        rogue
    }

    /// Opens a stream of that kind, with the number 0, and writes bytes.
    pub(super) async fn say(&self, tag: Tag, bytes: &[u8]) -> (SendStream, RecvStream) {
        let (mut send, receive) = self.connection.open_bi().await.unwrap();
        send.write_all(&[&[tag.byte(), 0], bytes].concat()).await.unwrap();
        (send, receive)
    }

    /// Opens a one-way stream and writes bytes.
    pub(super) async fn tell(&self, bytes: &[u8]) -> SendStream {
        let mut send = self.connection.open_uni().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send
    }

    /// The lanes that the node has opened, the first one first.
    pub(super) async fn lanes(&self) -> Vec<(SendStream, RecvStream)> {
        let mut lanes = Vec::new();
        while lanes.len() < LANES {
            let (send, mut receive) = self.connection.accept_bi().await.unwrap();
            let (tag, number) = read_tag(&mut receive).await.unwrap();
            assert_eq!(tag, Tag::Lane);
            lanes.push((number, send, receive));
        }
        lanes.sort_by_key(|lane| lane.0);
        lanes.into_iter().map(|(_, send, receive)| (send, receive)).collect()
    }

    /// Waits for the connection's end.
    pub(super) async fn closed(&self) -> Reason {
        timeout(PATIENCE, self.connection.closed()).await.expect("the connection ends").into()
    }
}

/// Reads the answer to a greeting.
pub(super) async fn read_reply(receive: &mut RecvStream) -> HelloReply {
    let mut prefix = [0; PREFIX_BYTES];
    receive.read_exact(&mut prefix).await.unwrap();
    let mut body = vec![0; hello::prefix(prefix).unwrap()];
    receive.read_exact(&mut body).await.unwrap();
    hello::decode(&body).unwrap()
}
