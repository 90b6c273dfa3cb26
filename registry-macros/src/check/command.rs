//! The rules of one command.

use syn::ext::IdentExt;
use syn::{Ident, ImplItemFn, Receiver, ReceiverKind, ReturnType, Safety};

use super::inputs::inputs;
use super::options::options;
use super::own::Own;
use super::owned::{RETURN_VALUE, owned};
use super::returns::{Gives, gives, may_give_own, output};
use super::words::{fault_of_name, unknown};
use super::written::written;
use crate::model::commands::{Command, Kind};
use crate::report::Report;
use crate::syntax::attribute::{self, is_empty};

/// Methods of every client, which a command of the same name would hide.
const RESERVED: &[&str] = &["registry", "clone"];

/// Checks the method in that place of the block; what is wrong with it is reported. Of what is no command the kind is left, where it
/// is known.
pub(super) fn command(
    method: &ImplItemFn,
    number: usize,
    own: &Own<'_>,
    report: &mut Report,
) -> Result<Command, Option<Kind>> {
    let name = &method.sig.ident;
    if is_reserved(name) {
        report.at(name, format!("every client has a method `{name}` of its own: rename the command"));
    }
    let options = Options::read(method, report);
    plain_signature(method, report);
    let kind = kind(method, &options, own, report);
    let inputs = inputs(method, kind, own, report);
    if let ReturnType::Type(_, ty) = &method.sig.output {
        owned(ty, RETURN_VALUE, report);
    }
    let number = match u16::try_from(number) {
        Ok(number) => number,
        Err(_) => {
            report.at(name, "a block holds at most 65,536 commands");
            return Err(kind);
        }
    };
    let output = output(&method.sig.output, own, name.span());
    let kind = kind.ok_or(None)?;
    Ok(Command {
        wire_name: options.name.unwrap_or_else(|| name.unraw().to_string()),
        number,
        idempotent: options.idempotent || kind == Kind::Read,
        is_async: method.sig.asyncness.is_some(),
        kind,
        written: written(&inputs, &output.ty.ty),
        inputs,
        output,
    })
}

pub(super) fn is_reserved(name: &Ident) -> bool {
    RESERVED.iter().any(|reserved| name.unraw() == reserved)
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
        for argument in self::options(&method.attrs, "command", "name = \"..\"", report) {
            options.take(argument, report);
        }
        for empty in method.attrs.iter().filter(|attribute| attribute.path().is_ident("command") && is_empty(attribute))
        {
            report.at(empty, "`#[command]` says nothing: remove it, or write `#[command(idempotent)]`");
        }
        for word in method.attrs.iter().filter_map(|attribute| attribute::conditional(attribute, "command")) {
            report.at(
                word,
                "`#[command(..)]` is read before conditions are decided: write the method twice, each with its `#[cfg(..)]` \
                 and its own `#[command(..)]`",
            );
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
        match word.as_str() {
            "idempotent" => self.idempotent = true,
            "create" => self.create = Some(argument.word.clone()),
            "action" => self.action = Some(argument.word.clone()),
            _ => return report.at(&argument.word, no_option(&argument.word)),
        }
        if argument.value.is_some() {
            report.at(&argument.word, format!("`{word}` takes no value: write `#[command({word})]`"));
        }
    }
}

/// Says that the word is no option of a command, and where what it may mean is said instead.
fn no_option(word: &Ident) -> String {
    let said = unknown(word, "option of a command", &["name", "idempotent", "create", "action"]);
    match word.unraw().to_string().as_str() {
        "read" | "update" | "destroy" => format!(
            "the kind of a command follows from its receiver: `&self` reads, `&mut self` updates, `self` destroys; remove `{word}`"
        ),
        "timeout" => format!(
            "{said}\na call is given its time with `.timeout(..)`, and all calls of a registry theirs by its clause `timeout`"
        ),
        _ => said,
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
    if let Some(word) = &options.create {
        let message = "a create gives the new instance: write `-> Self` or `-> Result<Self, _>`";
        match &method.sig.output {
            ReturnType::Default => report.at(word, message),
            output if !may_give_own(output, own) => report.at(output, message),
            _ => {}
        }
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
                    "`{wrapper}` from a method without a receiver could be meant as a create or as an action: write `Self` \
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
