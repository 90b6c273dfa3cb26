//! The one place where commands meet bytes.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::STATE_BYTES_MAX;
use super::reply::Unfit;
use crate::codec::{self, EncodeError};
use crate::resource::Resource;

/// Decodes a key or a tuple of arguments that came from a peer. Bytes left over are an error.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    codec::decode(bytes).map_err(|fault| fault.to_string())
}

/// Puts a reply's bytes at the end of a buffer, at most `bytes_max` of them. On failure the buffer is as it was. One that nests deeper than its
/// caller would read is refused.
pub(super) fn encode<T: Serialize>(value: &T, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unfit> {
    codec::encode_shallow(value, buffer, bytes_max).map_err(unfit)
}

/// Puts a key's bytes at the end of a buffer, for others to keep. One that does not come back from there is refused.
pub(super) fn encode_key<R: Resource>(key: &R::Key, buffer: &mut Vec<u8>) -> Result<(), Unfit> {
    let start = buffer.len();
    codec::encode_shallow(key, buffer, STATE_BYTES_MAX).map_err(unfit)?;
    let read = decode::<R::Key>(buffer.get(start..).unwrap_or_default());
    read.and_then(|read| if read == *key { Ok(()) } else { Err("the key comes back as another".to_owned()) })
        .map_err(|fault| unreadable(buffer, start, &fault))
}

/// Puts an instance's bytes at the end of a buffer, for others to keep. One that they could not read is refused.
pub(super) fn encode_state<R: Resource>(key: &R::Key, state: &R, buffer: &mut Vec<u8>) -> Result<(), Unfit> {
    let start = buffer.len();
    codec::encode_shallow(state, buffer, STATE_BYTES_MAX).map_err(unfit)?;
    let read = decode_state::<R>(key, buffer.get(start..).unwrap_or_default());
    read.map(drop).map_err(|fault| unreadable(buffer, start, &fault))
}

/// Decodes an instance and sees to it that it is under its own key.
pub(super) fn decode_state<R: Resource>(key: &R::Key, state: &[u8]) -> Result<Arc<R>, String> {
    let state: R = decode(state)?;
    if state.key() == *key { Ok(Arc::new(state)) } else { Err("an instance under another key".to_owned()) }
}

fn unreadable(buffer: &mut Vec<u8>, start: usize, fault: &str) -> Unfit {
    buffer.truncate(start);
    // The encoding says nothing of the types in it, so whoever reads has to expect exactly what was written.
    Unfit::Fails {
        detail: format!("the instance cannot be read again: {fault}; does a type in it read what it writes?"),
    }
}

fn unfit(fault: EncodeError) -> Unfit {
    match fault {
        EncodeError::TooLong { bytes_max } => Unfit::TooLarge { limit: bytes_max },
        EncodeError::Fails(_) | EncodeError::TooDeep => Unfit::Fails { detail: fault.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// What an instance holds beside its key.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Content {
        Nothing,
        Nest(Box<Content>),
        Empty(Vec<()>),
        Bytes(Vec<u8>),
        Gap(#[serde(with = "gap")] Option<u8>),
        Free(Free),
    }

    /// A form that only its reader finds out.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Free {
        Number(u64),
        Text(String),
    }

    /// Writes nothing where there is nothing, as a field that is skipped.
    mod gap {
        use serde::ser::SerializeTuple;
        use serde::{Deserialize, Deserializer, Serializer};

        pub(super) fn serialize<S: Serializer>(gap: &Option<u8>, to: S) -> Result<S::Ok, S::Error> {
            let mut to = to.serialize_tuple(2)?;
            if let Some(gap) = gap {
                to.serialize_element(&1_u8)?;
                to.serialize_element(gap)?;
            }
            to.end()
        }

        pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
            Option::deserialize(from)
        }
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Crate {
        id: u64,
        content: Content,
    }

    impl Resource for Crate {
        type Key = u64;
        type KeyFields<'a> = ();

        fn key(&self) -> u64 {
            self.id
        }

        fn key_fields(_: &u64) {}
    }

    fn kept(content: Content) -> Result<(), Unfit> {
        let (state, mut buffer) = (Crate { id: 7, content }, vec![9]);
        let kept = encode_state(&7, &state, &mut buffer);
        match &kept {
            Ok(()) => assert_eq!(*decode_state::<Crate>(&7, &buffer[1..]).unwrap(), state),
            Err(_) => assert_eq!(buffer, [9], "the buffer is as it was"),
        }
        kept
    }

    fn refused(content: Content, why: &str) {
        match kept(content.clone()) {
            Err(Unfit::Fails { detail }) => assert!(detail.contains(why), "{content:?}: {detail}"),
            other => panic!("{content:?}: {other:?}"),
        }
    }

    #[test]
    fn an_instance_is_kept_only_if_it_can_be_read() {
        let nest = |levels| (0..levels).fold(Content::Nothing, |inner, _| Content::Nest(Box::new(inner)));
        for fits in [nest(20), Content::Empty(vec![(); 100]), Content::Bytes(vec![1; 1 << 20]), Content::Gap(Some(5))] {
            assert_eq!(kept(fits), Ok(()));
        }
        refused(nest(100), "nests deeper than");
        refused(Content::Empty(vec![(); 10_000]), "more elements than");
        refused(Content::Gap(None), "the bytes do not decode");
        refused(Content::Free(Free::Number(1)), "the bytes do not decode");
        let limit = STATE_BYTES_MAX;
        assert_eq!(kept(Content::Bytes(vec![1; limit])), Err(Unfit::TooLarge { limit }));
    }

    /// A key that comes back rounded.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    struct Rounded(#[serde(serialize_with = "tens")] u64);

    fn tens<S: serde::Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(number / 10 * 10)
    }

    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Shelf {
        id: Rounded,
    }

    impl Resource for Shelf {
        type Key = Rounded;
        type KeyFields<'a> = ();

        fn key(&self) -> Rounded {
            self.id.clone()
        }

        fn key_fields(_: &Rounded) {}
    }

    #[test]
    fn what_comes_back_under_another_key_is_refused() {
        let state = Crate { id: 7, content: Content::Nothing };
        assert!(matches!(encode_state(&8, &state, &mut Vec::new()), Err(Unfit::Fails { .. })));
        let mut buffer = Vec::new();
        assert_eq!(encode_key::<Crate>(&7, &mut buffer), Ok(()));
        assert_eq!(decode::<u64>(&buffer), Ok(7));
        assert_eq!(encode_key::<Shelf>(&Rounded(20), &mut buffer), Ok(()));
        let refused = encode_key::<Shelf>(&Rounded(27), &mut buffer);
        assert!(
            matches!(&refused, Err(Unfit::Fails { detail }) if detail.contains("comes back as another")),
            "{refused:?}"
        );
        let rounded = Shelf { id: Rounded(27) };
        assert!(matches!(encode_state(&rounded.key(), &rounded, &mut buffer), Err(Unfit::Fails { .. })));
    }
}
