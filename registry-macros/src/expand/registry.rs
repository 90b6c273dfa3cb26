//! A block of `registry!`: the module with its names, and the definition beside it.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::fallback::unknown;
use super::runtime::Runtime;
use crate::model::Declared;
use crate::model::registry::{Block, Failover, LoadBalancing, OnPartition, Reads, Registry, Sharding, Slots, Then};

pub(super) fn block(block: &Block, runtime: &Runtime) -> TokenStream {
    match &block.declared {
        Declared::Sound(registry) => {
            let module = module(block, runtime);
            let definition = definition(block, registry, runtime);
            quote!(#module #definition)
        }
        Declared::Stub(because) => stub(block, because, runtime),
    }
}

/// The module mentions nothing of the surrounding scope but the runtime: so it works in function bodies, and with private
/// resources, whose types may not stand in a public signature. `client` finds the resource through the marker type.
fn module(block: &Block, runtime: &Runtime) -> TokenStream {
    let door = runtime.inner_door();
    let client = quote! {
        /// Makes the typed client, for calls from this node or from within this command.
        pub fn client<R: #door::Commands>(at: impl #door::Caller) -> R::Client
        where
            Registry: #door::Defines<R>,
            R::Client: ::core::convert::From<#door::Client<R>>,
        {
            ::core::convert::From::from(#door::Client::new(at, <Registry as #door::Defines<R>>::definition()))
        }
    };
    with_names(block, runtime, &client, &quote!(<Registry as #door::Hosts>::hosted()))
}

/// A module with the same names, whose client is of a type about which the compiler says nothing.
fn stub(block: &Block, because: &syn::Error, runtime: &Runtime) -> TokenStream {
    let alias = format_ident!("__Unknown");
    let unknown = unknown(&alias, because);
    let client = quote! {
        #unknown

        #[doc(hidden)]
        pub fn client<At>(_: At) -> #alias {
            loop {}
        }
    };
    with_names(block, runtime, &client, &quote!(loop {}))
}

fn with_names(block: &Block, runtime: &Runtime, client: &TokenStream, hosted: &TokenStream) -> TokenStream {
    let Block { attributes, visibility, name, wire_name, .. } = block;
    let door = runtime.inner_door();
    let surroundings = runtime.is_relative.then(|| {
        quote! {
            use super::*;
        }
    });
    quote! {
        #(#attributes)*
        #visibility mod #name {
            #surroundings

            /// Marks this registry where a type is asked for.
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            pub struct Registry;

            impl Registry {
                /// The wire name.
                pub const NAME: &'static ::core::primitive::str = #wire_name;
            }

            /// What a node hosts: `Node::builder(..).host(..)`.
            pub fn registry() -> #door::Hosted {
                #hosted
            }

            #client
        }
    }
}

fn definition(block: &Block, registry: &Registry, runtime: &Runtime) -> TokenStream {
    let door = runtime.door();
    let Block { conditions, name, .. } = block;
    let path = &registry.resource;
    let span = path.segments.last().map_or_else(|| path.span(), |last| last.ident.span());
    let spec = spec(name, registry, &door);
    let route = route(&registry.sharding, &door, span);
    // The type is projected once and everything names the projection, all at one place: a type that is no resource, or
    // has no commands, is then one message and not one for each mention.
    quote_spanned! {span=>
        #(#conditions)*
        #[allow(private_interfaces)]
        const _: () = {
            type __Resource = <<#path as #door::IsResource>::Type as #door::OnlyOneCommandsBlock>::Type;

            impl #door::Defines<__Resource> for #name::Registry {
                fn definition() -> &'static #door::Definition<__Resource> {
                    static DEFINITION: #door::Definition<__Resource> = #door::Definition { spec: #spec, route: #route };
                    &DEFINITION
                }
            }

            impl #door::Hosts for #name::Registry {
                fn hosted() -> #door::Hosted {
                    #door::hosted::<__Resource>(<Self as #door::Defines<__Resource>>::definition())
                }
            }
        };
    }
}

fn route(sharding: &Sharding, door: &TokenStream, span: proc_macro2::Span) -> TokenStream {
    match sharding {
        Sharding::ConsistentHashing(_) => quote_spanned!(span=> |__key| #door::stable_hash(__key)),
        Sharding::ByAttribute(field, _) => quote_spanned! {span=>
            |__key| #door::stable_hash(<__Resource as #door::Resource>::key_fields(__key).#field)
        },
        Sharding::Singleton => quote_spanned!(span=> |_| 0),
    }
}

fn spec(name: &syn::Ident, registry: &Registry, door: &TokenStream) -> TokenStream {
    let slots = |slots: &Slots| match slots {
        Some(slots) => quote!(#slots),
        None => quote!(#door::defaults::SLOTS),
    };
    let sharding = match &registry.sharding {
        Sharding::ConsistentHashing(number) => {
            let slots = slots(number);
            quote!(ConsistentHashing { slots: #slots })
        }
        Sharding::ByAttribute(field, number) => {
            let slots = slots(number);
            let field = syn::ext::IdentExt::unraw(field).to_string();
            quote!(ByAttribute { field: #field, slots: #slots })
        }
        Sharding::Singleton => quote!(Singleton),
    };
    let load_balancing = match registry.load_balancing {
        LoadBalancing::LeastBusy => quote!(LeastBusy),
        LoadBalancing::RoundRobin => quote!(RoundRobin),
    };
    let failover = match &registry.failover {
        Failover::AutoReassign => quote!(AutoReassign),
        Failover::WaitForNode(wait, then) => {
            let wait = duration(*wait);
            let then = match then {
                Then::Reassign => quote!(Reassign),
                Then::Fail => quote!(Fail),
            };
            quote!(WaitForNode { wait: #wait, then: #door::Then::#then })
        }
    };
    let reads = match registry.reads {
        Reads::Owner => quote!(Owner),
        Reads::Replicas => quote!(Replicas),
    };
    let on_partition = match registry.on_partition {
        OnPartition::PauseMinority => quote!(PauseMinority),
        OnPartition::ServeAll => quote!(ServeAll),
    };
    let replicas = match registry.replicas {
        Some(replicas) => quote!(#replicas),
        None => quote!(#door::defaults::REPLICAS),
    };
    let timeout = match registry.timeout {
        Some(timeout) => duration(timeout),
        None => quote!(#door::defaults::TIMEOUT),
    };
    let idempotency_window = match registry.idempotency_window {
        Some(window) => duration(window),
        None => quote!(#door::defaults::IDEMPOTENCY_WINDOW),
    };
    let queue = match registry.queue {
        Some(queue) => quote!(#queue),
        None => quote!(#door::defaults::QUEUE),
    };
    let concurrency = match registry.concurrency {
        Some(concurrency) => quote!(#concurrency),
        None => quote!(#door::defaults::CONCURRENCY),
    };
    quote! {
        #door::Spec {
            name: #name::Registry::NAME,
            sharding: #door::Sharding::#sharding,
            load_balancing: #door::LoadBalancing::#load_balancing,
            failover: #door::Failover::#failover,
            replicas: #replicas,
            reads: #door::Reads::#reads,
            on_partition: #door::OnPartition::#on_partition,
            timeout: #timeout,
            idempotency_window: #idempotency_window,
            queue: #queue,
            concurrency: #concurrency,
        }
    }
}

fn duration(span: Duration) -> TokenStream {
    // At most 365 days, so that the milliseconds fit.
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#span_ms))
}
