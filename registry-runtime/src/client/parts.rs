//! Key and arguments of a call: as the caller gave them, or as they travel.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, DecodeError, EncodeError};
use crate::wire::limits::COMMAND_BYTES_MAX;

/// Key and arguments of a call. They are given away to run on this node and shown encoded to run on another; whichever comes
/// first, a later attempt still finds them.
pub(super) enum Parts<K, A> {
    /// As the caller gave them.
    Typed(Option<K>, A),
    /// As they travel.
    Encoded {
        /// The key; `None` in an action.
        key: Option<Vec<u8>>,
        /// The tuple of arguments.
        arguments: Vec<u8>,
    },
    /// Given away, and not spared: because they cannot be, where that was tried.
    Spent(Unfit),
}

impl<K: Serialize + DeserializeOwned, A: Serialize + DeserializeOwned> Parts<K, A> {
    /// Gives them away as values. What comes of the attempt may [`spare`](Self::spare) them.
    #[inline]
    pub(super) fn take(&mut self) -> Result<(Option<K>, A), Unfit> {
        match std::mem::replace(self, Self::Spent(Unfit::Spent)) {
            Self::Typed(key, arguments) => Ok((key, arguments)),
            Self::Encoded { key, arguments } => {
                let key_value = key.as_deref().map(decode).transpose()?;
                let arguments_value = decode(&arguments)?;
                *self = Self::Encoded { key, arguments };
                Ok((key_value, arguments_value))
            }
            Self::Spent(unfit) => {
                *self = Self::Spent(unfit.clone());
                Err(unfit)
            }
        }
    }

    /// Keeps an encoded copy of what is about to be used up.
    #[cold]
    pub(super) fn spare(&mut self, key: Option<&K>, arguments: &A) {
        if !self.are_spent() {
            return;
        }
        let mut bytes = Vec::new();
        *self = match put(key, arguments, &mut bytes) {
            Ok((encoded_key, encoded_arguments)) => {
                let key = key.is_some().then(|| encoded_key.to_vec());
                Self::Encoded { key, arguments: encoded_arguments.to_vec() }
            }
            Err(unfit) => Self::Spent(unfit),
        };
    }

    /// Whether they were given away, and not spared.
    pub(super) fn are_spent(&self) -> bool {
        matches!(self, Self::Spent(_))
    }

    /// Shows them as they travel: the key, empty in an action, and the tuple of arguments.
    pub(super) fn show<T>(&self, see: impl FnOnce(&[u8], &[u8]) -> T) -> Result<T, Unfit> {
        match self {
            Self::Typed(key, arguments) => codec::with_scratch(|scratch| {
                let (key, arguments) = put(key.as_ref(), arguments, scratch)?;
                Ok(see(key, arguments))
            }),
            Self::Encoded { key, arguments } => Ok(see(key.as_deref().unwrap_or_default(), arguments)),
            Self::Spent(unfit) => Err(unfit.clone()),
        }
    }
}

/// Why key and arguments cannot be used for an attempt.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// Together they are over [`COMMAND_BYTES_MAX`].
    #[error("the command is over the limit of {COMMAND_BYTES_MAX} bytes")]
    TooLarge,
    /// One of them does not encode.
    #[error("the {0} cannot be sent: {1}")]
    Fails(&'static str, EncodeError),
    /// One of them does not come back from its encoding.
    #[error("an argument does not come back from its encoding: {0}")]
    Lossy(DecodeError),
    /// They were given away to an attempt that left nothing for another.
    #[error("the arguments were used up by an attempt before")]
    Spent,
}

/// Encodes key and arguments one behind the other.
fn put<'b, K: Serialize, A: Serialize>(
    key: Option<&K>,
    arguments: &A,
    into: &'b mut Vec<u8>,
) -> Result<(&'b [u8], &'b [u8]), Unfit> {
    let unfit = |what| {
        move |error| match error {
            EncodeError::TooLong { .. } => Unfit::TooLarge,
            error @ (EncodeError::Fails(_) | EncodeError::TooDeep) => Unfit::Fails(what, error),
        }
    };
    if let Some(key) = key {
        codec::encode_within(key, into, COMMAND_BYTES_MAX).map_err(unfit("key"))?;
    }
    let border = into.len();
    let rest = COMMAND_BYTES_MAX.saturating_sub(border);
    codec::encode_within(arguments, into, rest).map_err(unfit("arguments"))?;
    Ok(into.split_at_checked(border).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unfit> {
    codec::decode(bytes).map_err(Unfit::Lossy)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Unspeakable;

    impl Serialize for Unspeakable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("words fail"))
        }
    }

    #[test]
    fn what_is_given_away_is_there_again_once_it_was_spared() {
        let mut parts = Parts::Typed(Some(7_u64), "words".to_owned());
        let (key, arguments) = parts.take().unwrap();
        assert!(parts.are_spent() && matches!(parts.take(), Err(Unfit::Spent)));
        parts.spare(key.as_ref(), &arguments);
        assert_eq!(
            parts.show(|key, arguments| (key.to_vec(), arguments.to_vec())).unwrap(),
            (vec![7], b"\x05words".into())
        );
        for _ in 0..2 {
            assert_eq!(parts.take().unwrap(), (Some(7), "words".to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_spared_says_why() {
        let mut parts = Parts::Typed(Some(7_u64), Unspeakable);
        let (key, arguments) = parts.take().unwrap();
        parts.spare(key.as_ref(), &arguments);
        for _ in 0..2 {
            assert!(matches!(parts.take(), Err(Unfit::Fails("arguments", _))));
            assert!(matches!(parts.show(|_, _| ()), Err(Unfit::Fails("arguments", _))));
        }
        let mut parts = Parts::Typed(None::<u64>, vec![0_u8; COMMAND_BYTES_MAX + 1]);
        let (key, arguments) = parts.take().unwrap();
        parts.spare(key.as_ref(), &arguments);
        assert!(parts.are_spent() && matches!(parts.take(), Err(Unfit::TooLarge)));
    }
}
