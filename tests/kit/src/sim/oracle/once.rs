//! An action that may have run is not sent again.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{Ending, Op, RunRecord};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "once",
    statement: "a call of an action comes to its end in one run at most: it leaves no receipt, so only what provably left nothing is sent again",
    source: "CONTRACT 4, `Unknown`: a safe retry was not possible; SCENARIOS 2.1, G3",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut first: BTreeMap<_, &RunRecord> = BTreeMap::new();
    for run in evidence.records.runs.iter().filter(|run| run.op == Op::Act) {
        if run.ended.is_none_or(|(_, ending)| ending != Ending::Returned) {
            continue;
        }
        if let Some(before) = first.get(&run.call) {
            findings.fault(&INVARIANT, run.begun, format!("{run} returns as {before} did"));
        }
        first.entry(run.call).or_insert(run);
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn a_second_run_is_found() {
        let mut story = Story::new();
        let call = story.call(1, Op::Act, 500);
        story.run(call, "n2", 0).run(call, "n3", 0).ok(call, 1, "n3", 0);
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn what_was_stopped_and_what_leaves_a_receipt_may_run_again() {
        let mut story = Story::new();
        let (read, update) = (story.call(1, Op::Read, 500), story.call(1, Op::Add(1), 500));
        let stopped = story.call(1, Op::Act, 500);
        story.begin_run(stopped, "n2", 0);
        story.run(stopped, "n3", 0);
        story.run(read, "n2", 7).run(read, "n3", 8).run(update, "n2", 7).run(update, "n3", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
