//! A registry as generated code writes it down.

use super::{Commands, Resource};
use crate::spec::Spec;

/// What one `registry!` block says, with the function that hashes a key the way its `sharding` clause asks.
#[derive(Debug)]
pub struct Definition<R: Resource> {
    /// The block's clauses.
    pub spec: Spec,
    /// Hashes the routing key; 0 under `singleton`.
    pub route: fn(&R::Key) -> u64,
}

/// Implemented by a registry's marker type for the one resource that it keeps.
pub trait Defines<R: Resource> {
    /// The registry's definition.
    fn definition() -> &'static Definition<R>;
}

/// Names a type if it is a resource. Generated code names it through this once, so that the compiler says once what is
/// missing.
pub trait IsResource {
    /// The type itself.
    type Type: Resource;
}

impl<R: Resource> IsResource for R {
    type Type = R;
}

/// Names a resource if it has commands; for the same purpose as [`IsResource`].
pub trait HasCommands {
    /// The type itself.
    type Type: Commands;
}

impl<R: Commands> HasCommands for R {
    type Type = R;
}
