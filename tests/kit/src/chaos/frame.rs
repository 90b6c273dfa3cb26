//! Values on a pipe: a length of four bytes, then the value.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame: what a node believes of a large cluster takes a few kilobytes.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Writes a value by a single call, so that a process which is killed leaves whole frames, but for the last one at most.
pub(super) fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(value)?)
}

/// The same for a pipe that tokio watches.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(value)?).await
}

/// Reads a value; `None` at the end of the pipe, also in the middle of a frame.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if !whole(from.read_exact(&mut length))? {
        return Ok(None);
    }
    let mut body = room(length)?;
    Ok(if whole(from.read_exact(&mut body))? { Some(decode(&body)?) } else { None })
}

/// The same for a pipe that tokio watches.
pub(super) async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if !whole(from.read_exact(&mut length).await)? {
        return Ok(None);
    }
    let mut body = room(length)?;
    Ok(if whole(from.read_exact(&mut body).await)? { Some(decode(&body)?) } else { None })
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = postcard::to_allocvec(value).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other(format!("a frame of {} bytes is too long", body.len())))?;
    Ok([&length.to_le_bytes(), body.as_slice()].concat())
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    postcard::from_bytes(body).map_err(io::Error::other)
}

fn room(length: [u8; 4]) -> io::Result<Vec<u8>> {
    match usize::try_from(u32::from_le_bytes(length)) {
        Ok(length) if length <= FRAME_BYTES_MAX => Ok(vec![0; length]),
        _ => Err(io::Error::other("a frame claims to be too long")),
    }
}

/// Whether everything was there.
fn whole<T>(read: io::Result<T>) -> io::Result<bool> {
    match read {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_come_back_and_a_torn_one_is_the_end() {
        let mut pipe = Vec::new();
        for number in [7_u64, 70_000] {
            write(&mut pipe, &number).unwrap();
        }
        for torn in 0..3 {
            let mut rest = &pipe[..pipe.len() - torn];
            let mut found = Vec::new();
            while let Some(number) = read::<u64>(&mut rest).unwrap() {
                found.push(number);
            }
            assert_eq!(found.len(), if torn == 0 { 2 } else { 1 });
        }
        assert!(read::<u64>(&mut [0xff_u8; 8].as_slice()).is_err());
    }
}
