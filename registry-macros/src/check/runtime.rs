//! Where the runtime is found, when a user has renamed or re-exported it.

use proc_macro2::TokenStream;
use syn::Path;
use syn::parse::Parser;

use crate::report::Report;
use crate::syntax::attribute::Argument;

/// The path of `crate = path`; `attribute` is the attribute's name, for the cure.
pub(super) fn path(argument: &Argument, attribute: &str, report: &mut Report) -> Option<Path> {
    let cure = || format!("write `#[{attribute}(crate = my_crate::registry_runtime)]`, a path without quotes");
    let Some(value) = &argument.value else {
        report.at(&argument.word, format!("`crate` names where `registry_runtime` is found: {}", cure()));
        return None;
    };
    match Path::parse_mod_style.parse2(TokenStream::clone(value)) {
        Ok(path) => Some(path),
        Err(_) => {
            report.at(value, format!("expected a path: {}", cure()));
            None
        }
    }
}
