//! Attributes: the arguments of our own, and the parts of others that generated items take over.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{AttrStyle, Attribute, Expr, Ident, Meta, Path, Token, parse_quote};

use super::block::set_on_condition;

/// One argument of an attribute of ours: `word` or `word = value`.
pub(crate) struct Argument {
    pub(crate) word: Ident,
    pub(crate) value: Option<TokenStream>,
}

/// Reads `(a, b = c)`; for an attribute without parentheses there is nothing to read. `example` is one of its arguments.
pub(crate) fn arguments(attribute: &Attribute, example: &str) -> syn::Result<Vec<Argument>> {
    let name = attribute.path().to_token_stream().to_string();
    match &attribute.meta {
        Meta::List(list) => read(list.tokens.clone(), &name, example),
        Meta::Path(_) => Ok(Vec::new()),
        Meta::NameValue(pair) => Err(syn::Error::new_spanned(pair, format!("write `#[{name}(..)]`, with parentheses"))),
    }
}

/// Reads `a, b = c`, what the attribute of that name has in its parentheses.
pub(crate) fn read(arguments: TokenStream, name: &str, example: &str) -> syn::Result<Vec<Argument>> {
    let all = |input: ParseStream<'_>| {
        let mut arguments = Vec::new();
        while !input.is_empty() {
            if !input.peek(Ident::peek_any) {
                return Err(input.error(format!("an option begins with a word, as in `#[{name}({example})]`")));
            }
            arguments.push(argument(input)?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    };
    all.parse2(arguments)
}

fn argument(input: ParseStream<'_>) -> syn::Result<Argument> {
    let word = input.call(Ident::parse_any)?;
    let value = if input.parse::<Option<Token![=]>>()?.is_none() {
        None
    } else if word == "crate" {
        Some(path_or_expression(input)?)
    } else {
        Some(input.parse::<Expr>()?.into_token_stream())
    };
    Ok(Argument { word, value })
}

/// Whether the attribute says no more than its name.
pub(crate) fn is_empty(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => list.tokens.is_empty(),
        Meta::Path(_) => true,
        Meta::NameValue(_) => false,
    }
}

fn path_or_expression(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    // `crate` alone is a path but no expression.
    if input.peek(syn::LitStr) {
        return Ok(input.parse::<syn::LitStr>()?.into_token_stream());
    }
    Ok(input.call(Path::parse_mod_style)?.into_token_stream())
}

/// Those attributes whose name is one of `names`, `cfg_attr` reduced to such attributes.
pub(crate) fn only(attributes: &[Attribute], names: &[&str]) -> Vec<Attribute> {
    attributes.iter().filter_map(|attribute| reduced(attribute, names)).collect()
}

/// The name itself, where `cfg_attr` sets an attribute of that name.
pub(crate) fn conditional(attribute: &Attribute, name: &str) -> Option<Ident> {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => set_on_condition(list.tokens.clone(), name),
        _ => None,
    }
}

/// The condition of a `cfg_attr`, which may be `true` or `false`, and what it sets.
fn conditional_parts(attribute: &Attribute) -> Option<(TokenStream, Punctuated<Meta, Token![,]>)> {
    let parts = |input: ParseStream<'_>| {
        let mut condition = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            condition.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Token![,]>()?;
        Ok((condition, Punctuated::parse_terminated(input)?))
    };
    let is_conditional = attribute.path().is_ident("cfg_attr");
    is_conditional.then(|| attribute.parse_args_with(parts).ok())?
}

fn reduced(attribute: &Attribute, names: &[&str]) -> Option<Attribute> {
    if names.iter().any(|name| attribute.path().is_ident(name)) {
        // One that stands within its item, as `#![..]`, stands before the generated one.
        return Some(Attribute { style: AttrStyle::Outer, ..attribute.clone() });
    }
    let (condition, parts) = conditional_parts(attribute)?;
    let kept: Vec<Attribute> = parts
        .into_iter()
        .map(|meta| -> Attribute { parse_quote!(#[#meta]) })
        .filter_map(|attribute| reduced(&attribute, names))
        .collect();
    let kept = kept.iter().map(|attribute| &attribute.meta);
    let any = kept.len() > 0;
    any.then(|| parse_quote!(#[cfg_attr(#condition, #(#kept),*)]))
}
