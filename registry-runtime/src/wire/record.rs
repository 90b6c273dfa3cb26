//! Frames of the records channel: what owners and their backups say about the content of slots.
//!
//! Who sends and who receives is known from the connection, which is between two processes and not between two nodes.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, EncodeError, Raw};
use crate::id::{Epoch, Position, Slot};

/// A frame about one slot of one registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordFrame<'a> {
    /// The registry's wire name.
    pub(crate) registry: &'a str,
    /// The slot.
    pub(crate) slot: Slot,
    /// The opening that it is about.
    pub(crate) epoch: Epoch,
    /// What is said.
    #[serde(borrow)]
    pub(crate) word: RecordWord<'a>,
}

/// What is said about a slot's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RecordWord<'a> {
    /// The owner: this is the record with this position.
    Record {
        /// Its place in the stream.
        position: Position,
        /// The key, the state and the receipt.
        #[serde(borrow)]
        body: Raw<'a>,
    },
    /// A backup: I have all records up to this one.
    Reaches {
        /// The last one.
        position: Position,
    },
    /// A backup: I have what this opening took over up to this record, and follow it from there.
    Trails {
        /// The last one.
        position: Position,
    },
    /// A backup: I have not what this opening or this record goes on from.
    Lacks,
    /// A backup: what came of this opening is nothing that can be read here.
    Unreadable,
    /// The owner: how far do you reach?
    Ask,
    /// The owner: all records up to this one are acknowledged.
    Acknowledged {
        /// The last one.
        position: Position,
    },
    /// Whoever has the content: a filling begins.
    Fill {
        /// Tells it from earlier ones.
        number: u64,
        /// The stamp of the content.
        stamp: (Epoch, Position),
    },
    /// One part of a filling.
    Part {
        /// Of which filling.
        number: u64,
        /// The stamp of the content.
        stamp: (Epoch, Position),
        /// Which part, from 1.
        part: u32,
        /// Whether it is the last.
        last: bool,
        /// Instances and receipts.
        #[serde(borrow)]
        body: Raw<'a>,
    },
    /// The opener: send me the content that you hold.
    Pull {
        /// Its stamp, as it was promised.
        stamp: (Epoch, Position),
    },
    /// One that has lost the slot, to its owner: I have written this content, and your stream has taken its place.
    Remains {
        /// Its stamp.
        stamp: (Epoch, Position),
        /// Where it comes from: the list of its epochs, each with its last record.
        #[serde(borrow)]
        lineage: Raw<'a>,
    },
    /// The owner: send me what has changed in it.
    Salvage {
        /// Its stamp.
        stamp: (Epoch, Position),
        /// Up to this record it was one with mine.
        since: Position,
        /// From which thing on, as they are counted.
        from: u32,
    },
    /// One that has lost the slot: some of what has changed.
    Remainder {
        /// The content's stamp.
        stamp: (Epoch, Position),
        /// From which thing on.
        from: u32,
        /// What comes after it.
        next: u32,
        /// Whether nothing does.
        last: bool,
        /// Instances and receipts.
        #[serde(borrow)]
        body: Raw<'a>,
    },
    /// The owner: I have it all.
    Salvaged {
        /// The content's stamp.
        stamp: (Epoch, Position),
    },
    /// A backup, where every side of a partition serves: I have this filling whole.
    Filled {
        /// Which one.
        number: u64,
    },
}

impl<'a> RecordFrame<'a> {
    /// Puts the frame at the end of a buffer.
    pub(crate) fn write(&self, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        codec::encode(self, into)
    }

    /// Reads a frame that is all of `bytes`.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_a_record_has_a_short_header() {
        let stamp = (Epoch::from_parts(1_790_000_000_000, 77), Position::new(9));
        let words = [
            RecordWord::Record { position: stamp.1, body: Raw(b"body") },
            RecordWord::Reaches { position: stamp.1 },
            RecordWord::Trails { position: stamp.1 },
            RecordWord::Lacks,
            RecordWord::Unreadable,
            RecordWord::Ask,
            RecordWord::Acknowledged { position: stamp.1 },
            RecordWord::Fill { number: 3, stamp },
            RecordWord::Part { number: 3, stamp, part: 1, last: true, body: Raw(b"parts") },
            RecordWord::Pull { stamp },
            RecordWord::Filled { number: 3 },
        ];
        for word in words {
            let frame = RecordFrame { registry: "orders", slot: Slot::new(4095), epoch: stamp.0, word };
            let mut bytes = Vec::new();
            frame.write(&mut bytes).unwrap();
            assert_eq!(RecordFrame::read(&bytes), Ok(frame));
            assert!(bytes.len() < 48, "{word:?}: {}", bytes.len());
            assert!(RecordFrame::read(bytes.get(1..).unwrap()).is_err());
        }
    }
}
