//! Suspicion moves nothing.

use super::tenure::{departed, gave_up, handed_over, held_for_down, restarted, tenures, took_back, was_returning};
use super::{Evidence, Findings, Invariant};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "suspicion",
    statement: "a slot is opened elsewhere only when its owner has handed it over to that node or given it up, or by the one that had \
                handed it over to its owner and not heard more of it, or after somebody has noted that the incarnation that had it is \
                Down or has left, or by one that had not heard of a later one yet, or after another process has started on its host, or by the one \
                that had it before and was opening it again when it was taken by one that has crashed since",
    source: "CONTRACT 8, Suspicion moves nothing; SCENARIOS 2.1, G9",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for (slot, tenures) in tenures(evidence) {
        for (index, after) in tenures.iter().enumerate() {
            let earlier = tenures.get(..index).unwrap_or_default();
            let Some(before) = earlier.last() else { continue };
            // What founds a slot again is judged by `loss-is-earned`.
            let is_taken = before.owner != after.owner && before.at < after.at && after.why != "Founding";
            let has_reason = || {
                handed_over(evidence, slot, after)
                    || took_back(evidence, slot, before, after)
                    || gave_up(evidence, slot, before, after.at)
                    || departed(evidence, before, after.at).is_some()
                    || held_for_down(evidence, before, after)
                    || was_returning(evidence, slot, earlier, after)
                    || restarted(evidence, before, after.at)
            };
            if is_taken && !has_reason() {
                let what = format!(
                    "{} opened {slot}, {}, though nobody had noted that {} is down or has left, and it had not given it up",
                    after.owner, after.why, before.owner
                );
                findings.fault(&INVARIANT, after.at, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Fate;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::{Retaken, Story, slot};
    use crate::sim::sighting::{Change, Seen};

    use super::*;

    #[test]
    fn a_failover_upon_suspicion_is_found() {
        let mut story = Story::new();
        story.opens("n2", 7, "Founding").member("n3", "n2", Change::Suspect).opens("n3", 8, "Failover");
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            [
                "n3 opened slot 0 of ledger, Failover, though nobody had noted that n2 is down or has left, and it had not given it up"
            ]
        );
    }

    #[test]
    fn whatever_a_slot_is_taken_for_its_owner_must_have_let_it_go() {
        for why in ["Return", "Repair", "Rebalance", "TakeBack", "HandedOver"] {
            let mut story = Story::new();
            assert_eq!(
                found(&INVARIANT, &story.opens("n2", 7, "Founding").opens("n3", 8, why).evidence()).len(),
                1,
                "{why}"
            );
            let mut story = Story::new();
            story.opens("n2", 7, "Founding").sees("n2", Seen::HandedOver { slot: slot(), to: "n3".to_owned() });
            assert_eq!(found(&INVARIANT, &story.opens("n3", 8, why).evidence()), [""; 0], "{why}");
            let mut story = Story::new();
            story.opens("n2", 7, "Founding").sees("n2", Seen::HandedOver { slot: slot(), to: "n4".to_owned() });
            assert_eq!(found(&INVARIANT, &story.opens("n3", 8, why).evidence()).len(), 1, "{why}");
        }
        for (why, expected) in [("Return", 0), ("TakeBack", 0), ("Failover", 1)] {
            let mut story = Story::new();
            story.opens("n3", 6, "Founding").sees("n3", Seen::HandedOver { slot: slot(), to: "n2".to_owned() });
            story.opens("n2", 7, "HandedOver").opens("n3", 8, why);
            assert_eq!(found(&INVARIANT, &story.evidence()).len(), expected, "{why}");
        }
        for (why, expected) in [("Leaving", 0), ("Halted", 0), ("Superseded", 1)] {
            let mut story = Story::new();
            let closed = Seen::Closed { slot: slot(), epoch: 7, why: why.to_owned() };
            story.opens("n2", 7, "Founding").sees("n2", closed).opens("n3", 8, "Failover");
            assert_eq!(found(&INVARIANT, &story.evidence()).len(), expected, "{why}");
        }
    }

    #[test]
    fn a_down_of_an_earlier_incarnation_is_no_reason() {
        let mut story = Story::new();
        story.member("n3", "n2", Change::Down).sees("n2", Seen::Rejoined).member("n3", "n2", Change::Rejoined);
        story.at(2_000).opens("n2", 7, "Return").opens("n3", 8, "Failover");
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn a_down_of_an_earlier_incarnation_is_one_for_whom_the_return_is_no_news_yet() {
        let mut story = Story::new();
        story.member("n3", "n2", Change::Down).sees("n2", Seen::Rejoined);
        story.at(2_000).opens("n2", 7, "Return").opens("n3", 8, "Failover");
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);

        // What the process before it had noted is nothing to the one that opens.
        let mut story = Story::new();
        story.member("n3", "n2", Change::Down).sees("n2", Seen::Rejoined).fate("n3", Fate::Up);
        story.at(2_000).opens("n2", 7, "Return").opens("n3", 8, "Failover");
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn a_down_that_came_while_the_owner_was_still_opening_is_a_reason() {
        let mut story = Story::new();
        story.member("n3", "n2", Change::Down).at(2_000).sees("n2", Seen::Rejoined);
        story.at(2_004).opens("n2", 7, "Return").opens("n3", 8, "Failover");
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }

    #[test]
    fn what_was_taken_while_its_owner_was_opening_it_again_may_come_back_to_it() {
        let faults = |retaken: Retaken| found(&INVARIANT, &retaken.story().evidence()).len();
        assert_eq!(faults(Retaken::EXCUSED), 0);
        for (retaken, what) in Retaken::others() {
            assert_eq!(faults(retaken), 1, "{what}");
        }
    }

    #[test]
    fn a_new_process_in_the_place_of_the_old_is_a_reason() {
        let mut story = Story::new();
        story.fate("n2", Fate::Up).opens("n2", 7, "Founding").fate("n2", Fate::Crashed).fate("n2", Fate::Up);
        assert_eq!(found(&INVARIANT, &story.opens("n3", 8, "Failover").evidence()), [""; 0]);
    }

    #[test]
    fn down_left_and_a_hand_over_are_reasons() {
        for change in [Change::Down, Change::Left] {
            let mut story = Story::new();
            story.opens("n2", 7, "Founding").member("n4", "n2", change).opens("n3", 8, "Failover");
            assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
        }
        let mut story = Story::new();
        story.opens("n2", 7, "Founding").sees("n2", Seen::HandedOver { slot: slot(), to: "n3".to_owned() });
        story.opens("n3", 8, "HandedOver").opens("n3", 9, "Repair");
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
    }
}
