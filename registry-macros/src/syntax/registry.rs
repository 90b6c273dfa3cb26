//! The shape of a `registry!` invocation: an optional `crate path;`, then blocks, each made of clauses.
//!
//! A block is cut at its `;` before its clauses are read, so that one bad clause does not hide the next.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, Lit, Path, Token, Visibility, parenthesized, token};

use crate::report::Report;

/// What stands between the braces of `registry!`.
#[derive(Default)]
pub(crate) struct Invocation {
    pub(crate) runtime: Option<Path>,
    pub(crate) blocks: Vec<Block>,
}

/// `attributes visibility name { clauses }`
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) clauses: Vec<Clause>,
}

/// `word value;`, the value not read yet: how, depends on the word.
pub(crate) struct Clause {
    pub(crate) word: Ident,
    value: TokenStream,
}

/// `head` or `head(arguments)`.
pub(crate) struct Setting {
    pub(crate) head: Head,
    pub(crate) arguments: Option<(token::Paren, Vec<Argument>)>,
}

/// A word or a literal.
pub(crate) enum Head {
    Word(Ident),
    Literal(Lit),
}

/// `value` or `name = value`.
pub(crate) struct Argument {
    pub(crate) name: Option<Ident>,
    pub(crate) value: Head,
}

/// Reads an invocation; what cannot be read is reported and skipped.
pub(crate) fn read(input: TokenStream, report: &mut Report) -> Invocation {
    let whole = |input: ParseStream<'_>| Ok(invocation(input, report));
    whole.parse2(input).unwrap_or_default()
}

fn invocation(input: ParseStream<'_>, report: &mut Report) -> Invocation {
    let mut invocation = Invocation::default();
    let mut first = true;
    while !input.is_empty() {
        if input.peek(Token![crate]) {
            let word = input.fork().parse::<Token![crate]>().ok();
            match runtime(input) {
                Ok(path) if first => invocation.runtime = Some(path),
                Ok(_) => report.at(word, "`crate path;` is written once, as the first line of `registry!`"),
                Err(mistake) => {
                    report.push(mistake);
                    skip_past(input, |token| is_semicolon(token) || is_braces(token));
                }
            }
        } else {
            match block(input, report) {
                Ok(block) => invocation.blocks.push(block),
                Err(mistake) => {
                    report.push(mistake);
                    skip_past(input, is_braces);
                }
            }
        }
        first = false;
    }
    invocation
}

fn runtime(input: ParseStream<'_>) -> syn::Result<Path> {
    let word = input.parse::<Token![crate]>()?;
    let path = input.call(Path::parse_mod_style).map_err(|_| {
        syn::Error::new_spanned(word, "`crate` names a path: write `crate my_crate::registry_runtime;`")
    })?;
    input.parse::<Token![;]>().map_err(|_| syn::Error::new_spanned(&path, "`crate path;` ends with `;`"))?;
    Ok(path)
}

fn block(input: ParseStream<'_>, report: &mut Report) -> syn::Result<Block> {
    let attributes = input.call(Attribute::parse_outer)?;
    let visibility = input.parse()?;
    let here = input.fork();
    let name = input
        .call(Ident::parse_any)
        .map_err(|_| here.error("expected a registry's name and its block: write `pub orders { resource Order; }`"))?;
    let ahead = input.fork();
    match ahead.parse::<TokenTree>() {
        Ok(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            input.advance_to(&ahead);
            Ok(Block { attributes, visibility, name, clauses: clauses(&group, report) })
        }
        Ok(TokenTree::Ident(next)) if name == "mod" => Err(syn::Error::new_spanned(
            &name,
            format!("a block begins with the registry's name: write `{next} {{ resource Order; }}`, without `{name}`"),
        )),
        _ => Err(syn::Error::new_spanned(
            &name,
            format!("the registry's name is followed by its block: write `{name} {{ resource Order; }}`"),
        )),
    }
}

