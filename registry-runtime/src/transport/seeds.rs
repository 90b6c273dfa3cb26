//! Where the transport's randomness comes from: the operating system, or one seed that repeats everything.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quinn::ConnectionIdGenerator;
use quinn_proto::ConnectionId;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, GetRandomFailed};

/// The seeds of everything random in one endpoint, drawn one after the other from one generator.
#[derive(Debug)]
pub(crate) struct Seeds {
    rng: ChaCha20Rng,
    repeatable: bool,
}

impl Seeds {
    /// Seeds that nobody can foretell. `None` when the operating system has no randomness to give.
    pub(crate) fn from_system() -> Option<Self> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).ok()?;
        Some(Self { rng: ChaCha20Rng::from_seed(seed), repeatable: false })
    }

    /// Seeds that are the same for the same number, TLS included: for simulations, where nobody listens.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn repeatable(seed: u64) -> Self {
        Self { rng: ChaCha20Rng::seed_from_u64(seed), repeatable: true }
    }

    /// Draws a number for the rest of the node.
    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// Draws a seed.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Draws a generator.
    pub(super) fn generator(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.bytes())
    }

    /// The cryptography of TLS. A repeatable one lives as long as the process, since rustls asks for that.
    pub(super) fn crypto(&mut self) -> CryptoProvider {
        let mut provider = rustls::crypto::ring::default_provider();
        // As strong as a connection needs, and a little cheaper for large commands than the default's 256 bits.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        if self.repeatable {
            provider.secure_random = Box::leak(Box::new(Repeatable(Mutex::new(self.generator()))));
        }
        provider
    }
}

/// TLS randomness that can be repeated.
struct Repeatable(Mutex<ChaCha20Rng>);

impl fmt::Debug for Repeatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repeatable")
    }
}

impl rustls::crypto::SecureRandom for Repeatable {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
        Ok(())
    }
}

/// The bytes of a connection id: what quinn uses too, long enough that ids do not collide.
const CONNECTION_ID_BYTES: usize = 8;

/// The bytes of the first destination id of a dial: the longest that QUIC allows, so that nobody guesses it.
const FIRST_ID_BYTES: usize = 20;

/// Draws connection ids. Quinn's own generators draw from the operating system, whatever seed they are given.
pub(super) struct ConnectionIds(ChaCha20Rng);

impl ConnectionIds {
    pub(super) fn new(rng: ChaCha20Rng) -> Self {
        Self(rng)
    }
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; CONNECTION_ID_BYTES];
        self.0.fill_bytes(&mut bytes);
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Draws the first destination ids of dials.
pub(super) struct FirstIds(Mutex<ChaCha20Rng>);

impl FirstIds {
    pub(super) fn new(rng: ChaCha20Rng) -> Self {
        Self(Mutex::new(rng))
    }

    pub(super) fn draw(&self) -> ConnectionId {
        let mut bytes = [0; FIRST_ID_BYTES];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        ConnectionId::new(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_repeats_everything() {
        let draw = |seed| {
            let mut seeds = Seeds::repeatable(seed);
            let first: [u8; 32] = seeds.bytes();
            let mut random = [0; 16];
            seeds.crypto().secure_random.fill(&mut random).unwrap();
            let mut ids = ConnectionIds::new(seeds.generator());
            (first, random, ids.generate_cid(), ids.generate_cid(), FirstIds::new(seeds.generator()).draw())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1).2, draw(1).3);
    }

    #[test]
    fn the_system_gives_other_seeds_each_time() {
        let mut draws = [Seeds::from_system().unwrap(), Seeds::from_system().unwrap()];
        assert_ne!(draws[0].bytes::<32>(), draws[1].bytes::<32>());
    }
}
