//! No acknowledged update is lost.

use std::collections::BTreeSet;

use super::{Evidence, Findings, Invariant};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-lost-update",
    statement: "the effect of every acknowledged update is in its instance's last state",
    source: "CONTRACT 8, What a user may rely on; SCENARIOS 4.3",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for audit in &evidence.records.audits {
        if evidence.may_be_destroyed(audit.place) || evidence.may_have_lost(audit.place) {
            continue;
        }
        let there: BTreeSet<u64> = audit.effects.iter().copied().collect();
        for call in &evidence.records.calls {
            let is_here = call.ask.place == audit.place && call.ask.op.changes();
            if is_here && call.acknowledged().is_some_and(|at| at < audit.since) && !there.contains(&call.effect()) {
                findings.fault(&INVARIANT, audit.at, format!("{call} was acknowledged, and its effect is gone"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use registry_runtime::Executed;

    use crate::sim::Sighting;
    use crate::sim::history::{Fate, Op, Stamp};
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::{REGISTRY, Story};
    use crate::sim::sighting::{Seen, SlotOf};

    use super::*;

    #[test]
    fn nobody_is_left_to_say_what_was_lost_when_all_owners_have_died() {
        let mut story = Story::new();
        story.fate("n2", Fate::Up).opens("n2", 7, "Founding").done(1, Op::Add(1), 1, "n2", 7);
        story.opens("n3", 9, "Founding").audit(1, 0, &[]);
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1, "the owner lives");
        let mut story = Story::new();
        story.fate("n2", Fate::Up).opens("n2", 7, "Founding").done(1, Op::Add(1), 1, "n2", 7);
        story.fate("n2", Fate::Crashed).opens("n3", 9, "Founding").audit(1, 0, &[]);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }

    #[test]
    fn a_possible_loss_excuses_its_own_slot_and_no_other() {
        for (slot, expected) in [(0, 0), (1, 1)] {
            let mut story = Story::new();
            story.done(1, Op::Add(1), 1, "n2", 7).audit(1, 0, &[]);
            let what = Seen::PossibleLoss {
                slot: SlotOf { registry: REGISTRY.to_owned(), slot },
                epoch: 8,
                short: "n2@1".to_owned(),
            };
            let mut evidence = story.evidence();
            // Of processes that are judged without their order, too.
            evidence.excuses.push(Sighting { at: Stamp::default(), node: "n3".to_owned(), what });
            assert_eq!(found(&INVARIANT, &evidence).len(), expected, "slot {slot}");
        }
    }

    #[test]
    fn a_lost_update_is_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 7).done(1, Op::Add(1), 2, "n2", 7).done(1, Op::Read, 2, "n2", 7);
        let maybe = story.call(1, Op::Add(1), 500);
        story.fail(maybe, Executed::Maybe).audit(1, 1, &[2]);
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            ["call 1 (n1/1, ledger[1] add 1) was acknowledged, and its effect is gone"]
        );
    }
}
