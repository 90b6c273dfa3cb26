//! An epoch has one owner.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Outcome, RunRecord};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "one-owner",
    statement: "never do two nodes run exclusive commands of one key in one epoch, let alone acknowledge them",
    source: "CONTRACT 1, epoch, and 8, only one owner can get updates acknowledged; SCENARIOS 2.3, Q1",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut runners: BTreeMap<_, &RunRecord> = BTreeMap::new();
    for run in evidence.records.runs.iter().filter(|run| run.op.changes()) {
        let first = runners.entry((run.place, run.epoch)).or_insert(run);
        if first.host != run.host {
            findings.fault(&INVARIANT, run.begun, format!("{run} begins in the epoch of {first}"));
        }
    }
    let mut owners: BTreeMap<_, (&str, &CallRecord)> = BTreeMap::new();
    for call in evidence.records.calls.iter().filter(|call| call.ask.op.changes()) {
        let Some((at, Outcome::Ok { ran: Some(ran), .. })) = call.ends.first() else { continue };
        let (node, first) = owners.entry((call.ask.place, ran.epoch)).or_insert((&ran.node, call));
        if *node != ran.node {
            findings.fault(
                &INVARIANT,
                *at,
                format!("{call} was acknowledged by {} in the epoch in which {node} acknowledged {first}", ran.node),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn two_owners_of_one_epoch_are_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 7).done(2, Op::Add(1), 1, "n3", 7).done(1, Op::Add(1), 1, "n3", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
        story.done(1, Op::Add(1), 2, "n3", 7);
        let faults = found(&INVARIANT, &story.evidence());
        let runs =
            "run 4 of call 4 (ledger[1] add 1 on n3 in epoch 0:7, attempt 1) begins in the epoch of run 1 of call 1";
        assert!(faults[0].starts_with(runs), "{faults:?}");
        let acknowledged =
            "was acknowledged by n3 in the epoch in which n2 acknowledged call 1 (n1/1, ledger[1] add 1)";
        assert!(faults.len() == 2 && faults[1].ends_with(acknowledged), "{faults:?}");
    }
}
