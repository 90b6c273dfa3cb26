//! Frames that wait to be written, in chunks.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::wire::frame::LENGTH_BYTES;

/// The bytes at which a chunk is full. A chunk is never copied into a larger one, so this bounds what growing costs; and one
/// write takes many chunks, so that it need not be larger.
const CHUNK_BYTES: usize = 32 << 10;

/// What a chunk begins with when nothing is known of the traffic.
const CHUNK_BYTES_MIN: usize = 256;

/// Frames in the order in which they were put in.
#[derive(Debug, Default)]
pub(super) struct Pile {
    full: VecDeque<Bytes>,
    full_bytes: usize,
    open: Vec<u8>,
    usual: usize,
}

impl Pile {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.full_bytes.saturating_add(self.open.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.is_empty()
    }

    /// The place for one more frame, of about that many bytes.
    #[inline]
    pub(super) fn space(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.open.capacity().saturating_sub(self.open.len()) < bytes {
            self.make_room(bytes);
        }
        &mut self.open
    }

    /// Moves everything behind what is here.
    pub(super) fn append(&mut self, other: &mut Self) {
        if other.is_empty() {
            return;
        }
        self.close();
        other.close();
        self.full_bytes = self.full_bytes.saturating_add(std::mem::take(&mut other.full_bytes));
        self.full.append(&mut other.full);
    }

    /// Keeps only the frames that please; they are shown without their lengths. What is kept is not copied.
    pub(super) fn retain(&mut self, mut pleases: impl FnMut(&[u8]) -> bool) {
        self.close();
        self.full_bytes = 0;
        for mut rest in std::mem::take(&mut self.full) {
            // Frames that follow one another and stay remain in one piece.
            let mut kept = 0;
            while let Some((length, after)) = rest.get(kept..).and_then(<[u8]>::split_first_chunk::<LENGTH_BYTES>) {
                let length = u32::from_le_bytes(*length) as usize;
                let end = kept.saturating_add(LENGTH_BYTES).saturating_add(length).min(rest.len());
                if pleases(after.get(..length).unwrap_or(after)) {
                    kept = end;
                } else {
                    self.push(rest.split_to(kept));
                    rest.advance(end.saturating_sub(kept));
                    kept = 0;
                }
            }
            self.push(rest);
        }
    }

    /// Takes everything out, and puts it behind what is in `into`.
    pub(super) fn drain_into(&mut self, into: &mut VecDeque<Bytes>) {
        self.usual = self.len().clamp(CHUNK_BYTES_MIN, CHUNK_BYTES);
        self.close();
        self.full_bytes = 0;
        into.append(&mut self.full);
    }

    /// Takes everything out, in one piece.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut chunks = std::mem::take(&mut self.full);
        self.full_bytes = 0;
        chunks.push_back(Bytes::from(std::mem::take(&mut self.open)));
        Vec::from(chunks).concat()
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) {
        if self.open.len().saturating_add(bytes) > CHUNK_BYTES {
            self.close();
        }
        let usual = self.usual.max(CHUNK_BYTES_MIN);
        // Twice as much each time, so that the frames of a chunk are copied once on average.
        let grown = self.open.capacity().saturating_mul(2).min(CHUNK_BYTES);
        let target = self.open.len().saturating_add(bytes).max(usual).max(grown);
        self.open.reserve_exact(target.saturating_sub(self.open.len()));
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let open = std::mem::take(&mut self.open);
            self.push(Bytes::from(open));
        }
    }

    fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.full_bytes = self.full_bytes.saturating_add(chunk.len());
            self.full.push_back(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_order_whatever_their_sizes() {
        let (mut pile, mut other) = (Pile::default(), Pile::default());
        let mut expected = Vec::new();
        let mut put = |pile: &mut Pile, number: usize| {
            let bytes = (number * 7919) % 40_000;
            pile.space(bytes).extend(std::iter::repeat_n(number as u8, bytes));
            expected.extend(std::iter::repeat_n(number as u8, bytes));
        };
        for number in 0..100 {
            put(&mut pile, number);
        }
        for number in 100..150 {
            put(&mut other, number);
        }
        pile.append(&mut other);
        assert!(other.is_empty());
        for number in 150..160 {
            put(&mut pile, number);
        }
        assert_eq!(pile.len(), expected.len());
        let mut out = VecDeque::new();
        pile.drain_into(&mut out);
        assert!(pile.is_empty());
        assert_eq!(pile.len(), 0);
        assert_eq!(Vec::from(out).concat(), expected);
    }

    #[test]
    fn what_does_not_please_is_taken_out() {
        let frame =
            |number: u8| [&u32::to_le_bytes(u32::from(number))[..], &vec![number; usize::from(number)]].concat();
        for pleases in [|_| true, |_| false, |number| number % 2 == 0, |number| number % 7 < 5, |number| number > 100] {
            let (mut pile, mut expected) = (Pile::default(), Vec::new());
            for number in 1..=250 {
                pile.space(number as usize + 4).extend(frame(number));
                expected.extend(if pleases(number) { frame(number) } else { Vec::new() });
            }
            pile.retain(|frame| {
                assert_eq!(frame.len(), usize::from(frame[0]));
                pleases(frame[0])
            });
            assert_eq!(pile.len(), expected.len());
            pile.space(9).extend(frame(5));
            expected.extend(frame(5));
            let mut out = VecDeque::new();
            pile.drain_into(&mut out);
            assert_eq!(Vec::from(out).concat(), expected);
        }
    }
}
