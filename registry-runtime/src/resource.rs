//! The traits that users meet: resources, their keys, their commands, and what a running command may ask.

mod command;
mod context;
mod definition;
mod error;
mod hash;
mod key;
mod returns;
mod shape;
mod travel;

pub use command::{Boxed, Command, Commands, ErrorCodec, Kind, Run, Visitor};
pub use context::{Context, Invocation, Origin, States};
pub use definition::{Defines, Definition, HasCommands, IsResource};
pub use error::{CommandError, Executed, Reason};
pub use hash::stable_hash;
pub use key::{Instance, IntoKey, Key, Resource};
pub use returns::{Probe, ResultLike, Unprobed};
pub use shape::{Shape, fingerprint};
pub use travel::{Checked, Stays, Travel, Travelling};
