//! The rules of `#[derive(Resource)]`.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::{Data, DeriveInput, Field, Fields, Ident, Path};

use super::allowed::allowed;
use super::options::options;
use super::own::Own;
use super::runtime;
use super::travel::travels_whole;
use super::words::unknown;
use crate::model::resource::{Derived, KeyField, Resource, Stub};
use crate::model::{Checked, Declared};
use crate::report::Report;
use crate::syntax::attribute::{Argument, only};

/// Checks a struct; what is no type at all leaves only mistakes.
pub(crate) fn resource(input: TokenStream) -> Checked<Option<Derived>> {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(mistake) => return Checked { model: None, mistakes: vec![mistake] },
    };
    let mut report = Report::default();
    let mut options = Options::read(&input, &mut report);
    let runtime = options.runtime.take();
    travels_whole(&input, &mut report);

    let mut at_type = Report::default();
    let keys = key_fields(&input, &mut report, &mut at_type);
    let mut because = at_type.read().into_iter();
    let declared = match because.next() {
        Some(because) => Declared::Stub(Stub { generics: input.generics, because }),
        None => {
            let mut keys = keys.into_iter();
            match keys.next() {
                Some(first) => {
                    let Options { on_demand, merge, .. } = options;
                    Declared::Sound(Resource { first, more: keys.collect(), on_demand, merge })
                }
                None => Declared::Stub(Stub { because: no_key(&input.ident), generics: input.generics }),
            }
        }
    };
    because.for_each(|mistake| report.push(mistake));
    let model = Derived { runtime, allowed: allowed(&input.attrs), visibility: input.vis, name: input.ident, declared };
    Checked { model: Some(model), mistakes: report.read() }
}

#[derive(Default)]
struct Options {
    runtime: Option<Path>,
    on_demand: Option<Ident>,
    merge: Option<Path>,
}

impl Options {
    fn read(input: &DeriveInput, report: &mut Report) -> Self {
        let mut options = Self::default();
        for argument in self::options(&input.attrs, "resource", "on_demand", report) {
            options.take(argument, report);
        }
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("key")) {
            report.at(attribute, "`#[key]` stands on the field that is the key, not on the type: move it there");
        }
        options
    }

    fn take(&mut self, argument: Argument, report: &mut Report) {
        let word = &argument.word;
        if word == "crate" {
            self.runtime = runtime::path(&argument, "resource", report);
        } else if word == "on_demand" {
            if argument.value.is_some() {
                report.at(word, "`on_demand` takes no value: write `#[resource(on_demand)]`");
            }
            self.on_demand = Some(argument.word);
        } else if word == "merge" {
            self.merge = merge(&argument, report);
        } else {
            report.at(word, unknown(word, "option of a resource", &["on_demand", "merge", "crate"]));
        }
    }
}

/// The function that merges.
fn merge(argument: &Argument, report: &mut Report) -> Option<Path> {
    let path = argument.value.clone().and_then(|value| Path::parse_mod_style.parse2(value).ok());
    if path.is_none() {
        let word = &argument.word;
        report.at(word, "`merge` names a function of `&mut Self` and `Self`: write `#[resource(merge = Self::merge)]`");
    }
    path
}

fn key_fields(input: &DeriveInput, report: &mut Report, at_type: &mut Report) -> Vec<KeyField> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => {
            at_type.at(data.enum_token, "a resource is a struct: put the enum into a field beside the `#[key]` field");
            return Vec::new();
        }
        Data::Union(data) => {
            at_type.at(data.union_token, "a resource is a struct, not a union");
            return Vec::new();
        }
    };
    if !input.generics.params.is_empty() || input.generics.where_clause.is_some() {
        at_type.at(&input.generics, "a resource has no generics and no lifetimes: write the concrete types");
    }
    if let Fields::Unnamed(fields) = fields {
        at_type.at(fields, "the fields of a resource have names: write `struct Order { #[key] id: u64 }`");
        return Vec::new();
    }
    let path = Path::from(input.ident.clone());
    let own = Own::new(&path);
    fields.iter().filter_map(|field| key_field(field, &own, report)).collect()
}

fn key_field(field: &Field, own: &Own<'_>, report: &mut Report) -> Option<KeyField> {
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("resource")) {
        report.at(attribute, "`#[resource(..)]` stands on the struct; a field takes `#[key]`");
    }
    let mut marks = field.attrs.iter().filter(|attribute| attribute.path().is_ident("key"));
    let mark = marks.next()?;
    if mark.meta.require_path_only().is_err() {
        report.at(mark, "`#[key]` takes no arguments: write `#[key]`");
    }
    for again in marks {
        report.at(again, "this field is marked `#[key]` twice: remove one");
    }
    Some(KeyField { docs: only(&field.attrs, &["doc"]), name: field.ident.clone()?, ty: own.written(&field.ty) })
}

fn no_key(name: &Ident) -> syn::Error {
    syn::Error::new(name.span(), format!("the resource `{name}` has no key: mark a field with `#[key]`"))
}
