//! A retry has no second effect.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Outcome, Place, Reply};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-second-effect",
    statement: "no effect takes place twice, however often its call was sent or repeated under its idempotency key, and every \
                repetition is answered as the first was",
    source: "CONTRACT 8, What a user may rely on; SCENARIOS 2.1, G3 and G5",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let is_kept = |place: Place| !evidence.may_have_lost(place);
    for audit in evidence.records.audits.iter().filter(|audit| is_kept(audit.place)) {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<u64> = audit.effects.iter().copied().filter(|effect| !seen.insert(*effect)).collect();
        for effect in twice {
            let count = audit.effects.iter().filter(|other| **other == effect).count();
            findings.fault(
                &INVARIANT,
                audit.at,
                format!("the effect {effect} took place {count} times on {}", audit.place),
            );
        }
    }
    let mut first: BTreeMap<_, (Reply, &_)> = BTreeMap::new();
    let repeated = |call: &&CallRecord| call.ask.effect.is_some() && is_kept(call.ask.place);
    for call in evidence.records.calls.iter().filter(repeated) {
        let Some((at, Outcome::Ok { reply, .. })) = call.ends.first() else { continue };
        let (answer, before) = first.entry((call.ask.place, call.effect())).or_insert((*reply, call));
        if answer != reply {
            findings.fault(
                &INVARIANT,
                *at,
                format!("{call} repeats {before}, which was answered {answer}, and is answered {reply}"),
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
    fn a_second_effect_is_found() {
        let mut story = Story::new();
        for number in [1, 2] {
            let call = story.call_as(1, Op::Add(1), 500, Some(90));
            story.run(call, "n2", 7).ok(call, number, "n2", 7);
        }
        story.audit(1, 2, &[90, 90]);
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            [
                "the effect 90 took place 2 times on ledger[1]",
                "call 2 (n1/1, ledger[1] add 1) repeats call 1 (n1/1, ledger[1] add 1), which was answered 1, and is answered 2",
            ]
        );
    }

    #[test]
    fn a_repetition_with_one_effect_and_one_answer_is_none() {
        let mut story = Story::new();
        for _ in 0..2 {
            let call = story.call_as(1, Op::Add(1), 500, Some(90));
            story.ok(call, 1, "n2", 7);
        }
        story.audit(1, 1, &[90]);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
