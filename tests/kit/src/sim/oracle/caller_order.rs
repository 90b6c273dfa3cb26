//! The order of one caller, per key.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Outcome, RunRecord, Stamp};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "caller-order",
    statement: "of two exclusive commands that one caller issues on one key without waiting, the second does not start before \
                the first, where both reach one owner in one epoch by their first attempts and the caller knew that owner",
    source: "SCENARIOS 2.1, G7; CONTRACT 2, one at a time per key",
    judge,
};

/// A call's only run, which was its first attempt.
struct Direct<'a> {
    call: &'a CallRecord,
    run: &'a RunRecord,
}

/// An attempt that was refused comes back a little later, and a call that waits for news of an owner may be overtaken by one
/// that finds it already known: neither says anything about order. So only those calls are compared that went straight to an
/// owner from whom their caller had heard in the same epoch before.
fn judge(evidence: &Evidence, findings: &mut Findings) {
    let records = &evidence.records;
    let mut runs: BTreeMap<_, Vec<&RunRecord>> = BTreeMap::new();
    for run in &records.runs {
        runs.entry(run.call).or_default().push(run);
    }
    // The first word of each owner that each caller heard, and the caller's latest start with each.
    let mut heard: BTreeMap<_, Stamp> = BTreeMap::new();
    for call in &records.calls {
        if let Some((at, Outcome::Ok { ran: Some(ran), .. })) = call.ends.first() {
            let owner = (&call.ask.host, call.ask.place, ran.node.as_str(), ran.epoch);
            let first = heard.entry(owner).or_insert(*at);
            *first = (*first).min(*at);
        }
    }
    let mut last: BTreeMap<_, Direct<'_>> = BTreeMap::new();
    for call in records.calls.iter().filter(|call| call.ask.op.changes() && call.ask.effect.is_none()) {
        let Some([run]) = runs.get(&call.id).map(Vec::as_slice) else { continue };
        let knew = heard.get(&(&call.ask.host, call.ask.place, run.host.as_str(), run.epoch));
        if run.attempt != 1 || knew.is_none_or(|knew| *knew > call.begun) {
            continue;
        }
        let lane = (&call.ask.host, call.ask.client, call.ask.place, run.host.as_str(), run.epoch);
        if let Some(before) = last.get(&lane)
            && before.run.begun > run.begun
        {
            let what = format!("{} begins before {}, though {} was issued first", run, before.run, before.call);
            findings.fault(&INVARIANT, run.begun, what);
        }
        last.insert(lane, Direct { call, run });
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn overtaking_is_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 7);
        let (one, two) = (story.call(1, Op::Add(1), 500), story.call(1, Op::Add(1), 500));
        story.run(two, "n2", 7).run(one, "n2", 7).ok(one, 3, "n2", 7).ok(two, 2, "n2", 7);
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn order_other_keys_other_owners_and_news_are_no_faults() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 7).done(2, Op::Add(1), 1, "n2", 7);
        let (one, two, other) =
            (story.call(1, Op::Add(1), 500), story.call(1, Op::Add(1), 500), story.call(2, Op::Add(1), 500));
        story.run(other, "n2", 7).run(one, "n2", 7).run(two, "n2", 7);
        // Both waited for an owner that their caller had not heard of.
        let (one, two) = (story.call(1, Op::Add(1), 500), story.call(1, Op::Add(1), 500));
        story.run(two, "n3", 8).run(one, "n3", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
