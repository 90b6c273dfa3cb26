//! How many bytes of large frames wait on a connection to be sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// A number of bytes that may be set aside, and who waits for some of them to be free again.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
    /// The pumps of a connection's lanes, each once at most.
    waiting: Mutex<Vec<Waker>>,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), waiting: Mutex::default() })
    }

    /// Sets bytes aside; `None` when too many are already.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let fits = |held: usize| held.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reserved { bytes, budget: self.clone() })
    }

    /// The bytes that are set aside.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Wakes the task when bytes are free again. Who has called this looks at [`held`](Self::held) once more before it waits.
    pub(super) fn wait(&self, task: &Context<'_>) {
        let mut waiting = self.waiting();
        if !waiting.iter().any(|waker| waker.will_wake(task.waker())) {
            waiting.push(task.waker().clone());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes set aside for a frame.
#[derive(Debug)]
pub(super) struct Reserved {
    bytes: usize,
    budget: Arc<Budget>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // Before the lock is taken: who waits looks once more after having held it.
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.budget.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn no_more_than_the_limit_is_given_and_who_waits_is_woken() {
        let budget = Budget::new(100);
        let (first, second) = (budget.reserve(60).unwrap(), budget.reserve(40).unwrap());
        assert!(budget.reserve(1).is_none());
        assert!(budget.reserve(usize::MAX).is_none());
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let task = Context::from_waker(&waker);
        budget.wait(&task);
        budget.wait(&task);
        drop(first);
        assert_eq!((budget.held(), bell.0.load(Ordering::Relaxed)), (40, 1));
        drop(second);
        assert_eq!((budget.held(), bell.0.load(Ordering::Relaxed)), (0, 1));
        assert!(budget.reserve(100).is_some());
    }
}
