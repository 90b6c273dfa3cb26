//! Keeps a registry's commands within the limits of this node, and counts them.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::control::Control;
use crate::policy::admission::{Admission, Entry, Full, RETRY_AFTER_MAX, Ticket};
use crate::spec::Spec;

/// The bytes of requests from elsewhere that may wait for their lane or for a place to run, for each registry and as they came: sixty-four of
/// the largest, or a quarter of a MiB for each that may wait by default. What callers in this process wait with was in its memory before.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// How busy a registry is on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Commands whose bodies run, wherever they do.
    pub(crate) running: u32,
    /// Commands that wait for their lane or for a place to run.
    pub(crate) waiting: u32,
}

/// The one way in for commands, and the count of those that run.
///
/// There are as many places to run as the registry's `concurrency` says. A synchronous body takes one by `step_in`, which
/// takes no lock: two steps on one atomic number are all that a command pays that ends where it was called. Everything that
/// waits goes through the admission, under its lock.
///
/// No wake-up is lost between the two: who lines up makes that known (`in_line`) before looking once more for a place, and
/// who gives a place back does so before looking whether anybody stands in line. In the one order that sequential
/// consistency gives these four steps, one of the two sees the other.
#[derive(Debug)]
pub(super) struct Door {
    concurrency: u32,
    /// How many places to run are taken; never more than `concurrency`.
    taken: AtomicU32,
    /// A copy of the admission's count, written under its lock.
    in_line: AtomicU32,
    /// A copy of the admission's count, so that looking at the load takes no lock.
    waiting: AtomicU32,
    /// The bytes that commands wait with.
    held: AtomicUsize,
    admission: Mutex<Admission<Arc<Control>>>,
}

impl Door {
    pub(super) fn new(spec: &Spec) -> Self {
        Self {
            concurrency: spec.concurrency.max(1),
            taken: AtomicU32::new(0),
            in_line: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            held: AtomicUsize::new(0),
            admission: Mutex::new(Admission::new(spec)),
        }
    }

    /// Lets in a body that ends where it was called. `None` when every place is taken, or somebody stands in line for one:
    /// then it has to [`enter`](Self::enter) like any other.
    #[inline]
    pub(super) fn step_in(&self) -> Option<Inside<'_>> {
        (self.in_line.load(Ordering::Relaxed) == 0 && self.take()).then(|| Inside(self))
    }

    /// Lets in a command that could run at once, and came with so many bytes.
    pub(super) fn enter(self: &Arc<Self>, bytes: usize) -> Result<Place, Full> {
        match self.with(|admission| admission.enter(|| self.take()))? {
            Entry::Runs => Ok(self.place(Stage::Running(Instant::now()))),
            Entry::Waits => self.place(Stage::Waiting).with_bytes(bytes),
        }
    }

    /// Lets in a command that has to wait for its lane first, and came with so many bytes.
    pub(super) fn enter_waiting(self: &Arc<Self>, bytes: usize) -> Result<Place, Full> {
        self.with(Admission::enter_waiting)?;
        self.place(Stage::Waiting).with_bytes(bytes)
    }

    fn place(self: &Arc<Self>, stage: Stage) -> Place {
        Place { door: Arc::clone(self), stage, bytes: 0 }
    }

    /// Sets bytes aside for a command that waits with so many.
    fn hold(&self, bytes: usize) -> Result<usize, Full> {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= WAITING_BYTES_MAX);
        if bytes > 0 && self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(Full { retry_after: RETRY_AFTER_MAX });
        }
        Ok(bytes)
    }

    pub(super) fn load(&self) -> Load {
        Load { running: self.taken.load(Ordering::Relaxed), waiting: self.waiting.load(Ordering::Relaxed) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Admission<Arc<Control>>) -> T) -> T {
        // Nothing in the admission can panic halfway, so a poisoned lock still guards a whole value.
        let mut admission: MutexGuard<'_, _> = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let told = act(&mut admission);
        self.waiting.store(admission.waiting(), Ordering::Relaxed);
        self.in_line.store(admission.in_line(), Ordering::SeqCst);
        told
    }

    /// Takes a place to run, if one is free.
    #[inline]
    fn take(&self) -> bool {
        let one_more = |taken: u32| (taken < self.concurrency).then(|| taken.saturating_add(1));
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Gives a place back.
    #[inline]
    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
        if self.in_line.load(Ordering::SeqCst) > 0 {
            self.hand_on();
        }
    }

    /// Hands free places to those that stand in line.
    #[cold]
    fn hand_on(&self) {
        while let Some(next) = self.with(|admission| admission.next(|| self.take())) {
            next.grant_place();
        }
    }
}

