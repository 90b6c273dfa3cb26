//! What a node hosts, as its hello tells it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::NAME_BYTES_MAX;
use crate::spec::{Failover, LoadBalancing, OnPartition, Sharding, Spec, Then};

/// One registry that a node hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegistryEntry {
    /// The wire name.
    pub(crate) name: String,
    /// The number of slots.
    pub(crate) slots: u32,
    /// How keys are spread.
    pub(crate) sharding: Spread,
    /// Whether the less busy of two nodes is taken, rather than the next in turn. May differ between nodes.
    pub(crate) least_busy: bool,
    /// How long, and then what, when a node goes away.
    pub(crate) failover: Option<Wait>,
    /// The size of a slot's replica set.
    pub(crate) replicas: u8,
    /// Whether every side of a partition goes on with what it has.
    pub(crate) serves_all: bool,
    /// A hash over the shapes of key and resource, as copies of instances travel; `None` where it cannot be told.
    pub(crate) instances: Option<u64>,
    /// Its commands. A command's place in this list is its number in requests to this node.
    pub(crate) commands: Vec<CommandEntry>,
}

/// How keys are spread over slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Spread {
    /// By the whole key.
    Key,
    /// By this field of the key.
    Field(String),
    /// Not at all.
    Singleton,
}

/// How long slots stay reserved for a node that went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wait {
    /// For how long.
    pub(crate) span: Duration,
    /// Whether they stay closed after that, rather than open elsewhere.
    pub(crate) then_fail: bool,
}

/// One command of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandEntry {
    /// The wire name.
    pub(crate) name: String,
    /// Which of the five kinds.
    pub(crate) kind: CommandKind,
    /// A hash over the shapes of parameters, reply and error.
    pub(crate) fingerprint: u64,
}

/// The five kinds of command, as the wire numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum CommandKind {
    /// Makes an instance.
    Create,
    /// Looks at an instance.
    Read,
    /// Changes an instance.
    Update,
    /// Ends an instance.
    Destroy,
    /// Touches no instance.
    Action,
}

impl RegistryEntry {
    /// The entry of a registry.
    pub(crate) fn new(spec: &Spec, instances: Option<u64>, commands: Vec<CommandEntry>) -> Self {
        Self {
            name: spec.name.to_owned(),
            slots: spec.slots(),
            sharding: match spec.sharding {
                Sharding::ConsistentHashing { .. } => Spread::Key,
                Sharding::ByAttribute { field, .. } => Spread::Field(field.to_owned()),
                Sharding::Singleton => Spread::Singleton,
            },
            least_busy: spec.load_balancing == LoadBalancing::LeastBusy,
            failover: match spec.failover {
                Failover::AutoReassign => None,
                Failover::WaitForNode { wait, then } => Some(Wait { span: wait, then_fail: then == Then::Fail }),
            },
            replicas: spec.replicas,
            serves_all: spec.on_partition == OnPartition::ServeAll,
            instances,
            commands,
        }
    }

    /// The number of a command in requests to the node whose entry this is; otherwise what differs, in a sentence.
    pub(crate) fn number_of(&self, name: &str, kind: CommandKind, fingerprint: u64) -> Result<u16, String> {
        let found = self.commands.iter().enumerate().find(|(_, entry)| entry.name == name);
        let Some((place, entry)) = found else {
            return Err(format!("the node has no command `{name}` in the registry `{}`", self.name));
        };
        if entry.kind != kind {
            let theirs = entry.kind.word();
            return Err(format!(
                "`{}.{name}` is a {theirs} command there and a {} command here",
                self.name,
                kind.word()
            ));
        }
        if entry.fingerprint != fingerprint {
            return Err(format!("the parameters or the reply of `{}.{name}` have another shape there", self.name));
        }
        u16::try_from(place).map_err(|_| format!("the registry `{}` has too many commands", self.name))
    }

    /// In what the two must not differ and do, if in anything.
    pub(super) fn differs(&self, other: &Self) -> Option<String> {
        let differ = |what: &str, ours: String, yours: String| Some(format!("{what}: {ours} here, {yours} there"));
        if self.slots != other.slots {
            return differ("slots", self.slots.to_string(), other.slots.to_string());
        }
        if self.sharding != other.sharding {
            return differ("sharding", self.sharding.word(), other.sharding.word());
        }
        if self.replicas != other.replicas {
            return differ("replicas", self.replicas.to_string(), other.replicas.to_string());
        }
        if self.failover != other.failover {
            return differ("failover", word(self.failover), word(other.failover));
        }
        if self.serves_all != other.serves_all {
            let word = |serves_all: bool| if serves_all { "serve_all" } else { "pause_minority" }.to_owned();
            return differ("on_partition", word(self.serves_all), word(other.serves_all));
        }
        if let (Some(ours), Some(yours)) = (self.instances, other.instances)
            && ours != yours
        {
            // The encoding of an instance does not describe itself: a copy would be read as something else.
            return differ("the resource's fields (their shape)", format!("{ours:016x}"), format!("{yours:016x}"));
        }
        None
    }

    /// Whether every name has 1 to 128 bytes.
    pub(super) fn has_names(&self) -> bool {
        let fits = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len());
        fits(&self.name) && self.commands.iter().all(|entry| fits(&entry.name))
    }
}

impl Spread {
    fn word(&self) -> String {
        match self {
            Self::Key => "consistent_hashing".to_owned(),
            Self::Field(field) => format!("by_attribute({field:.*})", NAME_BYTES_MAX),
            Self::Singleton => "singleton".to_owned(),
        }
    }
}

impl CommandKind {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Destroy => "destroy",
            Self::Action => "action",
        }
    }
}

fn word(failover: Option<Wait>) -> String {
    match failover {
        None => "auto_reassign".to_owned(),
        Some(Wait { span, then_fail }) => {
            format!("wait_for_node({span:?}, then = {})", if then_fail { "fail" } else { "reassign" })
        }
    }
}
