//! Key and arguments of a call: as the caller gave them, or as they travel.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Key and arguments of a call. They are given away to run on this node and encoded to run on another; whichever comes first,
/// a later attempt still finds them.
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
}

impl<K: Serialize + DeserializeOwned, A: Serialize + DeserializeOwned> Parts<K, A> {
    /// Gives them away as values. What comes of the attempt may [`spare`](Self::spare) them.
    #[inline]
    pub(super) fn take(&mut self) -> Result<(Option<K>, A), String> {
        match std::mem::replace(self, Self::Spent) {
            Self::Typed(key, arguments) => Ok((key, arguments)),
            Self::Encoded { key, arguments } => {
                let key_value = key.as_deref().map(decode).transpose()?;
                let arguments_value = decode(&arguments)?;
                *self = Self::Encoded { key, arguments };
                Ok((key_value, arguments_value))
            }
            Self::Spent => Err("the arguments could not be encoded for another attempt".to_owned()),
        }
    }

    /// Keeps an encoded copy of what is about to be used up.
    #[cold]
    pub(super) fn spare(&mut self, key: Option<&K>, arguments: &A) {
        if let (Self::Spent, Ok((key, arguments))) = (&*self, encode(key, arguments)) {
            *self = Self::Encoded { key, arguments };
        }
    }

    /// Encodes them, once.
    pub(super) fn encode(&mut self) -> Result<(&[u8], &[u8]), String> {
        if let Self::Typed(key, arguments) = self {
            let (key, arguments) = encode(key.as_ref(), arguments)?;
            *self = Self::Encoded { key, arguments };
        }
        match self {
            Self::Encoded { key, arguments } => Ok((key.as_deref().unwrap_or_default(), arguments)),
            Self::Typed(..) | Self::Spent => Err("the arguments could not be encoded for another attempt".to_owned()),
        }
    }
}

fn encode<K: Serialize, A: Serialize>(key: Option<&K>, arguments: &A) -> Result<(Option<Vec<u8>>, Vec<u8>), String> {
    let key = key.map(postcard::to_stdvec).transpose().map_err(|error| format!("the key does not encode: {error}"))?;
    let arguments = postcard::to_stdvec(arguments).map_err(|error| format!("the arguments do not encode: {error}"))?;
    Ok((key, arguments))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| format!("an argument does not come back from its encoding: {error}"))
}
