//! What a lossy path makes of the packets of a connection.
//!
//! A membership's packet travels on one ordered QUIC stream, in a UDP packet of its own. Each UDP packet is lost by itself, with the
//! same chance on every path. One that is lost is sent again after a probe timeout, which doubles with each loss in a row; so loss
//! shows as delay, and what was sent later on the same stream waits behind it. When nothing has got through for the idle time,
//! the connection is given up at both ends, and has to be dialled anew; a handshake is a few flights that may be lost themselves.
//!
//! Real QUIC is kinder in one way and so the figures are not better than they should be: an acknowledgement of a later packet
//! reveals a loss at once, and here every loss waits for the timeout. It is harsher in another: losses come in bursts, and here
//! they do not. Acknowledgements and keep-alives are not simulated; that one of them is lost delays nothing.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One way through a data centre, from and to, in microseconds.
const WAY_US: (u64, u64) = (200, 1000);
/// The first probe timeout of a connection that knows its path: two milliseconds for the way there and back and its variation, and
/// 25 for the acknowledgement that a peer may hold back.
const PROBE_TIMEOUT: Duration = Duration::from_millis(30);
/// The first probe timeout of a handshake, three times the 333 ms that an unknown path is taken for.
const PROBE_TIMEOUT_UNKNOWN: Duration = Duration::from_secs(1);
/// The flights of a handshake with certificates and hellos: how many packets each has, and what its sender waits at first.
const FLIGHTS: [(u32, Duration); 4] =
    [(1, PROBE_TIMEOUT_UNKNOWN), (3, PROBE_TIMEOUT_UNKNOWN), (2, PROBE_TIMEOUT), (1, PROBE_TIMEOUT)];
/// How long a peer may be silent before a connection is given up: the transport's idle time.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(20);
/// How long a handshake may take: the transport's limit.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// All paths of a cluster.
pub(super) struct Wire {
    loss: f64,
    rng: ChaCha8Rng,
}

impl Wire {
    /// Paths that lose this share of all packets.
    pub(super) fn new(loss: f64, seed: u64) -> Self {
        Self { loss, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// How long a packet takes, lost and sent again as it may be; `None` when the connection is given up before.
    pub(super) fn packet(&mut self) -> Option<Duration> {
        let waited = self.waited(PROBE_TIMEOUT).filter(|waited| *waited < IDLE_TIME)?;
        Some(waited + self.way())
    }

    /// How long it takes until a connection stands; `None` when that takes too long.
    pub(super) fn handshake(&mut self) -> Option<Duration> {
        let mut took = Duration::ZERO;
        for (packets, timeout) in FLIGHTS {
            let mut slowest = Duration::ZERO;
            for _ in 0..packets {
                slowest = slowest.max(self.waited(timeout)?);
            }
            took += slowest + self.way();
        }
        (took < HANDSHAKE_TIME).then_some(took)
    }

    /// How long the sender waits in all until it sends the copy that arrives.
    fn waited(&mut self, timeout: Duration) -> Option<Duration> {
        let (mut waited, mut next) = (Duration::ZERO, timeout);
        while self.loss > 0.0 && self.rng.random_bool(self.loss) {
            waited += next;
            next *= 2;
            if waited >= IDLE_TIME {
                return None;
            }
        }
        Some(waited)
    }

    fn way(&mut self) -> Duration {
        Duration::from_micros(self.rng.random_range(WAY_US.0..WAY_US.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_delay_and_rarely_the_end() {
        let share_over = |loss, limit| {
            let mut wire = Wire::new(loss, 1);
            let slow = (0..10_000).filter(|_| wire.packet().is_none_or(|took| took > limit)).count();
            slow as f64 / 10_000.0
        };
        let ms = Duration::from_millis;
        assert_eq!(share_over(0.0, ms(1)), 0.0);
        // One loss costs 30 ms, two cost 90.
        for (loss, limit, expected) in [(0.2, ms(20), 0.2), (0.2, ms(60), 0.04), (0.05, ms(20), 0.05)] {
            let share = share_over(loss, limit);
            assert!((share - expected).abs() < expected / 5.0, "{share} of packets took over {limit:?} at {loss}");
        }
        assert_eq!(Wire::new(1.0, 1).packet(), None);
        assert_eq!(Wire::new(1.0, 1).handshake(), None);
        assert!(Wire::new(0.0, 1).handshake().unwrap() < ms(5));
    }
}
