//! A command as a static value, and the glue that calls the user's method.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Path};

use super::client;
use super::runtime::Runtime;
use crate::model::commands::{Clash, Command, Commands, Fallible, Input, Kind, Method};
use crate::model::{Declared, Written};

/// What all commands of one block are expanded with.
pub(super) struct Scope<'a> {
    pub(super) runtime: Runtime,
    pub(super) resource: &'a Path,
    /// The resource as its client names it. A struct without the derive has no client, and of what is made of an unknown type
    /// the compiler says nothing.
    pub(super) known: Ident,
}

/// Everything that stands beside the user's block.
pub(super) fn commands(commands: &Commands) -> TokenStream {
    let scope = Scope {
        runtime: Runtime::at(commands.runtime.as_ref()),
        resource: &commands.resource,
        known: format_ident!("__Resource"),
    };
    let Scope { resource, known, .. } = &scope;
    let door = scope.runtime.door();
    let import_allowed = scope.runtime.import_allowed();
    let Commands { conditions, allowed, client, methods, clashes, .. } = commands;
    let statics = methods.iter().enumerate().filter_map(|(place, method)| match &method.declared {
        Declared::Sound(command) => Some(described(place, method, command, &scope)),
        Declared::Stub(_) => None,
    });
    // One name with one hygiene, whatever macro the methods come from.
    let visitor = format_ident!("__visitor");
    let visits = methods.iter().enumerate().filter_map(|(place, method)| {
        let Declared::Sound(_) = &method.declared else { return None };
        let conditions = &method.conditions;
        let door = scope.runtime.door_at(method.name.span());
        let name = item("__COMMAND", place, method);
        let visitor = &visitor;
        Some(quote_spanned!(method.name.span()=> #(#conditions)* #door::Visitor::command(#visitor, &#name);))
    });
    let clashes = clashes.iter().flat_map(|Clash { conditions, mistakes }| {
        let conditional = move |mistake: &syn::Error| {
            let error = mistake.to_compile_error();
            quote!(#(#conditions)* #error)
        };
        mistakes.iter().map(conditional)
    });
    let unknowns = client::unknowns(methods);
    let client_methods = client::methods(methods, &scope);
    quote! {
        #(#conditions)*
        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
        #(#allowed)*
        const _: () = {
            #import_allowed
            use #door::{Stays as _, Unprobed as _};

            type #known = <#client as #door::ClientOf>::Resource;

            #[automatically_derived]
            impl #door::OnlyOneCommandsBlock for #resource {
                type Type = #resource;
            }

            #(#clashes)*

            #unknowns

            #(#statics)*

            #[automatically_derived]
            impl #door::Commands for #resource {
                type Client = #client;

                fn each<__V: #door::Visitor<#known>>(#visitor: &mut __V) {
                    #(#visits)*
                }
            }

            // A link of the user's may lead to what the resource alone has.
            #[allow(rustdoc::broken_intra_doc_links)]
            impl #client {
                #client_methods

                /// The client's own questions: where a key lives, and why.
                pub fn registry(&self) -> #door::RegistryHandle<'_, <Self as #door::ClientOf>::Resource> {
                    #door::Client::handle(#door::Typed::untyped(self))
                }
            }
        };
    }
}

/// The name of an item of ours for the method in that place.
pub(super) fn item(what: &str, place: usize, method: &Method) -> Ident {
    format_ident!("{what}_{place}", span = method.name.span())
}

/// The static, and the questions that only the compiler can answer.
fn described(place: usize, method: &Method, command: &Command, scope: &Scope<'_>) -> TokenStream {
    let span = method.name.span();
    let door = scope.runtime.door_at(span);
    let Method { conditions, allowed, .. } = method;
    let command_name = item("__COMMAND", place, method);
    let error_name = item("__ERROR", place, method);
    let Command { wire_name, number, idempotent, written, .. } = command;
    let types = Types::of(command, scope);
    let Travelling { arguments, value, error } = Travelling::of(method, command, scope);
    let known = &scope.known;
    let codec = if types.never { quote!(never) } else { quote!(travelling) };
    let error_door = scope.runtime.door_at(types.error.span);
    // An item of its own, because its signature ends the matter for an error that cannot travel.
    let error_codec = quote_spanned! {types.error.span=>
        #(#conditions)*
        #(#allowed)*
        static #error_name: #error_door::ErrorCodec<#error> = #error_door::ErrorCodec::#codec();
    };
    let run = run(method, command, scope);
    let questions = questions(method, command, &types, scope);
    quote_spanned! {span=>
        #error_codec

        #(#conditions)*
        #(#allowed)*
        static #command_name: #door::Command<#known, #arguments, #value, #error> = #door::Command {
            name: #wire_name,
            number: #number,
            idempotent: #idempotent,
            error: #error_name,
            written: #written,
            run: #run,
        };

        #questions
    }
}

/// The types of a command's outcome as users read them: its reply and its own error.
pub(super) struct Types {
    pub(super) value: Written,
    pub(super) error: Written,
    never: bool,
}

