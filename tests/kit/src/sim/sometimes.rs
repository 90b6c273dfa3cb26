//! Rare situations by name, and how often runs came to them. One that is never reached tests nothing.

use std::collections::BTreeMap;
use std::fmt;

use registry_runtime::Executed;

use super::history::{Ending, Fate, Outcome, Reply, Stamp};
use super::oracle::Evidence;
use super::sighting::{Change, Seen, Sighting, SlotOf};

/// A rare situation.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Its name.
    pub name: &'static str,
    /// How often a run came to it.
    count: fn(&Evidence) -> u64,
}

/// All of them.
pub const SITUATIONS: [Situation; 25] = [
    Situation {
        name: "a call ended Unknown or Maybe",
        count: |run| outcomes(run, |outcome| outcome.executed() == Executed::Maybe),
    },
    Situation {
        name: "a call ended with executed() == No",
        count: |run| outcomes(run, |outcome| outcome.executed() == Executed::No),
    },
    Situation { name: "a call was refused as Overloaded", count: |run| errors(run, "Overloaded") },
    Situation { name: "a call ended for lack of a majority", count: |run| errors(run, "NoMajority") },
    Situation { name: "a call ended on a reserved slot", count: |run| errors(run, "Reserved") },
    Situation { name: "a call ended because the owner was away", count: |run| errors(run, "OwnerAway") },
    Situation { name: "a call lost its owner while it ran", count: |run| errors(run, "OwnerLost") },
    Situation { name: "a call lost its connection", count: |run| errors(run, "ConnectionLost") },
    Situation { name: "a call followed too many owners", count: |run| errors(run, "TooManyHops") },
    Situation { name: "a caller dropped a call that ran", count: dropped_while_running },
    Situation { name: "a command panicked", count: |run| errors(run, "Panicked") },
    Situation { name: "an instance was created anew", count: created_anew },
    Situation {
        name: "a command ran at a later attempt",
        count: |run| count(&run.records.runs, |run| run.attempt > 1),
    },
    Situation {
        name: "a run was stopped",
        count: |run| count(&run.records.runs, |run| ended(run.ended, Ending::Stopped)),
    },
    Situation { name: "a command ran under an epoch that was over elsewhere", count: ran_under_an_old_epoch },
    Situation {
        name: "an opening was interrupted",
        count: |run| sightings(run, |seen| matches!(seen, Seen::Outbid { .. })),
    },
    Situation { name: "a slot failed over", count: |run| opened(run, "Failover") },
    Situation { name: "a slot was handed over", count: |run| opened(run, "HandedOver") },
    Situation { name: "a slot that nobody took was taken back", count: |run| opened(run, "TakeBack") },
    Situation {
        name: "a slot opened with less than a majority had",
        count: |run| sightings(run, |seen| matches!(seen, Seen::PossibleLoss { .. })),
    },
    Situation { name: "a view changed during a seal", count: view_changed_during_a_seal },
    Situation { name: "a suspicion was refuted", count: |run| members(run, Change::Refuted) },
    Situation { name: "a zombie came back to a slot that had moved", count: zombies },
    Situation {
        name: "a live node was declared down and came back",
        count: |run| sightings(run, |seen| *seen == Seen::Rejoined),
    },
    Situation {
        name: "a node saw too few and served nothing",
        count: |run| sightings(run, |seen| *seen == Seen::Halted),
    },
];

/// Situations and how often runs came to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sometimes {
    runs: u64,
    /// How often, and in how many runs.
    reached: BTreeMap<&'static str, (u64, u64)>,
}

impl Sometimes {
    /// Takes in a run.
    pub fn add(&mut self, run: &Evidence) {
        self.runs += 1;
        for situation in &SITUATIONS {
            self.note(situation.name, (situation.count)(run));
        }
    }

    /// Takes in that a run came so many times to a situation, one of [`SITUATIONS`] or another that is counted elsewhere.
    pub fn note(&mut self, name: &'static str, times: u64) {
        let (total, runs) = self.reached.entry(name).or_default();
        *total += times;
        *runs += u64::from(times > 0);
    }

