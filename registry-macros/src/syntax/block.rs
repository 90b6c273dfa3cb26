//! A block of methods, of whose bodies only the compiler has to understand anything.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// The block with empty bodies. What a command is stands in its signature, so a slip in a body, or syntax that is newer than the parser, is
/// left to the compiler, and takes no client away.
pub(crate) fn without_bodies(block: TokenStream) -> TokenStream {
    let emptied = |token, rest: &mut Rest| match token {
        TokenTree::Group(group) if is_body(&group, rest.peek()) => {
            Some(spanned(Group::new(Delimiter::Brace, TokenStream::new()), &group).into())
        }
        other => Some(other),
    };
    in_braces(block, |methods| each(methods, &emptied))
}

/// The block as it was written, without the attributes of this name on its methods.
pub(crate) fn without_attributes(block: TokenStream, name: &str) -> TokenStream {
    let kept = |token, rest: &mut Rest| {
        let begins = matches!(&token, TokenTree::Punct(sign) if sign.as_char() == '#');
        let is_ours = begins && matches!(rest.peek(), Some(TokenTree::Group(group)) if is_attribute(group, name));
        if is_ours {
            rest.next();
        }
        (!is_ours).then_some(token)
    };
    in_braces(block, |methods| each(methods, &kept))
}

/// What follows a token.
type Rest = Peekable<IntoIter>;

/// Changes the tokens of a block, or takes them away; a method that a `macro_rules!` macro was given is looked into.
fn each(tokens: TokenStream, change: &impl Fn(TokenTree, &mut Rest) -> Option<TokenTree>) -> TokenStream {
    let mut rest = tokens.into_iter().peekable();
    let mut changed = Vec::new();
    while let Some(token) = rest.next() {
        // Behind a word or a sign stands a type or a value, which are parts of a signature.
        let begins = matches!(changed.last(), None | Some(TokenTree::Group(_)));
        changed.extend(match token {
            TokenTree::Group(given) if begins && given.delimiter() == Delimiter::None => {
                Some(like(&given, each(given.stream(), change)).into())
            }
            other => change(other, &mut rest),
        });
    }
    changed.into_iter().collect()
}

/// Changes what is between the block's own braces, its last token.
fn in_braces(block: TokenStream, change: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = block.into_iter().collect();
    if let Some(TokenTree::Group(group)) = tokens.last_mut()
        && group.delimiter() == Delimiter::Brace
    {
        *group = like(group, change(group.stream()));
    }
    tokens.into_iter().collect()
}

/// Braces that end a method. Those within a signature, as in `Grid<{ 8 }>`, are followed by more of it.
fn is_body(group: &Group, next: Option<&TokenTree>) -> bool {
    let ends = match next {
        Some(TokenTree::Punct(sign)) => sign.as_char() == '#',
        _ => true,
    };
    is_block(group) && ends
}

/// Braces, also such as a `macro_rules!` macro was given.
fn is_block(group: &Group) -> bool {
    match group.delimiter() {
        Delimiter::Brace => true,
        Delimiter::None => {
            let mut tokens = group.stream().into_iter();
            matches!((tokens.next(), tokens.next()), (Some(TokenTree::Group(only)), None) if is_block(&only))
        }
        _ => false,
    }
}

/// The brackets of an attribute of that name, or of one that sets it on a condition.
fn is_attribute(group: &Group, name: &str) -> bool {
    group.delimiter() == Delimiter::Bracket && word_of(flat(group.stream()), name).is_some()
}

/// The name itself in what a `cfg_attr` with these arguments sets, be it by another `cfg_attr`. `a::name` is somebody else's.
pub(crate) fn set_on_condition(arguments: TokenStream, name: &str) -> Option<Ident> {
    let arguments: Vec<_> = flat(arguments).collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ',');
    arguments.split(is_comma).skip(1).find_map(|set| word_of(set.iter().cloned(), name))
}

