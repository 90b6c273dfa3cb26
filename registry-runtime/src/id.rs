//! The words for who and which: a newtype for every kind of number.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

/// The longest node id, in bytes: it stands in a certificate as one DNS label (RFC 1035, section 2.3.4).
pub const NODE_ID_BYTES_MAX: usize = 63;

/// The longest name of a cluster, and the longest wire name of a registry or a command, in bytes: all of them travel in every hello.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of a node: 1 to 63 ASCII letters, digits, `-` and `_`.
///
/// Its `Display` is the bare name. Names differ when their bytes differ.
#[derive(Clone)]
pub struct NodeId {
    name: Arc<str>,
    /// Beside the name, so that to tell two apart nobody has to fetch the names from elsewhere in memory.
    key: NodeKey,
}

/// A number that stands for the name of a node: 128 bits of hash, so two of a cluster's names having the same is not to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeKey(u128);

impl NodeId {
    /// Takes a name; refuses an empty one, one over 63 bytes, and characters other than ASCII letters, digits, `-` and `_`.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidNodeId> {
        let name = name.as_ref();
        let fits = (1..=NODE_ID_BYTES_MAX).contains(&name.len());
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if fits && plain { Ok(Self::of(name)) } else { Err(InvalidNodeId(name.into())) }
    }

    fn of(name: &str) -> Self {
        Self { name: name.into(), key: NodeKey(xxh3_128(name.as_bytes())) }
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The number that stands for the name.
    pub(crate) const fn key(&self) -> NodeKey {
        self.key
    }

    /// The node that unit tests of command bodies run on.
    #[cfg(feature = "testing")]
    pub(crate) fn test() -> Self {
        Self::of("test")
    }
}

impl PartialEq for NodeId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.name == other.name
    }
}

impl Eq for NodeId {}

impl Hash for NodeId {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.name.hash(into);
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.name)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(name: &str) -> Result<Self, InvalidNodeId> {
        Self::new(name)
    }
}

impl AsRef<str> for NodeId {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

impl PartialEq<str> for NodeId {
    fn eq(&self, other: &str) -> bool {
        &*self.name == other
    }
}

impl PartialEq<&str> for NodeId {
    fn eq(&self, other: &&str) -> bool {
        &*self.name == *other
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = <&str>::deserialize(from)?;
        Self::new(name).map_err(serde::de::Error::custom)
    }
}

/// A node id that breaks the rules of [`NodeId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no node id: write 1 to 63 ASCII letters, digits, `-` or `_`")]
pub struct InvalidNodeId(pub String);

/// Rises at every start of a node and whenever the node finds itself declared Down.
///
/// Begins at the wall clock's milliseconds since the Unix epoch, so that it rises across a restart without a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Wraps the number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The incarnation after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a process's memory: the incarnation that the process was born with.
///
/// A node that was wrongly declared Down keeps its start and takes a higher incarnation; a restarted one has a new start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Start(u64);

impl Start {
    /// Wraps the number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A node in one of its lives: what replica sets are made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// The node.
    pub node: NodeId,
    /// The life.
    pub start: Start,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.start.0)
    }
}

/// A fixed share of a registry's keys, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot(u32);

impl Slot {
    /// Wraps the number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index into a table of slots.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Rises with every opening of a slot and is shared by no two openings of one slot.
///
/// 42 bits of counter above 22 bits that tell openers apart. The counter begins at the wall clock's milliseconds since
/// the Unix epoch, so that it rises across a full restart too. This is the number to hand to external stores as a fence.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch(u64);

impl Epoch {
    /// Before any opening.
    pub const ZERO: Self = Self(0);
    const TAG_BITS: u32 = 22;
    /// The largest counter: 42 bits.
    pub const COUNTER_MAX: u64 = (1 << 42) - 1;

    /// Puts an epoch together; counters over 42 bits saturate, of the tag the low 22 bits count.
    pub const fn from_parts(counter: u64, tag: u32) -> Self {
        let counter = if counter > Self::COUNTER_MAX { Self::COUNTER_MAX } else { counter };
        Self((counter << Self::TAG_BITS) | (tag as u64 & ((1 << Self::TAG_BITS) - 1)))
    }

    /// Wraps the number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The whole number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The upper 42 bits.
    pub const fn counter(self) -> u64 {
        self.0 >> Self::TAG_BITS
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.counter(), self.0 & ((1 << Self::TAG_BITS) - 1))
    }
}

/// Numbers the connections that a node has had, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(u64);

impl LinkId {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// A place in a slot's stream of records; they count up through all epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position(u64);

impl Position {
    /// Wraps the number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Tells one command from every other: the session (one life of one calling node) and a number within it.
///
/// Every attempt of a call carries the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId {
    /// The caller's session, drawn at random at its start.
    pub session: u64,
    /// The command's number within the session, from 1.
    pub sequence: u64,
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.session, self.sequence)
    }
}

/// What a command hands down to the calls that it makes: what it has from the command that makes it, if one does, and how it runs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descent {
    /// The command that no other one made, and that all of them serve: it names their trace.
    pub(crate) root: CommandId,
    /// For how long after the call's own time another run of the command that makes it may ask for its receipt.
    pub(crate) outlives: Duration,
    /// Whether an earlier run, of this command or of one that makes it, may have made the calls that are made now.
    pub(crate) rerun: bool,
}

/// The lowest number of a session that is still open in a slot: about lower ones nobody will ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark(u64);

impl Mark {
    /// Says of no number that it is closed.
    pub const NOTHING: Self = Self(0);

    /// Wraps the number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A user's own name for a command on an instance, and what was commanded under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdempotencyName {
    /// A hash of the instance's key and the name.
    pub name: u128,
    /// A hash of the command and its arguments.
    pub content: u64,
}

/// The shape of a command as one number: equal where two sides agree on key, arguments, reply and error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Wraps the number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The wire name of a registry, at most 128 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RegistryName(Arc<str>);

impl RegistryName {
    /// Takes a name; `None` when it is empty or longer than [`NAME_BYTES_MAX`].
    pub fn new(name: &str) -> Option<Self> {
        (1..=NAME_BYTES_MAX).contains(&name.len()).then(|| Self(name.into()))
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RegistryName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = <&str>::deserialize(from)?;
        Self::new(name).ok_or_else(|| serde::de::Error::custom("a registry's name has 1 to 128 bytes"))
    }
}
