//! Tokens to trees. Complains about shape only, and keeps every token that it was given.

pub(crate) mod attribute;
pub(crate) mod block;
pub(crate) mod registry;
