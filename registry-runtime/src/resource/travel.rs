//! Which types can travel between nodes, asked so that the compiler says once and clearly which cannot.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Whole;

/// Asks whether a type can travel. The inherent constant exists for those that can, and wins over that of [`Stays`]; its name is one
/// that no trait of a user has.
pub struct Travel<T: ?Sized>(PhantomData<T>);

impl<T: Serialize + DeserializeOwned + Send + 'static> Travel<T> {
    /// It can.
    pub const __CAN: bool = true;
}

/// The answer for all other types, to this question and that of [`Whole`].
pub trait Stays {
    /// It cannot.
    const __CAN: bool = false;
}

impl<T: ?Sized> Stays for Travel<T> {}
impl<T: ?Sized> Stays for Whole<T> {}

/// Names a type if it can travel, which [`Travel`] tells. If not, there is no type to name, and whatever is made of it gives no
/// second message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between nodes",
    label = "does not travel",
    note = "what a command takes and gives is `Serialize + DeserializeOwned + Send + 'static`",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on a type of your own; of a type from elsewhere turn on the `serde` feature, \
            or let what matters of it travel as a type of your own or as a `String`; the context of a command is taken as `&Context`"
)]
pub trait Travelling<const CAN: bool> {
    /// The type itself.
    type Type;
}

#[diagnostic::do_not_recommend]
impl<T> Travelling<true> for T {
    type Type = T;
}
