//! A reply comes from a run.

use registry_runtime::Executed;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Ending, Outcome, Reply};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "answered",
    statement: "a call that ends with its reply, or with the command's own error, was run to that end before, on the node and \
                in the epoch that the reply names",
    source: "SCENARIOS 2.1, G2; CONTRACT 4, `Rejected`",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut runs = std::collections::BTreeMap::<_, Vec<_>>::new();
    for run in &evidence.records.runs {
        runs.entry(run.call).or_default().push(run);
    }
    for call in &evidence.records.calls {
        let Some((at, outcome)) = call.ends.first() else { continue };
        let (ending, ran) = match outcome {
            Outcome::Ok { ran, .. } => (Ending::Returned, ran.as_ref()),
            Outcome::Failed { executed: Executed::Yes, says: Some(Reply::Refused), .. } => (Ending::Refused, None),
            _ => continue,
        };
        // A receipt answers an idempotency key with the reply of another call's run.
        let own = [call.id];
        let twins = call.ask.effect.map(|effect| {
            let same = |other: &&CallRecord| other.ask.effect == Some(effect) && other.ask.place == call.ask.place;
            evidence.records.calls.iter().filter(same).map(|other| other.id).collect::<Vec<_>>()
        });
        let candidates = twins.as_deref().unwrap_or(&own);
        let is_it = |ran_to: Option<_>, host: &str, epoch: u64| {
            ran_to.is_some_and(|(end, how)| how == ending && end < *at)
                && ran.is_none_or(|ran| ran.node == host && ran.epoch == epoch)
        };
        let explained = candidates
            .iter()
            .flat_map(|id| runs.get(id).into_iter().flatten())
            .any(|run| is_it(run.ended, &run.host, run.epoch));
        if !explained {
            findings.fault(&INVARIANT, *at, format!("{call} ends {outcome}, and no such run had ended by then"));
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
    fn a_reply_without_its_run_is_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n2", 7);
        let elsewhere = story.call(1, Op::Add(1), 500);
        story.run(elsewhere, "n2", 7).ok(elsewhere, 2, "n3", 7);
        let too_early = story.call(1, Op::Add(1), 500);
        story.ok(too_early, 3, "n2", 7).run(too_early, "n2", 7);
        let faults = found(&INVARIANT, &story.evidence());
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_receipt_answers_with_an_earlier_run() {
        let mut story = Story::new();
        let first = story.call_as(1, Op::Add(1), 500, Some(90));
        story.run(first, "n2", 7).fail(first, Executed::Maybe);
        let again = story.call_as(1, Op::Add(1), 500, Some(90));
        story.ok(again, 1, "n2", 7);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
