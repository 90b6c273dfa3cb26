//! What a command takes.

use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, ImplItemFn, Pat, PatType, Type, TypeReference};

use super::allowed::allowed;
use super::own::Own;
use super::owned::{PARAMETER, owned};
use super::returns::bare;
use crate::model::commands::{Input, Kind};
use crate::report::Report;
use crate::syntax::attribute;

/// serde's own limit for tuples, which is what arguments travel as.
const ARGUMENTS_MAX: usize = 16;

/// The inputs without the receiver; what is wrong with one is reported.
pub(super) fn inputs(method: &ImplItemFn, kind: Option<Kind>, own: &Own<'_>, report: &mut Report) -> Vec<Input> {
    method.sig.inputs.iter().for_each(|input| unconditional(input, report));
    let mut inputs = Vec::new();
    let mut travelling = 0;
    for typed in method.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    }) {
        let span = typed.ty.span();
        if is_context(&typed.ty) {
            inputs.push(Input::Context { span });
            continue;
        }
        travelling += 1;
        if travelling == ARGUMENTS_MAX + 1 {
            report.at(
                typed,
                format!("a command takes at most {ARGUMENTS_MAX} travelling parameters: put some into a struct"),
            );
        }
        owned(&typed.ty, PARAMETER, report);
        let Some(name) = parameter_name(typed, report) else { continue };
        inputs.push(if kind == Some(Kind::Create) && travelling == 1 {
            Input::Key { name, allowed: allowed(&typed.attrs), ty: own.written(&typed.ty) }
        } else {
            Input::Argument { name, allowed: allowed(&typed.attrs), ty: own.written(&typed.ty) }
        });
    }
    if kind == Some(Kind::Create) && travelling == 0 {
        report.at(
            &method.sig.ident,
            format!(
                "a create takes the key of the new instance first: write `{}(id: u64, ..)` with the key's type",
                method.sig.ident
            ),
        );
    }
    inputs
}

fn unconditional(input: &FnArg, report: &mut Report) {
    let (what, attributes) = match input {
        FnArg::Receiver(receiver) => ("the receiver", &receiver.attrs),
        FnArg::Typed(typed) => ("a parameter", &typed.attrs),
    };
    let is_condition =
        |attribute: &&Attribute| attribute.path().is_ident("cfg") || attribute::conditional(attribute, "cfg").is_some();
    for attribute in attributes.iter().filter(is_condition) {
        let message = format!("{what} of a command has no conditions: put `#[cfg(..)]` on the method, written twice");
        report.at(attribute, message);
    }
}

fn parameter_name(typed: &PatType, report: &mut Report) -> Option<Ident> {
    match &*typed.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => Some(pattern.ident.clone()),
        other @ Pat::Wild(_) => {
            report.at(other, "a parameter of a command has a name, for its client has it too: write `_name`");
            None
        }
        other => {
            report.at(other, "a parameter of a command is a plain name: take it apart in the body");
            None
        }
    }
}

/// `&Context`, by its last segment and without a lifetime.
pub(super) fn is_context(ty: &Type) -> bool {
    let Type::Reference(TypeReference { lifetime: None, mutability: None, elem, .. }) = bare(ty) else { return false };
    match bare(elem) {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Context"),
        _ => false,
    }
}
