//! The rules of a `#[commands]` block.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{
    FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Lifetime, Pat, PatType, Path, Receiver, ReceiverKind, ReturnType,
    Safety, Type, TypeImplTrait, TypeReference,
};

use super::returns::{Gives, Own, bare, gives, output};
use super::runtime;
use super::words::{fault_of_name, unknown};
use crate::model::commands::{Block, Command, Commands, Input, Kind, Method, Stub};
use crate::model::{Checked, Declared};
use crate::report::Report;
use crate::syntax::attribute::{self, only};

/// serde's own limit for tuples, which is what arguments travel as.
const ARGUMENTS_MAX: usize = 16;

/// Methods of every client, which a command of the same name would hide.
const RESERVED: &[&str] = &["registry", "clone"];

/// Checks a block.
pub(crate) fn commands(arguments: TokenStream, item: TokenStream) -> Checked<Block> {
    let mut report = Report::default();
    let runtime = options(arguments, &mut report);
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(mistake) => {
            // What does not even begin as an impl block is a misplaced attribute; anything else is a slip inside.
            match syn::parse2::<syn::Item>(item.clone()) {
                Ok(other) => report.at(
                    item_head(&other),
                    "`#[commands]` stands on an impl block: write `#[commands] impl Order { .. }`",
                ),
                Err(_) => report.push(mistake),
            }
            return Checked { model: Block { item, commands: None }, mistakes: report.read() };
        }
    };
    let resource = whole(&block, &mut report);
    let commands = resource.map(|resource| Commands {
        client: client(&resource),
        conditions: only(&block.attrs, &["cfg"]),
        methods: methods(&block, &resource, &mut report),
        runtime,
        resource,
    });
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item {
            method.attrs.retain(|attribute| !attribute.path().is_ident("command"));
        }
    }
    Checked { model: Block { item: block.into_token_stream(), commands }, mistakes: report.read() }
}

