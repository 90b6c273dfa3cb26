//! What peers hear, and what is recorded, of requests that cannot be taken.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry_macros::{Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::subscriber::DefaultGuard;

use super::{Desk, Inbound};
use crate::client::Routes;
use crate::codec::Raw;
use crate::engine::tag;
use crate::exec::{AnyHost, BootClock, Setting};
use crate::id::{CommandId, Epoch, Incarnation, Mark, NodeId, Position, Process, Slot, Start};
use crate::node::line::with_frame;
use crate::node::load::LoadMeter;
use crate::resource::{Origin, States};
use crate::rules::Rules;
use crate::time::Timing;
use crate::transport::{Channel, Event, Gate, Identity, Link, Seeds, Setup, Socket, Transport, bind};
use crate::wire::frame::{Request, WireCommand};
use crate::wire::hello::{HASH_VERSION, Hello};
use crate::wire::outcome::Outcome;
use crate::wire::record::RecordWord;

registry! {
    parrots {
        resource Parrot;
        sharding singleton;
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Parrot {
    #[key]
    id: u64,
}

impl From<u64> for Parrot {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

/// A word that one can say but not write down.
#[derive(Deserialize)]
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("words fail"))
    }
}

/// The numbers of the commands below.
const TEACH: u16 = 0;
const SHRIEK: u16 = 1;
const MUMBLE: u16 = 2;
const SHRIEK_LATER: u16 = 3;

#[commands]
impl Parrot {
    fn teach(&mut self, word: u8) -> u64 {
        self.id + u64::from(word)
    }

    fn shriek() -> String {
        "a".repeat(2 * REPLY_BYTES_MAX)
    }

    fn mumble() -> Unspeakable {
        Unspeakable
    }

    async fn shriek_later() -> String {
        tokio::task::yield_now().await;
        Self::shriek()
    }
}

/// Small enough for a test to pass.
const REPLY_BYTES_MAX: usize = 64;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was recorded on this test's thread.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<u8>>>);

impl Write for Record {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Record {
    /// Records until the guard is dropped.
    fn begin() -> (Self, DefaultGuard) {
        let record = Self::default();
        let writer = record.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (record, tracing::subscriber::set_default(subscriber))
    }

