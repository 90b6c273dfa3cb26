//! The traits that users meet: resources, their keys, their commands, and what a running command may ask.
//!
//! Users write none of them down; the macros do:
//!
//! ```
//! use registry_runtime::{Context, Resource, commands, registry};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Serialize, Deserialize, Resource)]
//! struct Order {
//!     #[key]
//!     id: u64,
//!     shipped_by: Option<String>,
//! }
//!
//! #[commands]
//! impl Order {
//!     fn place(id: u64) -> Self {
//!         Self { id, shipped_by: None }
//!     }
//!
//!     async fn ship(&mut self, carrier: String, cx: &Context) -> Result<(), String> {
//!         match self.shipped_by.replace(carrier) {
//!             Some(earlier) => Err(format!("{earlier} has order {}", cx.key())),
//!             None => Ok(()),
//!         }
//!     }
//! }
//!
//! registry! {
//!     orders {
//!         resource Order;
//!         failover wait_for_node(30s);
//!     }
//! }
//!
//! async fn calls(cx: &Context) -> Result<(), Box<dyn std::error::Error>> {
//!     let orders = orders::client(cx);
//!     let order: Order = orders.place(42).await?;
//!     orders.ship(order.id, "DHL".into()).await?;
//!     Ok(())
//! }
//!
//! // A method stays a method.
//! assert_eq!(Order::place(42).shipped_by, None);
//! ```

mod command;
mod context;
mod definition;
mod error;
mod hash;
mod key;
mod own;
mod returns;
mod shape;
mod travel;

pub use command::{Boxed, Command, Commands, ErrorCodec, Kind, Run, Visitor};
pub use context::{Context, Invocation, KeyText, Origin, States};
pub use definition::{ClientOf, Defines, Definition, IsResource, OnlyOneCommandsBlock};
pub use error::{CommandError, Executed, Reason};
pub use hash::stable_hash;
pub use key::{CreateKey, Instance, IntoKey, Key, Resource, Whole};
pub(crate) use own::{OwnCommand, own_commands};
#[doc(hidden)]
pub use returns::{Probe, ResultLike, Unprobed};
pub use shape::{Shape, fingerprint, fingerprint_of_instances, misfits};
#[doc(hidden)]
pub use travel::{Stays, Travel, Travelling};
