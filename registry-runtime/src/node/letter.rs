//! Letters between engines, as control frames.

use bytes::Bytes;

use crate::codec::{self, DecodeError};
use crate::engine::Letter;
use crate::wire::limits::CHANNEL_FRAME_BYTES_MAX;

const MEMBERSHIP: u8 = 0;
const OWNERSHIP: u8 = 1;

/// Why a control frame is no letter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLetter {
    /// It is empty.
    #[error("an empty control frame")]
    Empty,
    /// It begins with a byte that this release does not know.
    #[error("a control frame of the unknown kind {0}")]
    Kind(u8),
    /// What follows does not decode.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
}

/// Writes a letter down; `None` when it is over the limit.
pub(super) fn encode(letter: &Letter) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    match letter {
        Letter::Membership(bytes) => {
            frame.push(MEMBERSHIP);
            frame.extend_from_slice(bytes);
        }
        Letter::Ownership(message) => {
            frame.push(OWNERSHIP);
            codec::encode(message, &mut frame).ok()?;
        }
    }
    (frame.len() <= CHANNEL_FRAME_BYTES_MAX).then_some(frame)
}

/// Reads a letter.
pub(super) fn decode(frame: &Bytes) -> Result<Letter, BadLetter> {
    match frame.split_first() {
        None => Err(BadLetter::Empty),
        Some((&MEMBERSHIP, rest)) => Ok(Letter::Membership(frame.slice_ref(rest))),
        Some((&OWNERSHIP, rest)) => Ok(Letter::Ownership(codec::decode(rest)?)),
        Some((&kind, _)) => Err(BadLetter::Kind(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Start;
    use crate::message::{Body, Lend, Message};

    #[test]
    fn letters_come_back_and_others_do_not() {
        let lend = Lend { sequence: 7, version: 1, superseded: vec![], complete: true };
        let message = Message { from: Start::new(1), to: Start::new(2), body: Body::Lend(lend) };
        for letter in [Letter::Membership(Bytes::from_static(b"abc")), Letter::Ownership(message)] {
            assert_eq!(decode(&encode(&letter).unwrap().into()), Ok(letter));
        }
        assert_eq!(decode(&Bytes::new()), Err(BadLetter::Empty));
        assert_eq!(decode(&Bytes::from_static(&[9, 1])), Err(BadLetter::Kind(9)));
        assert!(matches!(decode(&Bytes::from_static(&[OWNERSHIP, 1])), Err(BadLetter::Malformed(_))));
        let large = Letter::Membership(vec![0; CHANNEL_FRAME_BYTES_MAX].into());
        assert_eq!(encode(&large), None);
    }
}
