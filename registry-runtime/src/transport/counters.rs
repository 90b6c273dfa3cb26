//! What has happened between this node and others, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::end::{HandshakeError, Reason};

/// Counts since the start of the node. One set for each transport, never shared between nodes of a process.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connected: AtomicU64,
    disconnected: AtomicU64,
    violations: AtomicU64,
    slow: AtomicU64,
    dials_failed: AtomicU64,
    strangers_refused: AtomicU64,
    strangers_retried: AtomicU64,
    strangers_crowded_out: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that came to life.
    pub(crate) connected: u64,
    /// Connections that ended.
    pub(crate) disconnected: u64,
    /// Connections that ended because the peer broke a rule.
    pub(crate) violations: u64,
    /// Connections that ended because the peer did not read its answers.
    pub(crate) slow: u64,
    /// Dials that came to nothing.
    pub(crate) dials_failed: u64,
    /// Strangers that were refused or broke off.
    pub(crate) strangers_refused: u64,
    /// Strangers that had to show that they receive at their address.
    pub(crate) strangers_retried: u64,
    /// Strangers for whom there was no room.
    pub(crate) strangers_crowded_out: u64,
}

impl Counters {
    /// The counts now.
    pub(crate) fn read(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            connected: read(&self.connected),
            disconnected: read(&self.disconnected),
            violations: read(&self.violations),
            slow: read(&self.slow),
            dials_failed: read(&self.dials_failed),
            strangers_refused: read(&self.strangers_refused),
            strangers_retried: read(&self.strangers_retried),
            strangers_crowded_out: read(&self.strangers_crowded_out),
        }
    }

    pub(super) fn connected(&self) {
        count(&self.connected);
    }

    pub(super) fn disconnected(&self, reason: &Reason) {
        count(&self.disconnected);
        match reason {
            Reason::Violation(_) => count(&self.violations),
            Reason::Slow => count(&self.slow),
            _ => {}
        }
    }

    pub(super) fn dial_failed(&self, _: &HandshakeError) {
        count(&self.dials_failed);
    }

    pub(super) fn stranger_refused(&self, _: &HandshakeError) {
        count(&self.strangers_refused);
    }

    pub(super) fn retried(&self) {
        count(&self.strangers_retried);
    }

    pub(super) fn crowded_out(&self) {
        count(&self.strangers_crowded_out);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
