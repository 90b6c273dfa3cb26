//! `executed() == No` is a promise.

use std::collections::BTreeSet;

use registry_runtime::Executed;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::CallRecord;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "never-started",
    statement: "a call that ends with executed() == No is started by no node, before its end or after",
    source: "CONTRACT 4, `executed() == No` is a promise; SCENARIOS 2.1, G2",
    judge,
};

/// Whether something was started is known of all calls under one idempotency key together: only if each of them ends so, none
/// may have run.
fn judge(evidence: &Evidence, findings: &mut Findings) {
    let is_no = |call: &CallRecord| call.outcome().is_some_and(|outcome| outcome.executed() == Executed::No);
    let repeated = evidence.records.calls.iter().filter(|call| !is_no(call)).filter_map(|call| call.ask.effect);
    let may_run: BTreeSet<u64> = repeated.collect();
    for run in &evidence.records.runs {
        let Some(call) = evidence.records.call(run.call) else { continue };
        if call.ask.effect.is_some_and(|effect| may_run.contains(&effect)) {
            continue;
        }
        for (_, outcome) in &call.ends {
            if outcome.executed() == Executed::No {
                findings.fault(
                    &INVARIANT,
                    run.begun,
                    format!("{run} begins at {}, but {call} ended {outcome}", run.begun),
                );
            }
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
    fn a_run_before_or_after_such_an_end_is_found() {
        for before in [true, false] {
            let mut story = Story::new();
            let call = story.call(1, Op::Add(1), 500);
            if before {
                story.run(call, "n2", 7).fail(call, Executed::No);
            } else {
                story.fail(call, Executed::No).run(call, "n2", 7);
            }
            let faults = found(&INVARIANT, &story.evidence());
            assert!(faults[0].starts_with("run 1 of call 1"), "{faults:?}");
        }
    }

    #[test]
    fn of_calls_under_one_key_all_must_have_ended_so() {
        for second in [Executed::Maybe, Executed::No] {
            let mut story = Story::new();
            let first = story.call_as(1, Op::Add(1), 500, Some(90));
            let again = story.fail(first, Executed::No).call_as(1, Op::Add(1), 500, Some(90));
            story.run(first, "n2", 7).fail(again, second);
            assert_eq!(found(&INVARIANT, &story.evidence()).is_empty(), second == Executed::Maybe);
        }
    }

    #[test]
    fn maybe_may_run() {
        let mut story = Story::new();
        let (maybe, no) = (story.call(1, Op::Add(1), 500), story.call(1, Op::Add(1), 500));
        story.run(maybe, "n2", 7).fail(maybe, Executed::Maybe).fail(no, Executed::No);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
