//! Members that somebody on this node has found silent.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::NodeId;
use crate::time::Moment;

/// Members that were asked because of a hint, and until when they may answer.
///
/// foca finds a dead member when a probe happens to be its turn, which may take many rounds. The data plane knows sooner:
/// its heartbeats stay unanswered. A hint is never proof; it only asks now and, without an answer, suspects now.
#[derive(Debug)]
pub(super) struct Hints {
    asked: BTreeMap<NodeId, Moment>,
    answer: Duration,
}

impl Hints {
    /// None yet; an answer may take so long.
    pub(super) const fn new(answer: Duration) -> Self {
        Self { asked: BTreeMap::new(), answer }
    }

    /// Notes that a member is asked; `false` when it is asked already.
    pub(super) fn ask(&mut self, now: Moment, node: &NodeId) -> bool {
        let new = !self.asked.contains_key(node);
        if new {
            self.asked.insert(node.clone(), now + self.answer);
        }
        new
    }

    /// A member has said something.
    pub(super) fn hear(&mut self, node: &NodeId) {
        self.asked.remove(node);
    }

    /// Takes out who has not answered in time.
    pub(super) fn take_due(&mut self, now: Moment) -> Vec<NodeId> {
        let due: Vec<_> = self.asked.iter().filter(|(_, until)| **until <= now).map(|(node, _)| node.clone()).collect();
        for node in &due {
            self.asked.remove(node);
        }
        due
    }

    /// When the next answer is due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.asked.values().min().copied()
    }

    /// Gives back the time in which this node did not listen.
    pub(super) fn postpone(&mut self, by: Duration) {
        for until in self.asked.values_mut() {
            *until = *until + by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_does_not_answer_in_time_is_silent() {
        let (start, answer) = (Moment::default(), Duration::from_millis(100));
        let [a, b] = ["a", "b"].map(|name| NodeId::new(name).unwrap());
        let mut hints = Hints::new(answer);
        assert!(hints.ask(start, &a) && hints.ask(start, &b));
        assert!(!hints.ask(start + answer / 2, &a), "it is asked already");
        hints.hear(&b);
        assert!(hints.take_due(start + answer / 2).is_empty());
        hints.postpone(answer);
        assert_eq!(hints.next(), Some(start + answer * 2));
        assert_eq!(hints.take_due(start + answer * 2), [a]);
        assert_eq!(hints.next(), None);
    }
}
