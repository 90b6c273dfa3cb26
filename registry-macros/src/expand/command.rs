//! A command as a static value, and the glue that calls the user's method.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Path};

use super::client;
use super::runtime::Runtime;
use crate::model::Declared;
use crate::model::commands::{Command, Commands, Input, Kind, Method};

/// What all commands of one block are expanded with.
pub(super) struct Scope<'a> {
    pub(super) door: TokenStream,
    pub(super) resource: &'a Path,
}

/// Everything that stands beside the user's block.
pub(super) fn commands(commands: &Commands) -> TokenStream {
    let scope = Scope { door: Runtime::at(commands.runtime.as_ref()).door(), resource: &commands.resource };
    let Scope { door, resource } = &scope;
    let Commands { conditions, client, methods, .. } = commands;
    let statics = methods.iter().enumerate().filter_map(|(place, method)| match &method.declared {
        Declared::Sound(command) => Some(described(place, method, command, &scope)),
        Declared::Stub(_) => None,
    });
    // One name with one hygiene, whatever macro the methods come from.
    let visitor = format_ident!("visitor");
    let visits = methods.iter().enumerate().filter_map(|(place, method)| {
        let Declared::Sound(_) = &method.declared else { return None };
        let conditions = &method.conditions;
        let name = static_name(place, method);
        let visitor = &visitor;
        Some(quote_spanned!(method.name.span()=> #(#conditions)* #door::Visitor::command(#visitor, &#name);))
    });
    let unknowns = client::unknowns(methods);
    let client_methods = client::methods(methods, &scope);
    let deprecated = methods
        .iter()
        .any(|method| method.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated")))
        .then(|| quote!(#[allow(deprecated)]));
    quote! {
        #(#conditions)*
        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
        #deprecated
        const _: () = {
            #[allow(unused_imports)]
            use #door::{Stays as _, Unprobed as _};

            #[automatically_derived]
            impl #door::HasCommands for #resource {
                type Type = #resource;
            }

            #unknowns

            #(#statics)*

            #[automatically_derived]
            impl #door::Commands for #resource {
                type Client = #client;

                #[allow(unused_variables)]
                fn each<__V: #door::Visitor<Self>>(#visitor: &mut __V) {
                    #(#visits)*
                }
            }

            #[allow(dead_code, private_interfaces)]
            impl #client {
                #client_methods

                /// The client's own questions: where a key lives, and why.
                pub fn registry(&self) -> #door::RegistryHandle<'_, #resource> {
                    #door::Client::handle(#door::Typed::untyped(self))
                }
            }
        };
    }
}

pub(super) fn static_name(place: usize, method: &Method) -> Ident {
    format_ident!("__COMMAND_{}", place, span = method.name.span())
}

