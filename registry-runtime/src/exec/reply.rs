//! What a command's result is turned into, before anything is committed.

use std::borrow::BorrowMut;

use serde::Serialize;

use super::codec;
use super::outcome::Outcome;
use crate::resource::ErrorCodec;

/// Turns a command's result into what the caller gets.
pub(super) trait Reply<T, E> {
    type Done;
    type Rejected;

    /// Turns what the command returns.
    fn done(&mut self, value: T) -> Result<Self::Done, Unfit>;

    /// Turns the command's own error.
    fn rejected(&mut self, error: E) -> Result<Self::Rejected, Unfit>;
}

/// For a caller in this process: the value as it is.
pub(super) struct Typed;

impl<T, E> Reply<T, E> for Typed {
    type Done = T;
    type Rejected = E;

    fn done(&mut self, value: T) -> Result<T, Unfit> {
        Ok(value)
    }

    fn rejected(&mut self, error: E) -> Result<E, Unfit> {
        Ok(error)
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

    fn done(&mut self, value: T) -> Result<(), Unfit> {
        codec::encode(&value, self.buffer.borrow_mut(), self.bytes_max)
    }

    fn rejected(&mut self, error: E) -> Result<(), Unfit> {
        let bytes = (self.error.encode)(&error).map_err(|fault| Unfit::Fails { detail: fault.to_string() })?;
        if bytes.len() > self.bytes_max {
            return Err(Unfit::TooLarge { limit: self.bytes_max });
        }
        self.buffer.borrow_mut().extend_from_slice(&bytes);
        Ok(())
    }
}

/// Why a result cannot travel.
#[derive(Debug)]
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
