//! An ex-owner acknowledges nothing.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Ending, Outcome, Place, Ran, Stamp};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "epochs-rise",
    statement: "once an update of a key was acknowledged in an epoch, none that is called and runs afterwards is acknowledged in a \
                lower one, unless the slot was opened with possible loss between, or founded again \
                by those who remember nothing",
    source: "CONTRACT 8, only one owner can get updates acknowledged; SCENARIOS 2.3, Q4",
    judge,
};

struct Acknowledged<'a> {
    call: &'a CallRecord,
    epoch: u64,
    at: Stamp,
}

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut places: BTreeMap<Place, Vec<Acknowledged<'_>>> = BTreeMap::new();
    let runs = named_runs(evidence);
    // A receipt answers a repetition with the reply of a run that was before it, which names where and in which epoch that was.
    let is_told_again = |call: &CallRecord, ran: &Ran| {
        let run = call.ask.effect.and_then(|effect| runs.get(&(call.ask.place, effect, &*ran.node, ran.epoch)));
        run.is_some_and(|begun| *begun < call.begun)
    };
    for call in evidence.records.calls.iter().filter(|call| call.ask.op.changes()) {
        if let Some((at, Outcome::Ok { ran: Some(ran), .. })) = call.ends.first()
            && !is_told_again(call, ran)
        {
            places.entry(call.ask.place).or_default().push(Acknowledged { call, epoch: ran.epoch, at: *at });
        }
    }
    for by_begin in places.values() {
        let mut by_end: Vec<&Acknowledged<'_>> = by_begin.iter().collect();
        by_end.sort_by_key(|acknowledged| acknowledged.at);
        let mut earlier = by_end.into_iter().peekable();
        let mut highest: Option<&Acknowledged<'_>> = None;
        for later in by_begin {
            while let Some(before) = earlier.next_if(|before| before.at < later.call.begun) {
                highest = highest.filter(|high| high.epoch >= before.epoch).or(Some(before));
            }
            let registry = later.call.ask.place.registry;
            let is_excused =
                |high: &Acknowledged<'_>| evidence.may_have_lost_between(registry, later.epoch, high.at, later.at);
            if let Some(high) = highest.filter(|high| high.epoch > later.epoch && !is_excused(high)) {
                let what = format!("an ex-owner acknowledged {} after {} in a higher epoch", later.call, high.call);
                findings.fault(&INVARIANT, later.at, what);
            }
        }
    }
}

/// When the first run under each idempotency key began that came to its end on a node and in an epoch.
fn named_runs(evidence: &Evidence) -> BTreeMap<(Place, u64, &str, u64), Stamp> {
    let mut first = BTreeMap::new();
    for run in &evidence.records.runs {
        if let Some(effect) = evidence.records.call(run.call).and_then(|call| call.ask.effect)
            && run.ended.is_some_and(|(_, ending)| ending == Ending::Returned)
        {
            let begun = first.entry((run.place, effect, run.host.as_str(), run.epoch)).or_insert(run.begun);
            *begun = run.begun.min(*begun);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use registry_runtime::Executed;

    use crate::sim::history::{Fate, Op};
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn an_ex_owner_is_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 7).done(1, Op::Add(1), 2, "n3", 8).done(2, Op::Add(1), 1, "n2", 7);
        // Called before the new epoch had acknowledged anything, answered after.
        let beside = story.call(1, Op::Add(1), 500);
        story.done(1, Op::Add(1), 3, "n3", 9).run(beside, "n3", 8).ok(beside, 4, "n3", 8);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
        story.done(1, Op::Add(1), 2, "n2", 7);
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            [
                "an ex-owner acknowledged call 6 (n1/1, ledger[1] add 1) after call 5 (n1/1, ledger[1] add 1) in a higher epoch"
            ]
        );
    }

    #[test]
    fn a_possible_loss_between_excuses() {
        let told = |lost_first: bool| {
            let mut story = Story::new();
            if lost_first {
                story.may_lose("n2", 7, "n3@1");
            }
            story.opens("n3", 8, "Founding").done(1, Op::Add(1), 1, "n3", 8);
            if !lost_first {
                story.may_lose("n2", 7, "n3@1");
            }
            story.opens("n2", 7, "Failover").done(1, Op::Add(1), 1, "n2", 7);
            found(&INVARIANT, &story.evidence()).len()
        };
        assert_eq!([told(false), told(true)], [0, 1]);
    }

    #[test]
    fn who_has_a_slot_goes_on_where_it_was_founded_again_without_a_memory() {
        for (ended, expected) in [(&["n1", "n3"][..], 0), (&["n1"], 1)] {
            let mut story = Story::new();
            story.rules.founders = 3;
            ["n1", "n2", "n3"].iter().for_each(|host| _ = story.fate(host, Fate::Up));
            story.opens_with("n2", 7, "Repair", "n2@0").at(1_000);
            for host in ended {
                story.fate(host, Fate::Crashed).fate(host, Fate::Up);
            }
            story.opens("n1", 8, "Founding").done(1, Op::Add(1), 1, "n1", 8).done(1, Op::Add(1), 1, "n2", 7);
            let faults = found(&INVARIANT, &story.evidence());
            assert_eq!(faults.len(), expected, "{faults:?}");
        }
    }

    #[test]
    fn a_repetition_is_excused_by_the_run_that_its_receipt_is_of_and_by_no_other() {
        let told = |node: &str, epoch| {
            let mut story = Story::new();
            let first = story.call_as(1, Op::Add(1), 500, Some(90));
            story.run(first, "n2", 7).fail(first, Executed::Maybe);
            let stopped = story.call_as(1, Op::Add(1), 500, Some(90));
            story.begin_run(stopped, "n3", 6);
            story.fail(stopped, Executed::Maybe);
            story.done(1, Op::Add(1), 2, "n4", 8);
            let again = story.call_as(1, Op::Add(1), 500, Some(90));
            story.ok(again, 1, node, epoch);
            found(&INVARIANT, &story.evidence()).len()
        };
        assert_eq!(told("n2", 7), 0, "the receipt of the first run");
        assert_eq!([told("n3", 6), told("n3", 7), told("n2", 5)], [1, 1, 1], "nothing came to its end there and then");
    }
}
