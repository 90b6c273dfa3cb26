//! `wait_for_node` is never early.

use super::tenure::{departed, gave_up, handed_over, tenures, took_back, took_leave, was_returning};
use super::{Evidence, Findings, Invariant};
use crate::sim::sighting::Change;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "reserved",
    statement: "under wait_for_node(t) no other node opens a slot, unless it was handed over, taken back or given up, or taken by one that has \
                crashed since while its own node was opening it again, before t has passed since the first Down of the incarnation that had it; \
                under `then = fail`, no other ever does; but who leaves is not waited for",
    source: "CONTRACT 8, wait_for_node; SCENARIOS 2.1, G11",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for (slot, tenures) in tenures(evidence) {
        let Some(wait) = evidence.rules.reserved.get(&slot.registry) else { continue };
        for (index, after) in tenures.iter().enumerate() {
            let earlier = tenures.get(..index).unwrap_or_default();
            let Some(before) = earlier.last() else { continue };
            // What founds a slot again is judged by `loss-is-earned`.
            if before.owner == after.owner || after.at < before.at || after.why == "Founding" {
                continue;
            }
            let is_let_go = handed_over(evidence, slot, after)
                || took_back(evidence, slot, before, after)
                || gave_up(evidence, slot, before, after.at)
                || was_returning(evidence, slot, earlier, after);
            if is_let_go || took_leave(evidence, before, after.at) {
                continue;
            }
            let (owner, after_at) = (after.owner, after.at.at_ms);
            let what = match (departed(evidence, before, after.at), wait) {
                // Who says goodbye is not waited for.
                (Some((_, Change::Left)), _) => continue,
                (Some(_), None) => format!("{owner} opened {slot}, which waits for {} for ever", before.owner),
                (Some((down, _)), Some(wait)) => {
                    let waited = after_at.saturating_sub(down.at_ms);
                    if waited >= evidence.rules.fastest(*wait) {
                        continue;
                    }
                    format!(
                        "{owner} opened {slot} {waited} ms after {} was first down; it waits {wait} ms",
                        before.owner
                    )
                }
                (None, _) => format!("{owner} opened {slot} while nobody had noted that {} is down", before.owner),
            };
            findings.fault(&INVARIANT, after.at, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Fate;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::{REGISTRY, Retaken, Story};

    use super::*;

    fn story(wait: Option<u64>, change: Change, opened_ms: u64) -> Vec<String> {
        let mut story = Story::new();
        story.rules.reserved.insert(REGISTRY.to_owned(), wait);
        story.opens("n2", 7, "Founding");
        story.at(1_000).member("n4", "n2", change).at(1_500).member("n3", "n2", change);
        found(&INVARIANT, &story.at(opened_ms).opens("n3", 8, "Failover").evidence())
    }

    #[test]
    fn an_early_opening_is_found() {
        assert_eq!(
            story(Some(5_000), Change::Down, 5_999),
            ["n3 opened slot 0 of ledger 4999 ms after n2 was first down; it waits 5000 ms"]
        );
        assert_eq!(story(Some(5_000), Change::Down, 6_000), [""; 0]);
        assert_eq!(story(Some(5_000), Change::Left, 1_600), [""; 0]);
        assert_eq!(story(Some(5_000), Change::Suspect, 60_000).len(), 1);
    }

    #[test]
    fn who_came_back_and_left_is_not_waited_for() {
        for (fates, expected) in [(&[Fate::Crashed, Fate::Up][..], 1), (&[Fate::Crashed, Fate::Up, Fate::Leaving], 0)] {
            let mut story = Story::new();
            story.rules.reserved.insert(REGISTRY.to_owned(), None);
            story.opens("n2", 7, "Founding").member("n3", "n2", Change::Down);
            fates.iter().for_each(|fate| _ = story.fate("n2", *fate));
            let faults = found(&INVARIANT, &story.opens("n3", 8, "Failover").evidence());
            assert_eq!(faults.len(), expected, "{faults:?}");
        }
    }

    #[test]
    fn what_was_taken_while_its_owner_was_opening_it_again_may_come_back_to_it() {
        let faults = |retaken: Retaken| {
            let mut story = retaken.story();
            story.rules.reserved.insert(REGISTRY.to_owned(), Some(500));
            found(&INVARIANT, &story.evidence()).len()
        };
        assert_eq!(faults(Retaken::EXCUSED), 0);
        for (retaken, what) in Retaken::others() {
            assert_eq!(faults(retaken), 1, "{what}");
        }
    }

    #[test]
    fn for_ever_is_for_ever() {
        assert_eq!(story(None, Change::Down, 60_000), ["n3 opened slot 0 of ledger, which waits for n2 for ever"]);
    }
}
