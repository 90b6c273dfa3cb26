//! A registry as generated code writes it down.

use super::Resource;
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
