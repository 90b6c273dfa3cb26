//! Types that can travel as far as tokens show: owned, and with a name.

use syn::visit::{Visit, visit_type_path};
use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeImplTrait, TypeParamBound, TypePath, TypeReference,
    TypeTraitObject,
};

use super::returns::bare;
use super::written::text;
use crate::report::Report;

/// What a method takes and what it gives, in messages.
pub(super) const PARAMETER: &str = "a parameter";
pub(super) const RETURN_VALUE: &str = "a return value";

/// Reports whatever in the type is borrowed or has no name, because it cannot travel.
pub(super) fn owned(ty: &Type, what: &str, report: &mut Report) {
    let mut look = Borrowed { what, report };
    look.visit_type(ty);
}

struct Borrowed<'a> {
    what: &'a str,
    report: &'a mut Report,
}

impl<'ast> Visit<'ast> for Borrowed<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let what = self.what;
        let cure = match bare(&reference.elem) {
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context") => {
                "the context is taken as `&Context`, without `mut` and without a lifetime".to_owned()
            }
            Type::TraitObject(_) | Type::ImplTrait(_) => "write a type with a name".to_owned(),
            elem @ Type::Path(_) if self.what == PARAMETER && unsized_name(elem).is_none() => {
                format!("write `{}`, or, if it is the context, `&Context`", owned_form(elem))
            }
            elem => format!("write `{}`", owned_form(elem)),
        };
        self.report.at(reference, format!("{what} of a command is owned, because it travels: {cure}"));
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let what = self.what;
            self.report.at(
                lifetime,
                format!("{what} of a command is owned, because it travels: write the owned type, or `'static`"),
            );
        }
    }

    fn visit_type_path(&mut self, ty: &'ast TypePath) {
        if let Some(elem) = elided_cow(ty) {
            let (what, elem, owned) = (self.what, text(elem), owned_form(elem));
            let message = format!(
                "{what} of a command is owned, because it travels: write `{owned}`, or `Cow<'static, {elem}>` with its lifetime"
            );
            return self.report.at(ty, message);
        }
        if let Some(object) = boxed_object(ty).filter(|object| object.bounds.iter().any(|of| names(of, NEVER_TRAVEL))) {
            let what = self.what;
            let message = format!("{what} of a command has a type that both sides know: write an enum or a `String`");
            self.report.at(object, message);
        }
        visit_type_path(self, ty);
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let what = self.what;
        if ty.bounds.iter().any(|bound| names(bound, &["Future"])) {
            return self.report.at(ty, format!("{what} of a command is no future: write `async fn`"));
        }
        self.report.at(
            ty,
            format!(
                "{what} of a command has a type with a name, because both sides must know it: write the concrete type"
            ),
        );
    }
}

/// Traits with names of the standard library's, behind which no type travels. One of the user's may, with a crate that knows its types by
/// name.
const NEVER_TRAVEL: &[&str] = &["Error", "Debug", "Display", "Any", "Fn", "FnMut", "FnOnce"];

/// The `dyn` directly in a `Box`, an `Arc` or an `Rc`.
fn boxed_object(ty: &TypePath) -> Option<&TypeTraitObject> {
    let last = ty.path.segments.last().filter(|last| ["Box", "Arc", "Rc"].iter().any(|owner| last.ident == owner))?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(Type::TraitObject(object))) => Some(object),
        _ => None,
    }
}

/// Whether the bound is one of these traits, by its last segment.
fn names(bound: &TypeParamBound, traits: &[&str]) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|last| traits.iter().any(|name| last.ident == name))
        }
        _ => false,
    }
}

/// What a `Cow` without its lifetime may borrow.
fn elided_cow(ty: &TypePath) -> Option<&Type> {
    let last = ty.path.segments.last().filter(|last| last.ident == "Cow")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.iter().collect::<Vec<_>>().as_slice() {
        [GenericArgument::Type(elem)] if matches!(elem, Type::Slice(_)) || unsized_name(elem).is_some() => Some(elem),
        _ => None,
    }
}

/// A borrowed type as its owner has it.
fn owned_form(ty: &Type) -> String {
    match bare(ty) {
        Type::Reference(reference) => owned_form(&reference.elem),
        Type::Slice(slice) => format!("Vec<{}>", owned_form(&slice.elem)),
        other => unsized_name(other).map_or_else(|| text(other), str::to_owned),
    }
}

/// What owns a type of the standard library that is only ever borrowed.
fn unsized_name(ty: &Type) -> Option<&'static str> {
    let Type::Path(path) = bare(ty) else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    [("str", "String"), ("Path", "PathBuf"), ("OsStr", "OsString"), ("CStr", "CString")]
        .into_iter()
        .find_map(|(borrowed, owned)| (name == borrowed).then_some(owned))
}
