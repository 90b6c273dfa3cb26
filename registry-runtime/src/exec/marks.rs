//! Lets go of the receipts of callers who have long heard, in slots that they do not call any more.
//!
//! A caller's mark comes with its next call of the slot. Where keys are many that may take long, so callers also tell now and then up to
//! which number all their calls are over, whatever the slot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::Host;
use crate::id::Mark;
use crate::resource::Resource;

/// How many callers' marks wait for the next walk: as many as a cluster has members. What comes beyond is told again.
const WAITING_MAX: usize = 1024;

/// How long marks are gathered before a walk begins: half of the time in which every caller tells its own, so that one walk is for many.
const GATHERING: Duration = Duration::from_secs(1);

/// How many slots are looked at in a row. Each takes some tenths of a microsecond, more where it has many callers.
const IN_A_ROW: usize = 64;

/// The marks of a registry's callers that have come since the last walk through its slots began.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// By session.
    marks: BTreeMap<u64, Mark>,
    /// Whether a task walks.
    is_walked: bool,
}

impl Marks {
    /// Puts a mark down. Whether a walk has to begin.
    fn put(&self, session: u64, mark: Mark) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.marks.len() >= WAITING_MAX && !waiting.marks.contains_key(&session) {
            return false;
        }
        let highest = waiting.marks.entry(session).or_insert(mark);
        *highest = mark.max(*highest);
        !std::mem::replace(&mut waiting.is_walked, true)
    }

    /// Takes what has come; without anything the walk is over.
    fn take(&self) -> BTreeMap<u64, Mark> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_walked = !waiting.marks.is_empty();
        std::mem::take(&mut waiting.marks)
    }
}

impl<R: Resource> Host<R> {
    /// A caller says that all calls of its session below the mark are over, in every slot.
    pub(crate) fn pass(self: &Arc<Self>, session: u64, mark: Mark) {
        if self.marks.put(session, mark) {
            self.setting.spawn(Box::pin(walk(Arc::downgrade(self))));
        }
    }
}

/// Walks through all slots again and again, for as long as marks come.
async fn walk<R: Resource>(host: Weak<Host<R>>) {
    loop {
        sleep(GATHERING).await;
        let marks = host.upgrade().map(|host| host.marks.take()).unwrap_or_default();
        if marks.is_empty() {
            return;
        }
        let mut slot = Some(0);
        while let (Some(from), Some(host)) = (slot, host.upgrade()) {
            slot = host.pass_some(from, IN_A_ROW, &marks);
            drop(host);
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_walks_for_all_who_have_said_something_meanwhile() {
        let marks = Marks::default();
        assert!(marks.put(1, Mark::new(5)));
        assert!(!marks.put(2, Mark::new(7)) && !marks.put(1, Mark::new(4)));
        assert_eq!(marks.take(), BTreeMap::from([(1, Mark::new(5)), (2, Mark::new(7))]));
        assert!(!marks.put(1, Mark::new(9)), "it is walked yet");
        assert_eq!(marks.take().len(), 1);
        assert!(marks.take().is_empty());
        assert!(marks.put(1, Mark::new(10)));
    }

    #[test]
    fn who_makes_up_sessions_fills_no_memory() {
        let marks = Marks::default();
        (0..2 * WAITING_MAX as u64).for_each(|session| _ = marks.put(session, Mark::new(1)));
        assert!(!marks.put(3, Mark::new(2)));
        let taken = marks.take();
        assert_eq!((taken.len(), taken[&3]), (WAITING_MAX, Mark::new(2)));
    }
}
