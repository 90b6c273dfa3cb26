//! Whether two values have one encoding, without writing both down.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::{encode, with_scratch};

/// Whether two values have the same encoding. One that has none is like no other.
pub(crate) fn is_same<T: Serialize>(one: &T, other: &T) -> bool {
    with_scratch(|bytes| {
        encode(other, bytes).is_ok() && postcard::serialize_with_flavor(one, Compare { rest: bytes }) == Ok(true)
    })
}

/// Takes bytes as long as they are the expected ones, so that most values that differ are left after a few bytes.
struct Compare<'a> {
    rest: &'a [u8],
}

impl Flavor for Compare<'_> {
    /// Whether nothing is missing.
    type Output = bool;

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn values_are_the_same_when_all_their_bytes_are() {
        let words = ["", "a", "ab", "abc", "b"];
        for one in words {
            for other in words {
                assert_eq!(is_same(&one, &other), one == other, "{one:?} and {other:?}");
            }
        }
        let map = |pairs: &[(u8, u64)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        assert!(is_same(&map(&[(1, 300), (2, 0)]), &map(&[(2, 0), (1, 300)])));
        assert!(!is_same(&map(&[(1, 300), (2, 0)]), &map(&[(1, 300), (2, 1)])));
    }

    #[test]
    fn a_value_without_an_encoding_is_like_no_other() {
        struct Mute;
        impl Serialize for Mute {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("it says nothing"))
            }
        }
        assert!(!is_same(&Mute, &Mute));
    }
}
