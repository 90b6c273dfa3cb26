//! Places of which lints say nothing.

use proc_macro2::Span;
use syn::Visibility;

/// The place, as that of something generated. A lint looks at where an item begins, and is silent about one that nobody wrote;
/// to allow the lint would not do, for whoever forbids it forbids that as well.
pub(super) fn silent(at: Span) -> Span {
    Span::call_site().located_at(at)
}

/// The visibility, so that what begins with it is generated.
pub(super) fn silent_visibility(visibility: &Visibility) -> Visibility {
    let mut visibility = visibility.clone();
    match &mut visibility {
        Visibility::Public(word) => word.span = silent(word.span),
        Visibility::Restricted(restricted) => restricted.pub_token.span = silent(restricted.pub_token.span),
        Visibility::Inherited => {}
    }
    visibility
}
