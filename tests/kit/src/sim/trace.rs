//! The event log of a world: every packet, every fault, and what the nodes say.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug, Write as _};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Metadata, Subscriber};

use super::{Clock, Sighting};

/// The records that are kept: a long seed of many nodes makes fewer than a million. The oldest give way, counted.
const RECORDS_MAX: usize = 4_000_000;

/// The event log of a world. Clones write into the same log.
#[derive(Clone)]
pub struct Trace {
    clock: Clock,
    book: Arc<Mutex<Book>>,
}

struct Book {
    keeps: bool,
    speaker: u16,
    records: VecDeque<Record>,
    forgotten: u64,
    packets: u64,
    digest: u64,
    sightings: Vec<Sighting>,
}

struct Record {
    at_ms: u64,
    host: u16,
    what: What,
}

enum What {
    Packet { to: u16, bytes: u32, fate: Fate },
    Line(Box<str>),
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives at that time.
    Arrives(u64),
    /// Another copy of it arrives at that time.
    ArrivesAgain(u64),
    /// It is lost on the way.
    Lost,
    /// The link is cut.
    Cut,
    /// It is too large for the link.
    TooLarge,
    /// Nobody lives where it goes.
    Nobody,
    /// The receiver's buffer is full.
    Full,
}

impl Trace {
    /// An empty log of the world with this clock. One that does not keep its records counts and digests them only.
    pub fn new(clock: Clock, keeps: bool) -> Self {
        let book = Book {
            keeps,
            speaker: 0,
            records: VecDeque::new(),
            forgotten: 0,
            packets: 0,
            digest: FNV_OFFSET,
            sightings: Vec::new(),
        };
        Self { clock, book: Arc::new(Mutex::new(book)) }
    }

    /// Whatever is said from now on is said by this host; the world itself is number 0.
    pub(super) fn speaks(&self, host: u16) {
        self.book().speaker = host;
    }

    /// Notes a line, said by whoever speaks.
    pub fn say(&self, line: impl Into<String>) {
        let mut book = self.book();
        let host = book.speaker;
        book.note(self.clock.now_ms(), host, What::Line(line.into().into()));
    }

    /// Notes a packet.
    pub(super) fn packet(&self, from: u16, to: u16, bytes: usize, fate: Fate) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.book().note(self.clock.now_ms(), from, What::Packet { to, bytes, fate });
    }

    /// A number that two logs share only if they are the same, kept or not.
    pub fn digest(&self) -> u64 {
        self.book().digest
    }

    /// What the nodes noted of themselves and one another so far, kept whatever the log keeps; it is handed out once.
    pub fn take_sightings(&self) -> Vec<Sighting> {
        std::mem::take(&mut self.book().sightings)
    }

    /// Notes what a node has recorded, if an oracle may ask for it.
    fn sight(&self, message: &str, fields: &BTreeMap<String, String>) {
        if let Some(sighting) = Sighting::read(self.clock.stamp(), message, fields) {
            self.book().sightings.push(sighting);
        }
    }

    /// How many packets were sent.
    pub fn packets(&self) -> u64 {
        self.book().packets
    }

    /// Whether some kept line contains the text.
    pub fn contains(&self, text: &str) -> bool {
        self.book().records.iter().any(|record| matches!(&record.what, What::Line(line) if line.contains(text)))
    }

    /// Writes the log out, with or without the packets.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print(&self, packets: bool, out: &mut impl io::Write) -> io::Result<()> {
        let book = self.book();
        if book.forgotten > 0 {
            writeln!(out, "(the first {} records were forgotten)", book.forgotten)?;
        }
        for record in &book.records {
            if packets || matches!(record.what, What::Line(_)) {
                writeln!(out, "{record}")?;
            }
        }
        Ok(())
    }

    /// The subscriber that notes what the nodes say at this level and above.
    pub(super) fn subscriber(&self, level: Level) -> impl Subscriber + Send + Sync + use<> {
        Scribe { trace: self.clone(), level }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

impl Book {
    fn note(&mut self, at_ms: u64, host: u16, what: What) {
        self.mix(&at_ms.to_le_bytes());
        self.mix(&host.to_le_bytes());
        match &what {
            What::Packet { to, bytes, fate } => {
                self.packets += 1;
                let (kind, due) = match fate {
                    Fate::Arrives(due) => (0, *due),
                    Fate::ArrivesAgain(due) => (1, *due),
                    Fate::Lost => (2, 0),
                    Fate::Cut => (3, 0),
                    Fate::TooLarge => (4, 0),
                    Fate::Nobody => (5, 0),
                    Fate::Full => (6, 0),
                };
                self.mix(&to.to_le_bytes());
                self.mix(&bytes.to_le_bytes());
                self.mix(&[kind]);
                self.mix(&due.to_le_bytes());
            }
            What::Line(line) => self.mix(line.as_bytes()),
        }
        if !self.keeps {
            return;
        }
        if self.records.len() >= RECORDS_MAX {
            self.records.pop_front();
            self.forgotten += 1;
        }
        self.records.push_back(Record { at_ms, host, what });
    }

    /// FNV-1a, whose one virtue here is that it needs no crate and no key.
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={} ", self.at_ms)?;
        match self.host {
            0 => f.write_str("world ")?,
            host => write!(f, "n{host} ")?,
        }
        match &self.what {
            What::Line(line) => f.write_str(line),
            What::Packet { to, bytes, fate } => {
                write!(f, "packet to n{to} of {bytes} bytes: ")?;
                match fate {
                    Fate::Arrives(due) => write!(f, "arrives at {due}"),
                    Fate::ArrivesAgain(due) => write!(f, "arrives again at {due}"),
                    Fate::Lost => f.write_str("lost"),
                    Fate::Cut => f.write_str("cut off"),
                    Fate::TooLarge => f.write_str("too large for the link"),
                    Fate::Nobody => f.write_str("nobody lives there"),
                    Fate::Full => f.write_str("no room at the receiver"),
                }
            }
        }
    }
}

impl Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("digest", &self.digest()).finish_non_exhaustive()
    }
}

/// Notes what nodes say, with the world's time in the place of the machine's.
struct Scribe {
    trace: Trace,
    level: Level,
}

impl Subscriber for Scribe {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What the engine tells is evidence, at whatever level it is recorded.
        let level = if metadata.target().ends_with("::telemetry") { self.level.max(Level::DEBUG) } else { self.level };
        *metadata.level() <= level && metadata.target().starts_with("registry")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level.max(Level::DEBUG)))
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        self.trace.sight(&words.message, &words.fields);
        if *event.metadata().level() <= self.level {
            self.trace.say(format!("{} {}{}", event.metadata().level(), words.message, words.line));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event as text: its message and its fields.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) message: String,
    pub(crate) fields: BTreeMap<String, String>,
    /// The fields in their order, for a person.
    line: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => {
                // The host that speaks is named already.
                if name != "node" {
                    let _ = write!(self.line, " {name}={text}");
                }
                self.fields.insert(name.to_owned(), text);
            }
        }
    }
}
