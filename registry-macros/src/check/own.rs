//! The type that a block or a derive is about, under whatever name.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Path, Type};

use super::returns::bare;
use crate::model::Written;

/// The type, with the names that mean it.
pub(super) struct Own<'a> {
    path: &'a Path,
}

impl<'a> Own<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// Whether the type is the block's own: `Self`, its path as the block writes it, or its bare name.
    pub(super) fn is(&self, ty: &Type) -> bool {
        let Type::Path(found) = bare(ty) else { return false };
        if found.qself.is_some() {
            return false;
        }
        let own_name = self.path.segments.last().map(|segment| &segment.ident);
        found.path.is_ident("Self") || found.path == *self.path || found.path.get_ident() == own_name
    }

    /// The type with `Self` written out.
    pub(super) fn written(&self, ty: &Type) -> Written {
        Written { ty: self.write_out(ty.to_token_stream()), span: ty.span() }
    }

    fn write_out(&self, tokens: TokenStream) -> TokenStream {
        let replace = |token| match token {
            TokenTree::Ident(word) if word == "Self" => {
                let span = word.span();
                respan(self.path.to_token_stream(), span)
            }
            TokenTree::Group(group) => {
                let mut written = Group::new(group.delimiter(), self.write_out(group.stream()));
                written.set_span(group.span());
                TokenTree::from(written).into()
            }
            other => other.into(),
        };
        tokens.into_iter().flat_map(|token| -> TokenStream { replace(token) }).collect()
    }
}

fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            // Names keep the place where they were written, so that they mean there what they meant.
            token.set_span(token.span().located_at(span));
            token
        })
        .collect()
}
