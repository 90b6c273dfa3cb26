//! Paths into the runtime.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

/// Where generated code finds the runtime.
pub(super) struct Runtime {
    root: TokenStream,
    /// How the root is called from a module one level further in.
    inner_root: TokenStream,
    is_given: bool,
    /// Whether the path may begin with a name that only the surrounding module knows.
    pub(super) is_relative: bool,
}

impl Runtime {
    /// The path that the user gave, or the crate's own name.
    pub(super) fn at(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            let root = quote!(::registry_runtime);
            return Self { inner_root: root.clone(), root, is_given: false, is_relative: false };
        };
        let first = path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let root = path.to_token_stream();
        let inner_root = match first.as_str() {
            "super" => quote!(super::#path),
            "self" => {
                let rest = path.segments.iter().skip(1);
                quote!(super #(::#rest)*)
            }
            _ => root.clone(),
        };
        let is_rooted = path.leading_colon.is_some() || ["crate", "$crate", "super", "self"].contains(&first.as_str());
        Self { root, inner_root, is_given: true, is_relative: !is_rooted }
    }

    /// Goes before an import that may be unused, of which the compiler speaks where the user wrote a part of it.
    pub(super) fn import_allowed(&self) -> Option<TokenStream> {
        self.is_given.then(|| quote!(#[allow(unused_imports)]))
    }

    /// The hidden door.
    pub(super) fn door(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private)
    }

    /// The hidden door, standing where `span` does, so that a message about what comes out of it points there.
    pub(super) fn door_at(&self, span: Span) -> TokenStream {
        let placed = |mut token: TokenTree| {
            token.set_span(token.span().located_at(span));
            token
        };
        self.door().into_iter().map(placed).collect()
    }

    /// The hidden door, from a module one level further in.
    pub(super) fn inner_door(&self) -> TokenStream {
        let root = &self.inner_root;
        quote!(#root::__private)
    }
}
