//! Money is neither made nor lost.

use std::collections::{BTreeMap, BTreeSet};

use registry_runtime::Executed;

use super::{Evidence, Findings, Invariant, Kind};
use crate::sim::history::{CallRecord, Op, Place, Stamp};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "conserved",
    statement: "the numbers of a registry's instances add up to what decided calls have added and taken, give or take the \
                undecided ones",
    source: "SCENARIOS 2.1, G12, the ledger; CONTRACT 8, What a user may rely on",
    judge,
};

/// What the calls behind one effect may have done to the sum.
#[derive(Default)]
struct Share {
    by: i64,
    decided: bool,
    possible: bool,
}

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let counters: Vec<&str> = evidence
        .rules
        .kinds
        .iter()
        .filter_map(|(name, kind)| (*kind == Kind::Counter).then_some(name.as_str()))
        .collect();
    for registry in counters {
        let mut last: BTreeMap<Place, (Stamp, i64)> = BTreeMap::new();
        let is_kept = |place: Place| place.registry == registry && !evidence.may_have_lost(place);
        for audit in evidence.records.audits.iter().filter(|audit| is_kept(audit.place)) {
            last.extend(audit.number.map(|number| (audit.place, (audit.since, number))));
        }
        let mut shares: BTreeMap<(Place, u64), Share> = BTreeMap::new();
        for call in evidence.records.calls.iter().filter(|call| last.contains_key(&call.ask.place)) {
            let (Some(by), Some((audited, _))) = (moved(call), last.get(&call.ask.place)) else { continue };
            let share = shares.entry((call.ask.place, call.effect())).or_default();
            share.by = by;
            match call.outcome().map_or(Executed::Maybe, |outcome| outcome.executed()) {
                // What is acknowledged after the look may have come before it or not.
                Executed::Yes => match call.acknowledged() {
                    Some(at) if at < *audited => share.decided = true,
                    Some(_) => share.possible = true,
                    None => {}
                },
                Executed::Maybe => share.possible = true,
                Executed::No => {}
            }
        }
        let found: i64 = last.values().map(|(_, number)| number).sum();
        let decided: i64 = shares.values().filter(|share| share.decided).map(|share| share.by).sum();
        let open = || shares.values().filter(|share| share.possible && !share.decided).map(|share| share.by);
        let least = decided + open().filter(|by| *by < 0).sum::<i64>();
        let most = decided + open().filter(|by| *by > 0).sum::<i64>();
        if !(least..=most).contains(&found) {
            let at = last.values().map(|(at, _)| *at).max().unwrap_or_default();
            let callers: BTreeSet<_> = shares.keys().map(|(place, _)| place).collect();
            let what = format!(
                "the {} instances of {registry} add up to {found}, not to {least} at least and {most} at most",
                callers.len()
            );
            findings.fault(&INVARIANT, at, what);
        }
    }
}

/// What a call's effect adds to the sum.
fn moved(call: &CallRecord) -> Option<i64> {
    match call.ask.op {
        Op::Add(amount) => Some(amount),
        Op::Take(amount) => Some(-amount),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    /// Ten on one account, four of them sent to the other by a transfer whose second half is undecided.
    fn transfer(one: i64, other: i64) -> Vec<String> {
        let mut story = Story::new();
        story.done(1, Op::Add(10), 10, "n2", 7).done(1, Op::Take(4), 6, "n2", 7);
        let credit = story.call(2, Op::Add(4), 500);
        story.fail(credit, Executed::Maybe);
        let never = story.call(2, Op::Add(100), 500);
        story.fail(never, Executed::No).audit(1, one, &[]).audit(2, other, &[]);
        found(&INVARIANT, &story.evidence())
    }

    #[test]
    fn undecided_calls_leave_room_and_decided_ones_do_not() {
        assert_eq!(transfer(6, 4), [""; 0]);
        assert_eq!(transfer(6, 0), [""; 0]);
        assert_eq!(transfer(6, 8), ["the 2 instances of ledger add up to 14, not to 6 at least and 10 at most"]);
        assert_eq!(transfer(0, 4), ["the 2 instances of ledger add up to 4, not to 6 at least and 10 at most"]);
    }
}
