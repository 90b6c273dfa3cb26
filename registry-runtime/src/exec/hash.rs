//! A cheap hash for the maps of instances.

use std::hash::{BuildHasher, Hasher};

/// Makes hashers that start from one secret number, so that nobody can send keys that are sure to collide.
///
/// The standard library's own hash withstands more and costs several times as much as the rest of a look-up.
#[derive(Clone, Copy)]
pub(super) struct Seeded(pub(super) u64);

impl BuildHasher for Seeded {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// Multiplies to 128 bits and folds the halves together, word by word.
pub(super) struct Fold(u64);

/// The fraction of the golden ratio, odd and without pattern in its bits.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl Fold {
    fn mix(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
    }
}

impl Hasher for Fold {
    fn write(&mut self, mut bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        while let Some((word, rest)) = bytes.split_first_chunk::<8>() {
            self.mix(u64::from_le_bytes(*word));
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.mix(bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn neighbours_spread_over_both_ends_of_the_word() {
        // The map takes its bucket from the low bits and its tag from the top seven.
        let hashes: Vec<u64> = (0..4096_u64).map(|key| Seeded(77).hash_one(key)).collect();
        let low: BTreeSet<u64> = hashes.iter().map(|hash| hash & 0xFFF).collect();
        let top: BTreeSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        // 4096 balls thrown at random into 4096 bins leave about 2590 of them hit.
        assert!(low.len() > 2300, "{}", low.len());
        assert_eq!(top.len(), 128);
    }

    #[test]
    fn strings_of_every_length_differ() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        let hashes: BTreeSet<u64> = (0..=text.len()).map(|end| Seeded(77).hash_one(&text[..end])).collect();
        assert_eq!(hashes.len(), text.len() + 1);
    }
}
