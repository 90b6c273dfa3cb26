//! Callers hear nothing that cannot be.

use super::{Evidence, Findings, Invariant};
use crate::sim::history::Outcome;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "plausible",
    statement: "no call ends with an error that its program gives no cause for: all nodes are alike, names are used once, calls are small, and \
                none lasts until its receipt is gone",
    source: "CONTRACT 5, the table of errors; CONTRACT 8, Receipts",
    judge,
};

/// What errors begin with that nothing in a scenario can bring about.
const WITHOUT_CAUSE: [&str; 7] = [
    "ReceiptExpired",
    "IdempotencyKeyReused",
    "Incompatible",
    "TooLarge",
    "Unauthorized",
    "Unavailable { reason: NotHosted",
    "Unknown { reason: BadReply",
];

fn judge(evidence: &Evidence, findings: &mut Findings) {
    for call in &evidence.records.calls {
        for (at, outcome) in &call.ends {
            if let Outcome::Failed { error, .. } = outcome
                && WITHOUT_CAUSE.iter().any(|cause| error.starts_with(cause))
            {
                findings.fault(&INVARIANT, *at, format!("there is no cause for how {call} ends: {outcome}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use registry_runtime::Executed;

    use crate::sim::history::Op;
    use crate::sim::oracle::found;
    use crate::sim::oracle::story::Story;

    use super::*;

    #[test]
    fn an_error_without_a_cause_is_found() {
        let failed = |error: &str| Outcome::Failed { executed: Executed::Maybe, says: None, error: error.to_owned() };
        let mut story = Story::new();
        for error in ["ReceiptExpired", "Unknown { reason: BadReply }", "Unknown { reason: OwnerLost }", "Overloaded"] {
            let call = story.call(1, Op::Add(1), 500);
            story.end(call, failed(error));
        }
        assert_eq!(found(&INVARIANT, &story.evidence()).len(), 2);
    }
}
