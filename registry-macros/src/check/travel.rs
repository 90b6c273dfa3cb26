//! Attributes of serde that an instance does not survive on its way between nodes.

use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Meta, Token};

use crate::report::Report;

/// Reports what makes an instance be written otherwise than it is read. The runtime tries all other types when a node
/// starts; of the resource itself the attributes are at hand.
pub(super) fn travels_whole(input: &DeriveInput, report: &mut Report) {
    for word in words(&input.attrs) {
        if let Some(word) = one_of(&word, &["tag", "untagged", "content"]) {
            report
                .at(word, "an instance travels without the names of its fields, so no tag is found in it: remove this");
        }
    }
    let Data::Struct(data) = &input.data else { return };
    for field in &data.fields {
        let is_key = field.attrs.iter().any(|attribute| attribute.path().is_ident("key"));
        for word in words(&field.attrs) {
            if let Some(word) = one_of(&word, &["flatten"]) {
                report.at(
                    word,
                    "an instance travels without the names of its fields, so flattened ones are not found: remove `flatten`",
                );
            }
            if let Some(word) = one_of(&word, &["skip_serializing_if", "skip_serializing", "skip_deserializing"]) {
                report.at(
                    word,
                    "an instance travels without the names of its fields, so none may be left out on one side: remove this, or write \
                     `skip` for a field that never travels",
                );
            }
            if let Some(word) = one_of(&word, &["skip"]).filter(|_| is_key) {
                report.at(word, "the key travels with its instance: remove `skip`");
            }
        }
    }
}

fn one_of<'a>(word: &'a Meta, names: &[&str]) -> Option<&'a Meta> {
    names.iter().any(|name| word.path().is_ident(name)).then_some(word)
}

/// What stands in `#[serde(..)]`; what is none of its words, serde complains about itself.
fn words(attributes: &[Attribute]) -> Vec<Meta> {
    let lists = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    lists
        .filter_map(|attribute| attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok())
        .flatten()
        .collect()
}
