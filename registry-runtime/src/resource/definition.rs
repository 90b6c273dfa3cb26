//! A registry as generated code writes it down.

use super::Resource;
use crate::id::Slot;
use crate::spec::Spec;

/// What one `registry!` block says, with the function that hashes a key the way its `sharding` clause asks.
#[derive(Debug)]
pub struct Definition<R: Resource> {
    /// The block's clauses.
    pub spec: Spec,
    /// Hashes the routing key; 0 under `singleton`.
    pub route: fn(&R::Key) -> u64,
}

impl<R: Resource> Definition<R> {
    /// The slot of a key: its hash modulo the slots, of which there are 65,536 at most.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a u32")]
    pub(crate) fn slot_of(&self, key: &R::Key) -> Slot {
        Slot::new(((self.route)(key) % u64::from(self.spec.slots().max(1))) as u32)
    }
}

/// Implemented by a registry's marker type for the one resource that it keeps.
pub trait Defines<R: Resource> {
    /// The registry's definition.
    fn definition() -> &'static Definition<R>;
}

/// Names a type that is a resource; implemented beside `Resource`. Generated code names the type through this, and where it
/// cannot, whatever is made of it gives no second message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "this type implements no `Resource`",
    note = "put `#[derive(Resource)]` on it and mark its key field with `#[key]`"
)]
pub trait IsResource {
    /// The type itself.
    type Type;
}

/// Names the resource of a client type, and its key; implemented beside both.
#[doc(hidden)]
pub trait ClientOf {
    /// The resource.
    type Resource;
    /// What names an instance of it.
    type Key;
}

/// Names a resource that has commands; implemented beside `Commands`, for the same purpose as [`IsResource`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no commands",
    label = "no `#[commands]` block for this type",
    note = "put `#[commands]` on its impl block"
)]
pub trait OnlyOneCommandsBlock {
    /// The type itself.
    type Type;
}
