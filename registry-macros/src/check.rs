//! Trees to models. The only room that says no.

mod commands;
mod registry;
mod resource;
mod returns;
mod runtime;
mod time;
mod words;

pub(crate) use commands::commands;
pub(crate) use registry::registry;
pub(crate) use resource::resource;
