//! What keeps the rest of the user's file type-checking beside a mistake.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// A type alias that carries the mistake. An array whose length is an error is an error type, and about those the compiler
/// says nothing more: whatever is done with the type, the mistake itself stays the only message.
pub(super) fn unknown(alias: &Ident, because: &syn::Error) -> TokenStream {
    let mut errors = because.clone().into_iter();
    let first = errors.next().map(|error| error.to_compile_error());
    let more = errors.map(|error| error.to_compile_error());
    quote! {
        #(#more)*
        type #alias = [(); #first];
    }
}
