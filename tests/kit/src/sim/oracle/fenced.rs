//! No owner below its epoch executes.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{Era, Fate, Stamp};
use crate::sim::sighting::{Seen, SlotOf};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "fenced",
    statement: "a node starts exclusive commands of a slot only in an epoch that it has opened itself and not closed since, and \
                in one life never in a lower epoch than before",
    source: "CONTRACT 4, an attempt carries its epoch, and 8; SCENARIOS 2.1, G10, and 2.3, Q1",
    judge,
};

/// What a node does with a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    Open(u64),
    Closed(u64),
}

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut moments: BTreeMap<Stamp, Moment<'_>> = BTreeMap::new();
    let runs = evidence.records.runs.iter().filter(|run| run.op.changes());
    moments.extend(runs.map(|run| (run.begun, Moment::Run(run))));
    moments.extend(evidence.records.fates.iter().map(|(at, host, fate)| (*at, Moment::Fate(host, *fate))));
    for sighting in &evidence.sightings {
        if let Seen::Opened { slot, epoch, .. } = &sighting.what {
            moments.insert(sighting.at, Moment::Slot(&sighting.node, slot, Holds::Open(*epoch)));
        }
        if let Seen::Closed { slot, epoch, .. } = &sighting.what {
            moments.insert(sighting.at, Moment::Slot(&sighting.node, slot, Holds::Closed(*epoch)));
        }
    }

    let mut highest: BTreeMap<(&str, crate::sim::history::Place), u64> = BTreeMap::new();
    let mut held: BTreeMap<(&str, &SlotOf), Holds> = BTreeMap::new();
    for (at, moment) in moments {
        match moment {
            Moment::Fate(host, Fate::Up | Fate::Crashed | Fate::Left) => {
                highest.retain(|(node, _), _| *node != host);
                held.retain(|(node, _), _| *node != host);
            }
            Moment::Fate(..) => {}
            Moment::Slot(node, slot, holds) => {
                let is_news = match (held.get(&(node, slot)), holds) {
                    (Some(Holds::Open(open)), Holds::Closed(closed)) => closed >= *open,
                    _ => true,
                };
                if is_news {
                    held.insert((node, slot), holds);
                }
            }
            Moment::Run(run) => {
                let floor = highest.entry((&run.host, run.place)).or_insert(run.epoch);
                if run.epoch < *floor {
                    findings.fault(&INVARIANT, at, format!("{run} begins after one in {}", Era(*floor)));
                }
                *floor = run.epoch.max(*floor);
                let Some(slot) = evidence.records.slots.get(&run.place) else { continue };
                let slot = SlotOf { registry: run.place.registry.to_owned(), slot: *slot };
                if evidence.sightings.is_empty()
                    || held.get(&(run.host.as_str(), &slot)) == Some(&Holds::Open(run.epoch))
                {
                    continue;
                }
                let what = match held.get(&(run.host.as_str(), &slot)) {
                    Some(Holds::Open(epoch)) => format!("has it open in {}", Era(*epoch)),
                    Some(Holds::Closed(epoch)) => format!("has closed it in {}", Era(*epoch)),
                    None => "has not opened it".to_owned(),
                };
                findings.fault(&INVARIANT, at, format!("{run} begins in {slot}, and the node {what}"));
            }
        }
    }
}

enum Moment<'a> {
    Run(&'a crate::sim::history::RunRecord),
    Fate(&'a str, Fate),
    Slot(&'a str, &'a SlotOf, Holds),
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::{Story, slot};

    use super::*;

    fn closes(story: &mut Story, node: &str, epoch: u64) {
        story.sees(node, Seen::Closed { slot: slot(), epoch, why: "Superseded".to_owned() });
    }

    #[test]
    fn runs_in_an_epoch_that_is_over_are_found() {
        let mut story = Story::new();
        story.opens("n2", 7, "Founding").done(1, Op::Add(1), 1, "n2", 7);
        closes(&mut story, "n2", 7);
        story.done(1, Op::Add(1), 2, "n2", 7);
        let faults = found(&INVARIANT, &story.evidence());
        assert!(faults.len() == 1 && faults[0].ends_with("the node has closed it in epoch 0:7"), "{faults:?}");
    }

    #[test]
    fn falling_epochs_are_found_without_telemetry() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 8).done(1, Op::Add(1), 2, "n3", 7).done(1, Op::Add(1), 2, "n2", 7);
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn each_opening_gives_the_right_to_its_own_epoch() {
        let mut story = Story::new();
        story.opens("n2", 7, "Founding").done(1, Op::Add(1), 1, "n2", 7);
        story.opens("n2", 9, "Repair");
        closes(&mut story, "n2", 7);
        story.done(1, Op::Add(1), 2, "n2", 9);
        story.fate("n2", Fate::Crashed).fate("n2", Fate::Up).opens("n2", 8, "Return").done(1, Op::Add(1), 1, "n2", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
        story.done(1, Op::Add(1), 1, "n3", 10);
        let faults = found(&INVARIANT, &story.evidence());
        assert!(faults.len() == 1 && faults[0].ends_with("the node has not opened it"), "{faults:?}");
    }
}
