//! What the nodes of a run say of themselves and of one another, read from their telemetry.
//!
//! A node records engine events as `tracing` events; whoever runs a simulation hands the message and the fields of each, as
//! text, to [`Sighting::read`]. What the oracles do not need comes back as `None`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::history::{Era, Stamp};

/// Something that a node noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When.
    pub at: Stamp,
    /// The node that noted it.
    pub node: String,
    /// What.
    pub what: Seen,
}

/// What a node noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// Another member has changed in its eyes.
    Member {
        /// The member.
        member: String,
        /// The member's life: the number of its start.
        start: u64,
        /// What has changed.
        change: Change,
    },
    /// It has opened a slot.
    Opened {
        /// The slot.
        slot: SlotOf,
        /// The epoch.
        epoch: u64,
        /// What for: `Founding`, `Failover`, `Return`, `Repair`, `Rebalance`, `HandedOver`, `TakeBack`.
        why: String,
        /// With which processes.
        set: String,
    },
    /// It does not serve a slot any more.
    Closed {
        /// The slot.
        slot: SlotOf,
        /// The epoch that is over.
        epoch: u64,
        /// For what reason: `Opened`, `Superseded`, `DeclaredDown`, `Halted`, `Leaving`.
        why: String,
    },
    /// It has sealed a slot and asked the next owner to open it.
    HandedOver {
        /// The slot.
        slot: SlotOf,
        /// The next owner.
        to: String,
    },
    /// It met a higher epoch while it opened a slot.
    Outbid {
        /// The slot.
        slot: SlotOf,
        /// The epoch of its attempt.
        epoch: u64,
    },
    /// It opened a slot with less than the data of a majority.
    PossibleLoss {
        /// The slot.
        slot: SlotOf,
        /// The epoch.
        epoch: u64,
        /// The processes of which too few are left.
        short: String,
    },
    /// It was declared Down, and is back.
    Rejoined,
    /// It sees too few members and serves nothing.
    Halted,
    /// It sees enough members again.
    Resumed,
    /// Anything else; kept as its text.
    Other(String),
}

/// A slot of a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotOf {
    /// The registry's wire name.
    pub registry: String,
    /// The slot.
    pub slot: u32,
}

/// What has changed about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Change {
    /// It is there.
    Up,
    /// It missed a probe.
    Suspect,
    /// It answered a suspicion.
    Refuted,
    /// It was silent for too long.
    Down,
    /// It said goodbye.
    Left,
    /// It is back after a Down.
    Rejoined,
}

impl Change {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "Up" => Self::Up,
            "Suspect" => Self::Suspect,
            "Refuted" => Self::Refuted,
            "Down" => Self::Down,
            "Left" => Self::Left,
            "Rejoined" => Self::Rejoined,
            _ => return None,
        })
    }
}

impl Sighting {
    /// Reads a telemetry event: its message and its fields as they print. `None` when no node is named, or when it is
    /// nothing that an oracle or a count asks for.
    pub fn read(at: Stamp, message: &str, fields: &BTreeMap<String, String>) -> Option<Self> {
        let field = |name: &str| fields.get(name).map(String::as_str);
        let member = |change| {
            let (member, start) = field("member")?.split_once('@')?;
            Some(Seen::Member { member: member.to_owned(), start: start.parse().ok()?, change })
        };
        let what = match message {
            "a member is down" => member(Change::Down)?,
            "a member changed" => member(Change::read(field("change")?)?)?,
            "ownership" => ownership(field("event")?)?,
            _ if message.starts_with("a slot opened without a majority") => Seen::PossibleLoss {
                slot: SlotOf { registry: field("registry")?.to_owned(), slot: field("slot")?.parse().ok()? },
                epoch: Era::read(field("epoch")?)?,
                short: field("replicas")?.to_owned(),
            },
            _ if message.starts_with("this node was declared down and is back") => Seen::Rejoined,
            "sees too few members and serves nothing" => Seen::Halted,
            "sees enough members again" => Seen::Resumed,
            "membership" => Seen::Other(field("event")?.to_owned()),
            "disconnected" | "refused a peer" | "a peer said something impossible" => Seen::Other(message.to_owned()),
            _ => return None,
        };
        Some(Self { at, node: field("node")?.to_owned(), what })
    }
}

