//! What commands and instances look like on the wire, as numbers that two sides can compare.
//!
//! The shape is serde's view of the types: field names, their order, kinds of values, names and order of variants. Rust type
//! names are no part of it, so a type may be renamed or moved freely, and a newtype is what it wraps. It is found by
//! letting the types deserialize themselves from a source that writes down what they ask for.

mod misfit;
mod trace;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::{Command, Kind, Resource};
use crate::id::Fingerprint;

use misfit::Misfit;
pub use misfit::misfits;

/// Changes with the way a fingerprint is made, so that two releases that make it differently never agree by accident.
const EDITION: u8 = 1;

/// The shape of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `None` where it cannot be told.
    number: Option<u64>,
    misfit: Option<Misfit>,
}

impl Shape {
    /// The shape of an error that never occurs.
    pub const NEVER: Self = Self { number: Some(0), misfit: None };

    /// Traces a type. `None` where it checks its content so closely that no sample satisfies it.
    pub fn of<T: Serialize + DeserializeOwned>() -> Option<Self> {
        let (number, misfit) = match trace::trace::<T>() {
            Ok(number) => (number, None),
            Err(misfit) => (None, Some(misfit)),
        };
        (number.is_some() || misfit.is_some()).then_some(Self { number, misfit })
    }
}

/// The fingerprint of a command: its kind, and the shapes of key, arguments, reply and error.
///
/// Where one of the types cannot be traced, the types as they are written in the source stand in for it. Not free: it takes
/// several passes over each type. Ask once and keep the answer.
pub fn fingerprint<R, A, T, E>(command: &'static Command<R, A, T, E>) -> Fingerprint
where
    R: Resource,
    A: Serialize + DeserializeOwned,
    T: Serialize + DeserializeOwned,
{
    let kind = command.kind();
    let key = if kind == Kind::Action { Some(Shape::NEVER) } else { Shape::of::<R::Key>() };
    let shapes = [key, Shape::of::<A>(), Shape::of::<T>(), (command.error.shape)()];
    let numbers = shapes.map(|shape| shape.and_then(|shape| shape.number));
    let mut bytes = vec![EDITION, tag(kind)];
    for number in numbers {
        match number {
            Some(number) => {
                bytes.push(1);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            None => bytes.push(0),
        }
    }
    if numbers.contains(&None) {
        bytes.extend_from_slice(command.written.as_bytes());
    }
    Fingerprint::new(xxh3_64(&bytes))
}

/// The fingerprint of what a resource's instances look like to whoever keeps or takes over a copy: the shapes of its key and of itself.
/// `None` where one of them cannot be traced, for then nothing is known that could be compared.
pub fn fingerprint_of_instances<R: Resource>() -> Option<Fingerprint> {
    let mut bytes = vec![EDITION];
    for shape in [Shape::of::<R::Key>(), Shape::of::<R>()] {
        bytes.extend_from_slice(&shape?.number?.to_le_bytes());
    }
    Some(Fingerprint::new(xxh3_64(&bytes)))
}

/// Written out, because the order of an enum is no promise.
fn tag(kind: Kind) -> u8 {
    match kind {
        Kind::Create => 1,
        Kind::Read => 2,
        Kind::Update => 3,
        Kind::Destroy => 4,
        Kind::Action => 5,
    }
}

#[cfg(test)]
mod tests;
