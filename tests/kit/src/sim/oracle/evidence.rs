//! All that is known of a run when it is judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Findings;
use crate::sim::history::{Fate, Op, Place, Records, Stamp};
use crate::sim::sighting::{Change, Seen, Sighting, SlotOf};

/// All that is known of a run when it is judged.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What callers asked and heard, and what ran where.
    pub records: Records,
    /// What nodes noted, in its order. Without any, the invariants that need them find nothing.
    pub sightings: Vec<Sighting>,
    /// What nodes noted where its order says nothing beside calls and runs: it excuses what a loss may have taken, and nothing else is read off
    /// it.
    pub excuses: Vec<Sighting>,
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

/// The founding of a slot that had been opened before.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecondFounding<'a> {
    pub(super) slot: &'a SlotOf,
    /// Who founded it.
    pub(super) node: &'a str,
    pub(super) at: Stamp,
    /// The set with which it was opened last before.
    pub(super) former: &'a str,
    /// When that was.
    pub(super) opened: Stamp,
}

/// What decides what a process can know.
enum Turn<'a> {
    /// Its host was started, or it ended.
    Fate(&'a Fate),
    /// It noted another one.
    Met(&'a str),
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
    /// The hosts whose processes found what nobody remembers: `n1` to this one; none where that is not known.
    pub founders: u16,
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
        Self {
            end_slack_ms: 50,
            clock_percent: 0,
            genesis_ms: 0,
            founders: 0,
            reserved: BTreeMap::new(),
            kinds: BTreeMap::new(),
        }
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

    /// Whether a node has said that it opened the instance's slot with less than a majority had, or founded it again after most
    /// who had it have lost their memory: what comes after that is not promised. Where nobody has noted which slot it is, it may be any of the registry's.
    pub(super) fn may_have_lost(&self, place: Place) -> bool {
        let number = self.records.slots.get(&place).copied();
        let is_its = |slot: &SlotOf| slot.registry == place.registry && number.is_none_or(|number| number == slot.slot);
        let told = self.told().any(|sighting| match &sighting.what {
            Seen::PossibleLoss { slot, .. } => is_its(slot),
            _ => false,
        });
        told || self.is_founded_again(is_its)
    }

    /// Whether the slot that was opened in this epoch was opened with less than a majority had, in it or in another, between two moments:
    /// what comes after that is not promised. Nor is it where the slot was founded again since by those who have lost their memory: whoever
    /// had it and is out of their reach goes on.
    pub(super) fn may_have_lost_between(&self, registry: &str, epoch: u64, after: Stamp, before: Stamp) -> bool {
        let opened = self.told().find_map(|sighting| match &sighting.what {
            Seen::Opened { slot, epoch: opened, .. } if *opened == epoch && slot.registry == registry => {
                Some((slot, sighting.at))
            }
            _ => None,
        });
        let Some((slot, opened)) = opened else { return false };
        let lost =
            |sighting: &Sighting| matches!(&sighting.what, Seen::PossibleLoss { slot: lost, .. } if lost == slot);
        let founded = |founding: &SecondFounding<'_>| (opened..before).contains(&founding.at);
        self.told().any(|sighting| after < sighting.at && sighting.at < before && lost(sighting))
            || self.foundings(|of| of == slot).any(|founding| founded(&founding) && self.is_earned(&founding))
    }

    fn told(&self) -> impl Iterator<Item = &Sighting> {
        self.sightings.iter().chain(&self.excuses)
    }

    /// Whether such a slot was founded again for a good reason.
    fn is_founded_again(&self, is_such: impl Fn(&SlotOf) -> bool) -> bool {
        self.foundings(is_such).any(|founding| self.is_earned(&founding))
    }

    /// Whether half or more of the processes of the last set had ended, or half or more of the founders remember nothing of it: then nobody
    /// need be left, or be heard, who could say that anything is lost.
    pub(super) fn is_earned(&self, founding: &SecondFounding<'_>) -> bool {
        let SecondFounding { at, former, opened, .. } = *founding;
        let remembers = |host: &String| {
            let fates = || self.records.fates.iter().filter(|(_, name, _)| **name == **host);
            let was_up = fates().rfind(|(moment, ..)| *moment < opened).is_some_and(|(.., fate)| !fate.is_end());
            was_up && !fates().any(|(moment, _, fate)| fate.is_end() && opened < *moment && *moment < at)
        };
        let founders = (1..=self.rules.founders).map(|number| format!("n{number}"));
        let knowing = self.knowing(founding);
        let remembering = founders.filter(|host| remembers(host) && knowing.contains(host.as_str())).count();
        let all = usize::from(self.rules.founders);
        self.is_half_over(former, at) || (all > 0 && 2 * remembering <= all)
    }

    /// The hosts whose process may know of the slot when it is founded again: it ran when the slot was first opened, or has met one since that
    /// knew. One that was born on the wrong side of a cut has met nobody, whoever else ran meanwhile.
    fn knowing(&self, founding: &SecondFounding<'_>) -> BTreeSet<&str> {
        let first = self.told().filter_map(|sighting| match &sighting.what {
            Seen::Opened { slot, .. } if slot == founding.slot => Some(sighting.at),
            _ => None,
        });
        let first = first.min().unwrap_or(founding.at);
        let fates = self.records.fates.iter().map(|(at, host, fate)| (*at, &**host, Turn::Fate(fate)));
        let met = self.told().filter_map(|sighting| match &sighting.what {
            Seen::Member { member, change, .. } if *change != Change::Down => {
                Some((sighting.at, &*sighting.node, Turn::Met(member)))
            }
            _ => None,
        });
        let mut turns: Vec<_> = fates.chain(met).filter(|(at, ..)| *at < founding.at).collect();
        turns.sort_by_key(|(at, ..)| *at);
        let mut knowing = BTreeSet::new();
        for (at, host, turn) in turns {
            match turn {
                Turn::Fate(fate) if fate.is_end() => _ = knowing.remove(host),
                Turn::Fate(fate) if fate.is_birth() && at <= first => _ = knowing.insert(host),
                Turn::Met(member) if knowing.contains(member) => _ = knowing.insert(host),
                _ => {}
            }
        }
        knowing
    }

    /// The foundings of such slots that had been opened before.
    pub(super) fn foundings(&self, is_such: impl Fn(&SlotOf) -> bool) -> impl Iterator<Item = SecondFounding<'_>> {
        let openings = || {
            self.told().filter_map(|sighting| match &sighting.what {
                Seen::Opened { slot, why, set, .. } => Some((sighting, slot, why, set)),
                _ => None,
            })
        };
        openings().filter(move |(_, slot, why, _)| *why == "Founding" && is_such(slot)).filter_map(
            move |(founding, slot, ..)| {
                let before = openings().filter(|(opened, other, ..)| *other == slot && opened.at < founding.at);
                let (last, .., former) = before.max_by_key(|(opened, ..)| opened.at)?;
                Some(SecondFounding { slot, node: &founding.node, at: founding.at, former, opened: last.at })
            },
        )
    }

    /// Whether half or more of a set's processes, named as `node@start`, have ended or begun to leave before a moment.
    pub(super) fn is_half_over(&self, set: &str, before: Stamp) -> bool {
        let (all, over) = (set.split('+').count(), self.over(set, before));
        2 * over >= all
    }

    /// How many of a set's processes have.
    pub(super) fn over(&self, set: &str, before: Stamp) -> usize {
        set.split('+').filter(|process| self.is_over(process, before)).count()
    }

    fn is_over(&self, process: &str, before: Stamp) -> bool {
        let Some((host, born_ms)) = self.born(process) else { return false };
        let fates = self.records.fates.iter().filter(|(_, name, _)| **name == *host);
        // A process is born no sooner than its host is told to start it.
        let up = fates.clone().filter(|(at, _, fate)| fate.is_birth() && at.at_ms <= born_ms).map(|(at, ..)| *at).max();
        up.is_some_and(|up| fates.clone().any(|(at, _, fate)| fate.is_end() && up < *at && *at < before))
    }

    /// The host of a process that is named as `node@start`, and when it was born by the run's own clock, in milliseconds.
    fn born<'a>(&self, process: &'a str) -> Option<(&'a str, u64)> {
        let (host, start) = process.split_once('@')?;
        Some((host, start.parse::<u64>().ok()?.saturating_sub(self.rules.genesis_ms)))
    }

    /// Instances that somebody tried to destroy: what they carried may be gone for a good reason.
    pub(super) fn may_be_destroyed(&self, place: Place) -> bool {
        self.records.calls.iter().any(|call| call.ask.place == place && call.ask.op == Op::Destroy)
    }
}
