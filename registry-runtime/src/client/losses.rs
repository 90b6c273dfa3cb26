//! With how many nodes a call was lost.

use crate::id::Start;

/// How many nodes may be lost with one command before it is not run any more. It may be what they are lost to: a body that ends its process,
/// or uses up its memory, would otherwise end one node after another. Two in a row that have nothing to do with it are rare.
const LOSSES_MAX: u8 = 2;

/// The nodes that were lost with a call, and who has its last attempt. A process is told from others by its start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    sent_to: Option<Start>,
    /// Who had the last attempt, if that was lost together with the connection.
    lost: Option<Start>,
    count: u8,
}

impl Losses {
    /// An attempt goes to another node.
    pub(super) fn sent(&mut self, to: Start) {
        self.sent_to = Some(to);
    }

    /// It was lost together with the connection.
    pub(super) fn lost(&mut self) {
        self.lost = self.sent_to;
    }

    /// Whoever had it has answered.
    pub(super) fn answered(&mut self) {
        self.lost = None;
    }

    /// The next attempt goes to that process, or to this node: whoever had the last one is lost with it, unless that is the same or still there.
    #[inline]
    pub(super) fn goes_on_to(&mut self, next: Option<Start>, is_connected: impl Fn(Start) -> bool) {
        if let Some(lost) = self.lost.filter(|lost| next != Some(*lost)) {
            self.lost = None;
            self.count = self.count.saturating_add(u8::from(!is_connected(lost)));
        }
    }

    /// Whether the command is not to be run any more, and only asked for its receipt.
    #[inline]
    pub(super) const fn are_too_many(&self) -> bool {
        self.count >= LOSSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends to one process after another, each of which is lost; those above `living` are still connected. Whether that is too much for the
    /// next.
    fn after(processes: &[u64], living: u64) -> bool {
        let mut losses = Losses::default();
        for process in processes.iter().copied().map(Start::new) {
            losses.goes_on_to(Some(process), |lost| lost.get() > living);
            losses.sent(process);
            losses.lost();
        }
        losses.goes_on_to(None, |lost| lost.get() > living);
        losses.are_too_many()
    }

    #[test]
    fn two_processes_that_are_gone_are_too_many() {
        assert!(!after(&[1], 9) && after(&[1, 2], 9));
        assert!(!after(&[1, 1, 1], 9), "one connection after another with one process");
        assert!(!after(&[11, 12, 13], 9), "only the connections are gone");
        assert!(after(&[1, 11, 2], 9));
    }

    #[test]
    fn who_has_answered_is_not_lost() {
        let mut losses = Losses::default();
        for process in [1, 2, 3].map(Start::new) {
            losses.sent(process);
            losses.lost();
            losses.answered();
            losses.goes_on_to(None, |_| false);
        }
        assert!(!losses.are_too_many());
    }
}