impl Types {
    pub(super) fn of(command: &Command, scope: &Scope<'_>) -> Self {
        let Written { ty, span } = &command.output.ty;
        let door = scope.runtime.door_at(*span);
        let (value, error, never) = match &command.output.fallible {
            None => {
                let never = Written { ty: quote!(::core::convert::Infallible), span: *span };
                (command.output.ty.clone(), never, true)
            }
            Some(Fallible { written: Some([value, error]), never }) => (value.clone(), error.clone(), *never),
            Some(Fallible { written: None, .. }) => {
                let value = quote_spanned!(*span=> <#ty as #door::ResultLike>::Ok);
                let error = quote_spanned!(*span=> <#ty as #door::ResultLike>::Err);
                (Written { ty: value, span: *span }, Written { ty: error, span: *span }, false)
            }
        };
        let value = match command.kind {
            Kind::Create => Written { ty: scope.resource.to_token_stream(), span: *span },
            _ => value,
        };
        Self { value, error, never }
    }
}

/// The types of a command as the expansion works with them: a type that cannot travel is one message at the place where it is
/// written, and about what is made of it the compiler says nothing more.
struct Travelling {
    /// The tuple.
    arguments: TokenStream,
    value: TokenStream,
    error: TokenStream,
}

impl Travelling {
    fn of(method: &Method, command: &Command, scope: &Scope<'_>) -> Self {
        let checked = |Written { ty, span }: &Written| {
            let door = scope.runtime.door_at(*span);
            // A message about the whole path underlines it from its first token to its last: so the whole type.
            let name = Ident::new("Type", ty.clone().into_iter().last().map_or(*span, |last| last.span()));
            quote_spanned!(*span=> <#ty as #door::Travelling<{ #door::Travel::<#ty>::__CAN }>>::#name)
        };
        let arguments = command.inputs.iter().filter_map(|input| match input {
            Input::Argument { ty, .. } => Some(checked(ty)),
            _ => None,
        });
        let types = Types::of(command, scope);
        Self {
            arguments: quote_spanned!(method.name.span()=> (#(#arguments,)*)),
            value: if command.kind == Kind::Create { types.value.ty.clone() } else { checked(&types.value) },
            error: if types.never { types.error.ty.clone() } else { checked(&types.error) },
        }
    }
}

/// What tokens cannot show, asked of the compiler: does the name of the return type hide a `Result`, or the resource?
fn questions(method: &Method, command: &Command, types: &Types, scope: &Scope<'_>) -> TokenStream {
    let resource = &scope.known;
    let Method { conditions, allowed, name, .. } = method;
    let output = &command.output;
    let Written { ty, span } = &output.ty;
    let door = scope.runtime.door_at(*span);
    let mut questions = TokenStream::new();
    let mut ask = |span: Span, question: TokenStream, text: &str| {
        questions.extend(quote_spanned! {span=>
            #(#conditions)*
            #(#allowed)*
            const _: () = ::core::assert!(!#question, #text);
        });
    };
    if output.fallible.is_none() && output.is_name {
        let text = format!(
            "the return type of `{name}` hides a `Result` behind another name: write `Result<..>`, so that an `Err` leaves the instance as it was"
        );
        ask(*span, quote_spanned!(*span=> #door::Probe::<#resource, #ty>::__IS_RESULT), &text);
    }
    if command.kind == (Kind::Action { stated: false }) && output.is_name {
        let value = &types.value.ty;
        let text = format!(
            "the return type of `{name}` hides the resource behind another name: write `Self`, or state `#[command(create)]` or `#[command(action)]`"
        );
        ask(*span, quote_spanned!(*span=> #door::Probe::<#resource, #value>::__IS_RESOURCE), &text);
    }
    if command.kind == Kind::Create {
        let text = format!(
            "an `on_demand` resource has no create command, because its first command makes it: remove `{name}`, or `on_demand`"
        );
        let door = scope.runtime.door_at(name.span());
        let question = quote_spanned! {name.span()=>
            ::core::option::Option::is_some(&<#resource as #door::Resource>::FRESH)
        };
        ask(name.span(), question, &text);
    }
    questions
}

/// The function that calls the method, in the variant for its kind.
fn run(method: &Method, command: &Command, scope: &Scope<'_>) -> TokenStream {
    let Scope { resource, known, .. } = scope;
    let name = &method.name;
    let span = name.span();
    let door = scope.runtime.door_at(span);
    // All local names share one span's hygiene, and stand where the type is that they must fit.
    let local = |text: &str, at: Span| Ident::new(text, span.located_at(at));
    let mut taken = Vec::new();
    let mut passed = Vec::new();
    let mut asks_context = false;
    for (place, input) in command.inputs.iter().enumerate() {
        match input {
            Input::Key { ty: Written { ty, span: at }, .. } => {
                let key = local("__key", span);
                let door = scope.runtime.door_at(*at);
                let name = Ident::new("take", ty.clone().into_iter().last().map_or(*at, |last| last.span()));
                passed.push(quote_spanned! {*at=>
                    <#ty as #door::CreateKey<<#known as #door::Resource>::Key, #known>>::#name(#key)
                });
            }
            Input::Argument { ty, .. } => {
                let argument = local(&format!("__argument_{place}"), ty.span);
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
    quote_spanned!(span=> #door::Run::<#known, _, _, _>::#variant(|#first #taken, #invocation| #body #more))
}
