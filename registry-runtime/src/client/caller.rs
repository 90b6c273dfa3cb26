//! Where calls start: at a node, or inside a running command.

use std::sync::Arc;

use super::port::{Port, port_of};
use crate::id::CommandId;
use crate::resource::Context;

/// What a client can be made from: a `Node` or a `Context`, by value, reference or `Arc`.
#[diagnostic::on_unimplemented(
    message = "a client cannot be made from `{Self}`",
    label = "expected a `Node` or a `Context`, or a reference to one"
)]
pub trait Caller: Sealed {
    #[doc(hidden)]
    fn way(&self) -> Way;
}

/// Callers are nodes and contexts; others would need a way out of their own.
pub trait Sealed {}

impl Sealed for Context {}

impl Caller for Context {
    fn way(&self) -> Way {
        Way { port: port_of(self.origin()), within: Some(Arc::new(self.clone())) }
    }
}

impl<T: Sealed + ?Sized> Sealed for &T {}

impl<T: Caller + ?Sized> Caller for &T {
    fn way(&self) -> Way {
        (**self).way()
    }
}

impl<T: Sealed + ?Sized> Sealed for Arc<T> {}

impl<T: Caller + ?Sized> Caller for Arc<T> {
    fn way(&self) -> Way {
        (**self).way()
    }
}

/// The way from a caller to the cluster.
pub struct Way {
    /// The node's way out; `None` when the node is gone.
    pub(super) port: Option<Arc<Port>>,
    /// The command that calls, when one does.
    pub(super) within: Option<Arc<Context>>,
}

impl Way {
    /// The way of calls that start at the node itself.
    pub(crate) fn of_node(port: &Arc<Port>) -> Self {
        Self { port: Some(Arc::clone(port)), within: None }
    }
}

/// The id of the next call that a command makes. It follows from that command's id and the call's place in it, so that a second
/// run of the command repeats its calls under the same ids and meets their receipts. (A run that makes other calls is found out: the receipt
/// knows what it is of.)
pub(super) fn derived_id(context: &Context) -> CommandId {
    derive_id(context.command_id(), context.next_call())
}

/// The id of the `place`-th call that a command makes: each run of a command is a session of its own.
fn derive_id(parent: CommandId, place: u32) -> CommandId {
    let mut bytes = [0; 16];
    let (session, sequence) = bytes.split_at_mut(8);
    session.copy_from_slice(&parent.session.to_le_bytes());
    sequence.copy_from_slice(&parent.sequence.to_le_bytes());
    CommandId { session: xxhash_rust::xxh3::xxh3_64(&bytes), sequence: u64::from(place).saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_run_repeats_the_ids() {
        let parent = CommandId { session: 7, sequence: 9 };
        assert_eq!(derive_id(parent, 0), derive_id(parent, 0));
        assert_ne!(derive_id(parent, 0), derive_id(parent, 1));
        assert_ne!(derive_id(parent, 0), derive_id(CommandId { session: 7, sequence: 10 }, 0));
    }
}
