//! Which types can travel between nodes, asked so that the compiler says once and clearly which cannot.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Asks whether a type can travel. The inherent constant exists for those that can, and wins over that of [`Stays`].
pub struct Travel<T: ?Sized>(PhantomData<T>);

impl<T: Serialize + DeserializeOwned + Send + 'static> Travel<T> {
    /// It can.
    pub const CAN: bool = true;
}

/// The answer for all other types.
pub trait Stays {
    /// It cannot.
    const CAN: bool = false;
}

impl<T: ?Sized> Stays for Travel<T> {}

/// An answer of [`Travel`] as a type.
pub struct Checked<const CAN: bool>;

/// Names a type if it can travel. If not, there is no type to name, and whatever is made of it gives no second message.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot travel between nodes",
    label = "does not travel",
    note = "what a command takes and gives is `Serialize + DeserializeOwned + Send + 'static`",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on it"
)]
pub trait Travelling<T> {
    /// The type itself.
    type Type;
}

#[diagnostic::do_not_recommend]
impl<T> Travelling<T> for Checked<true> {
    type Type = T;
}