/// Reads an ownership event off its `Debug` text, such as `Opened { registry: orders, slot: Slot(3), epoch: 17:5, why: Repair }`.
fn ownership(text: &str) -> Option<Seen> {
    let (name, body) = text.split_once(" { ")?;
    let parts: BTreeMap<&str, &str> =
        body.strip_suffix(" }")?.split(", ").filter_map(|part| part.split_once(": ")).collect();
    let number = |part: &str| part.strip_prefix("Slot(")?.strip_suffix(')')?.parse().ok();
    let slot = SlotOf { registry: (*parts.get("registry")?).to_owned(), slot: number(parts.get("slot")?)? };
    let epoch = || Era::read(parts.get("epoch")?);
    // `HandedOver(17:4)` names the epoch that was handed over, which nobody asks for.
    let why = || Some(parts.get("why")?.split('(').next()?.to_owned());
    Some(match name {
        "Opened" => Seen::Opened { slot, epoch: epoch()?, why: why()?, set: (*parts.get("set")?).to_owned() },
        "Closed" => Seen::Closed { slot, epoch: epoch()?, why: why()? },
        "HandedOver" => Seen::HandedOver { slot, to: (*parts.get("to")?).to_owned() },
        "Outbid" => Seen::Outbid { slot, epoch: epoch()? },
        _ => return None,
    })
}

impl fmt::Display for SlotOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} of {}", self.slot, self.registry)
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}: ", self.at, self.node)?;
        match &self.what {
            Seen::Member { member, start, change } => write!(f, "{member}@{start} is {change:?}"),
            Seen::Opened { slot, epoch, why, set } => write!(f, "opened {slot} in {}, {why}, with {set}", Era(*epoch)),
            Seen::Closed { slot, epoch, why } => write!(f, "closed {slot} in {}, {why}", Era(*epoch)),
            Seen::HandedOver { slot, to } => write!(f, "handed {slot} over to {to}"),
            Seen::Outbid { slot, epoch } => write!(f, "was outbid for {slot} in {}", Era(*epoch)),
            Seen::PossibleLoss { slot, epoch, short } => {
                write!(f, "opened {slot} in {} with possible loss of what {short} had", Era(*epoch))
            }
            Seen::Rejoined => f.write_str("is back after it was declared down"),
            Seen::Halted => f.write_str("serves nothing"),
            Seen::Resumed => f.write_str("serves again"),
            Seen::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str, fields: &[(&str, &str)]) -> Option<Seen> {
        let named = fields.iter().chain(&[("node", "n1")]);
        let fields = named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sighting::read(Stamp::default(), message, &fields).map(|sighting| sighting.what)
    }

    #[test]
    fn telemetry_is_understood() {
        let slot = || SlotOf { registry: "orders".to_owned(), slot: 3 };
        let epoch = (17 << 22) | 5;
        let member = |change| Seen::Member { member: "n2".to_owned(), start: 40, change };
        let table = [
            ("a member is down", vec![("member", "n2@40")], Some(member(Change::Down))),
            ("a member changed", vec![("member", "n2@40"), ("change", "Suspect")], Some(member(Change::Suspect))),
            (
                "ownership",
                vec![(
                    "event",
                    "Opened { registry: orders, slot: Slot(3), epoch: 17:5, why: HandedOver(17:4), set: a@1+b@2 }",
                )],
                Some(Seen::Opened { slot: slot(), epoch, why: "HandedOver".to_owned(), set: "a@1+b@2".to_owned() }),
            ),
            (
                "ownership",
                vec![("event", "Closed { registry: orders, slot: Slot(3), epoch: 17:5, why: DeclaredDown }")],
                Some(Seen::Closed { slot: slot(), epoch, why: "DeclaredDown".to_owned() }),
            ),
            (
                "ownership",
                vec![("event", "HandedOver { registry: orders, slot: Slot(3), to: n2 }")],
                Some(Seen::HandedOver { slot: slot(), to: "n2".to_owned() }),
            ),
            (
                "a slot opened without a majority of its former replicas: updates may be lost",
                vec![("registry", "orders"), ("slot", "3"), ("epoch", "71303173"), ("replicas", "a@1")],
                Some(Seen::PossibleLoss { slot: slot(), epoch, short: "a@1".to_owned() }),
            ),
            (
                "this node was declared down and is back; its slots open anew",
                vec![("incarnation", "9")],
                Some(Seen::Rejoined),
            ),
            ("connected", vec![("peer", "n2")], None),
            ("ownership", vec![("event", "Told")], None),
        ];
        for (message, fields, expected) in table {
            assert_eq!(read(message, &fields), expected, "{message}");
        }
    }
}
