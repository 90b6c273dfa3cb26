//! A buffer that each thread keeps for its next encoding.

use std::cell::Cell;

/// The most bytes that a thread keeps: most commands and replies are far shorter.
const KEPT_BYTES_MAX: usize = 16 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends an empty buffer that this thread uses again and again. Who asks for one while another is lent gets a new one.
#[inline]
pub(crate) fn with_scratch<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // A thread that is about to end keeps nothing.
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    scratch.clear();
    let written = write(&mut scratch);
    if scratch.capacity() <= KEPT_BYTES_MAX {
        let _ = SCRATCH.try_with(|place| place.set(scratch));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_again_unless_it_has_grown_large() {
        let first = with_scratch(|scratch| {
            scratch.extend_from_slice(b"first");
            with_scratch(|other| assert!(other.is_empty()));
            scratch.as_ptr()
        });
        with_scratch(|scratch| {
            assert_eq!((scratch.as_ptr(), scratch.len()), (first, 0));
            scratch.reserve(KEPT_BYTES_MAX + 1);
        });
        with_scratch(|scratch| assert!(scratch.capacity() <= KEPT_BYTES_MAX));
    }
}