    /// Takes in what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        for (name, (times, runs)) in &other.reached {
            let (total, all) = self.reached.entry(name).or_default();
            *total += times;
            *all += runs;
        }
    }

    /// The situations that no run came to. A series long enough must reach them all.
    pub fn never(&self) -> Vec<&'static str> {
        self.reached.iter().filter(|(_, (times, _))| *times == 0).map(|(name, _)| *name).collect()
    }
}

/// A table: name, how often, in how many runs.
impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<56} {:>9} {:>7}", "sometimes", "times", "runs")?;
        for (name, (times, runs)) in &self.reached {
            let never = if *times == 0 { "  never reached" } else { "" };
            writeln!(f, "{name:<56} {times:>9} {runs:>7}{never}")?;
        }
        writeln!(f, "{} runs", self.runs)
    }
}

fn count<T>(all: &[T], is_one: impl Fn(&T) -> bool) -> u64 {
    all.iter().filter(|one| is_one(one)).count() as u64
}

fn outcomes(run: &Evidence, is_one: impl Fn(&Outcome) -> bool) -> u64 {
    count(&run.records.calls, |call| call.outcome().is_some_and(&is_one))
}

fn errors(run: &Evidence, word: &str) -> u64 {
    outcomes(run, |outcome| matches!(outcome, Outcome::Failed { error, .. } if error.contains(word)))
}

fn ended(end: Option<(Stamp, Ending)>, wanted: Ending) -> bool {
    end.is_some_and(|(_, ending)| ending == wanted)
}

fn sightings(run: &Evidence, is_one: impl Fn(&Seen) -> bool) -> u64 {
    count(&run.sightings, |sighting| is_one(&sighting.what))
}

fn opened(run: &Evidence, wanted: &str) -> u64 {
    sightings(run, |seen| matches!(seen, Seen::Opened { why, .. } if why == wanted))
}

fn members(run: &Evidence, wanted: Change) -> u64 {
    sightings(run, |seen| matches!(seen, Seen::Member { change, .. } if *change == wanted))
}

fn dropped_while_running(run: &Evidence) -> u64 {
    let running = run.records.runs.iter().filter(|body| {
        let dropped = run.records.call(body.call).and_then(|call| call.ends.first());
        let Some((at, Outcome::Dropped)) = dropped else { return false };
        body.begun < *at && body.ended.is_none_or(|(end, _)| end > *at)
    });
    running.count() as u64
}

/// `Create` that was acknowledged after an acknowledged `Destroy` of the same instance.
fn created_anew(run: &Evidence) -> u64 {
    use super::history::Op;
    let mut gone = std::collections::BTreeSet::new();
    let mut anew = 0;
    for call in run.records.calls.iter().filter(|call| call.outcome().and_then(Outcome::reply).is_some()) {
        match call.ask.op {
            Op::Destroy if call.acknowledged().is_some() => _ = gone.insert(call.ask.place),
            Op::Create(_) if call.outcome().and_then(Outcome::reply) != Some(Reply::Exists) => {
                anew += u64::from(gone.remove(&call.ask.place));
            }
            _ => {}
        }
    }
    anew
}

/// Runs that had not ended when another node opened their slot in a higher epoch.
fn ran_under_an_old_epoch(run: &Evidence) -> u64 {
    let mut openings: BTreeMap<(&str, u32), Vec<(&Sighting, u64)>> = BTreeMap::new();
    for sighting in &run.sightings {
        if let Seen::Opened { slot, epoch, .. } = &sighting.what {
            openings.entry((&slot.registry, slot.slot)).or_default().push((sighting, *epoch));
        }
    }
    let overtaken = run.records.runs.iter().filter(|body| body.op.changes()).filter(|body| {
        let Some(slot) = run.records.slots.get(&body.place) else { return false };
        let end = body.ended.map_or(Stamp { sequence: u64::MAX, at_ms: u64::MAX }, |(end, _)| end);
        openings.get(&(body.place.registry, *slot)).into_iter().flatten().any(|(sighting, epoch)| {
            *epoch > body.epoch && sighting.node != body.host && sighting.at > body.begun && sighting.at < end
        })
    });
    overtaken.count() as u64
}

