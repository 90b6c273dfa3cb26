//! The rules of a `#[commands]` block.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Path, Type};

use super::allowed::allowed;
use super::clashes::clashes;
use super::command::{command, is_reserved};
use super::inputs::is_context;
use super::options::each_once;
use super::own::Own;
use super::returns::bare;
use super::runtime;
use super::words::unknown;
use crate::model::commands::{Block, Commands, Kind, Method, Stub};
use crate::model::{Checked, Declared};
use crate::report::Report;
use crate::syntax::attribute::{self, only};
use crate::syntax::block::{without_attributes, without_bodies};

/// Checks a block.
pub(crate) fn commands(arguments: TokenStream, item: TokenStream) -> Checked<Block> {
    let mut report = Report::default();
    let runtime = options(arguments, &mut report);
    let block: ItemImpl = match syn::parse2(without_bodies(item.clone())) {
        Ok(block) => block,
        Err(mistake) => {
            // What does not even begin as an impl block is a misplaced attribute; anything else is a slip in a signature.
            match syn::parse2::<syn::Item>(item.clone()) {
                Ok(other) => report.at(
                    item_head(&other),
                    "`#[commands]` stands on an impl block: write `#[commands] impl Order { .. }`",
                ),
                Err(_) => report.push(mistake),
            }
            return Checked {
                model: Block { item: without_attributes(item, "command"), commands: None },
                mistakes: report.read(),
            };
        }
    };
    let resource = whole(&block, &mut report);
    let commands = resource.map(|resource| {
        let methods = methods(&block, &resource, &mut report);
        Commands {
            client: client(&resource),
            conditions: only(&block.attrs, &["cfg"]),
            allowed: allowed(&block.attrs),
            clashes: clashes(&methods, &mut report),
            methods,
            runtime,
            resource,
        }
    });
    Checked { model: Block { item: without_attributes(item, "command"), commands }, mistakes: report.read() }
}

fn options(arguments: TokenStream, report: &mut Report) -> Option<Path> {
    let mut found = None;
    match attribute::read(arguments, "commands", "crate = path") {
        Ok(arguments) => {
            for argument in each_once(arguments, report) {
                if argument.word == "crate" {
                    found = runtime::path(&argument, "commands", report);
                } else {
                    report.at(&argument.word, unknown(&argument.word, "option of a command block", &["crate"]));
                }
            }
        }
        Err(mistake) => report.push(mistake),
    }
    found
}

fn item_head(item: &syn::Item) -> TokenStream {
    item.to_token_stream().into_iter().take(1).collect()
}

/// The rules of the block as a whole; `None` when it can hold no commands.
fn whole(block: &ItemImpl, report: &mut Report) -> Option<Path> {
    let mut sound = true;
    if let Some((path, _)) = &block.trait_ {
        report.at(path, "commands are inherent methods: write `impl Order { .. }` without a trait");
        sound = false;
    }
    if let Some(word) = &block.unsafety {
        report.at(word, "a command block is not `unsafe`: remove the word");
    }
    if !block.generics.params.is_empty() {
        report.at(&block.generics, "a command block has no generics: write the concrete type of the resource");
        sound = false;
    }
    if let Some(clause) = &block.generics.where_clause {
        report.at(clause, "a command block has no `where`: remove it");
    }
    match bare(&block.self_ty) {
        Type::Path(path) if path.qself.is_none() => sound.then(|| path.path.clone()),
        other => {
            report.at(other, "commands belong to a struct with `#[derive(Resource)]`: write its path");
            None
        }
    }
}

/// The client's path: beside the resource, with the name that the derive gave it.
fn client(resource: &Path) -> Path {
    let mut client = resource.clone();
    if let Some(last) = client.segments.last_mut() {
        last.ident = format_ident!("{}Client", last.ident.unraw(), span = last.ident.span());
        last.arguments = syn::PathArguments::None;
    }
    client
}

fn methods(block: &ItemImpl, resource: &Path, report: &mut Report) -> Vec<Method> {
    let own = Own::new(resource);
    let mut methods = Vec::new();
    for item in &block.items {
        let ImplItem::Fn(method) = item else {
            report.at(item, "every item of a command block is a method: move this into an impl block of its own");
            continue;
        };
        let mut at_method = Report::default();
        let number = methods.len();
        let command = command(method, number, &own, &mut at_method);
        let kind = command.as_ref().map_or_else(|kind| *kind, |command| Some(command.kind));
        let mut mistakes = at_method.read().into_iter();
        let declared = match (command, mistakes.next()) {
            (Ok(command), None) => Declared::Sound(command),
            (_, because) => Declared::Stub(Stub {
                because: because.unwrap_or_else(|| syn::Error::new_spanned(&method.sig.ident, "this is no command")),
                arity: (!is_reserved(&method.sig.ident)).then(|| arity(method, kind)),
            }),
        };
        mistakes.for_each(|mistake| report.push(mistake));
        methods.push(Method {
            attributes: only(&method.attrs, &["doc", "cfg", "deprecated"]),
            allowed: allowed(&method.attrs),
            conditions: only(&method.attrs, &["cfg"]),
            visibility: method.vis.clone(),
            name: method.sig.ident.clone(),
            declared,
        });
    }
    methods
}

/// How many values a caller hands in: the key of a keyed command, and what travels.
fn arity(method: &ImplItemFn, kind: Option<Kind>) -> usize {
    let travelling = method.sig.inputs.iter().filter(|input| match input {
        FnArg::Typed(typed) => !is_context(&typed.ty),
        FnArg::Receiver(_) => true,
    });
    // A create that takes no key yet is called with one.
    let least = usize::from(kind == Some(Kind::Create));
    travelling.count().max(least)
}