/// The stay of a body that ends where it was called; dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Inside<'a>(&'a Door);

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// One command's stay; dropping it lets the command out.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    stage: Stage,
    /// What it waits with.
    bytes: usize,
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
        let door = &self.door;
        match door.with(|admission| admission.start(Arc::clone(control), || door.take())) {
            None => {
                self.began();
                true
            }
            Some(ticket) => {
                self.stage = Stage::InLine(ticket);
                // A place that was given back before anybody stood in line was handed to nobody.
                self.door.hand_on();
                false
            }
        }
    }

    /// Counts the run's time from now, and its bytes no more.
    pub(super) fn began(&mut self) {
        self.stage = Stage::Running(Instant::now());
        self.free_bytes();
    }

    fn with_bytes(mut self, bytes: usize) -> Result<Self, Full> {
        self.bytes = self.door.hold(bytes)?;
        Ok(self)
    }

    fn free_bytes(&mut self) {
        if self.bytes > 0 {
            self.door.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free_bytes();
        let ran = match self.stage {
            Stage::Waiting => return self.door.with(Admission::give_up),
            // A place that was handed over at this very moment goes on to the next.
            Stage::InLine(ticket) => match self.door.with(|admission| admission.leave_line(ticket)) {
                true => return,
                false => Duration::ZERO,
            },
            Stage::Running(since) => since.elapsed(),
        };
        match self.door.with(|admission| admission.finish(ran)) {
            Some(next) => next.grant_place(),
            None => self.door.give_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::tests::narrow;

    #[tokio::test]
    async fn what_commands_wait_with_is_bounded() {
        let door = Arc::new(Door::new(&narrow()));
        let runs = door.enter(WAITING_BYTES_MAX).unwrap();
        let mut half = door.enter(WAITING_BYTES_MAX / 2).unwrap();
        let rest = door.enter_waiting(WAITING_BYTES_MAX / 2).unwrap();
        drop(runs);
        assert!(half.ask(&Arc::new(Control::ready())), "its bytes count no more");
        assert!(door.enter_waiting(WAITING_BYTES_MAX).is_err() && door.enter_waiting(usize::MAX).is_err());
        assert_eq!(door.load().waiting, 1, "who is sent away does not wait");
        drop(rest);
        assert!(door.enter_waiting(WAITING_BYTES_MAX).is_ok());
        assert_eq!(door.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_place_that_was_handed_to_one_who_left_goes_on_to_the_next() {
        let door = Arc::new(Door::new(&narrow()));
        let runs = door.enter(0).unwrap();
        let (mut leaves, mut next) = (door.enter(0).unwrap(), door.enter(0).unwrap());
        let (left, stays) = (Arc::new(Control::ready()), Arc::new(Control::ready()));
        assert!(!leaves.ask(&left) && !next.ask(&stays));
        assert!(door.enter(0).is_err());
        drop(runs);
        assert_eq!(left.place().await, Ok(()));
        drop(leaves);
        assert_eq!(stays.place().await, Ok(()));
        next.began();
        assert_eq!((door.load().running, door.load().waiting), (1, 0));
        drop(next);
        assert!(door.enter(0).unwrap().is_running());
    }
}
