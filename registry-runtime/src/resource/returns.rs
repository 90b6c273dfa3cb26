//! What a command's method gives back, as far as only the compiler can tell.

use std::marker::PhantomData;

/// A `Result` under whatever name: an alias with one parameter hides the other type, and this brings it out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result` but is none",
    label = "not a `std::result::Result`",
    note = "a command whose return type ends in `Result` is fallible: return a `std::result::Result`, or rename the type"
)]
pub trait ResultLike {
    /// What it holds when all went well.
    type Ok;
    /// What it holds when not.
    type Err;
}

#[diagnostic::do_not_recommend]
impl<T, E> ResultLike for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// Asks what a return type `T` of a command of `R` is, whatever it is called.
///
/// The inherent constants below exist for a few types only and win over those of [`Unprobed`], which exist for all. Their names are
/// such as no trait of a user has: one for all types would be in the way.
pub struct Probe<R, T: ?Sized>(PhantomData<R>, PhantomData<T>);

/// The answers for every type that [`Probe`] does not single out.
pub trait Unprobed {
    /// Not a `Result`.
    const __IS_RESULT: bool = false;
    /// Not the resource.
    const __IS_RESOURCE: bool = false;
}

impl<R, T: ?Sized> Unprobed for Probe<R, T> {}

impl<R, T, E> Probe<R, Result<T, E>> {
    /// A `Result`.
    pub const __IS_RESULT: bool = true;
}

impl<R> Probe<R, R> {
    /// The resource itself.
    pub const __IS_RESOURCE: bool = true;
}

impl<R> Probe<R, Option<R>> {
    /// The resource, perhaps.
    pub const __IS_RESOURCE: bool = true;
}

impl<R> Probe<R, Box<R>> {
    /// The resource in a box.
    pub const __IS_RESOURCE: bool = true;
}