/// Seals under which the view changed: a member changed, in the eyes of a node that had handed a slot over, before anybody opened that slot
/// or the node's process ended.
fn view_changed_during_a_seal(run: &Evidence) -> u64 {
    let changed = |seal: &&Sighting| {
        let Seen::HandedOver { slot, .. } = &seal.what else { return false };
        let gone = run.records.gone_after(&seal.node, seal.at);
        let later = run.sightings.iter().filter(|sighting| sighting.at > seal.at);
        let mut until_over = later.take_while(|sighting| {
            let is_open = matches!(&sighting.what, Seen::Opened { slot: opened, .. } if opened == slot);
            !is_open && gone.is_none_or(|gone| sighting.at < gone)
        });
        until_over.any(|sighting| sighting.node == seal.node && matches!(sighting.what, Seen::Member { .. }))
    };
    run.sightings.iter().filter(changed).count() as u64
}

/// Nodes that were frozen, and that closed a slot after they had been thawed, which another had opened in a higher epoch meanwhile.
fn zombies(run: &Evidence) -> u64 {
    let has_moved = |slot: &SlotOf, epoch: u64, closed: &Sighting| {
        run.sightings.iter().any(|sighting| match &sighting.what {
            Seen::Opened { slot: opened, epoch: higher, .. } => {
                opened == slot && *higher > epoch && sighting.node != closed.node && sighting.at < closed.at
            }
            _ => false,
        })
    };
    let thaws = run.records.fates.iter().filter(|(_, _, fate)| *fate == Fate::Thawed);
    let came_back = thaws.filter(|(thawed, host, _)| {
        run.sightings.iter().any(|sighting| match &sighting.what {
            Seen::Closed { slot, epoch, .. } => {
                let is_soon = sighting.at > *thawed && sighting.at.at_ms < thawed.at_ms + SOON_MS;
                sighting.node == **host && is_soon && has_moved(slot, *epoch, sighting)
            }
            _ => false,
        })
    });
    came_back.count() as u64
}

/// How long after its thaw a node is a zombie: it learns what it has missed within a few round trips.
const SOON_MS: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Op;
    use crate::sim::oracle::story::{Story, slot};

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = SITUATIONS.iter().map(|situation| situation.name).collect();
        assert_eq!(names.len(), SITUATIONS.len());
    }

    #[test]
    fn situations_are_recognised() {
        let mut story = Story::new();
        story.opens("n2", 7, "Founding");
        let call = story.call(1, Op::Add(1), 500);
        let run = story.begin_run(call, "n2", 7);
        story.end(call, Outcome::Dropped).fate("n2", Fate::Frozen);
        story.member("n3", "n2", Change::Suspect).member("n3", "n2", Change::Down).opens("n3", 8, "Failover");
        story.at(9_000).fate("n2", Fate::Thawed).end_run(run);
        story.sees("n2", Seen::Closed { slot: slot(), epoch: 7, why: "DeclaredDown".to_owned() });
        story.sees("n2", Seen::Rejoined).sees("n3", Seen::HandedOver { slot: slot(), to: "n2".to_owned() });
        story.member("n3", "n4", Change::Up).opens("n2", 9, "HandedOver");

        let mut sometimes = Sometimes::default();
        sometimes.add(&story.evidence());
        let reached = |name: &str| sometimes.reached[name].0;
        for name in [
            "a caller dropped a call that ran",
            "a call ended Unknown or Maybe",
            "a command ran under an epoch that was over elsewhere",
            "a slot failed over",
            "a slot was handed over",
            "a view changed during a seal",
            "a zombie came back to a slot that had moved",
            "a live node was declared down and came back",
        ] {
            assert_eq!(reached(name), 1, "{name}");
        }
        assert_eq!(sometimes.never().len(), SITUATIONS.len() - 8);
        let mut twice = sometimes.clone();
        twice.merge(&sometimes);
        assert_eq!(twice.reached["a slot failed over"], (2, 2));
        assert!(twice.to_string().contains("a command panicked"));
    }
}
