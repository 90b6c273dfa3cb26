//! Nobody goes back in time.

use super::{Evidence, Findings, Invariant};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "own-past",
    statement: "a caller that reads from any replica sees its own acknowledged changes, and never less than it saw before",
    source: "CONTRACT 7, reads under reads replicas",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for look in &evidence.records.looks {
        if look.saw < look.knew && !evidence.may_have_lost(look.place) {
            let what = format!("{} saw {} in {} and knew {}", look.host, look.saw, look.place, look.knew);
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
}
