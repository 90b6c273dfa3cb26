//! `impl Resource`, and the client type that the derive names.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;

use super::fallback::unknown;
use super::key;
use super::runtime::Runtime;
use crate::model::Declared;
use crate::model::resource::{Derived, Resource, Stub};

pub(super) fn derived(derived: &Derived) -> TokenStream {
    let runtime = Runtime::at(derived.runtime.as_ref());
    let door = runtime.door();
    let Derived { allowed, .. } = derived;
    let (declared, implemented) = match &derived.declared {
        Declared::Sound(resource) => sound(derived, resource, &runtime),
        Declared::Stub(stub) if stub.generics.params.is_empty() => self::stub(derived, stub, &door),
        // A generic type would only add complaints about bounds that nobody wrote.
        Declared::Stub(stub) => return stub.because.to_compile_error(),
    };
    let client = client(derived, &door);
    let client_implemented = client_implemented(derived, &door);
    quote! {
        #(#allowed)*
        #client

        #declared

        #(#allowed)*
        const _: () = {
            #client_implemented

            #implemented
        };
    }
}

/// What is declared beside the resource, and what is implemented.
type Parts = (TokenStream, TokenStream);

fn sound(derived: &Derived, resource: &Resource, runtime: &Runtime) -> Parts {
    let door = runtime.door();
    let name = &derived.name;
    let visibility = &derived.visibility;
    let key = key::key(derived, resource);
    let (key_implemented, key_type, key_of) = (&key.implemented, &key.ty, &key.of_self);
    // The compiler's "no field `n` on type .." is to say what kind of field is asked for.
    let fields_name = format_ident!("FieldsMarkedKeyOf{}", name.unraw(), span = name.span());
    let fields: Vec<_> = key::fields(resource).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty.ty).collect();
    let borrowed = &key.borrowed;
    let fresh = resource.on_demand.as_ref().map(|word| {
        let from = quote_spanned!(word.span()=> <Self as ::core::convert::From<Self::Key>>::from);
        quote! {
            const FRESH: ::core::option::Option<fn(#key_type) -> Self> = ::core::option::Option::Some(#from);
        }
    });
    let merge = resource.merge.as_ref().map(|path| {
        quote! {
            const MERGE: ::core::option::Option<fn(&mut Self, Self)> = ::core::option::Option::Some(#path);
        }
    });
    let key_span = resource.first.ty.span;
    let key_declared = quote_spanned!(key_span=> type Key = #key_type;);
    let is_resource = is_resource(derived, &door, &whole(name, runtime));
    let implemented = quote! {
            #key_implemented

            // The fields of the key by name, so that the compiler can list them where `by_attribute` names another.
            #visibility struct #fields_name<'a> {
                #(pub #names: &'a #types,)*
            }

            #[automatically_derived]
            impl #door::Resource for #name {
                #key_declared
                type KeyFields<'a> = #fields_name<'a>;
                #fresh
                #merge

                fn key(&self) -> #key_type {
                    #key_of
                }

                fn key_fields(__key: &#key_type) -> #fields_name<'_> {
                    #fields_name { #(#names: #borrowed,)* }
                }
            }

            #is_resource
    };
    (key.declared, implemented)
}

/// The client type. Its methods stand beside the commands; only the derive knows the struct's visibility.
fn client(derived: &Derived, door: &TokenStream) -> TokenStream {
    let name = &derived.name;
    let visibility = &derived.visibility;
    let client = client_name(derived);
    let doc =
        format!("Calls the commands of a [`{}`] on the right node; made by a registry's `client(..)`.", name.unraw());
    quote! {
        #[doc = #doc]
        #visibility struct #client(#door::Client<<#name as #door::IsResource>::Type>);
    }
}

fn client_name(derived: &Derived) -> Ident {
    format_ident!("{}Client", derived.name.unraw(), span = derived.name.span())
}

fn client_implemented(derived: &Derived, door: &TokenStream) -> TokenStream {
    let name = &derived.name;
    let client = client_name(derived);
    let text = client.to_string();
    quote! {
        #[automatically_derived]
        impl ::core::clone::Clone for #client {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #client {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                __f.write_str(#text)
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#door::Client<<#name as #door::IsResource>::Type>> for #client {
            fn from(__client: #door::Client<<#name as #door::IsResource>::Type>) -> Self {
                Self(__client)
            }
        }

        #[automatically_derived]
        impl #door::ClientOf for #client {
            type Resource = <#name as #door::IsResource>::Type;
            type Key = <<#name as #door::IsResource>::Type as #door::Resource>::Key;
        }

        #[automatically_derived]
        impl #door::Typed for #client {
            type Untyped = #door::Client<<#name as #door::IsResource>::Type>;

            fn untyped(&self) -> &Self::Untyped {
                &self.0
            }
        }
    }
}

fn is_resource(derived: &Derived, door: &TokenStream, ty: &TokenStream) -> TokenStream {
    let name = &derived.name;
    quote! {
        #[automatically_derived]
        impl #door::IsResource for #name {
            type Type = #ty;
        }
    }
}

/// The resource, if it is all that an instance must be. If not, an argument of the type is an error, and of what is made of
/// such a type the compiler says nothing more.
fn whole(name: &Ident, runtime: &Runtime) -> TokenStream {
    let text = format!(
        "`{}` cannot be a resource, which is `Clone + Serialize + DeserializeOwned + Send + Sync`: put \
         `#[derive(Clone, serde::Serialize, serde::Deserialize)]` on it",
        name.unraw()
    );
    let door = runtime.door();
    let import_allowed = runtime.import_allowed();
    quote_spanned! {name.span()=>
        <#name as #door::Travelling<{
            #import_allowed
            use #door::Stays as _;
            ::core::assert!(#door::Whole::<#name>::__CAN, #text);
            true
        }>>::Type
    }
}

/// A resource of which nothing is known but that it was meant to be one.
fn stub(derived: &Derived, stub: &Stub, door: &TokenStream) -> Parts {
    let name = &derived.name;
    let alias = format_ident!("__Unknown");
    let unknown = unknown(&alias, &stub.because);
    let is_resource = is_resource(derived, door, &quote!(#name));
    let implemented = quote! {
        #unknown

        #is_resource

        impl #door::Resource for #name {
            type Key = #alias;
            type KeyFields<'a> = #alias;

            fn key(&self) -> #alias {
                loop {}
            }

            fn key_fields(_: &#alias) -> #alias {
                loop {}
            }
        }
    };
    (TokenStream::new(), implemented)
}
