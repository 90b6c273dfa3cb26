//! The client's methods, one for each command.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Ident};

use super::command::{Scope, Types, item};
use super::fallback::unknown;
use super::silent::{silent, silent_visibility};
use crate::model::commands::{Command, Input, Kind, Method, Stub};
use crate::model::{Declared, Written};

pub(super) fn methods(methods: &[Method], scope: &Scope<'_>) -> TokenStream {
    methods
        .iter()
        .enumerate()
        .map(|(place, method)| match &method.declared {
            Declared::Sound(command) => sound(place, method, command, scope),
            Declared::Stub(stub) => self::stub(place, method, stub),
        })
        .collect()
}

fn sound(place: usize, method: &Method, command: &Command, scope: &Scope<'_>) -> TokenStream {
    let door = scope.runtime.door_at(method.name.span());
    let Method { attributes, allowed, visibility, name, .. } = method;
    let command_name = item("__COMMAND", place, method);
    let Types { value: Written { ty: value, .. }, error: Written { ty: error, .. }, .. } = Types::of(command, scope);
    let mut names = Vec::new();
    let mut parameters = Vec::new();
    for input in &command.inputs {
        if let Input::Argument { name, allowed, ty } = input {
            let ty = &ty.ty;
            names.push(name);
            parameters.push(quote_spanned!(name.span()=> #(#allowed)* #name: #ty));
        }
    }
    let key = match command.kind {
        Kind::Action { .. } => None,
        _ => Some(key_name(command, &names)),
    };
    let key_parameter = key.iter().map(|(allowed, key)| {
        quote_spanned!(name.span()=> #(#allowed)* #key: impl #door::IntoKey<<Self as #door::ClientOf>::Key>,)
    });
    let key_parameter = quote!(#(#key_parameter)*);
    let key = match &key {
        Some((_, key)) => quote_spanned!(name.span()=> ::core::option::Option::Some(#door::IntoKey::into_key(#key))),
        None => quote_spanned!(name.span()=> ::core::option::Option::None),
    };
    let output = &command.output.ty;
    let visibility = silent_visibility(visibility);
    let output_door = scope.runtime.door_at(output.span);
    let output = quote_spanned!(output.span=> #output_door::Call<#value, #error>);
    quote_spanned! {silent(name.span())=>
        #(#attributes)*
        #(#allowed)*
        #visibility fn #name(&self, #key_parameter #(#parameters),*) -> #output {
            #command_name.__call(#door::Typed::untyped(self), #key, (#(#names,)*))
        }
    }
}

/// What the key is called in the signature: as the user called it, with what is allowed there, else `key`, or a longer name where
/// that one is taken.
fn key_name<'a>(command: &'a Command, names: &[&Ident]) -> (&'a [Attribute], Ident) {
    for input in &command.inputs {
        if let Input::Key { name, allowed, .. } = input {
            return (allowed, name.clone());
        }
    }
    let mut key = format_ident!("key");
    while names.iter().any(|name| **name == key) {
        key = format_ident!("instance_{}", key);
    }
    (&[], key)
}

/// The type aliases that carry the mistakes of methods which are no commands.
pub(super) fn unknowns(methods: &[Method]) -> TokenStream {
    methods
        .iter()
        .enumerate()
        .filter_map(|(place, method)| match &method.declared {
            Declared::Stub(stub) => Some(unknown(&alias(place), &stub.because)),
            Declared::Sound(_) => None,
        })
        .collect()
}

/// A method that takes anything and gives a type about which the compiler says nothing.
fn stub(place: usize, method: &Method, stub: &Stub) -> TokenStream {
    let Some(arity) = stub.arity else { return TokenStream::new() };
    let Method { attributes, visibility, name, .. } = method;
    let alias = alias(place);
    let parameters = std::iter::repeat_n(&alias, arity);
    quote_spanned! {name.span()=>
        #(#attributes)*
        #visibility fn #name(&self, #(_: #parameters),*) -> #alias {
            loop {}
        }
    }
}

fn alias(place: usize) -> Ident {
    format_ident!("__Unknown{}", place)
}
