//! A block of methods, of whose bodies only the compiler has to understand anything.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The block with empty bodies. What a command is stands in its signature, so a slip in a body, or syntax that is newer than the parser, is
/// left to the compiler, and takes no client away.
pub(crate) fn without_bodies(block: TokenStream) -> TokenStream {
    in_braces(block, |methods| {
        let mut tokens = methods.into_iter().peekable();
        let mut emptied = Vec::new();
        while let Some(token) = tokens.next() {
            emptied.push(match token {
                TokenTree::Group(group) if is_body(&group, tokens.peek()) => {
                    TokenTree::Group(like(&group, TokenStream::new()))
                }
                other => other,
            });
        }
        emptied.into_iter().collect()
    })
}

/// The block as it was written, without the attributes of this name on its methods.
pub(crate) fn without_attributes(block: TokenStream, name: &str) -> TokenStream {
    in_braces(block, |methods| {
        let mut tokens = methods.into_iter().peekable();
        let mut kept = Vec::new();
        while let Some(token) = tokens.next() {
            let begins = matches!(&token, TokenTree::Punct(sign) if sign.as_char() == '#');
            match tokens.peek() {
                Some(TokenTree::Group(group)) if begins && is_attribute(group, name) => _ = tokens.next(),
                _ => kept.push(token),
            }
        }
        kept.into_iter().collect()
    })
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
    group.delimiter() == Delimiter::Brace && ends
}

fn is_attribute(group: &Group, name: &str) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket && matches!(first, Some(TokenTree::Ident(word)) if word == name)
}

fn like(group: &Group, stream: TokenStream) -> Group {
    let mut changed = Group::new(group.delimiter(), stream);
    changed.set_span(group.span());
    changed
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

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
    fn only_the_methods_own_attributes_of_that_name_go() {
        let block = quote! {
            #[command]
            impl Board {
                #[allow(unused)]
                #[command(idempotent)]
                fn grid(&self) { #[command] let x = 1; }
            }
        };
        let expected = quote! {
            #[command]
            impl Board {
                #[allow(unused)]
                fn grid(&self) { #[command] let x = 1; }
            }
        };
        assert_eq!(without_attributes(block, "command").to_string(), expected.to_string());
    }
}
