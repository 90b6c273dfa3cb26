//! Models to tokens. Cannot fail.
//!
//! What is generated is thin: names, static descriptions, calls of ordinary functions behind the runtime's one hidden door. Bindings have
//! names that nobody uses: no hygiene keeps a user's constant from turning a binding of its name into a pattern.

mod client;
mod command;
mod fallback;
mod key;
mod registry;
mod resource;
mod runtime;
mod silent;

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::{Checked, commands::Block, registry::Registries, resource::Derived};
use crate::report::errors;
use runtime::Runtime;

/// Expands `#[derive(Resource)]`.
pub(crate) fn resource(checked: Checked<Option<Derived>>) -> TokenStream {
    let errors = errors(&checked.mistakes);
    let derived = checked.model.as_ref().map(resource::derived);
    quote!(#errors #derived)
}

/// Expands `#[commands]`.
pub(crate) fn commands(checked: Checked<Block>) -> TokenStream {
    let errors = errors(&checked.mistakes);
    let item = &checked.model.item;
    let commands = checked.model.commands.as_ref().map(command::commands);
    quote!(#errors #item #commands)
}

/// Expands `registry!`.
pub(crate) fn registry(checked: Checked<Registries>) -> TokenStream {
    let errors = errors(&checked.mistakes);
    let runtime = Runtime::at(checked.model.runtime.as_ref());
    let blocks = checked.model.blocks.iter().map(|block| registry::block(block, &runtime));
    quote!(#errors #(#blocks)*)
}
