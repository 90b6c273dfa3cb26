//! What is left of an instance carries no effect twice.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Era};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "one-effect",
    statement: "no effect stands twice in what is left of an instance, whether its call was repeated under a name or sent again without one: \
                while the owner keeps the instance it keeps the receipt. (What a lost owner had is not left: `no-second-effect` is about that, too.)",
    source: "CONTRACT 1, receipt; CONTRACT 8, Resend; SCENARIOS 2.1, G3",
    judge,
};

// Two runs of one call that return are not the fault, not even on one node in one epoch: the first one's result is discarded when the lease
// had run out by then, and the second is right. So it is the state that tells.
fn judge(evidence: &Evidence, findings: &mut Findings) {
    for audit in &evidence.records.audits {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        audit.effects.iter().for_each(|effect| *counts.entry(*effect).or_default() += 1);
        counts.retain(|_, count| *count > 1);
        if counts.is_empty() {
            continue;
        }
        for call in evidence.records.calls.iter().filter(|call| call.ask.place == audit.place) {
            if let Some(count) = counts.remove(&call.effect()) {
                let how = if is_named(call) { "named" } else { "sent again" };
                let runs: Vec<String> = runs_of(evidence, call).collect();
                let what = format!("{call}, {how}, took effect {count} times; it ran {}", runs.join(", "));
                findings.fault(&INVARIANT, audit.at, what);
            }
        }
    }
}

/// Where the call ran, or any other that stands for the same effect.
fn runs_of<'a>(evidence: &'a Evidence, call: &'a CallRecord) -> impl Iterator<Item = String> {
    let stands = |id| evidence.records.call(id).is_some_and(|other| other.effect() == call.effect());
    let runs = evidence.records.runs.iter().filter(move |run| run.place == call.ask.place && stands(run.call));
    runs.map(|run| format!("on {} in {} at {} ms", run.host, Era(run.epoch), run.begun.at_ms))
}

fn is_named(call: &CallRecord) -> bool {
    call.ask.effect.is_some()
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn a_second_effect_is_found_with_and_without_a_name() {
        let mut story = Story::new();
        let sent_again = story.call(1, Op::Add(1), 500);
        let named = story.call_as(1, Op::Add(1), 500, Some(90));
        story.run(sent_again, "n2", 7).run(sent_again, "n2", 7).ok(sent_again, 2, "n2", 7);
        story.run(named, "n2", 7).run(named, "n2", 7).ok(named, 4, "n2", 7);
        story.audit(1, 4, &[sent_again.0, sent_again.0, 90, 90]);
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            [
                "call 1 (n1/1, ledger[1] add 1), sent again, took effect 2 times; it ran on n2 in epoch 0:7 at 0 ms, on n2 in epoch 0:7 at 0 ms",
                "call 2 (n1/1, ledger[1] add 1), named, took effect 2 times; it ran on n2 in epoch 0:7 at 0 ms, on n2 in epoch 0:7 at 0 ms",
            ]
        );
    }

    #[test]
    fn a_run_whose_result_was_discarded_is_none() {
        let mut story = Story::new();
        let call = story.call(1, Op::Add(1), 500);
        story.run(call, "n2", 7).run(call, "n2", 7).ok(call, 1, "n2", 7);
        story.audit(1, 1, &[call.0]);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
