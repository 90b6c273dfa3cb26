//! An ex-owner answers no reads.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Op, Outcome, Place, Stamp};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "fresh",
    statement: "once a key has answered in an epoch, no read of it that is called afterwards is answered in a lower one, \
                unless the slot was opened with possible loss between, or founded again \
                by those who remember nothing",
    source: "CONTRACT 8, Lease: the owner answers reads only while more than half have lent it; SCENARIOS 2.3, Q4",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut places: BTreeMap<Place, Vec<(&CallRecord, u64, Stamp)>> = BTreeMap::new();
    for call in &evidence.records.calls {
        if let (Op::Read, _) | (_, true) = (call.ask.op, call.ask.op.changes())
            && let Some((at, Outcome::Ok { ran: Some(ran), .. })) = call.ends.first()
        {
            places.entry(call.ask.place).or_default().push((call, ran.epoch, *at));
        }
    }
    for by_begin in places.values() {
        let mut by_end = by_begin.clone();
        by_end.sort_by_key(|(_, _, at)| *at);
        let mut earlier = by_end.into_iter().peekable();
        let mut highest: Option<(&CallRecord, u64, Stamp)> = None;
        for (call, epoch, at) in by_begin {
            while let Some((before, above, ended)) = earlier.next_if(|(_, _, ended)| *ended < call.begun) {
                highest = highest.filter(|(_, high, _)| *high >= above).or(Some((before, above, ended)));
            }
            let registry = call.ask.place.registry;
            let is_excused = |ended: Stamp| evidence.may_have_lost_between(registry, *epoch, ended, *at);
            if let Some((before, _, ended)) = highest.filter(|(_, high, _)| call.ask.op == Op::Read && high > epoch)
                && !is_excused(ended)
            {
                findings.fault(
                    &INVARIANT,
                    *at,
                    format!("an ex-owner answered {call} after {before} in a higher epoch"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn a_stale_read_is_found() {
        let mut story = Story::new();
        story.done(1, Op::Add(1), 1, "n3", 8).done(1, Op::Read, 0, "n2", 7);
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            [
                "an ex-owner answered call 2 (n1/1, ledger[1] read) after call 1 (n1/1, ledger[1] add 1) in a higher epoch"
            ]
        );
    }

    #[test]
    fn other_keys_later_epochs_and_reads_that_began_before_are_fresh() {
        let mut story = Story::new();
        let early = story.call(1, Op::Read, 500);
        story.done(1, Op::Add(1), 1, "n3", 8).run(early, "n2", 7).ok(early, 0, "n2", 7);
        story.done(2, Op::Read, 0, "n2", 7).done(1, Op::Read, 1, "n4", 9);
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
