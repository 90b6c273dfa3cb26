//! The commands of a resource as compiled here.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::{Command, Commands, Kind, Visitor};
use super::shape::fingerprint;
use crate::id::Fingerprint;

/// A command as compiled here, for comparison with what a peer offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnCommand {
    /// Its place in the block.
    pub(crate) number: u16,
    /// Its wire name.
    pub(crate) name: &'static str,
    /// Its kind.
    pub(crate) kind: Kind,
    /// The shape of key, arguments, reply and error.
    pub(crate) shape: Fingerprint,
}

/// The commands of a resource by rising number; not free, for their shapes are traced.
pub(crate) fn own_commands<R: Commands>() -> Vec<OwnCommand> {
    struct List(Vec<OwnCommand>);

    impl<R: Commands> Visitor<R> for List {
        fn command<A, T, E>(&mut self, command: &'static Command<R, A, T, E>)
        where
            A: Serialize + DeserializeOwned + Send + 'static,
            T: Serialize + DeserializeOwned + Send + 'static,
            E: Send + 'static,
        {
            let shape = fingerprint(command);
            self.0.push(OwnCommand { number: command.number, name: command.name, kind: command.kind(), shape });
        }
    }

    let mut list = List(Vec::new());
    R::each(&mut list);
    list.0.sort_unstable_by_key(|command| command.number);
    list.0
}
