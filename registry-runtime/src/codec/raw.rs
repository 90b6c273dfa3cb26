//! Bytes within a value, borrowed from wherever it was read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// Bytes that are written and read as one piece. A slice of `u8` would be read one element after another, and could not be borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Raw<'de>, E> {
                Ok(Raw(bytes))
            }
        }

        from.deserialize_bytes(Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn comes_back_borrowed_and_not_when_it_claims_more_than_there_is() {
        let bytes = codec::encoded(&(Raw(b"key"), 7_u8, Some(Raw(b"")))).unwrap();
        assert_eq!(bytes, b"\x03key\x07\x01\x00");
        let read: (Raw<'_>, u8, Option<Raw<'_>>) = codec::decode(&bytes).unwrap();
        assert_eq!(read, (Raw(b"key"), 7, Some(Raw(b""))));
        assert!(codec::decode::<Raw<'_>>(b"\x04key").is_err());
    }
}
