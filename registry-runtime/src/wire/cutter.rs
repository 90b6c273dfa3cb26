//! Cuts a stream of chunks back into the frames that its sender had put together.

use bytes::{Buf, Bytes};

use super::frame::{BadFrame, LENGTH_BYTES};

/// Takes chunks in, gives frames out: each `[u32 length]` and that many bytes.
///
/// A frame that lies whole in one chunk is given out where it lies; only one that straddles chunks is copied. A length over
/// the limit is refused when it is read, before anything of the frame is kept.
#[derive(Debug)]
pub(crate) struct Cutter {
    limit: usize,
    chunk: Bytes,
    /// Where the next frame begins in `chunk`.
    at: usize,
    /// The beginning of a frame whose rest is still to come, length included.
    carry: Vec<u8>,
    /// The last straddling frame, put together.
    whole: Bytes,
}

/// One frame, and the buffer that it lies in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut<'a> {
    /// The frame without its length.
    pub(crate) frame: &'a [u8],
    home: &'a Bytes,
}

impl<'a> Cut<'a> {
    /// A frame that came by itself.
    pub(crate) fn whole(frame: &'a Bytes) -> Self {
        Self { frame, home: frame }
    }

    /// A part of the frame that may be kept. It shares the received buffer, and keeps all of that alive.
    pub(crate) fn keep(&self, part: &[u8]) -> Bytes {
        if part.is_empty() { Bytes::new() } else { self.home.slice_ref(part) }
    }
}

impl Cutter {
    /// A cutter for frames up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, chunk: Bytes::new(), at: 0, carry: Vec::new(), whole: Bytes::new() }
    }

    /// Takes the next chunk of the stream. The frames of the one before must have been taken out.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.at >= self.chunk.len(), "frames were left in the chunk before");
        self.chunk = chunk;
        self.at = 0;
    }

    /// Whether the stream may end here: no part of a frame is waiting for its rest.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.carry.is_empty() && self.at >= self.chunk.len()
    }

    /// The next whole frame; `None` when another chunk is needed.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Cut<'_>>, BadFrame> {
        if !self.carry.is_empty() {
            return self.straddling();
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        if let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
            let length = checked(*length, self.limit)?;
            if after.len() >= length {
                let begin = self.at.saturating_add(LENGTH_BYTES);
                self.at = begin.saturating_add(length);
                let frame = self.chunk.get(begin..self.at).unwrap_or_default();
                return Ok(Some(Cut { frame, home: &self.chunk }));
            }
        }
        self.carry.extend_from_slice(rest);
        self.release();
        Ok(None)
    }

    /// Goes on with a frame whose beginning came in earlier chunks.
    fn straddling(&mut self) -> Result<Option<Cut<'_>>, BadFrame> {
        self.fill(LENGTH_BYTES);
        let Some(length) = self.carry.first_chunk::<LENGTH_BYTES>() else {
            self.release();
            return Ok(None);
        };
        let whole = checked(*length, self.limit)?.saturating_add(LENGTH_BYTES);
        self.fill(whole);
        if self.carry.len() < whole {
            self.release();
            return Ok(None);
        }
        self.whole = Bytes::from(std::mem::take(&mut self.carry));
        self.whole.advance(LENGTH_BYTES);
        Ok(Some(Cut { frame: &self.whole, home: &self.whole }))
    }

    /// Moves bytes from the chunk to the carried beginning until that has `len` bytes or the chunk is used up.
    fn fill(&mut self, len: usize) {
        let missing = len.saturating_sub(self.carry.len());
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let part = rest.get(..missing).unwrap_or(rest);
        self.carry.extend_from_slice(part);
        self.at = self.at.saturating_add(part.len());
    }

    /// Lets go of a chunk that has been used up, so that an idle stream holds no buffer.
    fn release(&mut self) {
        self.chunk = Bytes::new();
        self.at = 0;
    }
}

#[inline]
fn checked(length: [u8; LENGTH_BYTES], limit: usize) -> Result<usize, BadFrame> {
    let claimed = u32::from_le_bytes(length) as usize;
    if claimed > limit { Err(BadFrame::TooLong { claimed, limit }) } else { Ok(claimed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(lengths: &[usize]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (number, &length) in lengths.iter().enumerate() {
            stream.extend_from_slice(&(length as u32).to_le_bytes());
            stream.extend(std::iter::repeat_n(number as u8, length));
        }
        stream
    }

    fn check(lengths: &[usize], chunk: usize) {
        let mut cutter = Cutter::new(1000);
        let mut seen = Vec::new();
        for chunk in stream(lengths).chunks(chunk) {
            cutter.push(Bytes::copy_from_slice(chunk));
            while let Some(cut) = cutter.next().unwrap() {
                assert!(cut.frame.iter().all(|&byte| byte == seen.len() as u8));
                assert_eq!(cut.keep(cut.frame), cut.frame);
                seen.push(cut.frame.len());
            }
        }
        assert_eq!(seen, lengths, "in chunks of {chunk}");
        assert!(cutter.is_between_frames());
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_chunks() {
        let lengths = [0, 1, 2, 3, 4, 5, 100, 0, 0, 1000, 7];
        for chunk in (1..40).chain([100, 999, 1003, 1004, 1005, 10_000]) {
            check(&lengths, chunk);
        }
    }

    #[test]
    fn a_frame_within_a_chunk_is_not_copied() {
        let chunk = Bytes::from(stream(&[10, 20]));
        let mut cutter = Cutter::new(1000);
        cutter.push(chunk.clone());
        let kept = cutter.next().unwrap().map(|cut| cut.keep(cut.frame)).unwrap();
        assert_eq!(kept.as_ptr(), chunk[4..].as_ptr());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_kept() {
        for chunk in [1, 2, 3, 4, 100] {
            let mut cutter = Cutter::new(1000);
            let bomb = [&1001_u32.to_le_bytes()[..], &[0; 96]].concat();
            let refused = bomb.chunks(chunk).find_map(|chunk| {
                cutter.push(Bytes::copy_from_slice(chunk));
                cutter.next().err()
            });
            assert_eq!(refused, Some(BadFrame::TooLong { claimed: 1001, limit: 1000 }));
            assert!(cutter.carry.capacity() < 100);
        }
    }

    #[test]
    fn a_claim_takes_no_memory_before_its_bytes_come() {
        let mut cutter = Cutter::new(1 << 30);
        cutter.push(Bytes::copy_from_slice(&(1_u32 << 29).to_le_bytes()));
        assert!(cutter.next().unwrap().is_none());
        assert!(cutter.carry.capacity() < 100);
        assert!(!cutter.is_between_frames());
    }
}
