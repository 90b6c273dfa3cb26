//! What a command's result is turned into, before anything is committed.

use std::borrow::BorrowMut;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec;
use super::outcome::Outcome;
use crate::policy::receipts::Told;
use crate::resource::ErrorCodec;

/// Turns a command's result into what the caller gets.
pub(super) trait Reply<T, E> {
    type Done;
    type Rejected;

    /// Turns what the command returns; with the encoding that a receipt keeps, if one is kept.
    fn done(&mut self, value: T, keep: bool) -> Result<(Self::Done, Option<Bytes>), Unfit>;

    /// Turns the command's own error, likewise.
    fn rejected(&mut self, error: E, keep: bool) -> Result<(Self::Rejected, Option<Bytes>), Unfit>;

    /// Turns what the caller was told already.
    fn again(&mut self, told: Told) -> Outcome<Self::Done, Self::Rejected>;
}

/// For a caller in this process: the value as it is.
pub(super) struct Typed<E: 'static> {
    /// The most bytes that a reply may have that is kept.
    pub(super) bytes_max: usize,
    pub(super) error: &'static ErrorCodec<E>,
}

impl<T: Serialize + DeserializeOwned, E> Reply<T, E> for Typed<E> {
    type Done = T;
    type Rejected = E;

    fn done(&mut self, value: T, keep: bool) -> Result<(T, Option<Bytes>), Unfit> {
        let mut kept = None;
        if keep {
            let mut bytes = Vec::new();
            codec::encode(&value, &mut bytes, self.bytes_max)?;
            kept = Some(bytes.into());
        }
        Ok((value, kept))
    }

    fn rejected(&mut self, error: E, keep: bool) -> Result<(E, Option<Bytes>), Unfit> {
        let kept = if keep { Some(encode_error(self.error, &error, self.bytes_max)?.into()) } else { None };
        Ok((error, kept))
    }

    fn again(&mut self, told: Told) -> Outcome<T, E> {
        // What is kept was encoded here or by a node with the same shapes.
        match told {
            Told::Done(bytes) => match codec::decode(&bytes) {
                Ok(value) => Outcome::Done(value),
                Err(detail) => Outcome::BadReply { detail },
            },
            Told::Rejected(bytes) => match (self.error.decode)(&bytes) {
                Ok(error) => Outcome::Rejected(error),
                Err(fault) => Outcome::BadReply { detail: fault.to_string() },
            },
            Told::NotFound => Outcome::NotFound,
            Told::AlreadyExists => Outcome::AlreadyExists,
        }
    }
}

/// For a caller elsewhere: bytes at the end of a buffer, which may be lent or owned.
pub(super) struct Encoded<B, E: 'static> {
    pub(super) buffer: B,
    /// The most bytes that one reply may have.
    pub(super) bytes_max: usize,
    pub(super) error: &'static ErrorCodec<E>,
}

impl<T: Serialize, E, B: BorrowMut<Vec<u8>>> Reply<T, E> for Encoded<B, E> {
    type Done = ();
    type Rejected = ();

    fn done(&mut self, value: T, keep: bool) -> Result<((), Option<Bytes>), Unfit> {
        let buffer = self.buffer.borrow_mut();
        let start = buffer.len();
        codec::encode(&value, buffer, self.bytes_max)?;
        Ok(((), keep.then(|| Bytes::copy_from_slice(buffer.get(start..).unwrap_or_default()))))
    }

    fn rejected(&mut self, error: E, keep: bool) -> Result<((), Option<Bytes>), Unfit> {
        let bytes = encode_error(self.error, &error, self.bytes_max)?;
        self.buffer.borrow_mut().extend_from_slice(&bytes);
        Ok(((), keep.then(|| bytes.into())))
    }

    fn again(&mut self, told: Told) -> Outcome<(), ()> {
        match told {
            Told::Done(bytes) => {
                self.buffer.borrow_mut().extend_from_slice(&bytes);
                Outcome::Done(())
            }
            Told::Rejected(bytes) => {
                self.buffer.borrow_mut().extend_from_slice(&bytes);
                Outcome::Rejected(())
            }
            Told::NotFound => Outcome::NotFound,
            Told::AlreadyExists => Outcome::AlreadyExists,
        }
    }
}

fn encode_error<E>(codec: &ErrorCodec<E>, error: &E, bytes_max: usize) -> Result<Vec<u8>, Unfit> {
    let bytes = (codec.encode)(error).map_err(|fault| Unfit::Fails { detail: fault.to_string() })?;
    if bytes.len() > bytes_max { Err(Unfit::TooLarge { limit: bytes_max }) } else { Ok(bytes) }
}

/// Why a result cannot travel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It has more bytes than a reply may have.
    TooLarge { limit: usize },
    /// Its `Serialize` says no.
    Fails { detail: String },
}

impl Unfit {
    pub(super) fn outcome<T, E>(self) -> Outcome<T, E> {
        match self {
            Self::TooLarge { limit } => Outcome::TooLarge { limit },
            Self::Fails { detail } => Outcome::BadReply { detail },
        }
    }
}
