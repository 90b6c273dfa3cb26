//! Key and arguments of a call: as the caller gave them, or as they travel.

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

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
        if !matches!(self, Self::Spent) {
            return;
        }
        let mut bytes = Vec::new();
        if let Ok((encoded_key, encoded_arguments)) = put(key, arguments, &mut bytes) {
            let key = key.is_some().then(|| encoded_key.to_vec());
            *self = Self::Encoded { key, arguments: encoded_arguments.to_vec() };
        }
    }

    /// Shows them as they travel: the key, empty in an action, and the tuple of arguments.
    pub(super) fn show<T>(&self, see: impl FnOnce(&[u8], &[u8]) -> T) -> Result<T, String> {
        match self {
            Self::Typed(key, arguments) => with_scratch(|scratch| {
                let (key, arguments) = put(key.as_ref(), arguments, scratch)?;
                Ok(see(key, arguments))
            }),
            Self::Encoded { key, arguments } => Ok(see(key.as_deref().unwrap_or_default(), arguments)),
            Self::Spent => Err("the arguments could not be encoded for another attempt".to_owned()),
        }
    }
}

/// The most bytes that a thread keeps for its next encoding: most commands are far shorter.
const SCRATCH_BYTES_MAX: usize = 16 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends a buffer that this thread's calls use one after the other. An encoding that encodes on its way finds another one.
fn with_scratch<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    scratch.clear();
    let written = write(&mut scratch);
    if scratch.capacity() <= SCRATCH_BYTES_MAX {
        // A thread that ends keeps nothing.
        let _ = SCRATCH.try_with(|place| place.set(scratch));
    }
    written
}

/// Encodes key and arguments one behind the other.
fn put<'b, K: Serialize, A: Serialize>(
    key: Option<&K>,
    arguments: &A,
    into: &'b mut Vec<u8>,
) -> Result<(&'b [u8], &'b [u8]), String> {
    if let Some(key) = key {
        codec::encode(key, into).map_err(|error| format!("the key does not encode: {error}"))?;
    }
    let border = into.len();
    codec::encode(arguments, into).map_err(|error| format!("the arguments do not encode: {error}"))?;
    Ok(into.split_at_checked(border).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    codec::decode(bytes).map_err(|error| format!("an argument does not come back from its encoding: {error}"))
}
