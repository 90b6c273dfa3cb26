//! The DSL and the attributes of the distributed command registry.
//!
//! Depend on `registry_runtime`, which re-exports these macros beside the traits and types that they speak of. Begin with
//! [`macro@registry`], the block that declares registries; [`macro@Resource`] and [`macro@commands`] describe what a
//! registry keeps.
//!
//! Each macro takes the same road: `syntax` reads tokens, `check` says what is wrong, `model` holds what is right, `expand`
//! writes it down. All mistakes of one invocation are told at once, and what can be saved is expanded beside them, so that
//! the rest of the file still type-checks.

use proc_macro::TokenStream;

mod check;
mod expand;
mod model;
mod report;
mod syntax;
#[cfg(test)]
mod tests;

/// Makes a struct a resource: something with a key, that commands act on.
///
/// ```text
/// #[derive(Clone, Serialize, Deserialize, Resource)]
/// #[resource(on_demand, merge = path, crate = path)] // each part optional
/// pub struct Order {
///     #[key]                                // at least one; several make the struct `OrderKey`
///     id: u64,
///     lines: Vec<Line>,
/// }
/// ```
///
/// | written | meaning |
/// |---|---|
/// | `#[key]` | the field is the key, or a part of it |
/// | `#[resource(on_demand)]` | the instance comes into being at its first command, by `From<Key>`; one whose encoding is that of a fresh one again is not kept and costs nothing |
/// | `#[resource(merge = path)]` | under `on_partition serve_all`: the function of `&mut Self` and `Self` that puts what another side of a partition made of the instance into this side's. It may see the same twice, so it must be a join: commutative, associative and idempotent |
/// | `#[resource(crate = path)]` | where `registry_runtime` is found |
///
/// The derive names the client type (`OrderClient`, with the struct's visibility) and, for several key fields, the key type
/// (`OrderKey`, with `From` a tuple of the fields). A create takes that type first, callers may hand in a tuple:
///
/// ```text
/// #[derive(Clone, Serialize, Deserialize, Resource)]
/// pub struct Account {
///     #[key]
///     bank: String,
///     #[key]
///     number: u64,
///     cents: u64,
/// }
///
/// #[commands]
/// impl Account {
///     pub fn open(key: AccountKey, cents: u64) -> Self {
///         Self { bank: key.bank, number: key.number, cents }
///     }
/// }
///
/// accounts.open(("DE", 7), 100).await?;
/// ```
///
/// An instance travels without the names of its fields, so serde's `tag`, `untagged`, `flatten`, `skip_serializing_if`,
/// `skip_serializing` and `skip_deserializing` are refused.
#[proc_macro_derive(Resource, attributes(key, resource))]
pub fn resource(input: TokenStream) -> TokenStream {
    expand::resource(check::resource(input.into())).into()
}

/// Makes every method of an impl block a command.
///
/// ```text
/// #[commands]                               // or #[commands(crate = path)]
/// impl Order {
///     pub fn place(id: u64, lines: Vec<Line>) -> Result<Self, OrderError> { .. }     // create
///     pub fn status(&self) -> Status { .. }                                          // read
///     pub async fn ship(&mut self, by: String, cx: &Context) -> Tracking { .. }      // update
///     pub fn cancel(self) -> Result<Refund, OrderError> { .. }                       // destroy
///     pub async fn quote(lines: Vec<Line>) -> Money { .. }                           // action
/// }
/// ```
///
/// | on a method | meaning |
/// |---|---|
/// | `#[command(name = "..")]` | the wire name, when it must differ from the method's |
/// | `#[command(idempotent)]` | repeating the command does no harm: an action is then sent again, too, when its node is lost, as every other command is anyway |
/// | `#[command(create)]`, `#[command(action)]` | states the kind where the return type does not show it |
///
/// Parameters are owned and travel, at most 16 of them; the one borrowed parameter that is allowed is `&Context`, in any
/// position. The block itself stays as it is, so that its methods can be called as plain Rust. It may stand in another module of the crate than the
/// struct: as `impl model::Order`, or with the client imported beside the struct (`use crate::model::{Order, OrderClient};`).
#[proc_macro_attribute]
pub fn commands(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::commands(check::commands(arguments.into(), item.into())).into()
}

/// Declares registries.
///
/// ```text
/// registry! {
///     crate path;                           // optional: where `registry_runtime` is found
///
///     /// Documentation.
///     #[cfg(..)]
///     pub orders {                          // any number of blocks
///         resource Order;                   // required; the other clauses in any order, each at most once
///         sharding consistent_hashing;
///         load_balancing least_busy;
///         failover auto_reassign;
///         replicas 3;
///         reads owner;
///         on_partition pause_minority;
///         queue 1024;
///         concurrency 256;
///         timeout 5s;
///         idempotency_window 10min;
///         name "orders";
///     }
/// }
/// ```
///
/// | clause | values | default |
/// |---|---|---|
/// | `resource` | the path of a type with `#[derive(Resource)]` and a `#[commands]` block | required |
/// | `sharding` | `consistent_hashing`, `by_attribute(key_field)`, both with `slots = N` (1 to 65,536); `singleton` | `consistent_hashing(slots = 4096)` |
/// | `load_balancing` | `least_busy`, `round_robin` | `least_busy` |
/// | `failover` | `auto_reassign`, `wait_for_node(time)`, `wait_for_node(time, then = reassign)`, `wait_for_node(time, then = fail)` | `auto_reassign` |
/// | `replicas` | 1 to 7 | 3 |
/// | `reads` | `owner`; `replicas`, with two replicas or more | `owner` |
/// | `on_partition` | `pause_minority`, `serve_all` | `pause_minority` |
/// | `queue` | commands that may wait per node for this registry, 1 to 1,000,000 | 1024 |
/// | `concurrency` | commands that may run at once per node for this registry, 1 to 1,000,000 | 256 |
/// | `timeout` | the default deadline of a call | `5s` |
/// | `idempotency_window` | how long a user's idempotency key is remembered | `10min` |
/// | `name` | the wire name, a string | the block's name |
///
/// A time is a whole number with its unit, 1 ms to 365 days: `250ms`, `30s`, `5min`, `2h`. That of `wait_for_node` is at least `1s`, and counts
/// from when the node was declared Down. A wire name has 1 to 128 bytes, without white space or control characters.
///
/// A block `orders` becomes a module of that name: `orders::client(..)` makes the typed client, `orders::registry()` is what a
/// node hosts, `orders::Registry::NAME` is the wire name. A path behind `crate` is best written from the root
/// (`crate::..` or a crate's name), because it is also used inside that module.
#[proc_macro]
pub fn registry(input: TokenStream) -> TokenStream {
    expand::registry(check::registry(input.into())).into()
}
