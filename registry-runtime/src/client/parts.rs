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
    /// Given away, and not spared.
    Spent,
    /// Given away, and too large to be spared: what has run on this node alone never was compared with the limit.
    Outsize,
}

impl<K: Serialize + DeserializeOwned, A: Serialize + DeserializeOwned> Parts<K, A> {
    /// Gives them away as values. What comes of the attempt may [`spare`](Self::spare) them.
    #[inline]
    pub(super) fn take(&mut self) -> Result<(Option<K>, A), Unfit> {
        match std::mem::replace(self, Self::Spent) {
            Self::Typed(key, arguments) => Ok((key, arguments)),
            Self::Encoded { key, arguments } => {
                let key_value = key.as_deref().map(decode).transpose()?;
                let arguments_value = decode(&arguments)?;
                *self = Self::Encoded { key, arguments };
                Ok((key_value, arguments_value))
            }
            Self::Spent => Err(Unfit::Spent),
            Self::Outsize => Err(Unfit::TooLarge),
        }
    }

    /// Keeps an encoded copy of what is about to be used up.
    #[cold]
    pub(super) fn spare(&mut self, key: Option<&K>, arguments: &A) {
        if !matches!(self, Self::Spent) {
            return;
        }
        let mut bytes = Vec::new();
        match put(key, arguments, &mut bytes) {
            Ok((encoded_key, encoded_arguments)) => {
                let key = key.is_some().then(|| encoded_key.to_vec());
                *self = Self::Encoded { key, arguments: encoded_arguments.to_vec() };
            }
            Err(Unfit::TooLarge) => *self = Self::Outsize,
            Err(_) => {}
        }
    }

    /// Whether they were given away, and not spared.
    pub(super) fn are_spent(&self) -> bool {
        matches!(self, Self::Spent | Self::Outsize)
    }

    /// Shows them as they travel: the key, empty in an action, and the tuple of arguments.
    pub(super) fn show<T>(&self, see: impl FnOnce(&[u8], &[u8]) -> T) -> Result<T, Unfit> {
        match self {
            Self::Typed(key, arguments) => codec::with_scratch(|scratch| {
                let (key, arguments) = put(key.as_ref(), arguments, scratch)?;
                Ok(see(key, arguments))
            }),
            Self::Encoded { key, arguments } => Ok(see(key.as_deref().unwrap_or_default(), arguments)),
            Self::Spent => Err(Unfit::Spent),
            Self::Outsize => Err(Unfit::TooLarge),
        }
    }
}

/// Why key and arguments cannot be used for an attempt.
#[derive(Debug, thiserror::Error)]
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
