//! A host's place in a fleet, over all its lives.

use super::process::Process;
use crate::sim::history::Fate;
use crate::sim::oracle::Digest;

/// A host's place in a fleet.
#[derive(Default)]
pub(super) struct Seat {
    /// How many lives began here.
    pub(super) lives: u32,
    /// When the present one did.
    pub(super) born_ms: u64,
    /// The process that lives here.
    pub(super) process: Option<Process>,
    /// What the end of the process will mean; `None` while nobody expects it.
    pub(super) end: Option<Fate>,
    pub(super) is_ready: bool,
    pub(super) is_frozen: bool,
    /// Whether its callers are at work, had been set to work, and have come to their ends.
    pub(super) is_busy: bool,
    pub(super) was_busy: bool,
    pub(super) is_rested: bool,
    pub(super) audited: Option<Result<(), String>>,
    /// What it said it believes, and when it was asked.
    pub(super) believes: Option<(u64, Digest)>,
}

impl Seat {
    /// Another process lives here now.
    pub(super) fn moves_in(&mut self, process: Process, born_ms: u64) {
        *self = Self { lives: self.lives, born_ms, process: Some(process), ..Self::default() };
    }

    /// Whether a process lives here, frozen or not.
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whether a process lives here that is neither frozen nor about to end.
    pub(super) fn is_well(&self) -> bool {
        self.is_up() && !self.is_frozen && self.end.is_none()
    }
}
