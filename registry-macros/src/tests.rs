//! What the macros write, kept as snapshots: a change of the expansion shows as a difference to read.
//!
//! After a change, `INSTA_UPDATE=always cargo test -p registry-macros` writes them anew.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{check, expand};

fn check(name: &str, expansion: TokenStream) {
    let file = syn::parse2(expansion.clone()).unwrap_or_else(|fault| panic!("{fault}: {expansion}"));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, prettyplease::unparse(&file));
    });
}

fn resource(item: TokenStream) -> TokenStream {
    expand::resource(check::resource(item))
}

fn commands(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::commands(check::commands(arguments, item))
}

fn registry(input: TokenStream) -> TokenStream {
    expand::registry(check::registry(input))
}

#[test]
fn one_key_field_is_the_key() {
    let item = quote! {
        pub struct Order {
            #[key]
            id: u64,
            lines: Vec<Line>,
        }
    };
    check("resource", resource(item));
}

#[test]
fn several_key_fields_make_a_key() {
    let item = quote! {
        #[resource(on_demand, crate = my::runtime)]
        pub(crate) struct User {
            /// The tenant.
            #[key]
            tenant_id: u32,
            #[key]
            id: u64,
            name: String,
        }
    };
    check("composite_key", resource(item));
}

#[test]
fn commands_become_statics_and_client_methods() {
    let item = quote! {
        impl Order {
            /// Places an order.
            pub fn place(id: u64, lines: Vec<Line>) -> Result<Self, OrderError> {
                Ok(Self { id, lines })
            }

            #[cfg(feature = "status")]
            #[command(name = "state")]
            fn status(&self) -> Status {
                Status::Placed
            }

            pub async fn ship(&mut self, mut carrier: String, cx: &Context) -> io::Result<Self> {
                Ok(self.clone())
            }

            async fn quote(lines: Vec<Line>) {}
        }
    };
    check("commands", commands(TokenStream::new(), item));
}

#[test]
fn a_block_becomes_a_module_and_a_definition() {
    let input = quote! {
        /// Orders.
        #[cfg(unix)]
        pub orders {
            resource shop::Order;
        }

        users {
            resource User;
            name "all-users";
            sharding by_attribute(tenant_id, slots = 16);
            load_balancing round_robin;
            failover wait_for_node(30s, then = fail);
            replicas 5;
            timeout 250ms;
        }
    };
    check("registry", registry(input));
}

#[test]
fn the_runtime_is_named_by_the_path_that_was_given_and_by_no_other() {
    let expansions = [
        resource(quote! { #[resource(crate = my::rt)] struct Order { #[key] a: u64, #[key] b: u64 } }),
        commands(
            quote!(crate = my::rt),
            quote! { impl Order { pub async fn ship(&mut self, cx: &Context) -> Result<u8, u8> { Ok(1) } fn one(&self, a: u8) {} } },
        ),
        registry(
            quote! { crate my::rt; orders { resource Order; sharding by_attribute(id); failover wait_for_node(1s); } },
        ),
    ];
    for expansion in expansions {
        let text = expansion.to_string();
        assert!(!text.contains("registry_runtime"), "{text}");
    }
}

#[test]
fn mistakes_leave_enough_to_go_on_with() {
    check("stub_of_a_resource", resource(quote! { pub struct Order { id: u64 } }));
    let item = quote! {
        impl Order {
            pub fn note(&mut self, text: &str, (a, b): (u8, u8)) -> u8 {
                a + b
            }
        }
    };
    check("stub_of_a_command", commands(TokenStream::new(), item));
    check("stub_of_a_registry", registry(quote! { pub orders { shardin singleton; } }));
}

#[test]
fn a_method_stays_as_it_was_but_for_our_attributes() {
    let block = quote! {
        impl Order {
            #[inline]
            pub fn status(&self) -> Status {
                self.status
            }
        }
    };
    let marked = quote! {
        impl Order {
            #[command(idempotent)]
            #[inline]
            pub fn status(&self) -> Status {
                self.status
            }
        }
    };
    let expansion = commands(TokenStream::new(), marked).to_string();
    assert!(expansion.starts_with(&block.to_string()), "{expansion}");
}
