//! One at a time per key, per node.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{RunRecord, Stamp};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "alone",
    statement: "on one node two exclusive commands of one key never run at once",
    source: "SCENARIOS 2.1, G6; CONTRACT 2, update and destroy: one at a time per key",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut running: BTreeMap<_, (&RunRecord, Option<Stamp>)> = BTreeMap::new();
    for run in evidence.records.runs.iter().filter(|run| run.op.changes()) {
        // A process that is gone runs nothing, whatever its last words were.
        let gone = evidence.records.gone_after(&run.host, run.begun);
        let own = run.ended.map(|(end, _)| end);
        let end = match (own, gone) {
            (Some(own), Some(gone)) => Some(own.min(gone)),
            (own, gone) => own.or(gone),
        };
        let before = running.insert((run.host.as_str(), run.place), (run, end));
        if let Some((before, end)) = before
            && end.is_none_or(|end| end > run.begun)
        {
            findings.fault(&INVARIANT, run.begun, format!("{run} begins while {before} runs"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::{Fate, Op};
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn two_at_once_are_found() {
        let mut story = Story::new();
        let (one, two) = (story.call(1, Op::Add(1), 500), story.call(1, Op::Add(1), 500));
        let run = story.begin_run(one, "n2", 7);
        story.run(two, "n2", 7).end_run(run);
        let faults = found(&INVARIANT, &story.evidence());
        assert_eq!(faults.len(), 1, "{faults:?}");
    }

    #[test]
    fn other_keys_nodes_lives_and_reads_may() {
        let mut story = Story::new();
        let one = story.call(1, Op::Add(1), 500);
        story.begin_run(one, "n2", 7);
        let (other_key, read, other) =
            (story.call(2, Op::Add(1), 500), story.call(1, Op::Read, 500), story.call(1, Op::Add(1), 500));
        story.run(other_key, "n2", 7).run(read, "n2", 7).run(other, "n3", 8);
        let later = story.fate("n2", Fate::Crashed).fate("n2", Fate::Up).call(1, Op::Add(1), 500);
        story.run(later, "n2", 9);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
