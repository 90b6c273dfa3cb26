//! What a valid registry, resource or command block is.
//!
//! A declaration that has a mistake is a stub here: enough of it to keep the rest of the user's file type-checking, and the
//! mistakes that made it one.

pub(crate) mod commands;
pub(crate) mod registry;
pub(crate) mod resource;
mod written;

pub(crate) use written::Written;

/// A checked invocation: what is valid of it, and what was wrong.
pub(crate) struct Checked<T> {
    pub(crate) model: T,
    pub(crate) mistakes: Vec<syn::Error>,
}

/// A declaration without mistakes, or what is left of one with some.
pub(crate) enum Declared<T, S> {
    Sound(T),
    Stub(S),
}
