//! For how long a slot's replicas have lent the owner their word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Clock;
use crate::time::Moment;

/// The end of a lease, shared by all slots whose replicas are the same and by whoever hears their heartbeats.
///
/// Counted in nanoseconds of the [`Clock`]; the largest number means for ever.
#[derive(Clone, Debug)]
pub(crate) struct Lease(Arc<AtomicU64>);

impl Lease {
    /// A lease that never ends.
    #[cfg(test)]
    pub(crate) fn forever() -> Self {
        Self::until(Moment::FOREVER)
    }

    /// A lease that holds until just before `end`.
    pub(crate) fn until(end: Moment) -> Self {
        Self(Arc::new(AtomicU64::new(nanoseconds(end))))
    }

    /// Moves the end, to later or to earlier.
    pub(crate) fn set(&self, end: Moment) {
        self.0.store(nanoseconds(end), Ordering::Release);
    }

    /// Whether it holds now. Ask after the state was read that the answer is about.
    pub(super) fn holds(&self, clock: &dyn Clock) -> bool {
        match self.0.load(Ordering::Acquire) {
            u64::MAX => true,
            end => nanoseconds(clock.now()) < end,
        }
    }
}

/// Nanoseconds since the origin: enough for 584 years.
fn nanoseconds(moment: Moment) -> u64 {
    let since = moment.since_origin();
    since.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(since.subsec_nanos()))
}
