//! What a command's result is turned into, before anything is committed.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec;
use super::contain::discard;
use super::outcome::Outcome;
use crate::policy::receipts::Told;
use crate::resource::ErrorCodec;

/// Takes a command's result for its caller.
pub(super) trait Reply<T, E> {
    /// Takes what the command returns; gives the encoding that a receipt keeps, if one is kept.
    fn done(&mut self, value: T, keep: bool) -> Result<Option<Bytes>, Unfit>;

    /// Takes the command's own error, likewise.
    fn rejected(&mut self, error: E, keep: bool) -> Result<Option<Bytes>, Unfit>;

    /// Takes what the caller was told already.
    fn again(&mut self, told: Told) -> Outcome;
}

/// For a caller in this process: the value as it is.
pub(super) struct Typed<T, E: 'static> {
    /// The most bytes that a reply may have that is kept.
    bytes_max: usize,
    error: &'static ErrorCodec<E>,
    /// What the caller is told in the end.
    result: Option<Result<T, E>>,
}

impl<T, E> Typed<T, E> {
    /// Nothing has come yet.
    pub(super) fn new(bytes_max: usize, error: &'static ErrorCodec<E>) -> Self {
        Self { bytes_max, error, result: None }
    }

    /// The outcome with what it tells of. What nobody is told, for it came too late or was not kept, is dropped only now.
    pub(super) fn tell(self, outcome: Outcome) -> Outcome<T, E> {
        match (outcome, self.result) {
            (Outcome::Done(()), Some(Ok(value))) => Outcome::Done(value),
            (Outcome::Rejected(()), Some(Err(error))) => Outcome::Rejected(error),
            (outcome, unheard) => {
                discard(unheard);
                outcome.map(|()| unreachable!("a reply was taken"), |()| unreachable!("an error was taken"))
            }
        }
    }
}

impl<T: Serialize + DeserializeOwned, E> Reply<T, E> for Typed<T, E> {
    fn done(&mut self, value: T, keep: bool) -> Result<Option<Bytes>, Unfit> {
        let mut kept = None;
        if keep {
            let mut bytes = Vec::new();
            codec::encode(&value, &mut bytes, self.bytes_max)?;
            kept = Some(bytes.into());
        }
        self.result = Some(Ok(value));
        Ok(kept)
    }

    fn rejected(&mut self, error: E, keep: bool) -> Result<Option<Bytes>, Unfit> {
        let kept = if keep { Some(encode_error(self.error, &error, self.bytes_max)?.into()) } else { None };
        self.result = Some(Err(error));
        Ok(kept)
    }

    fn again(&mut self, told: Told) -> Outcome {
        // What is kept was encoded here or by a node with the same shapes.
        let (result, outcome) = match told {
            Told::Done(bytes) => (codec::decode(&bytes).map(Ok), Outcome::Done(())),
            Told::Rejected(bytes) => {
                ((self.error.decode)(&bytes).map(Err).map_err(|fault| fault.to_string()), Outcome::Rejected(()))
            }
            Told::NotFound => return Outcome::NotFound,
            Told::AlreadyExists => return Outcome::AlreadyExists,
        };
        match result {
            Ok(result) => {
                self.result = Some(result);
                outcome
            }
            Err(detail) => Outcome::BadReply { detail },
        }
    }
}

/// For a caller elsewhere: bytes at the end of a buffer.
pub(super) struct Encoded<'a, E: 'static> {
    pub(super) buffer: Buffer<'a>,
    /// The most bytes that one reply may have.
    pub(super) bytes_max: usize,
    pub(super) error: &'static ErrorCodec<E>,
}

/// Where an encoded reply goes.
pub(super) enum Buffer<'a> {
    /// Behind what is there.
    Lent(&'a mut Vec<u8>),
    /// Of a task.
    Own(Vec<u8>),
}

impl Buffer<'_> {
    /// Where the next byte goes behind.
    fn bytes(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

impl<E> Encoded<'_, E> {
    /// The same for a task.
    pub(super) fn into_task(self) -> Encoded<'static, E> {
        Encoded { buffer: Buffer::Own(Vec::new()), bytes_max: self.bytes_max, error: self.error }
    }

    /// What was put into the buffer of a task, where the outcome tells of it.
    pub(super) fn told(self, outcome: &Outcome) -> Vec<u8> {
        match self.buffer {
            Buffer::Own(bytes) if outcome.tells() => bytes,
            Buffer::Own(_) | Buffer::Lent(_) => Vec::new(),
        }
    }
}

impl<T: Serialize, E> Reply<T, E> for Encoded<'_, E> {
    fn done(&mut self, value: T, keep: bool) -> Result<Option<Bytes>, Unfit> {
        let buffer = self.buffer.bytes();
        let start = buffer.len();
        codec::encode(&value, buffer, self.bytes_max)?;
        discard(value);
        Ok(keep.then(|| Bytes::copy_from_slice(buffer.get(start..).unwrap_or_default())))
    }

    fn rejected(&mut self, error: E, keep: bool) -> Result<Option<Bytes>, Unfit> {
        let bytes = encode_error(self.error, &error, self.bytes_max)?;
        discard(error);
        self.buffer.bytes().extend_from_slice(&bytes);
        Ok(keep.then(|| bytes.into()))
    }

    fn again(&mut self, told: Told) -> Outcome {
        let (bytes, outcome) = match told {
            Told::Done(bytes) => (bytes, Outcome::Done(())),
            Told::Rejected(bytes) => (bytes, Outcome::Rejected(())),
            Told::NotFound => return Outcome::NotFound,
            Told::AlreadyExists => return Outcome::AlreadyExists,
        };
        self.buffer.bytes().extend_from_slice(&bytes);
        outcome
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
