//! What a running command may ask about itself and its surroundings.

use std::any::{Any, TypeId, type_name};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use crate::id::{CommandId, Epoch, NodeId};

/// What a running command may ask about itself and its surroundings.
///
/// Handed to a generated `client(..)`, it lets a command call other registries: such calls inherit its deadline, which a
/// `timeout` can only shorten, and its trace, on whichever node they run, and take ids derived from its own.
#[derive(Clone)]
pub struct Context {
    origin: Arc<Origin>,
    key: Arc<str>,
    caller: NodeId,
    epoch: Epoch,
    deadline: Instant,
    repeats_until: Instant,
    root: CommandId,
    rerun: bool,
    id: CommandId,
    attempt: u32,
    calls: Arc<AtomicU32>,
}

impl Context {
    /// The instance's key as text for logs; empty in an action.
    ///
    /// A key that is text is that text, and a `char` is itself; every other key is what its `Debug` says.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The node that runs the command.
    pub fn node(&self) -> &NodeId {
        &self.origin.node
    }

    /// The node that called.
    pub fn caller(&self) -> &NodeId {
        &self.caller
    }

    /// The slot's epoch, the fencing number to hand to external stores; 0 in an action.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// When the call must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The command's id, the same in every attempt.
    pub fn command_id(&self) -> CommandId {
        self.id
    }

    /// Which attempt of the call this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What `Node::builder().state(..)` was given.
    ///
    /// # Panics
    ///
    /// When the node was given no `T`.
    pub fn state<T: Send + Sync + 'static>(&self) -> &T {
        match self.try_state() {
            Some(state) => state,
            None => panic!(
                "the node was given no state of type `{}`: hand it to `Node::builder().state(..)`",
                type_name::<T>()
            ),
        }
    }

    /// What `Node::builder().state(..)` was given, if it was.
    pub fn try_state<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.origin.states.get()
    }

    /// Until when the command may be run once more, and with it the calls that it makes: the deadline of the outermost command.
    pub(crate) fn repeats_until(&self) -> Instant {
        self.repeats_until
    }

    /// The command that no other one made, and that this one serves; itself, if a caller outside of all commands made it.
    pub(crate) fn root(&self) -> CommandId {
        self.root
    }

    /// Whether an earlier run may have made the calls that are made now, so that none of them may say of itself that it never ran.
    pub(crate) fn is_rerun(&self) -> bool {
        self.rerun
    }

    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// The number of the next call that this command makes, from 0.
    pub(crate) fn next_call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

impl Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("node", self.node())
            .field("caller", &self.caller)
            .field("key", &self.key)
            .field("epoch", &self.epoch)
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// The same as [`Context`], borrowed: what the executor has at hand. A `Context` is made from it only for the commands
/// that ask for one.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// The node that runs the command.
    pub origin: &'a Arc<Origin>,
    /// The key, `None` in an action.
    pub key: Option<&'a dyn KeyText>,
    /// The node that called.
    pub caller: &'a NodeId,
    /// The slot's epoch, zero in an action.
    pub epoch: Epoch,
    /// When the call must have ended.
    pub deadline: Instant,
    /// Until when it may be run once more; no earlier than the deadline.
    pub repeats_until: Instant,
    /// The command that no other one made, and that this one serves.
    pub root: CommandId,
    /// Whether an earlier run may have made the calls that it makes.
    pub rerun: bool,
    /// The command's id.
    pub id: CommandId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

impl Invocation<'_> {
    /// The owned form.
    pub fn context(&self) -> Context {
        Context {
            origin: Arc::clone(self.origin),
            key: self.key.map_or_else(|| "".into(), KeyText::key_text),
            caller: self.caller.clone(),
            epoch: self.epoch,
            deadline: self.deadline,
            repeats_until: self.repeats_until,
            root: self.root,
            rerun: self.rerun,
            id: self.id,
            attempt: self.attempt,
            calls: Arc::default(),
        }
    }
}

impl Debug for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("id", &self.id).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// A key as text for logs.
pub trait KeyText {
    /// The text itself of a key that is text, what `Debug` says of every other.
    fn key_text(&self) -> Arc<str>;
}

impl<K: Debug + Any> KeyText for K {
    fn key_text(&self) -> Arc<str> {
        let key: &dyn Any = self;
        let text = key.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| key.downcast_ref::<Box<str>>().map(AsRef::as_ref));
        let text = text.or_else(|| key.downcast_ref::<Arc<str>>().map(AsRef::as_ref));
        let text = text.or_else(|| key.downcast_ref::<Cow<'static, str>>().map(AsRef::as_ref));
        match (text, key.downcast_ref::<char>()) {
            (Some(text), _) => text.into(),
            (None, Some(letter)) => letter.to_string().into(),
            (None, None) => format!("{self:?}").into(),
        }
    }
}

/// What all commands of a node share.
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// What the application handed in.
    pub states: States,
    /// What calls go out through; the caller room knows its type.
    pub port: Box<dyn Any + Send + Sync>,
}

impl Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("node", &self.node).finish_non_exhaustive()
    }
}

/// What the application handed in, one value per type.
#[derive(Clone, Default)]
pub struct States(BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    /// Keeps a value; a second one of the same type takes its place.
    pub fn insert<T: Send + Sync + 'static>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(state));
    }

    /// The value of that type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textual_keys_are_themselves_and_others_are_what_debug_says() {
        #[derive(Debug)]
        struct Tag(#[expect(dead_code, reason = "only shown")] String);

        let text = || "it's \"eu\"".to_owned();
        let keys: [(&dyn KeyText, &str); 8] = [
            (&text(), "it's \"eu\""),
            (&text().into_boxed_str(), "it's \"eu\""),
            (&Arc::<str>::from(text()), "it's \"eu\""),
            (&Cow::<str>::Owned(text()), "it's \"eu\""),
            (&'\'', "'"),
            (&7_u64, "7"),
            (&Tag("eu".to_owned()), "Tag(\"eu\")"),
            (&("eu".to_owned(), 7), "(\"eu\", 7)"),
        ];
        for (key, expected) in keys {
            assert_eq!(&*key.key_text(), expected);
        }
    }
}
