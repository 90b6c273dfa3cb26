//! All that is known of a run when it is judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Findings;
use crate::sim::history::{Op, Place, Records, Stamp};
use crate::sim::sighting::{Seen, Sighting, SlotOf};

/// All that is known of a run when it is judged.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What callers asked and heard, and what ran where.
    pub records: Records,
    /// What nodes noted, in its order. Without any, the invariants that need them find nothing.
    pub sightings: Vec<Sighting>,
    /// What each live node believes after healing.
    pub digests: Vec<Digest>,
    /// When the run was over, in virtual milliseconds.
    pub end_ms: u64,
    /// What to judge by.
    pub rules: Rules,
}

/// How many characters a stamp takes at the head of a line.
const STAMP_WIDTH: usize = "    0.000 #000000".len();

/// What a node believes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The node.
    pub node: String,
    /// The members as it sees them, as lines that can be compared.
    pub view: String,
    /// Who has which slot open in which epoch, as lines that can be compared.
    pub slots: String,
}

/// What to judge by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How much later than its deadline a call may end, in milliseconds.
    pub end_slack_ms: u64,
    /// By how many per cent the clocks of hosts may differ from virtual time.
    pub clock_percent: u64,
    /// What a clock on the wall showed when the run began, in milliseconds: the starts of processes are counted by it.
    pub genesis_ms: u64,
    /// Registries whose slots are reserved for a node that is Down, and for how long in milliseconds; `None` means until it
    /// returns.
    pub reserved: BTreeMap<String, Option<u64>>,
    /// What the instances of each registry are. A registry that is not named is not judged by its state.
    pub kinds: BTreeMap<String, Kind>,
}

/// What the instances of a registry are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers that are there from the start.
    Counter,
    /// Lists that only grow.
    Log,
    /// Values that are created and destroyed.
    Cell,
}

impl Default for Rules {
    /// Fifty milliseconds over the deadline, and clocks that agree.
    fn default() -> Self {
        Self { end_slack_ms: 50, clock_percent: 0, genesis_ms: 0, reserved: BTreeMap::new(), kinds: BTreeMap::new() }
    }
}

impl Rules {
    /// The longest that `ms` of a host's own clock can be.
    pub(super) fn slowest(&self, ms: u64) -> u64 {
        ms.saturating_add(ms.saturating_mul(self.clock_percent) / 100)
    }

    /// The shortest that `ms` of a host's own clock can be.
    pub(super) fn fastest(&self, ms: u64) -> u64 {
        ms.saturating_sub(ms.saturating_mul(self.clock_percent) / 100)
    }
}

impl Evidence {
    /// The whole run and what was found in it, a line for each thing in the order in which it happened.
    pub fn tell(&self, findings: &Findings) -> String {
        // Every line begins with its stamp in columns of one width, so the order of the text is the order of time.
        let mut lines: Vec<String> = self.records.to_string().lines().map(str::to_owned).collect();
        lines.extend(self.sightings.iter().map(ToString::to_string));
        lines.sort_by(|one, other| one.get(..STAMP_WIDTH).cmp(&other.get(..STAMP_WIDTH)));
        lines.extend(findings.faults.iter().map(|fault| format!("FOUND {fault}")));
        lines.extend(findings.undecided.iter().map(|what| format!("UNDECIDED {what}")));
        lines.join("\n")
    }

    /// The instances whose state can be judged, with what they are.
    pub(super) fn places(&self) -> BTreeMap<Place, Kind> {
        let kind = |place: Place| Some((place, *self.rules.kinds.get(place.registry)?));
        self.records.calls.iter().filter_map(|call| kind(call.ask.place)).collect()
    }

    /// The host of a process that is named as `node@start`, and when it was born by the run's own clock, in milliseconds.
    pub(super) fn born<'a>(&self, process: &'a str) -> Option<(&'a str, u64)> {
        let (host, start) = process.split_once('@')?;
        Some((host, start.parse::<u64>().ok()?.saturating_sub(self.rules.genesis_ms)))
    }

    /// Whether a node has said that it opened the instance's slot with less than a majority had, or all who had owned it have lost their
    /// memory: what comes after that is not promised. Where nobody has noted which slot it is, it may be any of the registry's.
    pub(super) fn may_have_lost(&self, place: Place) -> bool {
        let number = self.records.slots.get(&place).copied();
        let is_its = |slot: &SlotOf| slot.registry == place.registry && number.is_none_or(|number| number == slot.slot);
        let told = self.sightings.iter().any(|sighting| match &sighting.what {
            Seen::PossibleLoss { slot, .. } => is_its(slot),
            _ => false,
        });
        told || self.is_founded_again(is_its)
    }

    /// Whether the slot that was opened in this epoch was opened with less than a majority had, in it or in another, between two moments:
    /// what comes after that is not promised.
    pub(super) fn may_have_lost_between(&self, registry: &str, epoch: u64, after: Stamp, before: Stamp) -> bool {
        let opened = self.sightings.iter().find_map(|sighting| match &sighting.what {
            Seen::Opened { slot, epoch: opened, .. } if *opened == epoch && slot.registry == registry => Some(slot),
            _ => None,
        });
        let lost =
            |sighting: &Sighting| matches!(&sighting.what, Seen::PossibleLoss { slot, .. } if Some(slot) == opened);
        self.sightings.iter().any(|sighting| after < sighting.at && sighting.at < before && lost(sighting))
    }

    /// Whether such a slot was founded a second time, while no process lived that had owned it before: then nobody is left who
    /// could say that anything is lost. With one alive, a second founding excuses nothing.
    fn is_founded_again(&self, is_such: impl Fn(&SlotOf) -> bool) -> bool {
        let openings = || {
            self.sightings.iter().filter_map(|sighting| match &sighting.what {
                Seen::Opened { slot, why, .. } if is_such(slot) => Some((sighting, slot, why)),
                _ => None,
            })
        };
        openings().filter(|(.., why)| *why == "Founding").any(|(founding, slot, _)| {
            let is_over = |opened: &Sighting| {
                let gone = self.records.gone_after(&opened.node, opened.at);
                gone.is_some_and(|gone| gone < founding.at)
            };
            let mut before =
                openings().filter(|(opened, other, _)| *other == slot && opened.at < founding.at).peekable();
            before.peek().is_some() && before.all(|(opened, ..)| is_over(opened))
        })
    }

    /// Instances that somebody tried to destroy: what they carried may be gone for a good reason.
    pub(super) fn may_be_destroyed(&self, place: Place) -> bool {
        self.records.calls.iter().any(|call| call.ask.place == place && call.ask.op == Op::Destroy)
    }
}
