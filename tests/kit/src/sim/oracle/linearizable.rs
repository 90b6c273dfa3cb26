//! Each key behaves like one instance.

use std::collections::BTreeMap;

use registry_runtime::Executed;

use super::{Evidence, Findings, Invariant, Kind};
use crate::sim::history::{CallId, CallRecord, Ending, Op, Outcome, Place, Reply};
use crate::sim::linear::{Budget, Cell, Counter, Entry, Log, Model, Verdict, check};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "linearizable",
    statement: "what callers heard of each key could have come from one instance that does one thing at a time, each at some \
                moment between its call and its answer",
    source: "CONTRACT 8, What a user may rely on: each key is linearizable, reads under `reads owner` included",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut histories: BTreeMap<Place, Vec<&CallRecord>> = BTreeMap::new();
    for call in &evidence.records.calls {
        histories.entry(call.ask.place).or_default().push(call);
    }
    let returned = returned(evidence);
    for (place, kind) in evidence.places().into_iter().filter(|(place, _)| !evidence.may_have_lost(*place)) {
        let entries = entries(&histories[&place], |call| {
            let noted_as = call.ask.effect.and_then(|effect| evidence.records.effects.get(&effect));
            returned.get(noted_as.unwrap_or(&call.id)).copied()
        });
        let history: Vec<Entry<Op, Reply>> = entries.iter().map(|(entry, _)| entry.clone()).collect();
        let verdict = match kind {
            Kind::Counter => decide::<Counter>(&history),
            Kind::Log => decide::<Log>(&history),
            Kind::Cell => decide::<Cell>(&history),
        };
        match verdict {
            Verdict::Linearizable => {}
            Verdict::Undecided { steps } => {
                findings.undecided.push(format!("{place}: no answer after {steps} steps"));
            }
            Verdict::Violation(witness) => {
                let next: Vec<_> = witness.next.iter().map(|index| entries[*index].1).collect();
                let at = next.iter().filter_map(|call| Some(call.ends.first()?.0)).min().unwrap_or_default();
                let ends = next.iter().map(|call| match call.ends.first() {
                    Some((end, outcome)) => format!("{call} at {end} {outcome}"),
                    None => call.to_string(),
                });
                let next = ends.collect::<Vec<_>>().join("; ");
                findings.fault(&INVARIANT, at, format!("{place}: {witness}: {next}"));
            }
        }
    }
}

fn decide<M: Model<Op = Op, Reply = Reply>>(history: &[Entry<Op, Reply>]) -> Verdict {
    check::<M>(history, Budget::default())
}

/// When the first run of each call began that returned its reply or may still do so: a run that was stopped or that refused
/// leaves nothing behind.
fn returned(evidence: &Evidence) -> BTreeMap<CallId, u64> {
    let mut first = BTreeMap::new();
    for run in &evidence.records.runs {
        let left_nothing = run.ended.is_some_and(|(_, ending)| ending != Ending::Returned);
        let gone = run.ended.is_none() && evidence.records.gone_after(&run.host, run.begun).is_some();
        if !left_nothing && !gone {
            first.entry(run.call).or_insert(run.begun.sequence);
        }
    }
    first
}

/// The history of one instance, each entry with the call that stands for it.
///
/// Calls of one idempotency key are one entry: it takes effect once, after the first of them has begun and before the first
/// acknowledgement. An unanswered call is pending from the moment when the first run of it began that may have left
/// something; without one it is left out, as are unanswered reads.
fn entries<'a>(
    calls: &[&'a CallRecord],
    returned: impl Fn(&CallRecord) -> Option<u64>,
) -> Vec<(Entry<Op, Reply>, &'a CallRecord)> {
    let mut entries: Vec<(Entry<Op, Reply>, &CallRecord)> = Vec::new();
    let mut by_effect: BTreeMap<u64, usize> = BTreeMap::new();
    for call in calls {
        let answer = call.ends.first().and_then(|(at, outcome)| match outcome.executed() {
            Executed::Maybe => None,
            Executed::Yes | Executed::No => Some((at.sequence, outcome.reply()?)),
        });
        let never = call.outcome().is_some_and(|outcome: &Outcome| outcome.executed() == Executed::No);
        let begun = match (&answer, returned(call)) {
            (Some(_), _) => call.begun.sequence,
            (None, Some(first_run)) if !never && call.ask.op.changes() => first_run.max(call.begun.sequence),
            _ => continue,
        };
        let entry = Entry { begun, ended: answer, op: call.ask.op };
        let known = call.ask.effect.and_then(|effect| by_effect.get(&effect).copied());
        match known.and_then(|index| entries.get_mut(index)) {
            Some((first, stands)) => {
                first.begun = first.begun.min(begun);
                let earlier = entry.ended.filter(|(end, _)| first.ended.is_none_or(|(other, _)| *end < other));
                if earlier.is_some() {
                    (first.ended, *stands) = (earlier, call);
                }
            }
            None => {
                by_effect.extend(call.ask.effect.map(|effect| (effect, entries.len())));
                entries.push((entry, call));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn a_stale_read_is_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(2), 2, "n2", 7).done(1, Op::Read, 0, "n2", 7);
        let faults = found(&INVARIANT, &story.evidence());
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].starts_with("ledger[1]: 1 of 2 answers can be put in order, up to the state 2"),
            "{faults:?}"
        );
        assert!(faults[0].contains("call 2 (n1/1, ledger[1] read) at"), "{faults:?}");
    }

    #[test]
    fn what_may_have_run_may_explain_and_what_never_ran_may_not() {
        for runs in [true, false] {
            let mut story = Story::new();
            let maybe = story.call(1, Op::Add(2), 500);
            if runs {
                story.run(maybe, "n2", 7);
            }
            story.fail(maybe, Executed::Maybe).done(1, Op::Read, 2, "n2", 7);
            assert_eq!(found(&INVARIANT, &story.evidence()).is_empty(), runs);
        }
        let mut story = Story::new();
        let no = story.call(1, Op::Add(2), 500);
        story.fail(no, Executed::No).done(1, Op::Read, 2, "n2", 7);
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn a_repetition_is_one_effect() {
        for (second, total, sound) in [(2, 2, true), (4, 4, false)] {
            let mut story = Story::new();
            let first = story.call_as(1, Op::Add(2), 500, Some(90));
            story.run(first, "n2", 7).fail(first, Executed::Maybe);
            let again = story.call_as(1, Op::Add(2), 500, Some(90));
            story.run(again, "n2", 7).ok(again, second, "n2", 7).done(1, Op::Read, total, "n2", 7);
            assert_eq!(found(&INVARIANT, &story.evidence()).is_empty(), sound);
        }
    }

    #[test]
    fn refusals_count_as_answers() {
        let mut story = Story::new();
        story.done(1, Op::Add(2), 2, "n2", 7);
        let take = story.call(1, Op::Take(2), 500);
        story.run(take, "n2", 7);
        let says = Some(Reply::Refused);
        story.end(take, Outcome::Failed { executed: Executed::Yes, says, error: "short".to_owned() });
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }
}
