//! The one place where commands meet bytes.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reply::Unfit;

/// Decodes a key or a tuple of arguments that came from a peer. Bytes left over are an error.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    crate::codec::decode(bytes).map_err(|fault| fault.to_string())
}

/// Puts a reply's bytes at the end of a buffer, at most `bytes_max` of them. On failure the buffer is as it was.
pub(super) fn encode<T: Serialize>(value: &T, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unfit> {
    let start = buffer.len();
    let end = start.saturating_add(bytes_max);
    match postcard::serialize_with_flavor(value, Bounded { buffer, end }) {
        Ok(()) => Ok(()),
        Err(fault) => {
            buffer.truncate(start);
            Err(match fault {
                postcard::Error::SerializeBufferFull => Unfit::TooLarge { limit: bytes_max },
                fault => Unfit::Fails { detail: fault.to_string() },
            })
        }
    }
}

/// A buffer that grows up to an end.
struct Bounded<'a> {
    buffer: &'a mut Vec<u8>,
    end: usize,
}

impl Flavor for Bounded<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.buffer.len() >= self.end {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.buffer.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.end.saturating_sub(self.buffer.len()) < bytes.len() {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_over_the_limit_leaves_the_buffer_alone() {
        for (bytes_max, fits) in [(5, true), (4, false), (0, false)] {
            let mut buffer = vec![9];
            let told = encode(&"abcd", &mut buffer, bytes_max);
            assert_eq!(told.is_ok(), fits, "{bytes_max}");
            assert_eq!(buffer.len(), if fits { 6 } else { 1 }, "{bytes_max}");
        }
    }

    #[test]
    fn leftovers_are_refused() {
        assert_eq!(decode::<u8>(&[7]), Ok(7));
        assert!(decode::<u8>(&[7, 7]).is_err());
        assert!(decode::<u8>(&[]).is_err());
    }
}
