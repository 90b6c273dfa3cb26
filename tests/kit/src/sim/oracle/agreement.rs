//! Views and slot maps agree after healing.

use std::collections::BTreeSet;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::Stamp;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "agreement",
    statement: "once faults have stopped and the cluster has settled, all live nodes hold the same members and the same owners",
    source: "SCENARIOS 2.1, G15; CONTRACT 6, settled()",
    judge,
};

/// How many differing lines a finding shows: enough to see what kind of difference it is.
const LINES_MAX: usize = 6;

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let Some((first, others)) = evidence.digests.split_first() else { return };
    let at = Stamp { sequence: u64::MAX, at_ms: evidence.end_ms };
    for other in others {
        for (what, here, there) in [("members", &first.view, &other.view), ("slots", &first.slots, &other.slots)] {
            if here != there {
                let shown = format!(
                    "{} and {} differ in their {what}: {}",
                    first.node,
                    other.node,
                    difference(here, there).into_iter().take(LINES_MAX).collect::<Vec<_>>().join("; ")
                );
                findings.fault(&INVARIANT, at, shown);
            }
        }
    }
}

/// The lines that only one of the two has.
fn difference(here: &str, there: &str) -> Vec<String> {
    let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) = (here.lines().collect(), there.lines().collect());
    let only = |lines: &BTreeSet<&str>, others: &BTreeSet<&str>, whose: &str| {
        lines.difference(others).map(|line| format!("only the {whose}: {line}")).collect::<Vec<_>>()
    };
    let mut lines = only(&ours, &theirs, "first");
    lines.extend(only(&theirs, &ours, "second"));
    lines
}

#[cfg(test)]
mod tests {
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn nodes_that_differ_are_found() {
        let mut story = Story::new();
        story.believes("n1", "n1 up\nn2 up", "0 n1").believes("n2", "n1 up\nn2 up", "0 n1");
        assert_eq!(found(&INVARIANT, &story.evidence()), [""; 0]);
        story.believes("n3", "n1 up\nn2 down", "0 n1");
        assert_eq!(
            found(&INVARIANT, &story.evidence()),
            ["n1 and n3 differ in their members: only the first: n2 up; only the second: n2 down"]
        );
    }
}
