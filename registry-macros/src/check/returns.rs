//! What a method gives back, and what kind of command that makes it.
//!
//! Kinds are read off the tokens. What tokens cannot show, a `Result` or the resource behind another name, the compiler is
//! asked about in the expansion.

use proc_macro2::Span;
use quote::quote;
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type};

use super::own::Own;
use crate::model::Written;
use crate::model::commands::{Fallible, Output};

/// The shape of a return type, as far as it decides the kind.
pub(super) enum Gives {
    /// The resource, or a `Result` of it.
    Own,
    /// The resource within something else, neither a create nor clearly something else: how that is written.
    Wrapped(String),
    /// Anything else.
    Other,
}

/// What the resource may be wrapped in.
const WRAPPERS: &[&str] = &["Option", "Box", "Arc", "Rc"];

pub(super) fn gives(output: &ReturnType, own: &Own<'_>) -> Gives {
    let Some(value) = value(output) else { return Gives::Other };
    if own.is(value) {
        return Gives::Own;
    }
    if let Type::Tuple(parts) = bare(value)
        && parts.elems.iter().any(|part| own.is(part))
    {
        return Gives::Wrapped("(Self, ..)".to_owned());
    }
    match (last_segment(value), first_argument(value)) {
        (Some(wrapper), Some(inner)) if WRAPPERS.iter().any(|name| wrapper.ident == name) && own.is(inner) => {
            Gives::Wrapped(format!("{}<Self>", wrapper.ident))
        }
        _ => Gives::Other,
    }
}

/// Whether the type may be the resource, perhaps under another name.
pub(super) fn may_give_own(output: &ReturnType, own: &Own<'_>) -> bool {
    match gives(output, own) {
        Gives::Own => true,
        Gives::Wrapped(_) => false,
        Gives::Other => value(output).is_some_and(is_name),
    }
}

/// What is given when all goes well, where anything is.
fn value(output: &ReturnType) -> Option<&Type> {
    let ReturnType::Type(_, ty) = output else { return None };
    Some(if is_result(ty) { first_argument(ty).unwrap_or(ty) } else { ty })
}

/// The model of a return type.
pub(super) fn output(output: &ReturnType, own: &Own<'_>, nowhere: Span) -> Output {
    let ReturnType::Type(_, ty) = output else {
        return Output { ty: Written { ty: quote!(()), span: nowhere }, is_name: false, fallible: None };
    };
    let fallible = is_result(ty).then(|| {
        let types = type_arguments(ty);
        let never = types.get(1).and_then(|error| last_segment(error)).is_some_and(|name| name.ident == "Infallible");
        let written = match types.as_slice() {
            [value, error] => Some([own.written(value), own.written(error)]),
            _ => None,
        };
        Fallible { written, never }
    });
    Output { ty: own.written(ty), is_name: is_name(ty), fallible }
}

/// Whether the type is written as a name, which could stand for another.
fn is_name(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(_) | Type::Macro(_))
}

fn is_result(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "Result")
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn first_argument(ty: &Type) -> Option<&Type> {
    type_arguments(ty).first().copied()
}

fn type_arguments(ty: &Type) -> Vec<&Type> {
    match last_segment(ty).map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The type without parentheses, visible or not.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => bare(&inner.elem),
        Type::Group(inner) => bare(&inner.elem),
        _ => ty,
    }
}
