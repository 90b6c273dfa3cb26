//! What is asked and what is answered, as plain values that all workloads share.

use std::fmt;

use registry_runtime::{CommandError, Executed};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::sim::workload;

/// One instance: a registry's wire name and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The registry.
    pub registry: &'static str,
    /// The key; 0 for an action, which has none.
    pub key: u64,
}

/// A [`Place`] as it is read from another process.
#[derive(Deserialize)]
struct PlaceWord {
    registry: String,
    key: u64,
}

// Not derived: the derived one would ask for text that lives for ever. The name of a workload's registry does.
impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let PlaceWord { registry, key } = PlaceWord::deserialize(from)?;
        let known = workload::NAMES.into_iter().find(|name| *name == registry);
        let registry = known.ok_or_else(|| D::Error::custom(format!("no workload has a registry `{registry}`")))?;
        Ok(Self { registry, key })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.registry, self.key)
    }
}

/// What a caller asks an instance to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Add to the number.
    Add(i64),
    /// Take from the number, unless it would fall below zero.
    Take(i64),
    /// Add an entry to the list.
    Append(u64),
    /// Create with this value, unless it exists.
    Create(u64),
    /// Replace the value, if it exists.
    Write(u64),
    /// Remove, if it exists.
    Destroy,
    /// Change the instance and then refuse, so that nothing may be left of the change.
    Balk,
    /// Say what is there.
    Read,
    /// Do something anywhere.
    Act,
}

impl Op {
    /// Whether it may change the instance: such commands run one at a time per key.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::Act)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(amount) => write!(f, "add {amount}"),
            Self::Take(amount) => write!(f, "take {amount}"),
            Self::Append(entry) => write!(f, "append {entry:#x}"),
            Self::Create(value) => write!(f, "create {value}"),
            Self::Write(value) => write!(f, "write {value}"),
            Self::Destroy => f.write_str("destroy"),
            Self::Balk => f.write_str("balk"),
            Self::Read => f.write_str("read"),
            Self::Act => f.write_str("act"),
        }
    }
}

/// What the answer says about the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// The number or value.
    Number(i64),
    /// The list, as its length and a digest of its entries in their order.
    List {
        /// How many entries.
        count: u64,
        /// Their digest.
        digest: u64,
    },
    /// There is no instance.
    Absent,
    /// There is one already.
    Exists,
    /// The command said no; nothing changed.
    Refused,
    /// Nothing.
    Done,
}

impl Reply {
    /// What a list answers.
    pub fn list(entries: &[u64]) -> Self {
        entries.iter().fold(Self::empty_list(), |list, entry| list.with(*entry))
    }

    /// What a list without entries answers.
    pub const fn empty_list() -> Self {
        Self::List { count: 0, digest: 0 }
    }

    /// The list with one more entry; anything else as it is.
    #[must_use]
    pub fn with(self, entry: u64) -> Self {
        // Multiplication by an odd number and a rotation lose nothing, so two lists of one length collide by chance only.
        let mix =
            |digest: u64| (digest ^ entry).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_add(entry);
        match self {
            Self::List { count, digest } => Self::List { count: count + 1, digest: mix(digest) },
            other => other,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::List { count, digest } => write!(f, "{count} entries ({digest:016x})"),
            Self::Absent => f.write_str("absent"),
            Self::Exists => f.write_str("exists"),
            Self::Refused => f.write_str("refused"),
            Self::Done => f.write_str("done"),
        }
    }
}

/// Where a command ran that was answered, in the words of its own reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ran {
    /// The node.
    pub node: String,
    /// The slot's epoch; 0 for an action.
    pub epoch: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// With its reply.
    Ok {
        /// What it says about the instance.
        reply: Reply,
        /// Where it ran, if the reply tells.
        ran: Option<Ran>,
    },
    /// With an error.
    Failed {
        /// Whether the command ran.
        #[serde(with = "ExecutedWord")]
        executed: Executed,
        /// What the error says about the instance, if anything.
        says: Option<Reply>,
        /// The error.
        error: String,
    },
    /// The caller gave up and dropped the call.
    Dropped,
}

/// [`Executed`] as it is written down between processes.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Executed")]
enum ExecutedWord {
    No,
    Yes,
    Maybe,
}

impl Outcome {
    /// What a call's own result comes to.
    pub fn of<T, E: fmt::Debug>(
        result: Result<T, CommandError<E>>,
        tells: impl FnOnce(T) -> (Reply, Option<Ran>),
    ) -> Self {
        match result {
            Ok(value) => {
                let (reply, ran) = tells(value);
                Self::Ok { reply, ran }
            }
            Err(error) => {
                let says = match &error {
                    CommandError::Rejected(_) => Some(Reply::Refused),
                    CommandError::NotFound => Some(Reply::Absent),
                    CommandError::AlreadyExists => Some(Reply::Exists),
                    _ => None,
                };
                Self::Failed { executed: error.executed(), says, error: format!("{error:?}") }
            }
        }
    }

    /// What the outcome says about the instance at some moment between the call's begin and its end.
    pub const fn reply(&self) -> Option<Reply> {
        match self {
            Self::Ok { reply, .. } => Some(*reply),
            Self::Failed { says, .. } => *says,
            Self::Dropped => None,
        }
    }

    /// Whether the command took effect, is known not to have, or may have, now or later.
    pub const fn executed(&self) -> Executed {
        match self {
            Self::Ok { .. } => Executed::Yes,
            Self::Failed { executed, .. } => *executed,
            Self::Dropped => Executed::Maybe,
        }
    }

    /// Whether it ended with its reply.
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok { reply, ran: Some(Ran { node, epoch }) } => {
                write!(f, "ok: {reply}, ran on {node} in {}", Era(*epoch))
            }
            Self::Ok { reply, ran: None } => write!(f, "ok: {reply}"),
            Self::Failed { executed, error, .. } => write!(f, "failed, executed {executed:?}: {error}"),
            Self::Dropped => f.write_str("dropped by its caller"),
        }
    }
}

/// An epoch, shown as its counter and its opener's tag.
#[derive(Clone, Copy)]
pub(crate) struct Era(pub(crate) u64);

/// How many low bits of an epoch tell its opener.
const TAG_BITS: u32 = 22;

impl Era {
    /// Reads what [`Era`] shows, or a whole number.
    pub(crate) fn read(text: &str) -> Option<u64> {
        match text.split_once(':') {
            Some((counter, tag)) => Some((counter.parse::<u64>().ok()? << TAG_BITS) | tag.parse::<u64>().ok()?),
            None => text.parse().ok(),
        }
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}:{}", self.0 >> TAG_BITS, self.0 & ((1 << TAG_BITS) - 1))
    }
}
