//! Values to bytes and back: postcard, with a guard around whatever comes from a peer.
//!
//! Whatever decodes what a peer sent, in any room, does it here: a recursion or a length that a peer made up is refused before it
//! costs stack or memory.

mod compare;
mod depth;
mod guard;
mod raw;
mod scratch;

use std::cell::Cell;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::Deserialize;

pub(crate) use self::compare::is_same;
use self::depth::Leveled;
use self::guard::{Guard, Guarded};
pub(crate) use self::raw::Raw;
pub(crate) use self::scratch::with_scratch;

/// How deep a value may nest: every sequence, map, structure, tuple, option, variant and newtype is one level.
///
/// A recursive type would otherwise let a peer choose the depth of our stack; 64 levels take some ten kilobytes of it.
const DEPTH_MAX: usize = 64;

/// How many elements of sequences and maps a value may have beyond one for each byte of input.
///
/// An element takes a byte at least, unless its type is empty (`Vec<()>`); those few that a decent program sends fit into
/// this allowance, and the 2^64 that fit into ten bytes do not.
const EMPTY_ELEMENTS_MAX: usize = 1 << 10;

/// Appends the encoding of a value; after an error the buffer is as it was.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, into: &mut Vec<u8>) -> Result<(), EncodeError> {
    encode_within(value, into, usize::MAX)
}

/// [`encode`], which stops where the encoding would be longer than `bytes_max`.
pub(crate) fn encode_within<T: Serialize + ?Sized>(
    value: &T,
    into: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), EncodeError> {
    let start = into.len();
    let end = start.saturating_add(bytes_max);
    postcard::serialize_with_flavor(value, Append { into: &mut *into, end }).map_err(|error| {
        into.truncate(start);
        match error {
            postcard::Error::SerializeBufferFull => EncodeError::TooLong { bytes_max },
            error => EncodeError::Fails(error),
        }
    })
}

/// [`encode_within`], for a value that a user made, however deep: it is not gone into further than [`decode`] would.
pub(crate) fn encode_shallow<T: Serialize + ?Sized>(
    value: &T,
    into: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), EncodeError> {
    let is_too_deep = Cell::new(false);
    let written = encode_within(&Leveled::new(value, &is_too_deep), into, bytes_max);
    if is_too_deep.get() { Err(EncodeError::TooDeep) } else { written }
}

/// The encoding of a value.
pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes)?;
    Ok(bytes)
}

/// Reads exactly one value from all of `bytes`.
///
/// Refuses what is left over, nesting deeper than [`DEPTH_MAX`], and more elements than
/// the input could hold.
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    let guard = Guard::new(bytes.len());
    let mut from = postcard::Deserializer::from_bytes(bytes);
    let value = T::deserialize(Guarded::new(&mut from, &guard)).map_err(|error| guard.fault(error))?;
    match from.finalize() {
        Ok([]) => Ok(value),
        Ok(rest) => Err(DecodeError::Trailing { bytes: rest.len() }),
        Err(error) => Err(DecodeError::Malformed(error)),
    }
}

/// A value that cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    /// It has more bytes than it may have.
    #[error("the encoding is longer than {bytes_max} bytes")]
    TooLong {
        /// How many it may have.
        bytes_max: usize,
    },
    /// It has no encoding: a sequence of unknown length, or an error of the value's own `Serialize`.
    #[error("the value has no encoding: {0}")]
    Fails(postcard::Error),
    /// It nests deeper than the limit.
    #[error("the value nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// Bytes that are not the encoding of a value of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// They end early, or a part of them has no meaning.
    #[error("the bytes do not decode: {0}")]
    Malformed(postcard::Error),
    /// They go on after the value.
    #[error("{bytes} bytes are left over after the value")]
    Trailing {
        /// How many are left over.
        bytes: usize,
    },
    /// The value nests deeper than the limit.
    #[error("the value nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The value claims more elements than its bytes can hold.
    #[error("the value claims more elements than its bytes can hold")]
    TooManyElements,
}

