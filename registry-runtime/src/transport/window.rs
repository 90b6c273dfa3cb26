//! How many bytes a connection may have under way: what CUBIC (RFC 9438) allows, but never less than a floor.
//!
//! Quinn counts a trial of a larger packet size among the bytes under way, although the trial is not held back by the window
//! itself. A trial that is lost and larger than the window therefore blocks the connection until a probe timeout, and with it the
//! acknowledgements that the peer waits for: both sides may stand still for seconds on a path that carries everything else.
//! A floor of several such trials leaves room beside a lost one. Below it the only brake is that quinn sends no faster
//! than the window allows in a round trip, which is little: a cluster's links carry as much in a millisecond.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;

/// Makes a window with a floor for every connection.
#[derive(Debug)]
pub(super) struct Windows {
    floor: u64,
    cubic: Arc<CubicConfig>,
}

/// The window of one connection.
struct Window {
    floor: u64,
    cubic: Box<dyn Controller>,
}

impl Windows {
    /// Windows of at least so many bytes, which they also begin with.
    pub(super) fn new(floor: u64) -> Self {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(floor);
        Self { floor, cubic: Arc::new(cubic) }
    }
}

impl ControllerFactory for Windows {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Window { floor: self.floor, cubic: self.cubic.clone().build(now, current_mtu) })
    }
}

impl Controller for Window {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window().max(self.floor)
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.cubic.metrics();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { floor: self.floor, cubic: self.cubic.clone_box() })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window().max(self.floor)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shrinks_with_losses_and_never_below_its_floor() {
        let now = Instant::now();
        let mut window = Arc::new(Windows::new(100_000)).build(now, 1200);
        assert_eq!((window.window(), window.initial_window()), (100_000, 100_000));
        window.on_congestion_event(now, now, true, 1200);
        assert_eq!(window.window(), 100_000);
        assert_eq!(window.metrics().congestion_window, 100_000);
        assert_eq!(window.clone_box().window(), 100_000);
    }
}