fn options(arguments: TokenStream, report: &mut Report) -> Option<Path> {
    let mut found = None;
    match attribute::arguments_of.parse2(arguments) {
        Ok(arguments) => {
            for argument in arguments {
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
    let mut wire_names: Vec<(String, &ImplItemFn)> = Vec::new();
    for item in &block.items {
        let ImplItem::Fn(method) = item else {
            report.at(item, "every item of a command block is a method: move this into an impl block of its own");
            continue;
        };
        let mut at_method = Report::default();
        let number = methods.len();
        let command = command(method, number, &own, &mut at_method);
        let mut mistakes = at_method.read().into_iter();
        let declared = match (command, mistakes.next()) {
            (Some(command), None) => {
                clash(&command.wire_name, method, &wire_names, report);
                wire_names.push((command.wire_name.clone(), method));
                Declared::Sound(command)
            }
            (_, because) => Declared::Stub(Stub {
                because: because.unwrap_or_else(|| syn::Error::new_spanned(&method.sig.ident, "this is no command")),
                arity: (!is_reserved(&method.sig.ident)).then(|| arity(method, &own)),
            }),
        };
        mistakes.for_each(|mistake| report.push(mistake));
        methods.push(Method {
            attributes: only(&method.attrs, &["doc", "cfg", "deprecated"]),
            conditions: only(&method.attrs, &["cfg"]),
            visibility: method.vis.clone(),
            name: method.sig.ident.clone(),
            declared,
        });
    }
    methods
}

fn is_reserved(name: &Ident) -> bool {
    RESERVED.iter().any(|reserved| name.unraw() == reserved)
}

fn clash(wire_name: &str, method: &ImplItemFn, earlier: &[(String, &ImplItemFn)], report: &mut Report) {
    let conditional = |method: &ImplItemFn| !only(&method.attrs, &["cfg"]).is_empty();
    for (_, first) in earlier.iter().filter(|(name, _)| name == wire_name) {
        if conditional(method) && conditional(first) {
            continue;
        }
        let name = &method.sig.ident;
        report.at(
            name,
            format!(
                "two commands are called \"{wire_name}\" on the wire: rename one, or write `#[command(name = \"..\")]`"
            ),
        );
        report.at(&first.sig.ident, format!("\"{wire_name}\" is the wire name of this command first"));
    }
}

/// How many values a caller hands in: the key of a keyed command, and what travels.
fn arity(method: &ImplItemFn, own: &Own<'_>) -> usize {
    let travelling = method.sig.inputs.iter().filter(|input| match input {
        FnArg::Typed(typed) => !is_context(&typed.ty),
        FnArg::Receiver(_) => true,
    });
    let creates_without_key = method.sig.receiver().is_none()
        && matches!(gives(&method.sig.output, own), Gives::Own)
        && travelling.clone().count() == 0;
    travelling.count() + usize::from(creates_without_key)
}

fn command(method: &ImplItemFn, number: usize, own: &Own<'_>, report: &mut Report) -> Option<Command> {
    let name = &method.sig.ident;
    if is_reserved(name) {
        report.at(name, format!("every client has a method `{name}` of its own: rename the command"));
    }
    let options = Options::read(method, report);
    plain_signature(method, report);
    let kind = kind(method, &options, own, report);
    let inputs = inputs(method, kind, own, report);
    if let ReturnType::Type(_, ty) = &method.sig.output {
        owned(ty, "a return value", report);
    }
    let number = match u16::try_from(number) {
        Ok(number) => number,
        Err(_) => {
            report.at(name, "a block holds at most 65,536 commands");
            return None;
        }
    };
    let output = output(&method.sig.output, own, name.span());
    Some(Command {
        wire_name: options.name.unwrap_or_else(|| name.unraw().to_string()),
        number,
        idempotent: options.idempotent || kind == Some(Kind::Read),
        is_async: method.sig.asyncness.is_some(),
        kind: kind?,
        written: written(&inputs, &output.ty.ty),
        inputs,
        output,
    })
}

/// What `#[command(..)]` says.
#[derive(Default)]
struct Options {
    name: Option<String>,
    idempotent: bool,
    create: Option<Ident>,
    action: Option<Ident>,
}

impl Options {
    fn read(method: &ImplItemFn, report: &mut Report) -> Self {
        let mut options = Self::default();
        for attribute in method.attrs.iter().filter(|attribute| attribute.path().is_ident("command")) {
            match attribute::arguments(attribute) {
                Ok(arguments) => {
                    if arguments.is_empty() {
                        report.at(attribute, "`#[command]` says nothing: remove it, or write `#[command(idempotent)]`");
                    }
                    arguments.into_iter().for_each(|argument| options.take(argument, report));
                }
                Err(mistake) => report.push(mistake),
            }
        }
        if options.name.is_none()
            && let Some(fault) = fault_of_name(&method.sig.ident.unraw().to_string())
        {
            report.at(&method.sig.ident, fault);
        }
        options
    }

    fn take(&mut self, argument: attribute::Argument, report: &mut Report) {
        let word = argument.word.to_string();
        if word == "name" {
            let text = argument.value.clone().map(syn::parse2::<syn::LitStr>);
            match text {
                Some(Ok(text)) => {
                    if let Some(fault) = fault_of_name(&text.value()) {
                        report.at(&text, fault);
                    }
                    self.name = Some(text.value());
                }
                _ => report.at(&argument.word, "a wire name is a string: write `#[command(name = \"..\")]`"),
            }
            return;
        }
        if argument.value.is_some() {
            report.at(&argument.word, format!("`{word}` takes no value: write `#[command({word})]`"));
        }
        match word.as_str() {
            "idempotent" => self.idempotent = true,
            "create" => self.create = Some(argument.word),
            "action" => self.action = Some(argument.word),
            _ => report.at(
                &argument.word,
                unknown(&argument.word, "option of a command", &["name", "idempotent", "create", "action"]),
            ),
        }
    }
}

/// What a command's signature may not have, whatever its kind.
fn plain_signature(method: &ImplItemFn, report: &mut Report) {
    let signature = &method.sig;
    if let Safety::Unsafe(word) = &signature.safety {
        report.at(
            word,
            "a command is not `unsafe`, because any node may call it: make it safe, or move it to another impl block",
        );
    }
    if let Some(abi) = &signature.abi {
        report.at(abi, "a command is a plain Rust function: remove the `extern`");
    }
    if !signature.generics.params.is_empty() {
        report.at(&signature.generics, "a command has no generics and no lifetimes: write the concrete types");
    }
    if let Some(clause) = &signature.generics.where_clause {
        report.at(clause, "a command has no `where`: write the concrete types");
    }
    if let Some(variadic) = &signature.variadic {
        report.at(variadic, "a command takes a fixed number of parameters: write them out, or take a `Vec`");
    }
}

fn kind(method: &ImplItemFn, options: &Options, own: &Own<'_>, report: &mut Report) -> Option<Kind> {
    if let (Some(create), Some(action)) = (&options.create, &options.action) {
        report.at(create, "a command is either a `create` or an `action`: keep one of the words");
        report.at(action, "`action` is stated here");
    }
    if let Some(receiver) = method.sig.receiver() {
        if let Some(word) = options.create.as_ref().or(options.action.as_ref()) {
            report.at(
                word,
                format!("a method with a receiver is no {word}: remove the word, the receiver states the kind"),
            );
        }
        return by_receiver(receiver, report);
    }
    if options.create.is_some() {
        return Some(Kind::Create);
    }
    if options.action.is_some() {
        return Some(Kind::Action { stated: true });
    }
    match gives(&method.sig.output, own) {
        Gives::Own => Some(Kind::Create),
        Gives::Other => Some(Kind::Action { stated: false }),
        Gives::Wrapped(wrapper) => {
            report.at(
                &method.sig.output,
                format!(
                    "`{wrapper}<Self>` from a method without a receiver could be meant as a create or as an action: write `Self` \
                     or `Result<Self, _>` for a create, or state `#[command(action)]`"
                ),
            );
            None
        }
    }
}

fn by_receiver(receiver: &Receiver, report: &mut Report) -> Option<Kind> {
    match &receiver.kind {
        ReceiverKind::Value => Some(Kind::Destroy),
        ReceiverKind::Reference(_, None, None) => Some(Kind::Read),
        ReceiverKind::Reference(_, None, Some(_)) => Some(Kind::Update),
        _ => {
            report
                .at(receiver, "the receiver of a command is `&self` (read), `&mut self` (update) or `self` (destroy)");
            None
        }
    }
}

fn inputs(method: &ImplItemFn, kind: Option<Kind>, own: &Own<'_>, report: &mut Report) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut travelling = 0;
    for typed in method.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    }) {
        let span = typed.ty.span();
        if is_context(&typed.ty) {
            inputs.push(Input::Context { span });
            continue;
        }
        travelling += 1;
        if travelling == ARGUMENTS_MAX + 1 {
            report.at(
                typed,
                format!("a command takes at most {ARGUMENTS_MAX} travelling parameters: put some into a struct"),
            );
        }
        for attribute in &typed.attrs {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                report.at(
                    attribute,
                    "a parameter of a command has no conditions: put `#[cfg(..)]` on the method, written twice",
                );
            }
        }
        owned(&typed.ty, "a parameter", report);
        let Some(name) = parameter_name(typed, report) else { continue };
        inputs.push(if kind == Some(Kind::Create) && travelling == 1 {
            Input::Key { name, span }
        } else {
            Input::Argument { name, ty: own.written(&typed.ty) }
        });
    }
    if kind == Some(Kind::Create) && travelling == 0 {
        report.at(
            &method.sig.ident,
            format!(
                "a create takes the key of the new instance first: write `{}(id: u64, ..)` with the key's type",
                method.sig.ident
            ),
        );
    }
    inputs
}

