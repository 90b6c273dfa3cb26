//! An epoch has one owner.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Outcome};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "one-owner",
    statement: "never do two nodes acknowledge updates of one key in one epoch",
    source: "CONTRACT 1, epoch, and 8, only one owner can get updates acknowledged; SCENARIOS 2.3, Q1",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
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
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            ["call 4 (n1/1, ledger[1] add 1) was acknowledged by n3 in the epoch in which n2 acknowledged \
             call 1 (n1/1, ledger[1] add 1)"]
        );
    }
}
