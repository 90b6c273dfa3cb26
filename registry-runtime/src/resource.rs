//! The traits that users meet: resources, their keys, their commands, and what a running command may ask.

mod command;
mod context;
mod definition;
mod error;
mod key;
mod returns;

pub use command::{Boxed, Command, Commands, ErrorCodec, Kind, Run, Visitor};
pub use context::{Context, Invocation, Origin, States};
pub use definition::{Defines, Definition, HasCommands, IsResource};
pub use error::{CommandError, Executed, Reason};
pub use key::{IntoKey, Key, Resource, stable_hash};
pub use returns::{Probe, ResultLike, Unprobed};
