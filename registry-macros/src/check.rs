//! Trees to models. The only room that says no.

mod allowed;
mod arguments;
mod clashes;
mod clauses;
mod command;
mod commands;
mod inputs;
mod names;
mod options;
mod own;
mod owned;
mod registry;
mod resource;
mod returns;
mod runtime;
mod strategies;
mod time;
mod travel;
mod values;
mod words;
mod written;

pub(crate) use commands::commands;
pub(crate) use registry::registry;
pub(crate) use resource::resource;
