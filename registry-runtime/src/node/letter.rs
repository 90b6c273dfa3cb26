//! What nodes write to one another on their control channels: letters between engines, and marks.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::engine;
use crate::id::{Mark, RegistryName};
use crate::wire::limits::CHANNEL_FRAME_BYTES_MAX;

const MEMBERSHIP: u8 = 0;
const OWNERSHIP: u8 = 1;
const MARK: u8 = 2;

/// One control frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Letter {
    /// From engine to engine.
    Engine(engine::Letter),
    /// From a caller to who may have its receipts.
    Mark(CallerMark),
}

/// A caller says that its calls of a registry below the mark are over, in every slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallerMark {
    /// The registry.
    pub(super) registry: RegistryName,
    /// The caller's session.
    pub(super) session: u64,
    /// The mark.
    pub(super) mark: Mark,
}

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
        Letter::Engine(engine::Letter::Membership(bytes)) => {
            frame.push(MEMBERSHIP);
            frame.extend_from_slice(bytes);
        }
        Letter::Engine(engine::Letter::Ownership(message)) => {
            frame.push(OWNERSHIP);
            codec::encode(message, &mut frame).ok()?;
        }
        Letter::Mark(mark) => {
            frame.push(MARK);
            codec::encode(mark, &mut frame).ok()?;
        }
    }
    (frame.len() <= CHANNEL_FRAME_BYTES_MAX).then_some(frame)
}

/// Reads a letter.
pub(super) fn decode(frame: &Bytes) -> Result<Letter, BadLetter> {
    match frame.split_first() {
        None => Err(BadLetter::Empty),
        Some((&MEMBERSHIP, rest)) => Ok(Letter::Engine(engine::Letter::Membership(frame.slice_ref(rest)))),
        Some((&OWNERSHIP, rest)) => Ok(Letter::Engine(engine::Letter::Ownership(codec::decode(rest)?))),
        Some((&MARK, rest)) => Ok(Letter::Mark(codec::decode(rest)?)),
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
        let membership = engine::Letter::Membership(Bytes::from_static(b"abc"));
        let registry = RegistryName::new("orders").unwrap();
        let mark = CallerMark { registry, session: u64::MAX, mark: Mark::new(7) };
        for letter in
            [Letter::Engine(membership), Letter::Engine(engine::Letter::Ownership(message)), Letter::Mark(mark)]
        {
            assert_eq!(decode(&encode(&letter).unwrap().into()), Ok(letter));
        }
        assert_eq!(decode(&Bytes::new()), Err(BadLetter::Empty));
        assert_eq!(decode(&Bytes::from_static(&[9, 1])), Err(BadLetter::Kind(9)));
        assert!(matches!(decode(&Bytes::from_static(&[OWNERSHIP, 1])), Err(BadLetter::Malformed(_))));
        let large = Letter::Engine(engine::Letter::Membership(vec![0; CHANNEL_FRAME_BYTES_MAX].into()));
        assert_eq!(encode(&large), None);
    }
}
