//! Whoever repeats a command hears the first reply, while its owner keeps the slot.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Invariant};
use crate::sim::history::{CallRecord, Outcome, Ran, Reply};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "repetition",
    statement: "a command that is repeated under its idempotency key, and runs where and in the epoch in which it ran before, is answered as \
                it was before",
    source: "CONTRACT 1, receipt; SCENARIOS 2.1, G3",
    judge,
};

fn judge(evidence: &Evidence, findings: &mut Findings) {
    let mut first: BTreeMap<_, (&Reply, &CallRecord)> = BTreeMap::new();
    for call in evidence.records.calls.iter().filter(|call| call.ask.effect.is_some()) {
        let Some((at, Outcome::Ok { reply, ran: Some(ran) })) = call.ends.first() else { continue };
        let Ran { node, epoch } = ran;
        let (answer, before) = first.entry((call.ask.place, call.effect(), node, epoch)).or_insert((reply, call));
        if *answer != reply {
            findings.fault(
                &INVARIANT,
                *at,
                format!("{call} repeats {before}, which was answered {answer}, and is answered {reply}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    /// A story of one command and its repetition, answered so by these nodes in these epochs.
    fn told(first: (i64, &str, u64), second: (i64, &str, u64)) -> Vec<String> {
        let mut story = Story::new();
        for (number, node, epoch) in [first, second] {
            let call = story.call_as(1, Op::Add(1), 500, Some(90));
            story.ok(call, number, node, epoch);
        }
        found(&INVARIANT, &story.evidence())
    }

    #[test]
    fn another_answer_in_the_same_epoch_is_found() {
        assert_eq!(told((1, "n2", 7), (2, "n2", 7)).len(), 1);
    }

    #[test]
    fn the_same_answer_and_the_answer_of_another_owner_are_none() {
        assert_eq!(told((1, "n2", 7), (1, "n2", 7)), [""; 0]);
        assert_eq!(told((1, "n2", 7), (2, "n3", 8)), [""; 0]);
    }
}
