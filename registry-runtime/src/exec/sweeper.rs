//! Drops what slots have let go of, little by little.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle as Runtime;
use tokio::task::yield_now;

use super::contain::{contain, discard};

/// How much is dropped at once. A user's `Drop` and the allocator take some tenths of a microsecond for one thing, so others wait for some
/// hundred microseconds at most; one node may let go of millions of instances in one moment.
const PIECE: usize = 1024;

/// Drops a registry's instances, as many at once as nobody minds.
///
/// A node that was wrongly taken for dead, or has handed many slots over, lets go of all that it kept of them. Dropping that where it is let
/// go of would hold up the node's own task, on which its leases depend. What waits here takes no memory but its own.
#[derive(Debug)]
pub(super) struct Sweeper {
    runtime: Runtime,
    heap: Arc<Mutex<Heap>>,
}

#[derive(Debug, Default)]
struct Heap {
    waiting: VecDeque<Rubbish>,
    /// Whether a task is at it.
    is_swept: bool,
}

/// Things, each of which is dropped when the next is asked for.
struct Rubbish(Box<dyn Iterator<Item = ()> + Send>);

impl Sweeper {
    pub(super) fn new(runtime: Runtime) -> Self {
        Self { runtime, heap: Arc::default() }
    }

    /// Drops all of these soon.
    pub(super) fn sweep<T: Send + 'static>(&self, things: impl IntoIterator<Item = T, IntoIter: Send + 'static>) {
        let things = things.into_iter();
        if things.size_hint() == (0, Some(0)) {
            return;
        }
        let rubbish = Rubbish(Box::new(things.map(drop)));
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        heap.waiting.push_back(rubbish);
        if !std::mem::replace(&mut heap.is_swept, true) {
            self.runtime.spawn(sweep(Arc::clone(&self.heap)));
        }
    }
}

async fn sweep(heap: Arc<Mutex<Heap>>) {
    while let Some(mut rubbish) = next(&heap) {
        let mut remains = true;
        while remains {
            remains = rubbish.drop_piece();
            yield_now().await;
        }
    }
}

/// Takes the next rubbish; without any the task is over.
fn next(heap: &Mutex<Heap>) -> Option<Rubbish> {
    let mut heap = heap.lock().unwrap_or_else(PoisonError::into_inner);
    let next = heap.waiting.pop_front();
    heap.is_swept = next.is_some();
    next
}

impl Rubbish {
    /// Drops some. Whether there may be more.
    fn drop_piece(&mut self) -> bool {
        // Whoever panics is over with, and the rest goes on.
        contain(|| self.0.by_ref().take(PIECE).count()).is_none_or(|dropped| dropped == PIECE)
    }
}

/// When the runtime ends before all is dropped, the rest goes at once.
impl Drop for Rubbish {
    fn drop(&mut self) {
        discard(std::mem::replace(&mut self.0, Box::new(std::iter::empty())));
    }
}

impl fmt::Debug for Rubbish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rubbish").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts its drops, and panics at some.
    struct Thing(Arc<AtomicUsize>, bool);

    impl Drop for Thing {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert!(!self.1, "thrown on purpose");
        }
    }

    fn things(dropped: &Arc<AtomicUsize>, count: usize) -> Vec<Thing> {
        (0..count).map(|at| Thing(Arc::clone(dropped), at == 7)).collect()
    }

    #[tokio::test]
    async fn all_goes_in_pieces_between_which_others_run() {
        let (sweeper, dropped) = (Sweeper::new(Runtime::current()), Arc::new(AtomicUsize::new(0)));
        sweeper.sweep(things(&dropped, 3 * PIECE));
        sweeper.sweep(things(&dropped, 10));
        sweeper.sweep(Vec::<Thing>::new());
        assert_eq!(dropped.load(Ordering::Relaxed), 0, "not where it is let go of");
        let mut seen = 0;
        while seen < 3 * PIECE + 10 {
            yield_now().await;
            let now = dropped.load(Ordering::Relaxed);
            assert!(now - seen <= PIECE, "{seen} and then {now}");
            seen = now;
        }
        sweeper.sweep(things(&dropped, 5));
        while dropped.load(Ordering::Relaxed) < 3 * PIECE + 15 {
            yield_now().await;
        }
    }

    #[test]
    fn what_is_left_when_the_runtime_ends_is_dropped_too() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sweeper = Sweeper::new(runtime.handle().clone());
        sweeper.sweep(things(&dropped, 5));
        drop(runtime);
        drop(sweeper);
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
    }
}