    /// The lines that hold a word.
    fn lines_with(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

fn inbound(hosts: Vec<Arc<dyn AnyHost>>) -> Arc<Inbound> {
    let load = Arc::new(LoadMeter::new(hosts.clone()));
    let (news, _) = mpsc::unbounded_channel();
    let me = Process { node: NodeId::new("own").unwrap(), start: Start::new(1) };
    let desk = |host: Arc<dyn AnyHost>| Desk { routes: Routes::new(host.spec().slots()), host };
    Arc::new(Inbound::new(me, hosts.into_iter().map(desk).collect(), load, Handle::current(), news))
}

fn transport(name: &str, identity: Identity, inbound: Arc<Inbound>) -> (Transport, mpsc::Receiver<Event>) {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let hello = Hello {
        hash: HASH_VERSION,
        cluster: "main".to_owned(),
        node: NodeId::new(name).unwrap(),
        start: Start::new(1),
        incarnation: Incarnation::new(1),
        address,
        times: Timing::fast().into(),
        catalogue: Vec::new(),
    };
    let socket = Socket::new(bind(address).unwrap(), Gate::default()).unwrap();
    let seeds = Seeds::from_system().unwrap();
    let runtime = Arc::new(quinn::TokioRuntime);
    Transport::start(Setup { identity, hello, socket, seeds, handler: inbound, runtime }).unwrap()
}

fn parrots() -> Arc<dyn AnyHost> {
    parrots::registry().build(Setting {
        origin: Arc::new(Origin { node: NodeId::new("host").unwrap(), states: States::default(), port: Box::new(()) }),
        clock: Arc::new(BootClock::start()),
        runtime: Handle::current(),
        drained: Arc::new(|_, _| ()),
        secret: 1,
        session: 1,
        reply_bytes_max: REPLY_BYTES_MAX,
        rules: Rules::ALL,
    })
}

async fn ask(link: &Link, registry: u16, command: u16, key: &[u8], arguments: &[u8]) -> Outcome {
    let request = Request {
        command: WireCommand::new(registry, command),
        slot: Slot::new(0),
        epoch: Epoch::ZERO,
        id: CommandId { session: 1, sequence: 1 },
        attempt: 1,
        only_asks: false,
        mark: Mark::new(1),
        name: None,
        content: None,
        descent: None,
        seen: None,
        remaining: PATIENCE,
        key,
        arguments,
    };
    link.request(0, &request, Instant::now() + PATIENCE).unwrap().await.unwrap().outcome
}

/// A host of parrots, and a visitor that hosts nothing with its way there.
async fn visit() -> (Transport, Transport, Link) {
    let secret = Identity::shared_secret("the secret of this test");
    let (host, mut host_events) = transport("host", secret.clone(), inbound(vec![parrots()]));
    let (visitor, mut visitor_events) = transport("visitor", secret, inbound(vec![]));
    tokio::spawn(async move { while host_events.recv().await.is_some() {} });
    tokio::spawn(async move { while visitor_events.recv().await.is_some() {} });
    let link = visitor.dial(host.local_addr(), None, PATIENCE).await.unwrap();
    (host, visitor, link)
}

/// A request that cannot be taken: registry and command by number, key and arguments as bytes.
struct Wrong(u16, u16, &'static [u8], &'static [u8]);

#[derive(Debug, PartialEq)]
enum Heard {
    Incompatible,
    BadReply,
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_name_and_recorded_without_a_flood() {
    let (record, _recording) = Record::begin();
    let (host, visitor, link) = visit().await;

    // What is asked, what the caller hears, and what the line says.
    let cases: [(Wrong, Heard, &[&str]); 8] = [
        (Wrong(7, 0, &[1], &[1]), Heard::Incompatible, &["unknown registry", "number 7"]),
        (Wrong(0, 9, &[1], &[1]), Heard::Incompatible, &["unknown command", "parrots", "number 9"]),
        (Wrong(0, TEACH, &[1], &[]), Heard::Incompatible, &["cannot be read", "teach", "the arguments do not decode"]),
        (Wrong(0, TEACH, &[], &[1]), Heard::Incompatible, &["cannot be read"]),
        (Wrong(0, TEACH, &[1], &[1, 2]), Heard::Incompatible, &["cannot be read"]),
        (Wrong(0, SHRIEK, &[], &[]), Heard::BadReply, &["too large", "shriek", "64 bytes"]),
        (Wrong(0, MUMBLE, &[], &[]), Heard::BadReply, &["does not encode", "mumble"]),
        (Wrong(0, SHRIEK_LATER, &[], &[]), Heard::BadReply, &["too large"]),
    ];
    for (Wrong(registry, command, key, arguments), expected, words) in cases {
        let heard = match ask(&link, registry, command, key, arguments).await {
            Outcome::Incompatible { .. } => Heard::Incompatible,
            Outcome::BadReply => Heard::BadReply,
            other => panic!("{registry}.{command}: {other:?}"),
        };
        assert_eq!(heard, expected, "{registry}.{command}");
        let lines = record.lines_with(words[0]);
        let said = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(said && lines.iter().all(|line| line.contains("WARN") && line.contains("peer=visitor")), "{lines:?}");
    }
    // The host is as it was: it owns nothing here, and says so.
    let heard = ask(&link, 0, TEACH, &[1], &[1]).await;
    assert!(matches!(heard, Outcome::NotOwner { .. }), "{heard:?}");

    for _ in 0..2_000 {
        ask(&link, 7, 0, &[], &[]).await;
    }
    let lines = record.lines_with("unknown registry").len();
    assert!((1..200).contains(&lines), "{lines} lines for 2001 refusals");
    tokio::join!(host.shutdown(), visitor.shutdown());
}

/// The owner of an opening sends its records and fills, and who has promised it fills the opener; nobody else has anything to do with it.
#[tokio::test]
async fn nobody_fills_or_asks_for_what_is_not_its_opening() {
    let process = |name: &str| Process { node: NodeId::new(name).unwrap(), start: Start::new(1) };
    let (slot, stamp) = (Slot::new(0), (Epoch::ZERO, Position::new(0)));
    let opening = |name| Epoch::from_parts(7, tag(&process(name), "parrots", slot));
    // `own` is what these hosts go by. What is in order comes first, on the same channel.
    let cases = [
        ("somebody", RecordWord::Fill { number: 1, stamp }, "a filling for somebody else's opening"),
        ("own", RecordWord::Pull { stamp }, "it asks for somebody else's opening"),
        ("somebody", RecordWord::Record { position: stamp.1, body: Raw(b"") }, "a record of somebody else's opening"),
        ("own", RecordWord::Acknowledged { position: stamp.1 }, "a record of somebody else's opening"),
    ];
    for (name, word, refusal) in cases {
        let (record, _recording) = Record::begin();
        let (host, visitor, link) = visit().await;
        let say = |name, word| {
            with_frame("parrots", slot, opening(name), word, |frame| link.send(Channel::Records, frame).unwrap());
        };
        say("visitor", RecordWord::Fill { number: 1, stamp });
        say("own", RecordWord::Fill { number: 0, stamp });
        say("visitor", RecordWord::Acknowledged { position: stamp.1 });
        say("visitor", RecordWord::Pull { stamp });
        say(name, word);
        tokio::time::timeout(PATIENCE, async {
            while record.lines_with("was refused").is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it is refused");
        let lines = record.lines_with("was refused");
        assert!(lines.len() == 1 && lines[0].contains(refusal), "{lines:?}");
        tokio::join!(host.shutdown(), visitor.shutdown());
    }
}
