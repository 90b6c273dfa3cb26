//! Under construction.

use proc_macro::TokenStream;

/// Under construction.
#[proc_macro_derive(Resource, attributes(key, resource))]
pub fn resource(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// Under construction.
#[proc_macro_attribute]
pub fn commands(_attributes: TokenStream, input: TokenStream) -> TokenStream {
    input
}

/// Under construction.
#[proc_macro]
pub fn registry(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
