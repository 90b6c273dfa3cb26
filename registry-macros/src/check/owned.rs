//! Types that can travel as far as tokens show: owned, and with a name.

use syn::visit::Visit;
use syn::{Lifetime, Type, TypeImplTrait, TypeReference};

use super::returns::bare;
use super::written::text;
use crate::report::Report;

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
            Type::Path(path) if path.path.is_ident("str") => "write `String`".to_owned(),
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context") => {
                "the context is taken as `&Context`, without `mut` and without a lifetime".to_owned()
            }
            Type::Slice(slice) => format!("write `Vec<{}>`", text(&slice.elem)),
            other => format!("write `{}`", text(other)),
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

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let what = self.what;
        self.report.at(
            ty,
            format!(
                "{what} of a command has a type with a name, because both sides must know it: write the concrete type"
            ),
        );
    }
}
