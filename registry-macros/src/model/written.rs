//! A type of the user's in generated code.

use proc_macro2::{Span, TokenStream};

/// A type as written, and where; `Self` is written out, because it means another type in what is generated.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) ty: TokenStream,
    pub(crate) span: Span,
}
