//! The one place where commands meet bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reply::Unfit;
use crate::codec::{self, EncodeError};

/// Decodes a key or a tuple of arguments that came from a peer. Bytes left over are an error.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    codec::decode(bytes).map_err(|fault| fault.to_string())
}

/// Puts a reply's bytes at the end of a buffer, at most `bytes_max` of them. On failure the buffer is as it was.
pub(super) fn encode<T: Serialize>(value: &T, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unfit> {
    codec::encode_within(value, buffer, bytes_max).map_err(unfit)
}

/// [`encode`], for what others are to keep.
pub(super) fn encode_to_keep<T: Serialize>(value: &T, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unfit> {
    codec::encode_to_keep(value, buffer, bytes_max).map_err(unfit)
}

fn unfit(fault: EncodeError) -> Unfit {
    match fault {
        EncodeError::TooLong { bytes_max } => Unfit::TooLarge { limit: bytes_max },
        EncodeError::Fails(_) | EncodeError::Unreadable(_) => Unfit::Fails { detail: fault.to_string() },
    }
}
