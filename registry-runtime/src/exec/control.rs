//! What the outside says to a command that waits or runs as a task.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

use super::outcome::Refused;

/// It holds its lane, or needs none.
const TURN: u8 = 1;
/// It has been handed a place to run.
const PLACE: u8 = 2;
/// Its body has been started.
const STARTED: u8 = 4;
/// Its caller has lost interest.
const CANCELLED: u8 = 8;
/// Its slot is being handed over.
const MOVED: u8 = 16;
/// Its slot has been closed.
const CLOSED: u8 = 32;
const STOPPED: u8 = CANCELLED | MOVED | CLOSED;

/// Shared by a command's task, its caller, its slot and the door.
///
/// `grant_*` give it something it waits for, `stop_*` make it end, `start` is the one step after which it counts as
/// started: of a stop and a start exactly one comes first.
#[derive(Debug)]
pub(super) struct Control {
    bits: AtomicU8,
    /// Rung after every change; only the task listens.
    bell: Notify,
}

/// Why a command has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its caller has lost interest.
    Cancelled,
    /// Its slot is being handed over.
    Moved,
    /// Its slot has been closed.
    Closed,
}

impl Control {
    /// For a command that waits for its lane.
    pub(super) fn queued() -> Self {
        Self::with(0)
    }

    /// For a command that holds its lane or needs none.
    pub(super) fn ready() -> Self {
        Self::with(TURN)
    }

    /// For a command that runs.
    pub(super) fn running() -> Self {
        Self::with(TURN | STARTED)
    }

    fn with(bits: u8) -> Self {
        Self { bits: AtomicU8::new(bits), bell: Notify::new() }
    }

    /// Gives it the lane; `false` when it has been stopped and will not take it.
    pub(super) fn grant_turn(&self) -> bool {
        self.set_unless(STOPPED, TURN)
    }

    /// Gives it a place to run.
    pub(super) fn grant_place(&self) {
        self.set(PLACE);
    }

    /// The caller has lost interest. `true` is a promise: the command is never started.
    pub(super) fn stop_cancelled(&self) -> bool {
        self.set(CANCELLED) & STARTED == 0
    }

    /// The slot has been closed.
    pub(super) fn stop_closed(&self) {
        self.set(CLOSED);
    }

    /// The slot has been sealed, and what has been started has had its time.
    pub(super) fn stop_moved(&self) {
        self.set(MOVED);
    }

    /// The slot has been sealed: what has been started may go on.
    pub(super) fn stop_moved_unless_started(&self) {
        self.set_unless(STARTED, MOVED);
    }

    /// Counts as started from here on, unless it was stopped.
    pub(super) fn start(&self) -> Result<(), Stop> {
        let before = self
            .bits
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |bits| (bits & STOPPED == 0).then_some(bits | STARTED));
        before.map(|_| ()).map_err(|bits| Stop::read(bits).unwrap_or(Stop::Closed))
    }

    /// Whether it has been started.
    pub(super) fn is_started(&self) -> bool {
        self.bits.load(Ordering::Acquire) & STARTED != 0
    }

    /// Waits until it is stopped.
    pub(super) async fn stopped(&self) -> Stop {
        loop {
            if let Some(stop) = Stop::read(self.bits.load(Ordering::Acquire)) {
                return stop;
            }
            self.bell.notified().await;
        }
    }

    /// Waits for the lane.
    pub(super) async fn turn(&self) -> Result<(), Stop> {
        self.granted(TURN).await
    }

    /// Waits for a place to run.
    pub(super) async fn place(&self) -> Result<(), Stop> {
        self.granted(PLACE).await
    }

    async fn granted(&self, what: u8) -> Result<(), Stop> {
        loop {
            let bits = self.bits.load(Ordering::Acquire);
            if let Some(stop) = Stop::read(bits) {
                return Err(stop);
            }
            if bits & what != 0 {
                return Ok(());
            }
            self.bell.notified().await;
        }
    }

    fn set(&self, what: u8) -> u8 {
        let before = self.bits.fetch_or(what, Ordering::AcqRel);
        self.bell.notify_one();
        before
    }

    fn set_unless(&self, unless: u8, what: u8) -> bool {
        let done = self
            .bits
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |bits| (bits & unless == 0).then_some(bits | what))
            .is_ok();
        if done {
            self.bell.notify_one();
        }
        done
    }
}

impl Stop {
    fn read(bits: u8) -> Option<Self> {
        if bits & CANCELLED != 0 {
            Some(Self::Cancelled)
        } else if bits & MOVED != 0 {
            Some(Self::Moved)
        } else if bits & CLOSED != 0 {
            Some(Self::Closed)
        } else {
            None
        }
    }

    /// What the caller hears.
    pub(super) fn outcome(self, started: bool) -> Refused {
        match self {
            Self::Cancelled => Refused::Cancelled { started },
            Self::Moved => Refused::Moved { started },
            Self::Closed if started => Refused::Lost,
            Self::Closed => Refused::Moved { started: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_stop_and_start_one_comes_first() {
        let stopped_first = Control::ready();
        assert!(stopped_first.stop_cancelled(), "never starts");
        assert_eq!(stopped_first.start(), Err(Stop::Cancelled));

        let started_first = Control::ready();
        assert_eq!(started_first.start(), Ok(()));
        assert!(!started_first.stop_cancelled(), "may run");
    }

    #[test]
    fn sealing_spares_what_was_started() {
        let (waiting, running) = (Control::ready(), Control::running());
        waiting.stop_moved_unless_started();
        running.stop_moved_unless_started();
        assert_eq!(waiting.start(), Err(Stop::Moved));
        assert_eq!(running.start(), Ok(()));
    }

    #[tokio::test]
    async fn what_came_before_the_wait_is_not_missed() {
        let control = Control::queued();
        assert!(control.grant_turn());
        assert_eq!(control.turn().await, Ok(()));
        control.stop_moved();
        assert_eq!(control.stopped().await, Stop::Moved);
        assert!(!control.grant_turn());
    }
}