fn clauses(group: &Group, report: &mut Report) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut tokens = group.stream().into_iter().peekable();
    while tokens.peek().is_some() {
        let mut clause: Vec<TokenTree> = Vec::new();
        for token in tokens.by_ref() {
            if is_semicolon(&token) {
                break;
            }
            clause.push(token);
        }
        let mut clause = clause.into_iter();
        match clause.next() {
            None => {}
            Some(TokenTree::Ident(word)) => clauses.push(Clause { word, value: clause.collect() }),
            Some(other) => report.at(other, "expected a clause, a word and its value: write `resource Order;`"),
        }
    }
    clauses
}

/// What was read, and the mistake that ended it early.
type Read<T> = (T, Option<syn::Error>);

impl Clause {
    /// Reads the value as the path of a type.
    pub(crate) fn path(&self) -> syn::Result<Read<Path>> {
        self.value("a type's path, as in `resource Order;`", |input| Ok((input.parse()?, None)))
    }

    /// Reads the value as a setting; `example` shows how the clause is written.
    pub(crate) fn setting(&self, example: &str, report: &mut Report) -> Option<Setting> {
        match self.value(&format!("a value, as in `{} {example};`", self.word), setting) {
            Ok((setting, mistake)) => {
                mistake.into_iter().for_each(|mistake| report.push(mistake));
                Some(setting)
            }
            Err(mistake) => {
                report.push(mistake);
                None
            }
        }
    }

    fn value<T>(&self, expected: &str, read: fn(ParseStream<'_>) -> syn::Result<Read<T>>) -> syn::Result<Read<T>> {
        let message = format!("`{}` needs {expected}", self.word);
        if self.value.is_empty() {
            return Err(syn::Error::new_spanned(&self.word, message));
        }
        let whole = |input: ParseStream<'_>| {
            let (value, mistake) = read(input)?;
            let rest: TokenStream = input.parse()?;
            let superfluous = rest.into_iter().next().map(|next| {
                syn::Error::new_spanned(&next, format!("expected `;` before `{next}`: each clause ends with one"))
            });
            Ok((value, mistake.or(superfluous)))
        };
        whole.parse2(self.value.clone()).map_err(|_| syn::Error::new_spanned(&self.value, message))
    }
}

fn setting(input: ParseStream<'_>) -> syn::Result<Read<Setting>> {
    let head = head(input)?;
    if !input.peek(token::Paren) {
        return Ok((Setting { head, arguments: None }, None));
    }
    let inner;
    let parentheses = parenthesized!(inner in input);
    let (arguments, mistake) = arguments(&inner)?;
    Ok((Setting { head, arguments: Some((parentheses, arguments)) }, mistake))
}

/// Reads as many arguments as are well written.
fn arguments(input: ParseStream<'_>) -> syn::Result<Read<Vec<Argument>>> {
    let mut arguments = Vec::new();
    let mut mistake = None;
    while !input.is_empty() && mistake.is_none() {
        match argument(input) {
            Ok(argument) => arguments.push(argument),
            Err(_) => {
                mistake =
                    Some(input.error("an argument is a word, a number or a time, or `word = ..` with one of them"))
            }
        }
        if mistake.is_none() && !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
            let is_next = input.peek(Ident::peek_any) && input.peek2(Token![=]);
            let cure = if is_next { ": write `,` before this" } else { ", and this belongs to none" };
            mistake = Some(input.error(format!("arguments are separated by commas{cure}")));
        }
    }
    input.parse::<TokenStream>()?;
    Ok((arguments, mistake))
}

fn argument(input: ParseStream<'_>) -> syn::Result<Argument> {
    if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        return Ok(Argument { name: Some(name), value: head(input)? });
    }
    Ok(Argument { name: None, value: head(input)? })
}

fn head(input: ParseStream<'_>) -> syn::Result<Head> {
    if input.peek(Lit) { input.parse().map(Head::Literal) } else { input.call(Ident::parse_any).map(Head::Word) }
}

fn skip_past(input: ParseStream<'_>, last: fn(&TokenTree) -> bool) {
    while let Ok(token) = input.parse::<TokenTree>() {
        if last(&token) {
            return;
        }
    }
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}
