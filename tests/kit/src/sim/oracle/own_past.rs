//! Nobody goes back in time, and nobody sees what is not to be.

use super::{Evidence, Findings, Invariant};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "own-past",
    statement: "a caller that reads from any replica sees its own acknowledged changes, never less than it saw before, and \
                nothing that is undone later",
    source: "CONTRACT 7, reads under reads replicas",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for look in &evidence.records.looks {
        if look.saw < look.knew && !evidence.may_have_lost(look.place) {
            let what = format!("{} saw {} in {} and knew {}", look.host, look.saw, look.place, look.knew);
            findings.fault(&INVARIANT, look.at, what);
        }
        // The numbers only grow, so one that was ever shown must be reached in the end.
        let last = evidence.records.audits.iter().filter(|audit| audit.place == look.place && look.at < audit.since);
        if let Some(last) = last.filter_map(|audit| audit.number).find(|last| *last < look.saw)
            && !evidence.may_have_lost(look.place)
        {
            let what = format!("{} saw {} in {}, which has come to {last} in the end", look.host, look.saw, look.place);
            findings.fault(&INVARIANT, look.at, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn who_goes_back_is_found() {
        let mut story = Story::new();
        story.look(1, 3, 3).look(1, 3, 5).look(1, 5, 4);
        assert_eq!(found(&INVARIANT, &story.evidence()), ["n1 saw 4 in ledger[1] and knew 5"]);
    }

    #[test]
    fn who_was_shown_what_was_undone_is_found() {
        let mut story = Story::new();
        story.look(1, 3, 3).look(1, 3, 4).audit(1, 3, &[]);
        assert_eq!(found(&INVARIANT, &story.evidence()), ["n1 saw 4 in ledger[1], which has come to 3 in the end"]);
    }
}