fn parameter_name(typed: &PatType, report: &mut Report) -> Option<Ident> {
    match &*typed.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => Some(pattern.ident.clone()),
        other => {
            report.at(other, "a parameter of a command is a plain name: take it apart in the body");
            None
        }
    }
}

/// `&Context`, by its last segment and without a lifetime.
fn is_context(ty: &Type) -> bool {
    let Type::Reference(TypeReference { lifetime: None, mutability: None, elem, .. }) = bare(ty) else { return false };
    match bare(elem) {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Context"),
        _ => false,
    }
}

/// Reports whatever in the type is borrowed or has no name, because it cannot travel.
fn owned(ty: &Type, what: &str, report: &mut Report) {
    let mut look = Borrowed { what, report };
    look.visit_type(ty);
}

struct Borrowed<'a> {
    what: &'a str,
    report: &'a mut Report,
}

impl<'ast> Visit<'ast> for Borrowed<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let what = self.what;
        let cure = match bare(&reference.elem) {
            Type::Path(path) if path.path.is_ident("str") => "write `String`".to_owned(),
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context") => {
                "the context is taken as `&Context`, without `mut` and without a lifetime".to_owned()
            }
            Type::Slice(slice) => format!("write `Vec<{}>`", text(&slice.elem)),
            other => format!("write `{}`", text(other)),
        };
        self.report.at(reference, format!("{what} of a command is owned, because it travels: {cure}"));
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let what = self.what;
            self.report.at(
                lifetime,
                format!("{what} of a command is owned, because it travels: write the owned type, or `'static`"),
            );
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let what = self.what;
        self.report.at(
            ty,
            format!(
                "{what} of a command has a type with a name, because both sides must know it: write the concrete type"
            ),
        );
    }
}

fn text(tokens: &impl ToTokens) -> String {
    written_text(tokens.to_token_stream())
        .replace(" :: ", "::")
        .replace(" < ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
}

/// The travelling types as text, the same from every compiler, whose own printing changes from release to release.
fn written(inputs: &[Input], output: &TokenStream) -> String {
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
            proc_macro2::TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                format!("{open}{}{close}", written_text(group.stream()))
            }
            // Joined tokens such as `::` print as single characters.
            other => other.to_string(),
        })
        .collect();
    words.join(" ").replace(": :", "::").replace("- >", "->")
}
