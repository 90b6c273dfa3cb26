//! Buffers that each thread keeps for its next encodings.

use std::cell::RefCell;

/// The most bytes of a buffer that a thread keeps: most commands and replies are far shorter.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// The most buffers that a thread keeps: a reply is written in one while its record is written and framed in another.
const KEPT_MAX: usize = 2;

thread_local! {
    static SCRATCHES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends an empty buffer that this thread uses again and again. Who asks for one while another is lent gets another.
#[inline]
pub(crate) fn with_scratch<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // A thread that is about to end keeps nothing.
    let mut scratch = SCRATCHES.try_with(|kept| kept.borrow_mut().pop()).ok().flatten().unwrap_or_default();
    scratch.clear();
    let written = write(&mut scratch);
    if scratch.capacity() <= KEPT_BYTES_MAX {
        let _ = SCRATCHES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(scratch);
            }
        });
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_again_unless_it_has_grown_large() {
        let (first, second) = with_scratch(|scratch| {
            scratch.extend_from_slice(b"first");
            let second = with_scratch(|other| {
                assert!(other.is_empty());
                other.push(2);
                other.as_ptr()
            });
            (scratch.as_ptr(), second)
        });
        with_scratch(|scratch| {
            assert_eq!((scratch.as_ptr(), scratch.len()), (first, 0));
            with_scratch(|other| assert_eq!((other.as_ptr(), other.len()), (second, 0)));
            scratch.reserve(KEPT_BYTES_MAX + 1);
        });
        with_scratch(|scratch| assert!(scratch.capacity() <= KEPT_BYTES_MAX));
    }
}
