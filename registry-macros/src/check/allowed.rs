//! What lints are not to say about generated items.

use syn::{Attribute, Meta, parse_quote};

use crate::syntax::attribute::only;

/// What the user allows with these attributes, for what is made of their item as well. What is expected there need not come about
/// here; and what is made of a deprecated item uses it.
pub(super) fn allowed(attributes: &[Attribute]) -> Vec<Attribute> {
    let expected = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(parse_quote!(#[allow(#lints)]))
        }
        _ => None,
    });
    let is_deprecated = !only(attributes, &["deprecated"]).is_empty();
    let used = is_deprecated.then(|| parse_quote!(#[allow(deprecated)]));
    only(attributes, &["allow"]).into_iter().chain(expected).chain(used).collect()
}
