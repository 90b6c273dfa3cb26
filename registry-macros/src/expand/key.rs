//! The key: a field's own type, or a struct made of several fields.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Index};

use super::runtime::Runtime;
use crate::model::Written;
use crate::model::resource::{Derived, KeyField, Resource};

/// A resource's key in tokens.
pub(super) struct Key {
    /// What has to be declared for it,
    pub(super) declared: TokenStream,
    /// and implemented.
    pub(super) implemented: TokenStream,
    /// Its type.
    pub(super) ty: TokenStream,
    /// The expression that makes it from `self`.
    pub(super) of_self: TokenStream,
    /// For each field the expression that borrows it from `key`.
    pub(super) borrowed: Vec<TokenStream>,
}

pub(super) fn fields(resource: &Resource) -> impl Iterator<Item = &KeyField> {
    std::iter::once(&resource.first).chain(&resource.more)
}

pub(super) fn key(derived: &Derived, resource: &Resource) -> Key {
    if resource.more.is_empty() {
        let KeyField { name, ty: Written { ty, .. }, .. } = &resource.first;
        return Key {
            declared: TokenStream::new(),
            implemented: TokenStream::new(),
            ty: quote!(#ty),
            of_self: quote!(::core::clone::Clone::clone(&self.#name)),
            borrowed: vec![quote!(__key)],
        };
    }
    let ty = format_ident!("{}Key", derived.name.unraw(), span = derived.name.span());
    let names: Vec<_> = fields(resource).map(|field| &field.name).collect();
    Key {
        declared: declared(derived, resource, &ty),
        implemented: implemented(derived, resource, &ty),
        of_self: quote!(#ty { #(#names: ::core::clone::Clone::clone(&self.#names),)* }),
        borrowed: names.iter().map(|name| quote!(&__key.#name)).collect(),
        ty: quote!(#ty),
    }
}

fn declared(derived: &Derived, resource: &Resource, key: &Ident) -> TokenStream {
    let Derived { visibility, allowed, name, .. } = derived;
    let doc = format!("The key of a [`{}`].", name.unraw());
    let fields = fields(resource).map(|KeyField { docs, name, ty: Written { ty, .. } }| {
        let default = format!("The field `{}`.", name.unraw());
        let default = docs.is_empty().then(|| quote!(#[doc = #default]));
        quote_spanned!(name.span()=> #default #(#docs)* pub #name: #ty)
    });
    quote! {
        #[doc = #doc]
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::hash::Hash,
        )]
        #(#allowed)*
        #visibility struct #key {
            #(#fields,)*
        }
    }
}

fn implemented(derived: &Derived, resource: &Resource, key: &Ident) -> TokenStream {
    let door = Runtime::at(derived.runtime.as_ref()).door();
    let fields: Vec<_> = fields(resource).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty.ty).collect();
    let places: Vec<Index> = (0..fields.len()).map(Index::from).collect();
    // Each part of a tuple is whatever names that field's type, so that `("eu", 7)` does for a `String` and a `u64`.
    let parts: Vec<_> = places.iter().map(|place| format_ident!("__Part{}", place.index)).collect();
    let travels = travels(key, &names, &types, &door);
    let make = quote!(#key { #(#names: #door::IntoKey::into_key(__parts.#places),)* });
    let make_from_ref = quote! {
        #key { #(#names: #door::IntoKey::into_key(::core::clone::Clone::clone(&__parts.#places)),)* }
    };
    quote! {
        #travels

        #[automatically_derived]
        impl ::core::convert::From<(#(#types,)*)> for #key {
            fn from(__parts: (#(#types,)*)) -> Self {
                #key { #(#names: __parts.#places,)* }
            }
        }

        #[automatically_derived]
        impl<#(#parts: #door::IntoKey<#types>),*> #door::IntoKey<#key> for (#(#parts,)*) {
            fn into_key(self) -> #key {
                let __parts = self;
                #make
            }
        }

        #[automatically_derived]
        impl<#(#parts: #door::IntoKey<#types> + ::core::clone::Clone),*> #door::IntoKey<#key> for &(#(#parts,)*) {
            fn into_key(self) -> #key {
                let __parts = self;
                #make_from_ref
            }
        }
    }
}

/// How the key travels. serde takes paths as text, in which `$crate` means nothing; so its derive stands where the runtime's
/// serde has a name, on a twin of the key.
fn travels(key: &Ident, names: &[&Ident], types: &[&TokenStream], door: &TokenStream) -> TokenStream {
    let text = key.to_string();
    let twin = names.iter().zip(types).map(|(name, ty)| quote_spanned!(name.span()=> #name: #ty));
    quote! {
        const _: () = {
            use #door::serde as __serde;

            #[derive(__serde::Serialize, __serde::Deserialize)]
            #[serde(crate = "__serde", remote = #text, rename = #text)]
            struct __Twin {
                #(#twin,)*
            }

            #[automatically_derived]
            impl __serde::Serialize for #key {
                fn serialize<__S: __serde::Serializer>(&self, __to: __S) -> ::core::result::Result<__S::Ok, __S::Error> {
                    __Twin::serialize(self, __to)
                }
            }

            #[automatically_derived]
            impl<'de> __serde::Deserialize<'de> for #key {
                fn deserialize<__D: __serde::Deserializer<'de>>(__from: __D) -> ::core::result::Result<Self, __D::Error> {
                    __Twin::deserialize(__from)
                }
            }
        };
    }
}
