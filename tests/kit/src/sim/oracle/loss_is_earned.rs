//! A loss is announced only where it was earned.

use super::evidence::SecondFounding;
use super::{Evidence, Findings, Invariant};
use crate::sim::Sighting;
use crate::sim::sighting::{Change, Seen};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "loss-is-earned",
    statement: "a node opens a slot with less than a majority had only after half or more of the processes of a set that may have had it \
                are over, or after the only one of it was declared down; and it founds one again only then, or when half or more of the \
                founders remember nothing of it",
    source: "CONTRACT 8, Opening a slot, and What a user may rely on",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for sighting in &evidence.sightings {
        let Seen::PossibleLoss { slot, short, .. } = &sighting.what else { continue };
        let is_alone_and_down = || !short.contains('+') && is_held_for_down(evidence, short, sighting);
        if !evidence.is_half_over(short, sighting.at) && !is_alone_and_down() {
            let over = evidence.over(short, sighting.at);
            let what = format!("{} opened {slot} without what {short} had, of which {over} are over", sighting.node);
            findings.fault(&INVARIANT, sighting.at, what);
        }
    }
    if evidence.sightings.is_empty() {
        // They are judged elsewhere.
        return;
    }
    for founding in evidence.foundings(|_| true).filter(|founding| !evidence.is_earned(founding)) {
        let SecondFounding { slot, node, at, former, .. } = founding;
        let over = evidence.over(former, at);
        let what = format!("{node} founded {slot} again, which {former} had, of which {over} are over");
        findings.fault(&INVARIANT, at, what);
    }
}

/// Whether the node had noted that the process is down.
fn is_held_for_down(evidence: &Evidence, process: &str, by: &Sighting) -> bool {
    evidence.sightings.iter().any(|sighting| match &sighting.what {
        Seen::Member { member, start, change: Change::Down } => {
            sighting.node == by.node && sighting.at < by.at && format!("{member}@{start}") == process
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Fate;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    /// Three processes that start at once; then some end, and `n3` opens with what there is.
    fn story(short: &str, ended: &[(&str, Fate)]) -> Story {
        let mut story = Story::new();
        story.rules.genesis_ms = 40;
        for host in ["n1", "n2", "n3"] {
            story.fate(host, Fate::Up);
        }
        story.at(1_000);
        ended.iter().for_each(|(host, fate)| _ = story.fate(host, *fate));
        story.at(2_000).may_lose("n3", 8, short);
        story
    }

    #[test]
    fn a_loss_while_most_of_the_set_lives_is_found() {
        let set = "n1@40+n2@41+n3@40";
        assert_eq!(
            found(&INVARIANT, &story(set, &[("n1", Fate::Crashed)]).evidence()),
            ["n3 opened slot 0 of ledger without what n1@40+n2@41+n3@40 had, of which 1 are over"]
        );
        for end in [Fate::Crashed, Fate::Left, Fate::Leaving] {
            assert_eq!(found(&INVARIANT, &story(set, &[("n1", end), ("n2", end)]).evidence()), [""; 0]);
        }
        assert_eq!(found(&INVARIANT, &story(set, &[("n1", Fate::Frozen), ("n2", Fate::Frozen)]).evidence()).len(), 1);
    }

    #[test]
    fn the_end_of_an_earlier_process_is_not_that_of_a_later_one() {
        // The two of the set are born after those whose end is known.
        let later = "n1@1540+n2@1540+n3@40";
        let mut story = Story::new();
        story.rules.genesis_ms = 40;
        story.fate("n1", Fate::Up).fate("n2", Fate::Up).at(1_000).fate("n1", Fate::Crashed).fate("n2", Fate::Crashed);
        story.at(1_500).fate("n1", Fate::Up).fate("n2", Fate::Up).at(2_000).may_lose("n3", 8, later);
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 1);
    }

    #[test]
    fn a_second_founding_is_found_unless_most_who_had_the_slot_have_ended() {
        for (ended, expected) in [(&["n1", "n2"][..], 0), (&["n1"], 1)] {
            let mut story = Story::new();
            story.rules.founders = 5;
            ["n4", "n5"].iter().for_each(|host| _ = story.fate(host, Fate::Up));
            ["n1", "n2", "n3"].iter().for_each(|host| _ = story.fate(host, Fate::Up));
            story.opens_with("n1", 7, "Founding", "n1@0+n2@0+n3@0").at(1_000);
            ended.iter().for_each(|host| _ = story.fate(host, Fate::Crashed));
            let faults = found(&INVARIANT, &story.opens("n3", 8, "Founding").evidence());
            assert_eq!(faults.len(), expected, "{faults:?}");
        }
    }

    #[test]
    fn founders_without_a_memory_found_again_what_one_that_they_cannot_hear_has() {
        for (ended, expected) in [(&["n1", "n2"][..], 0), (&["n1"], 1)] {
            let mut story = Story::new();
            story.rules.founders = 3;
            ["n1", "n2", "n3"].iter().for_each(|host| _ = story.fate(host, Fate::Up));
            story.opens_with("n3", 7, "Repair", "n3@0").at(1_000);
            for host in ended {
                story.fate(host, Fate::Crashed).fate(host, Fate::Up);
            }
            let faults = found(&INVARIANT, &story.opens("n1", 8, "Founding").evidence());
            assert_eq!(faults.len(), expected, "{faults:?}");
        }
    }

    #[test]
    fn a_founder_that_was_born_behind_a_cut_has_no_memory_until_it_meets_one_that_has() {
        for (met, expected) in [("n1", 0), ("n3", 1)] {
            let mut story = Story::new();
            story.rules.founders = 3;
            ["n1", "n2", "n3"].iter().for_each(|host| _ = story.fate(host, Fate::Up));
            story.opens_with("n3", 7, "Founding", "n3@0").at(1_000);
            story.fate("n2", Fate::Crashed).fate("n2", Fate::Up).at(1_500);
            story.opens_with("n3", 8, "Repair", "n3@0").at(2_000).fate("n1", Fate::Crashed).fate("n1", Fate::Up);
            story.sees("n2", Seen::Member { member: met.to_owned(), start: 40, change: Change::Up }).at(2_500);
            let faults = found(&INVARIANT, &story.opens("n1", 9, "Founding").evidence());
            assert_eq!(faults.len(), expected, "{met}: {faults:?}");
        }
    }

    #[test]
    fn the_only_replica_counts_as_lost_when_it_is_down() {
        for (start, expected) in [(40, 0), (39, 1)] {
            let mut story = Story::new();
            story.sees("n3", Seen::Member { member: "n2".to_owned(), start, change: Change::Down });
            let faults = found(&INVARIANT, &story.may_lose("n3", 8, "n2@40").evidence());
            assert_eq!(faults.len(), expected, "{faults:?}");
        }
    }
}
