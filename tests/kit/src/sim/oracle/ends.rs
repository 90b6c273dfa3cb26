//! Every call ends by its deadline, with one outcome.

use registry_runtime::Executed;

use super::{Evidence, Findings, Invariant};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "ends",
    statement: "each call has exactly one outcome, no later than its deadline and the stated slack; a call whose caller is \
                gone or was frozen is excused for as long",
    source: "SCENARIOS 2.1, G1; CONTRACT 4",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let Evidence { records, rules, end_ms, .. } = evidence;
    for call in &records.calls {
        let host = &call.ask.host;
        let latest = |until_ms| {
            let frozen = records.frozen_ms(host, call.begun.at_ms, until_ms);
            call.begun.at_ms + rules.slowest(call.ask.timeout_ms) + rules.end_slack_ms + frozen
        };
        match call.ends.as_slice() {
            [] if records.gone_after(host, call.begun).is_some() => {}
            [] if *end_ms > latest(*end_ms) => {
                findings.fault(&INVARIANT, call.begun, format!("{call} has no end"));
            }
            [] => {}
            [(at, outcome)] if at.at_ms > latest(at.at_ms) => {
                let late = at.at_ms - call.deadline_ms();
                findings.fault(&INVARIANT, *at, format!("{call} ends {late} ms after its deadline, {outcome}"));
            }
            [(at, outcome)] if outcome.executed() == Executed::Yes && at.sequence < call.begun.sequence => {
                findings.fault(&INVARIANT, *at, format!("{call} ends before it begins"));
            }
            [_] => {}
            [(_, first), (at, second), ..] => {
                findings.fault(&INVARIANT, *at, format!("{call} ends {first}, and again {second}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::{Fate, Op, Outcome};
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn late_missing_and_double_ends_are_found() {
        let mut story = Story::new();
        let prompt = story.call(1, Op::Read, 500);
        story.at(550).end(prompt, Outcome::Dropped);
        let late = story.at(1_000).call(1, Op::Read, 500);
        story.at(1_551).end(late, Outcome::Dropped);
        let twice = story.call(1, Op::Read, 500);
        story.end(twice, Outcome::Dropped).end(twice, Outcome::Dropped);
        story.at(2_000).call(1, Op::Read, 500);
        story.at(9_000).call(1, Op::Read, 500);
        let faults = found(&INVARIANT, &story.at(9_100).evidence());
        assert_eq!(
            faults,
            [
                "call 2 (n1/1, ledger[1] read) ends 51 ms after its deadline, dropped by its caller",
                "call 3 (n1/1, ledger[1] read) ends dropped by its caller, and again dropped by its caller",
                "call 4 (n1/1, ledger[1] read) has no end",
            ]
        );
    }

    #[test]
    fn a_caller_that_is_gone_or_frozen_is_excused() {
        let mut story = Story::new();
        let frozen = story.call(1, Op::Read, 500);
        story.at(100).fate("n1", Fate::Frozen).at(5_100).fate("n1", Fate::Thawed);
        story.at(5_540).end(frozen, Outcome::Dropped);
        story.call(1, Op::Read, 500);
        story.at(5_700).fate("n1", Fate::Crashed);
        assert_eq!(found(&INVARIANT, &story.at(9_000).evidence()), [""; 0]);
    }
}
