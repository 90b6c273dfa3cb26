//! What was handed over is not used any more.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{Fate, RunRecord, Stamp};
use crate::sim::sighting::{Seen, SlotOf};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "handed-over",
    statement: "a node that has asked the next owner to open a slot starts no exclusive command there until it opens the slot \
                again itself",
    source: "CONTRACT 8, Who opens: the owner seals, it starts nothing new, and hands over; SCENARIOS 2.3, Q1",
    judge,
};

enum Moment<'a> {
    HandedOver(&'a str, &'a SlotOf, &'a str),
    Opened(&'a str, &'a SlotOf),
    Run(&'a RunRecord),
    Ended(&'a str),
}

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut moments: BTreeMap<Stamp, Moment<'_>> = BTreeMap::new();
    let runs = evidence.records.runs.iter().filter(|run| run.op.changes());
    moments.extend(runs.map(|run| (run.begun, Moment::Run(run))));
    let ends =
        evidence.records.fates.iter().filter(|(_, _, fate)| matches!(fate, Fate::Up | Fate::Crashed | Fate::Left));
    moments.extend(ends.map(|(at, host, _)| (*at, Moment::Ended(host))));
    for sighting in &evidence.sightings {
        let moment = match &sighting.what {
            Seen::HandedOver { slot, to } => Moment::HandedOver(&sighting.node, slot, to),
            Seen::Opened { slot, .. } => Moment::Opened(&sighting.node, slot),
            _ => continue,
        };
        moments.insert(sighting.at, moment);
    }
    let mut given: BTreeMap<(&str, &SlotOf), &str> = BTreeMap::new();
    for (at, moment) in moments {
        match moment {
            Moment::HandedOver(node, slot, to) => _ = given.insert((node, slot), to),
            Moment::Opened(node, slot) => _ = given.remove(&(node, slot)),
            Moment::Ended(host) => given.retain(|(node, _), _| *node != host),
            Moment::Run(run) => {
                let Some(slot) = evidence.records.slots.get(&run.place) else { continue };
                let slot = SlotOf { registry: run.place.registry.to_owned(), slot: *slot };
                if let Some(to) = given.get(&(run.host.as_str(), &slot)) {
                    findings.fault(&INVARIANT, at, format!("{run} begins in {slot}, which was handed over to {to}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::{Story, slot};

    use super::*;

    fn handed_over() -> Story {
        let mut story = Story::new();
        story.opens("n2", 7, "Founding").done(1, Op::Add(1), 1, "n2", 7);
        story.sees("n2", Seen::HandedOver { slot: slot(), to: "n3".to_owned() });
        story
    }

    #[test]
    fn a_start_after_the_hand_over_is_found() {
        let mut story = handed_over();
        story.done(1, Op::Add(1), 2, "n2", 7);
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            [
                "run 2 of call 2 (ledger[1] add 1 on n2 in epoch 0:7, attempt 1) begins in slot 0 of ledger, which was handed \
              over to n3"
            ]
        );
    }

    #[test]
    fn the_next_owner_and_who_takes_it_back_may_start() {
        let mut story = handed_over();
        story.opens("n3", 8, "HandedOver").done(1, Op::Add(1), 2, "n3", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
        let mut story = handed_over();
        story.opens("n2", 8, "TakeBack").done(1, Op::Add(1), 2, "n2", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
