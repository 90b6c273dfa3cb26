//! A request under way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Lane, LinkError, Reply};

/// A request under way. Gives the answer; dropping it takes the request back and tells the peer so.
///
/// Once it has given the answer it must not be polled again.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub(crate) struct Pending {
    lane: Arc<Lane>,
    number: u32,
    over: bool,
}

impl Pending {
    pub(super) fn new(lane: Arc<Lane>, number: u32) -> Self {
        Self { lane, number, over: false }
    }
}

impl Future for Pending {
    type Output = Result<Reply, LinkError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let end = self.lane.poll_end(self.number, task);
        self.over = end.is_ready();
        end
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.over {
            self.lane.forget(self.number);
        }
    }
}