/// The name itself, where an attribute with this content is one of that name, or sets one.
fn word_of(mut content: impl Iterator<Item = TokenTree>, name: &str) -> Option<Ident> {
    let Some(TokenTree::Ident(word)) = content.next() else { return None };
    match content.next() {
        Some(TokenTree::Punct(sign)) if sign.as_char() == ':' => None,
        Some(TokenTree::Group(arguments)) if word == "cfg_attr" => set_on_condition(arguments.stream(), name),
        _ => (word == name).then_some(word),
    }
}

/// The tokens, and those that a `macro_rules!` macro was given as one.
fn flat(tokens: TokenStream) -> impl Iterator<Item = TokenTree> {
    tokens.into_iter().flat_map(|token| match token {
        TokenTree::Group(given) if given.delimiter() == Delimiter::None => flat(given.stream()).collect::<Vec<_>>(),
        other => vec![other],
    })
}

fn like(group: &Group, stream: TokenStream) -> Group {
    spanned(Group::new(group.delimiter(), stream), group)
}

fn spanned(mut changed: Group, group: &Group) -> Group {
    changed.set_span(group.span());
    changed
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn what_a_condition_sets_is_found_unless_it_is_somebody_elses() {
        let set = |arguments| set_on_condition(arguments, "command").is_some();
        assert!(set(quote!(true, command(name = "x"))));
        assert!(set(quote!(all(a, b), allow(unused), command)));
        assert!(set(quote!(a, cfg_attr(b, command(idempotent)))));
        assert!(!set(quote!(feature = "app", tauri::command)));
        assert!(!set(quote!(command, allow(command))));
    }

    #[test]
    fn bodies_go_and_signatures_stay() {
        let block = quote! {
            impl Board {
                #[command(idempotent)]
                /// Words.
                pub fn grid(&self, of: Grid<{ 8 }>) -> Grid<{ 9 }> { let x = ; }
                async fn clear(&mut self) { self. }
            }
        };
        let expected = quote! {
            impl Board {
                #[command(idempotent)]
                /// Words.
                pub fn grid(&self, of: Grid<{ 8 }>) -> Grid<{ 9 }> {}
                async fn clear(&mut self) {}
            }
        };
        assert_eq!(without_bodies(block).to_string(), expected.to_string());
    }

    #[test]
    fn what_a_macro_was_given_is_looked_into() {
        let given = |tokens| TokenTree::Group(Group::new(Delimiter::None, tokens));
        let (mark, size, body) = (given(quote!(command(idempotent))), given(quote!({ 8 })), given(quote!({ 1 })));
        let empty = given(quote!({}));
        let method = given(quote! { #[#mark] fn grid(&self) -> Grid<#size> #body });
        let other = quote! { fn other(&self) -> Grid<#size> #body };
        let block = quote! { impl Board { #method #[inline] #method #other } };

        let kept = given(quote! { fn grid(&self) -> Grid<#size> #body });
        let expected = quote! { impl Board { #kept #[inline] #kept #other } };
        assert_eq!(without_attributes(block.clone(), "command").to_string(), expected.to_string());

        let emptied = given(quote! { #[#mark] fn grid(&self) -> Grid<#size> #empty });
        let expected = quote! { impl Board { #emptied #[inline] #emptied fn other(&self) -> Grid<#size> #empty } };
        assert_eq!(without_bodies(block).to_string(), expected.to_string());
    }

    #[test]
    fn only_the_methods_own_attributes_of_that_name_go() {
        let block = quote! {
            #[command]
            impl Board {
                #[allow(unused)]
                #[command(idempotent)]
                #[cfg_attr(all(), command(idempotent))]
                #[cfg_attr(command, inline)]
                fn grid(&self) { #[command] let x = 1; }
            }
        };
        let expected = quote! {
            #[command]
            impl Board {
                #[allow(unused)]
                #[cfg_attr(command, inline)]
                fn grid(&self) { #[command] let x = 1; }
            }
        };
        assert_eq!(without_attributes(block, "command").to_string(), expected.to_string());
    }
}
