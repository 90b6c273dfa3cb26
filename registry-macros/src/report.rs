//! Collects mistakes, so that one compilation tells them all.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Where mistakes go. It must be read in the end: a report that is dropped with its mistakes would hide them.
#[derive(Default)]
pub(crate) struct Report {
    mistakes: Vec<syn::Error>,
}

impl Report {
    /// Notes a mistake at these tokens; the message names the fault and the cure.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.mistakes.push(syn::Error::new_spanned(place, message));
    }

    /// Notes a mistake that was found while parsing.
    pub(crate) fn push(&mut self, mistake: syn::Error) {
        self.mistakes.push(mistake);
    }

    /// The mistakes, each with its place.
    pub(crate) fn read(mut self) -> Vec<syn::Error> {
        std::mem::take(&mut self.mistakes)
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        assert!(self.mistakes.is_empty() || std::thread::panicking(), "a report was dropped before it was read");
    }
}

/// The errors that the compiler shows.
pub(crate) fn errors(mistakes: &[syn::Error]) -> TokenStream {
    mistakes.iter().map(syn::Error::to_compile_error).collect()
}
