//! Types as text, the same from every compiler, whose own printing changes from release to release.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::model::commands::Input;

/// A type as a user would write it, for a message.
pub(super) fn text(tokens: &impl ToTokens) -> String {
    written_text(tokens.to_token_stream())
        .replace(" :: ", "::")
        .replace(" < ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
}

/// The travelling types of a command.
pub(super) fn written(inputs: &[Input], output: &TokenStream) -> String {
    let arguments = inputs.iter().filter_map(|input| match input {
        Input::Argument { ty, .. } => Some(&ty.ty),
        _ => None,
    });
    written_text(quote!((#(#arguments),*) -> #output))
}

fn written_text(tokens: TokenStream) -> String {
    let words: Vec<String> = tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                format!("{open}{}{close}", written_text(group.stream()))
            }
            // Joined tokens such as `::` print as single characters.
            other => other.to_string(),
        })
        .collect();
    words.join(" ").replace(": :", "::").replace("- >", "->")
}