/// The static, and the questions that only the compiler can answer.
fn described(place: usize, method: &Method, command: &Command, scope: &Scope<'_>) -> TokenStream {
    let Scope { door, resource } = scope;
    let conditions = &method.conditions;
    let static_name = static_name(place, method);
    let Command { wire_name, number, idempotent, written, .. } = command;
    let span = method.name.span();
    let types = Types::of(command, scope);
    let arguments = command.inputs.iter().filter_map(|input| match input {
        Input::Argument { ty, span, .. } => Some(travelling(ty, *span, door)),
        _ => None,
    });
    let arguments = quote!((#(#arguments,)*));
    let value = match command.kind {
        Kind::Create => types.value.clone(),
        _ => travelling(&types.value, command.output.span, door),
    };
    let error = if types.never { types.error.clone() } else { travelling(&types.error, command.output.span, door) };
    let codec = if types.never { quote!(never) } else { quote!(travelling) };
    let error_span = command.output.span;
    let codec = quote_spanned!(error_span=> #door::ErrorCodec::#codec());
    let run = run(method, command, scope);
    let questions = questions(method, command, &types, scope);
    quote_spanned! {span=>
        #(#conditions)*
        static #static_name: #door::Command<<#resource as #door::IsResource>::Type, #arguments, #value, #error> = #door::Command {
            name: #wire_name,
            number: #number,
            idempotent: #idempotent,
            error: #codec,
            written: #written,
            run: #run,
        };
        #questions
    }
}

/// The type, if it can travel; else the compiler says so there, and about what is made of it nothing more.
fn travelling(ty: &TokenStream, span: Span, door: &TokenStream) -> TokenStream {
    quote_spanned!(span=> <#door::Checked<{ #door::Travel::<#ty>::CAN }> as #door::Travelling<#ty>>::Type)
}

/// The types of a command's outcome: its reply and its own error.
pub(super) struct Types {
    pub(super) value: TokenStream,
    pub(super) error: TokenStream,
    never: bool,
}

impl Types {
    pub(super) fn of(command: &Command, scope: &Scope<'_>) -> Self {
        let Scope { door, resource } = scope;
        let output = &command.output;
        let ty = &output.ty;
        let (value, error, never) = match &output.fallible {
            None => (ty.clone(), quote!(::core::convert::Infallible), true),
            Some(fallible) => match &fallible.written {
                Some((value, error)) => (value.clone(), error.clone(), fallible.never),
                None => (
                    quote_spanned!(output.span=> <#ty as #door::ResultLike>::Ok),
                    quote_spanned!(output.span=> <#ty as #door::ResultLike>::Err),
                    false,
                ),
            },
        };
        let value = if command.kind == Kind::Create { resource.to_token_stream() } else { value };
        Self { value, error, never }
    }
}

/// What tokens cannot show, asked of the compiler: does the name of the return type hide a `Result`, or the resource?
fn questions(method: &Method, command: &Command, types: &Types, scope: &Scope<'_>) -> TokenStream {
    let Scope { door, resource } = scope;
    let conditions = &method.conditions;
    let name = &method.name;
    let output = &command.output;
    let ty = &output.ty;
    let mut questions = TokenStream::new();
    let mut ask = |span: Span, question: TokenStream, text: &str| {
        questions.extend(quote_spanned! {span=>
            #(#conditions)*
            const _: () = ::core::assert!(!#question, #text);
        });
    };
    if output.fallible.is_none() && output.is_name {
        let text = format!(
            "the return type of `{name}` hides a `Result` behind another name: write `Result<..>`, so that an `Err` leaves the instance as it was"
        );
        ask(output.span, quote_spanned!(output.span=> #door::Probe::<#resource, #ty>::IS_RESULT), &text);
    }
    if command.kind == (Kind::Action { stated: false }) && output.is_name {
        let value = &types.value;
        let text = format!(
            "the return type of `{name}` hides the resource behind another name: write `Self`, or state `#[command(create)]` or `#[command(action)]`"
        );
        ask(output.span, quote_spanned!(output.span=> #door::Probe::<#resource, #value>::IS_RESOURCE), &text);
    }
    if command.kind == Kind::Create {
        let text = format!(
            "an `on_demand` resource has no create command, because its first command makes it: remove `{name}`, or `on_demand`"
        );
        let question = quote_spanned! {name.span()=>
            ::core::option::Option::is_some(&<#resource as #door::Resource>::FRESH)
        };
        ask(name.span(), question, &text);
    }
    questions
}

/// The function that calls the method, in the variant for its kind.
fn run(method: &Method, command: &Command, scope: &Scope<'_>) -> TokenStream {
    let Scope { door, resource } = scope;
    let name = &method.name;
    let span = name.span();
    // All local names share one span's hygiene, and stand where the type is that they must fit.
    let local = |text: &str, at: Span| Ident::new(text, span.located_at(at));
    let mut taken = Vec::new();
    let mut passed = Vec::new();
    let mut asks_context = false;
    for (place, input) in command.inputs.iter().enumerate() {
        match input {
            Input::Key { span: at, .. } => passed.push(local("__key", *at).to_token_stream()),
            Input::Argument { span: at, .. } => {
                let argument = local(&format!("__argument_{place}"), *at);
                taken.push(local(&format!("__argument_{place}"), span));
                passed.push(argument.to_token_stream());
            }
            Input::Context { span: at } => {
                asks_context = true;
                let context = local("__context", *at);
                passed.push(quote_spanned!(span.located_at(*at)=> &#context));
            }
        }
    }
    let taken = quote_spanned!(span=> (#(#taken,)*));
    let context =
        asks_context.then(|| quote_spanned!(span=> let __context = #door::Invocation::context(__invocation);));
    let receiver = match command.kind {
        Kind::Create | Kind::Action { .. } => None,
        Kind::Read if command.is_async => Some(quote_spanned!(span=> &*__resource,)),
        Kind::Update if command.is_async => Some(quote_spanned!(span=> &mut __resource,)),
        _ => Some(quote_spanned!(span=> __resource,)),
    };
    let awaited = command.is_async.then(|| quote_spanned!(span=> .await));
    let call = quote_spanned!(span=> <#resource>::#name(#receiver #(#passed),*) #awaited);
    let outcome = match &command.output.fallible {
        Some(_) => call,
        None => quote_spanned!(span=> ::core::result::Result::Ok(#call)),
    };

    let body = match (command.kind, command.is_async) {
        (_, false) => quote_spanned!(span=> { #context #outcome }),
        (Kind::Update, true) => quote_spanned! {span=> {
            #context
            ::std::boxed::Box::pin(async move {
                let mut __resource = __resource;
                let __outcome = #outcome;
                (__resource, __outcome)
            })
        }},
        (_, true) => quote_spanned!(span=> { #context ::std::boxed::Box::pin(async move { #outcome }) }),
    };
    let (variant, first, more) = match command.kind {
        Kind::Create => {
            ("Create", Some(quote_spanned!(span=> __key,)), Some(quote_spanned!(span=> , ::core::clone::Clone::clone)))
        }
        Kind::Read => ("Read", Some(quote_spanned!(span=> __resource,)), None),
        Kind::Update => ("Update", Some(quote_spanned!(span=> __resource,)), None),
        Kind::Destroy => ("Destroy", Some(quote_spanned!(span=> __resource,)), None),
        Kind::Action { .. } => ("Action", None, None),
    };
    let variant = Ident::new(&format!("{variant}{}", if command.is_async { "Async" } else { "" }), span);
    let invocation = if asks_context { quote_spanned!(span=> __invocation) } else { quote!(_) };
    quote_spanned!(span=> #door::Run::#variant(|#first #taken, #invocation| #body #more))
}
