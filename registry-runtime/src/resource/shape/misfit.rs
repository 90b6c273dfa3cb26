//! Types that compile, and run as long as caller and owner are one node, but do not survive the way between two.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Shape;
use crate::resource::{Command, Commands, Kind, Visitor};

/// A type whose values do not survive the way between nodes, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The innermost type that is known by name.
    pub(super) ty: &'static str,
    pub(super) fault: Fault,
}

/// What is wrong with a type. The wire format is postcard: fields one after the other, without names and kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is an enum whose tag lies beside its content.
    Tagged,
    /// It takes in the fields of another.
    Flattened,
    /// It asks in another way what comes next.
    Asks,
    /// It writes other fields than it reads.
    Uneven,
    /// It asks the format to write what that has no form for.
    Unwritable,
}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ty, fault } = self;
        let (why, cure) = match fault {
            Fault::Tagged => {
                ("looks for its tag by name, and the compact format has no names", "remove `#[serde(tag = \"..\")]`")
            }
            Fault::Flattened => (
                "looks for the fields of a flattened one by name, and the compact format has no names",
                "remove `#[serde(flatten)]`",
            ),
            Fault::Asks => (
                "asks what comes next, and the compact format does not tell",
                "remove `#[serde(untagged)]` from it or from what it holds; a type made for JSON travels as its text, in a `String`",
            ),
            Fault::Uneven => (
                "or what it holds writes other fields than it reads, and the compact format has no names to tell them apart by",
                "remove `skip_serializing_if`, `skip_serializing`, `skip_deserializing` and, on a struct, `tag`; where `Serialize` is written by hand, write what `Deserialize` reads",
            ),
            Fault::Unwritable => (
                "or what it holds has no form in the compact format",
                "remove `#[serde(flatten)]`, and let sequences tell their length",
            ),
        };
        write!(f, "`{ty}` {why}: {cure}")
    }
}

/// Everything about a resource that does not survive the way between nodes, in words; empty when all is well.
///
/// Not free: it takes several passes over each type. A rule that only some values break may escape it.
pub fn misfits<R: Commands>() -> Vec<String> {
    let mut found = Found::default();
    found.look("its key".to_owned(), Shape::of::<R::Key>());
    found.look("its resource".to_owned(), Shape::of::<R>());
    R::each(&mut found);
    found.told
}

#[derive(Default)]
struct Found {
    /// One type may stand in many places; the first is enough.
    seen: Vec<Misfit>,
    told: Vec<String>,
}

impl Found {
    fn look(&mut self, place: String, shape: Option<Shape>) {
        let Some(misfit) = shape.and_then(|shape| shape.misfit) else { return };
        if !self.seen.contains(&misfit) {
            self.seen.push(misfit);
            self.told.push(format!("{place} cannot travel between nodes: {misfit}"));
        }
    }
}

impl<R: Commands> Visitor<R> for Found {
    fn command<A, T, E>(&mut self, command: &'static Command<R, A, T, E>)
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        let place = |what: &str| format!("{what} of its command `{}`", command.name);
        self.look(place("the arguments"), Shape::of::<A>());
        // A create replies with the instance, which was looked at.
        if command.kind() != Kind::Create {
            self.look(place("the reply"), Shape::of::<T>());
        }
        self.look(place("the error"), (command.error.shape)());
    }
}
