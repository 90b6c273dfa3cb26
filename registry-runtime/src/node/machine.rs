//! What a simulated node runs on.

use std::sync::Arc;

use quinn::AsyncUdpSocket;

use crate::rules::Rules;

/// What a simulated node gets in the place of the machine's own: its socket, its randomness, its wall clock.
///
/// Time is tokio's in any case, so a node on such a machine, on a paused runtime of one thread, does the same at every run.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where the node sends and receives; a received batch stays below 64 KiB.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// What everything random in the node follows from, its keys included: two lives with one seed are twins.
    pub seed: u64,
    /// What the wall clock shows when the node starts, in milliseconds since 1970. A later life needs a later one.
    pub born_ms: u64,
    /// Which rules the node keeps: [`Rules::ALL`], but where a test shows what a missing one does.
    pub rules: Rules,
}