/// Appends to a byte vector up to an end; postcard's own flavors either own the vector or push byte by byte.
struct Append<'a> {
    into: &'a mut Vec<u8>,
    end: usize,
}

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.end.saturating_sub(self.into.len()) < bytes.len() {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.into.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.into.len() >= self.end {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.into.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
    enum List {
        Next(Box<List>),
        End,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Everything {
        number: u64,
        signed: i32,
        wide: u128,
        text: String,
        letter: char,
        maybe: Option<Box<Everything>>,
        list: Vec<(u8, f64)>,
        map: BTreeMap<String, Vec<u8>>,
        choice: Choice,
        nothing: (),
    }

    #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
    enum Choice {
        Unit,
        One(u16),
        Two(u8, String),
        Named { left: bool, right: [i8; 3] },
    }

    fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let bytes = encoded(&value).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&value).unwrap(), "the guard changes no encoding");
        assert_eq!(decode::<T>(&bytes), Ok(value));
        for cut in 0..bytes.len() {
            assert!(decode::<T>(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode::<T>(&longer), Err(DecodeError::Trailing { bytes: 1 }));
    }

    #[test]
    fn values_travel() {
        let plain = Everything {
            number: u64::MAX,
            signed: -5,
            wide: u128::MAX,
            text: "grün".into(),
            letter: 'ß',
            maybe: None,
            list: vec![(1, 0.5), (2, -1.0)],
            map: BTreeMap::from([("a".into(), vec![1, 2, 3])]),
            choice: Choice::Named { left: true, right: [-1, 0, 1] },
            nothing: (),
        };
        there_and_back(Everything { maybe: Some(Box::new(plain.clone())), ..plain.clone() });
        there_and_back(Everything { choice: Choice::Two(9, "x".into()), ..plain });
        there_and_back(vec![Choice::Unit, Choice::One(7)]);
        there_and_back((1_u8, "two".to_owned(), Some(3_i64)));
    }

    #[test]
    fn what_is_too_long_leaves_the_buffer_alone() {
        for (bytes_max, fits) in [(5, true), (4, false), (0, false)] {
            let mut buffer = vec![9];
            let told = encode_within("abcd", &mut buffer, bytes_max);
            assert_eq!(told, if fits { Ok(()) } else { Err(EncodeError::TooLong { bytes_max }) });
            assert_eq!(buffer.len(), if fits { 6 } else { 1 }, "{bytes_max}");
        }
    }

    /// Says whether a value is written, and insists that it is exactly if it does not nest too deep to be read.
    fn is_written<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> bool {
        let plain = encoded(value).unwrap();
        let (mut kept, read) = (vec![9], decode::<T>(&plain));
        let told = encode_shallow(value, &mut kept, usize::MAX);
        assert_eq!(told, if read == Err(DecodeError::TooDeep) { Err(EncodeError::TooDeep) } else { Ok(()) });
        assert_eq!(&kept[1..], if told.is_ok() { &plain[..] } else { &[] }, "the same bytes, or none");
        told.is_ok()
    }

    #[test]
    fn what_is_written_is_what_is_not_too_deep_to_be_read() {
        #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
        enum Nest {
            End,
            New(Box<Nest>),
            Two(Box<Nest>, u8),
            Named { inner: Box<Nest> },
            Maybe(Option<Box<Nest>>),
            Many(Vec<Nest>),
            Map(BTreeMap<u8, Nest>),
            Pair((u8, Box<Nest>)),
            Struct(Inner),
            Wrapped(Wrapper),
        }
        #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Inner {
            inner: Box<Nest>,
        }
        #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Wrapper(Box<Nest>);
        let wraps: [fn(Nest) -> Nest; 9] = [
            |inner| Nest::New(Box::new(inner)),
            |inner| Nest::Two(Box::new(inner), 1),
            |inner| Nest::Named { inner: Box::new(inner) },
            |inner| Nest::Maybe(Some(Box::new(inner))),
            |inner| Nest::Many(vec![inner]),
            |inner| Nest::Map(BTreeMap::from([(1, inner)])),
            |inner| Nest::Pair((1, Box::new(inner))),
            |inner| Nest::Struct(Inner { inner: Box::new(inner) }),
            |inner| Nest::Wrapped(Wrapper(Box::new(inner))),
        ];
        for (nth, wrap) in wraps.into_iter().enumerate() {
            for end in [Nest::End, Nest::Many(vec![]), Nest::Maybe(None)] {
                let nested = |levels| (0..levels).fold(end.clone(), |inner, _| wrap(inner));
                let kept = (0..=DEPTH_MAX).take_while(|levels| is_written(&nested(*levels))).count();
                assert!((16..DEPTH_MAX + 1).contains(&kept), "kind {nth}: {kept} levels");
                assert!(!is_written(&nested(kept)), "kind {nth}");
            }
        }
        assert_eq!(
            encode_shallow("abcd", &mut Vec::new(), 4),
            Err(EncodeError::TooLong { bytes_max: 4 }),
            "what is too long is no more than that"
        );
    }

    #[test]
    fn a_recursion_bomb_is_refused_at_the_limit() {
        let bomb = vec![0; 1 << 20];
        assert_eq!(decode::<List>(&bomb), Err(DecodeError::TooDeep));
        let deepest = (0..DEPTH_MAX / 2 - 1).fold(List::End, |inner, _| List::Next(Box::new(inner)));
        let bytes = encoded(&deepest).unwrap();
        assert_eq!(decode::<List>(&bytes), Ok(deepest));
    }

    #[test]
    fn a_recursive_option_is_refused_at_the_limit() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Chain(Option<Box<Chain>>);
        assert_eq!(decode::<Chain>(&vec![1; 1 << 20]), Err(DecodeError::TooDeep));
    }

    #[test]
    fn a_recursive_sequence_and_map_are_refused_at_the_limit() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Tree(Vec<Tree>);
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Maps(BTreeMap<u8, Maps>);
        assert_eq!(decode::<Tree>(&vec![1; 1 << 20]), Err(DecodeError::TooDeep));
        assert_eq!(decode::<Maps>(&vec![1; 1 << 20]), Err(DecodeError::TooDeep));
    }

    #[test]
    fn an_element_bomb_is_refused() {
        // The length 2^64 - 1 as a varint, in ten bytes, for elements that take none.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(decode::<Vec<()>>(&bomb), Err(DecodeError::TooManyElements));
        assert_eq!(decode::<BTreeMap<(), ()>>(&bomb), Err(DecodeError::TooManyElements));
        assert!(decode::<Vec<u64>>(&bomb).is_err());
        assert!(decode::<String>(&bomb).is_err());
        let few = vec![(); EMPTY_ELEMENTS_MAX];
        assert_eq!(decode::<Vec<()>>(&encoded(&few).unwrap()), Ok(few));
    }

    #[test]
    fn nested_element_bombs_share_one_budget() {
        // Sixteen inner vectors of 2^10 empty elements each: allowed one by one, refused together.
        let bytes = [&[16_u8][..], &[0x80, 0x08].repeat(16)].concat();
        assert_eq!(decode::<Vec<Vec<()>>>(&bytes), Err(DecodeError::TooManyElements));
    }
}
