//! Keeps a registry's commands within the limits of this node, and counts them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::control::Control;
use crate::policy::admission::{Admission, Entry, Full, Ticket};
use crate::spec::Spec;

/// How busy a registry is on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Commands that run as tasks or are being polled; synchronous ones on a free lane end too soon to be counted.
    pub(crate) running: u32,
    /// Commands that wait for their lane or for a place to run.
    pub(crate) waiting: u32,
    /// Time spent in commands since the start, summed over all that ran side by side, the waits inside asynchronous ones
    /// included; synchronous reads on the caller's thread are left out, for measuring them would cost as much as they do.
    pub(crate) busy: Duration,
}

/// The one way in for commands that run as tasks.
#[derive(Debug)]
pub(super) struct Door {
    admission: Mutex<Admission<Arc<Control>>>,
    /// Copies of the admission's counts, so that looking at the load takes no lock.
    running: AtomicU32,
    waiting: AtomicU32,
    busy_ns: AtomicU64,
}

impl Door {
    pub(super) fn new(spec: &Spec) -> Self {
        Self {
            admission: Mutex::new(Admission::new(spec)),
            running: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            busy_ns: AtomicU64::new(0),
        }
    }

    /// Lets in a command that could run at once.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, Full> {
        let stage = match self.with(Admission::enter)? {
            Entry::Runs => Stage::Running(Instant::now()),
            Entry::Waits => Stage::Waiting,
        };
        Ok(Place { door: Arc::clone(self), stage })
    }

    /// Lets in a command that has to wait for its lane first.
    pub(super) fn enter_waiting(self: &Arc<Self>) -> Result<Place, Full> {
        self.with(Admission::enter_waiting)?;
        Ok(Place { door: Arc::clone(self), stage: Stage::Waiting })
    }

    pub(super) fn load(&self) -> Load {
        Load {
            running: self.running.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            busy: Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed)),
        }
    }

    /// Counts time spent in a command.
    pub(super) fn add_busy(&self, span: Duration) {
        self.busy_ns.fetch_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Admission<Arc<Control>>) -> T) -> T {
        // Nothing in the admission can panic halfway, so a poisoned lock still guards a whole value.
        let mut admission: MutexGuard<'_, _> = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let told = act(&mut admission);
        self.running.store(admission.running(), Ordering::Relaxed);
        self.waiting.store(admission.waiting(), Ordering::Relaxed);
        told
    }
}

/// One command's stay; dropping it lets the command out.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// For something other than a place to run.
    Waiting,
    /// For a place to run.
    InLine(Ticket),
    Running(Instant),
}

impl Place {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// Asks to run. `false` when there is no place yet: the control will be granted one, and then `began` must be called.
    pub(super) fn ask(&mut self, control: &Arc<Control>) -> bool {
        if self.is_running() {
            return true;
        }
        match self.door.with(|admission| admission.start(Arc::clone(control))) {
            None => {
                self.began();
                true
            }
            Some(ticket) => {
                self.stage = Stage::InLine(ticket);
                false
            }
        }
    }

    /// Counts the run's time from now.
    pub(super) fn began(&mut self) {
        self.stage = Stage::Running(Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let ran = match self.stage {
            Stage::Waiting => return self.door.with(Admission::give_up),
            // A place that was handed over at this very moment goes on to the next.
            Stage::InLine(ticket) => match self.door.with(|admission| admission.leave_line(ticket)) {
                true => return,
                false => Duration::ZERO,
            },
            Stage::Running(since) => since.elapsed(),
        };
        self.door.add_busy(ran);
        if let Some(next) = self.door.with(|admission| admission.finish(ran)) {
            next.grant_place();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::tests::narrow;

    #[tokio::test]
    async fn a_place_that_was_handed_to_one_who_left_goes_on_to_the_next() {
        let door = Arc::new(Door::new(&narrow()));
        let runs = door.enter().unwrap();
        let (mut leaves, mut next) = (door.enter().unwrap(), door.enter().unwrap());
        let (left, stays) = (Arc::new(Control::ready()), Arc::new(Control::ready()));
        assert!(!leaves.ask(&left) && !next.ask(&stays));
        assert!(door.enter().is_err());
        drop(runs);
        assert_eq!(left.place().await, Ok(()));
        drop(leaves);
        assert_eq!(stays.place().await, Ok(()));
        next.began();
        assert_eq!((door.load().running, door.load().waiting), (1, 0));
        drop(next);
        assert!(door.enter().unwrap().is_running());
    }
}
