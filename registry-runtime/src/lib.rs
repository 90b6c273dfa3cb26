//! Typed commands on keyed resources, run on the right node of a cluster.
//!
//! Begin with [`registry!`]: it declares how a cluster keeps the instances of a [`Resource`], and gives a typed client whose
//! methods are the resource's own [`commands`]. A [`Node`] hosts registries and makes clients; [`Node::builder`] sets one up.
//! A client's method returns a [`Call`], a future that ends with the command's reply or with a [`CommandError`], which
//! always says whether the command ran.
//!
//! ```
//! use registry_runtime::{Identity, Node, Resource, commands, registry};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Serialize, Deserialize, Resource)]
//! #[resource(on_demand)]
//! struct Counter {
//!     #[key]
//!     name: String,
//!     count: u64,
//! }
//!
//! impl From<String> for Counter {
//!     fn from(name: String) -> Self {
//!         Self { name, count: 0 }
//!     }
//! }
//!
//! #[commands]
//! impl Counter {
//!     /// Counts one more, and says how many there are.
//!     pub fn add(&mut self) -> u64 {
//!         self.count += 1;
//!         self.count
//!     }
//! }
//!
//! registry! {
//!     counters {
//!         resource Counter;
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("node-a").identity(Identity::shared_secret("a long secret")).host(counters::registry()).start().await?;
//! let counters = counters::client(&node);
//! assert_eq!(counters.add("visitors").await?, 1);
//! assert_eq!(counters.add("visitors").await?, 2);
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! |---|---|
//! | declare | [`Resource`](macro@Resource), [`commands`], [`registry!`] |
//! | run nodes | [`Node`], [`NodeBuilder`], [`Identity`], [`Timing`], [`Member`] |
//! | call | [`Call`], [`CommandError`], [`Executed`], [`IntoKey`], [`RegistryHandle`], [`Route`] |
//! | be called | [`Context`], [`Epoch`] |
//! | test | `testing::Cluster` and `testing::context`, with the feature `testing` |
//!
//! # What runs where
//!
//! | kind | signature | runs on | meanwhile |
//! |---|---|---|---|
//! | create | no receiver, returns `Self` or `Result<Self, E>`; the key comes first | the key's owner | one at a time for each key |
//! | read | `&self` | the key's owner, or a replica with `reads replicas` | any number at once, beside an update too |
//! | update | `&mut self` | the key's owner | one at a time for each key |
//! | destroy | `self` | the key's owner | one at a time for each key |
//! | action | no receiver, returns anything else | any node that hosts the registry | any number at once |
//!
//! The owner of a key is the same for every caller. So `load_balancing` is about **actions**, and about reads under
//! `reads replicas`; any other keyed command goes to its owner, however busy that is. `client.registry().explain(key)` says who it is, and why.
//!
//! - **Reads see what is committed.** An update works on a copy, which becomes the instance when it returns `Ok`; reads go on
//!   meanwhile and see the instance as it was. An `Err`, a panic, a cancelled call or a passed deadline leaves no trace. (What
//!   an `Arc<Mutex<_>>` in the instance shares is outside of this, and so is what the command called elsewhere: that stands.)
//! - **Reads of replicas may be late, and never go back.** Under `reads replicas` a read may miss the latest changes that others
//!   made: as a rule those of the last round trip; on a replica to which much is on its way, what has not come yet; on one that is cut off from
//!   its owner, those of one lease; and on one that is
//!   cut off together with an owner that was replaced elsewhere, those made since, for as long as the cut lasts. It never shows what is
//!   not acknowledged, and never less than any caller of the same node and registry has been told before, its own changes included. A
//!   replica that cannot promise that sends the read on to the owner, and so does one that has not heard its owner for a lease: replicas spread
//!   reads, and do not go on without an owner.
//! - **Every side of a partition may serve.** Under `on_partition serve_all` a side without a majority goes on with what it has, once it has declared the others
//!   Down (a few seconds; what was acknowledged just before the cut may be on the other side alone), and none of
//!   the promises about acknowledged changes holds for that registry while a partition lasts: both sides acknowledge, each what it did. When
//!   they meet again, a slot goes on from one of them, and its owner takes in what the other did: an instance that only one side changed is
//!   as that side left it, and one that both changed goes through `#[resource(merge = path)]`, a function of `&mut Self` and `Self`. It may
//!   see the same more than once, so it must be a join: commutative, associative, idempotent (a maximum, a union, counts per node). Without
//!   one the slot's owner keeps its own, and each instance of which another side's state is given up gets a warning
//!   (`two sides of a partition changed an instance`), the slot a line with the counts. Receipts of both sides are kept. A side that loses
//!   its slots twice over before they were taken in keeps four contents for each, and says what it gives up beyond.
//! - **Bodies must not block.** A synchronous body runs where it was called: on its caller's thread, or on the task that reads the caller's
//!   connection. So does an asynchronous one up to its first wait. One that computes for long or waits for a disk holds up that
//!   connection, and on a runtime with few threads the node's heartbeats, until others take it for dead (a second or two). Make it `async` and
//!   hand the work to `tokio::task::spawn_blocking`.
//! - **Panics unwind.** With `panic = "abort"` in its profile a program ends with the first command that panics, on the node that runs it and then
//!   on one more that the call is sent to. Such a node says so when it starts.
//! - **Commands that call their own registry need room.** A command keeps its place to run while it waits for calls of its own; where as many
//!   do so as `concurrency` says, they wait for one another until their deadlines.
//! - **Commands do not nest on one key.** An update that calls an update of its own key waits for itself, and two instances that call
//!   each other may wait for one another; both calls end as `DeadlineExceeded`. A read of one's own key is fine: it
//!   sees the instance as it was before. Calls from a command have the command's deadline.
//! - **An instance keeps its key.** A create that returns another key than it was given, or an update that leaves another one,
//!   ends as `Panicked`, without effect.
//!
//! # Keys of several fields
//!
//! Several `#[key]` fields make a struct, here `AccountKey`. A create takes it as its first parameter; callers hand in a tuple
//! of the fields, or the struct:
//!
//! ```
//! use registry_runtime::{CommandError, Context, Resource, commands, registry};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Serialize, Deserialize, Resource)]
//! struct Account {
//!     #[key]
//!     bank: String,
//!     #[key]
//!     number: u64,
//!     cents: u64,
//! }
//!
//! #[commands]
//! impl Account {
//!     fn open(key: AccountKey) -> Self {
//!         let AccountKey { bank, number } = key;
//!         Self { bank, number, cents: 0 }
//!     }
//!
//!     fn deposit(&mut self, cents: u64) -> u64 {
//!         self.cents += cents;
//!         self.cents
//!     }
//! }
//!
//! registry! {
//!     accounts {
//!         resource Account;
//!         sharding by_attribute(bank); // the accounts of one bank live together
//!     }
//! }
//!
//! # async fn calls(cx: &Context) -> Result<(), Box<dyn std::error::Error>> {
//! let accounts = accounts::client(cx);
//! accounts.open(("DE", 7)).await?;
//! accounts.deposit(AccountKey { bank: "DE".into(), number: 7 }, 100).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What can travel
//!
//! Instances, parameters, replies and errors are `Serialize + DeserializeOwned + Send + 'static`, and go from node to node in a
//! compact format without field names: postcard. Serde attributes that need the names do not work with it: `tag`,
//! `untagged`, `flatten`, `skip_serializing_if`, `skip_serializing`, `skip_deserializing`. Neither do types that take whatever
//! comes, such as `serde_json::Value`: send them as a `String`. A foreign type without serde, such as `std::io::Error`, becomes a
//! `String` or a type of your own.
//!
//! `#[derive(Resource)]` refuses those attributes on the struct itself. All other types are tried when a node that hosts the
//! registry starts: it makes values of them, full and empty ones, sends them there and back, and answers with a [`StartError`] that names
//! command, type and cure. What it cannot see is what is left out for a value other than an empty one, a parameter or a reply that is itself
//! nothing when it is empty (a hand-written `Serialize`; as a field it is seen), and a type that no made-up value satisfies: such a command
//! works where caller and owner are one node, and ends as `Incompatible` or `Unknown` where they are two. With `replicas` above 1 every instance that a command leaves is read again before its replicas are sent it; one that
//! cannot be read, or comes back under another key, is not kept, and the node says why in its log.
//!
//! Nodes compare what they were compiled with. A command whose parameters or reply have other fields there ends as
//! [`Incompatible`](CommandError::Incompatible), and the others work. Two nodes that host one registry and whose resources have other fields refuse each other's connection, and say so, for one
//! would read the other's copies as something else: a release that changes a resource's fields is not rolled out node by node. Give it a new wire name, or stop all nodes that
//! host it. The same goes for two that differ in `sharding`, `failover`, `replicas` or `on_partition` of a registry, or in [`Timing`], for they would not agree on who owns a key, or for how long.
//!
//! # Errors
//!
//! A call ends as `Result<T, CommandError<E>>`, where `E` is the command's own error, or [`Infallible`](std::convert::Infallible)
//! for a command without one. [`CommandError::widen`] takes the latter into a function whose `?` serves both:
//!
//! ```
//! # use registry_runtime::{Call, CommandError, Resource, commands, registry};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Serialize, Deserialize, Resource)]
//! # struct Account {
//! #     #[key]
//! #     number: u64,
//! #     cents: u64,
//! # }
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Short {
//!     missing: u64,
//! }
//!
//! #[commands]
//! impl Account {
//!     fn balance(&self) -> u64 {
//!         self.cents
//!     }
//!
//!     fn withdraw(&mut self, cents: u64) -> Result<u64, Short> {
//!         self.cents = self.cents.checked_sub(cents).ok_or(Short { missing: cents - self.cents })?;
//!         Ok(self.cents)
//!     }
//! }
//! # registry! { accounts { resource Account; } }
//!
//! async fn empty(accounts: &AccountClient, number: u64) -> Result<u64, CommandError<Short>> {
//!     let cents = accounts.balance(number).await.map_err(CommandError::widen)?;
//!     accounts.withdraw(number, cents).await
//! }
//! ```
//!
//! `CommandError<E>` is a `std::error::Error`, and so fits `Box<dyn Error>`, when `E` has `Display`; `Short` above has not yet.
//! Match on what you can act upon, and ask [`executed`](CommandError::executed) for the rest:
//!
//! | error | the command | then |
//! |---|---|---|
//! | `Rejected(E)` | ran, changed nothing | its own matter |
//! | `NotFound`, `AlreadyExists` | was not started | |
//! | `Overloaded { retry_after }` | was not started | call again after that time |
//! | `Unavailable { reason }` | was not started | call again; `reason` says what is missing |
//! | `Incompatible`, `TooLarge`, `Unauthorized` | was not started | calling again is of no use, but for `Incompatible` while nodes are updated one by one. (Nothing asks for rights yet: whoever has an identity may call everything, and `Unauthorized` is kept for later.) |
//! | `DeadlineExceeded { executed }` | was not started (`No`), or may have run or still run (`Maybe`) | after `Maybe`, read before you call again |
//! | `Unknown { reason }` | may have run | read before you call again, or call under an idempotency key |
//! | `ReceiptExpired` | may have run, long ago | read before you call again |
//! | `IdempotencyKeyReused` | was not started | the key belongs to another command on that instance; inside a command that was lost and runs again, the first run made another call in this place |
//! | `Panicked` | panicked; the instance is unchanged | a mistake in the command |
//!
//! `Unknown` means that the command was sent and no answer can come. `ConnectionLost`: the connection to its node broke.
//! `OwnerLost`: that node lost the slot, or stopped, while the command ran. `BadReply`: the reply could not be
//! encoded, or was too large, or with `replicas` above 1 the instance was or could not be read again, and what the command changed was undone; or it came and could not be decoded, and the change stands.
//! After the first two an action that is not marked `#[command(idempotent)]` ends so; every other command is sent again instead.
//! Two are not, both with `replicas 1` and called on the node that owned the slot, where such calls leave no receipt. A synchronous one that ran
//! at once has used up its arguments, of which no copy is kept there; when the slot is lost under it the call ends as
//! `Unknown { reason: OwnerLost }`, and what it changed was discarded. And one whose change was on its way to the next owner, when the slot moved
//! without waiting for it any longer, ends in the same way: the next owner may have the change, and another run could be a second one.
//! And a command with which two nodes were lost, one after the other, is not run a third time, for it may be what they were lost to: a body that
//! ends its process or takes all of its memory. The call asks the next owner for its receipt, and ends as `Unknown { reason: OwnerLost }` where there
//! is none; what leaves no receipt ends so at once.
//! And a call that was sent again and then hears that there is no instance, or that there is one already, ends as `Unknown`, too: its first
//! attempt may have heard otherwise.
//!
//! An action leaves no receipt. One that a command calls is made again where that command is run again, whatever came of it the first time.
//!
//! # When a command is sent again
//!
//! A change is acknowledged when more than half of the slot's replicas have it, its owner included, together with a **receipt**: what its
//! caller was told. An attempt that comes a second time, since the first one's answer was lost with a connection or with its owner, is told the
//! same and has no second effect, whoever owns the slot by then. With `replicas 1` receipts are kept of calls from other nodes. A receipt goes when its caller has heard: a later call from the same node to the same slot says so, or the node itself a few seconds later; otherwise about a minute after
//! the deadline of its call; who comes later than that hears `ReceiptExpired`. That of a call which a command makes lives until about
//! a minute after the deadline of that command, which may be run again and make the call again.
//!
//! A retry of your own is a new command, unless you give it a name:
//!
//! ```
//! # use registry_runtime::{Identity, Node, Resource, commands, registry};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Serialize, Deserialize, Resource)]
//! # #[resource(on_demand)]
//! # struct Account { #[key] id: u64, cents: u64 }
//! # impl From<u64> for Account { fn from(id: u64) -> Self { Self { id, cents: 0 } } }
//! # #[commands]
//! # impl Account { fn pay_in(&mut self, cents: u64) -> u64 { self.cents += cents; self.cents } }
//! # registry! { accounts { resource Account; idempotency_window 10min; } }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let identity = Identity::shared_secret("a long secret");
//! # let node = Node::builder("node-a").identity(identity).host(accounts::registry()).start().await?;
//! let accounts = accounts::client(&node);
//! assert_eq!(accounts.pay_in(7, 100).idempotency_key("checkout-9f3c").await?, 100);
//! assert_eq!(accounts.pay_in(7, 100).idempotency_key("checkout-9f3c").await?, 100, "paid in once");
//! # Ok(())
//! # }
//! ```
//!
//! The name belongs to the instance and is remembered for the registry's `idempotency_window`, whoever calls and whoever owns it.
//!
//! # How long a call waits
//!
//! A call has one deadline: the registry's `timeout` (5 s), or `.timeout(..)` on the call. Within it the call waits for whatever
//! can still come, and is sent again where that cannot do harm. So a slot between two owners costs time, not an error; if the time is over
//! first, the call ends as `Unavailable`, and `reason` says what it waited for, or, when an attempt may have run, as
//! `DeadlineExceeded { executed: Maybe }`.
//!
//! Under `failover wait_for_node(30s)` that includes the wait for a lost owner. Calls with 5 s end as `Unavailable { reason: Reserved }` after
//! 5 s; give those that shall outlast the reservation a longer `.timeout(..)`. Once it is over, `then = reassign` opens the slots
//! elsewhere, and under `then = fail` calls end at once, with `OwnerAway`.
//!
//! # Limits
//!
//! | limit | value | set by | over it |
//! |---|---|---|---|
//! | an encoded command, key and arguments | 4 MiB | fixed | `TooLarge`, not sent |
//! | an encoded reply or error | 4 MiB | fixed | `Unknown { reason: BadReply }`; the change is undone |
//! | an encoded instance, with `replicas` above 1 | 4 MiB, 64 levels of nesting, and readable, also while there is no other node | fixed | `Unknown { reason: BadReply }`; the change is undone |
//! | an encoded instance, with `replicas 1` | the same | fixed | its slot cannot move: it stays where it is, is served, and is tried again a few times a minute; a `leave` waits for it as long as it waits for anything, and goes without it |
//! | nesting of a value | 64 levels | fixed | `Incompatible`; in a reply `Unknown { reason: BadReply }`, and the change is undone |
//! | commands that run at once, for each node and registry | [256](spec::defaults::CONCURRENCY) | `concurrency` | further ones wait |
//! | commands that wait, likewise; at the caller, calls that wait for an owner | [1024](spec::defaults::QUEUE) | `queue` | `Overloaded` |
//! | receipts of calls, for each node and registry | 256 MiB: 128 bytes each, 256 for each caller in each slot, and the replies | fixed | `Overloaded` |
//! | receipts of calls that commands make, likewise | 128 MiB | fixed | `Overloaded` for such calls |
//! | idempotency keys that are remembered, likewise | 128 MiB: 256 bytes each, and the replies | fixed | `Overloaded` for new calls with a key |
//! | travelling parameters of a command | 16 | fixed | refused by the compiler |
//! | members in a node's list, those that are gone included | 1,024 | fixed | a newcomer takes the place of one that left, or that was down for longer than `forget_after` (30 s to 15 min, by [`Timing`]); without one it is not taken in |
//! | slots of all registries that a node knows and does not host | 1,048,576 | fixed | further registries cannot be called from there |
//!
//! Where caller and owner are one node, nothing is sent, and the size of arguments does not count (those of a change under `replicas` above 1, and
//! of a command that is asynchronous or waits, are encoded beforehand even so, in case it has to go elsewhere); nor does that of a reply to a read or an
//! action, nor any with `replicas 1`. So keep to the sizes in tests with one node, too. (A command with an idempotency key, and one that another
//! command calls, is compared with its repetition and its reply is kept for that: there the sizes count everywhere.)
//!
//! # When a node is ready
//!
//! [`start`](NodeBuilder::start) returns before the node has found the others. Give every node the same [`join`](NodeBuilder::join) list, with
//! its own address in it: more than half of the list must be up before a new cluster serves, so that two halves never found
//! two clusters. A node without a list is a cluster by itself, and founds it anew at every start, above what those have who joined it before: use
//! that for trying out. For the same reason do not let more than half of a list restart where it cannot see the rest, and let lists go on naming
//! nodes that there are: a registry that is added later needs more than half of them, too.
//!
//! Await [`wait_for_members(n)`](Node::wait_for_members) with the number that you expect: the node counts itself, so `1` is true
//! at once and says nothing. [`require_join`](NodeBuilder::require_join) makes `start` itself wait for somebody, or fail. Or just
//! call: a call waits within its deadline.
//!
//! # Running a cluster
//!
//! A node needs an id that no other live process has and that stays the same across restarts (a host's or a pod's name), one UDP port that every
//! other node can reach, clients included, the list, and the secret:
//!
//! ```no_run
//! # use registry_runtime::{Identity, Node, Resource, commands, registry};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Serialize, Deserialize, Resource)]
//! # #[resource(on_demand)]
//! # struct Counter { #[key] name: String, count: u64 }
//! # impl From<String> for Counter { fn from(name: String) -> Self { Self { name, count: 0 } } }
//! # #[commands]
//! # impl Counter { pub fn add(&mut self) -> u64 { self.count += 1; self.count } }
//! # registry! { counters { resource Counter; } }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder(std::env::var("NODE_ID")?)
//!     .listen("0.0.0.0:7400".parse()?)
//!     .join(["orders-0:7400", "orders-1:7400", "orders-2:7400"])
//!     .identity(Identity::shared_secret(std::env::var("CLUSTER_SECRET")?))
//!     .host(counters::registry())
//!     .start()
//!     .await?;
//!
//! // Until the process is asked to end (with tokio's feature `signal`: SIGTERM), or the node cannot go on.
//! let asked_to_end = std::future::pending::<()>();
//! tokio::select! {
//!     () = asked_to_end => node.leave().await?,
//!     stopped = node.stopped() => return Err(stopped.to_string().into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - **How many.** Three or more, so that one may be lost: of two, only the one with the smaller id goes on alone. For the same reason an odd
//!   number of `replicas` is better than the even one above it: two stop at the loss of either.
//! - **Stopping.** [`leave`](Node::leave) hands everything over without an error to anybody, then stops. It takes a second or two as a rule and
//!   40 leases at most (24 s with [`Timing::fast`], 48 s with `balanced`, 200 s with `wide_area`); give the process that long before it is
//!   killed. A killed process costs its keys the time of a failover, and nothing that was acknowledged. To stop a whole cluster, with all that
//!   it keeps, use [`shutdown`](Node::shutdown): `leave` fails where nobody is left to take over
//!   (of a node that was always alone it does not).
//! - **Updating.** Restart one node at a time: `leave`, start, and the next when all are members again. `leave` hands over only to nodes that
//!   have everything, so nothing depends on how long you wait. With nodes that are killed instead, wait for the repairs between them: with
//!   two of three replicas lost at once, what they kept is gone. Releases of your program work side by side as long as commands and
//!   resources keep their shapes; what differs is refused by name. Nodes with different releases of this library may refuse each other: the
//!   error names the version of the protocol. Never go on one by one with nodes that the others refuse: the last of the old ones takes with it what
//!   there was. Its `leave` fails then. While they find it by their lists, the new ones begin no cluster of their own (`WARN` says so); without it they
//!   do, at its address at once, elsewhere when it has been silent for `forget_after`.
//! - **What there is no way for.** Instances cannot be listed, counted or exported, and a resource with other fields begins empty under a new
//!   wire name: what must outlast such a change is written elsewhere by your commands.
//! - **Addresses.** Others dial a node at the address that it listens on; where that is `0.0.0.0`, at the one that its packets come from, with the
//!   port that it listens on. A mapped port or an address translation in front of a node does not work.
//! - **Certificates and secrets** are read when a node starts. A connection ends when the peer's certificate does, so restart a node with a new
//!   one before; both may be in use side by side under one authority. A changed shared secret is another authority: all nodes take it at once.
//! - **Watching.** Alert on `event = "possible_loss"`, on `sees too few members and serves nothing`, and on a node's
//!   [`stopped`](Node::stopped). `WARN` with `member` says who is down; a `WARN` about a refused peer names the setting that differs.
//!   [`Node::members`] is the view of one node. Counts stand in the events (`total`); there are no other metrics.
//! - **Most hosts lost.** A node that sees fewer than half of the hosts it knows, or exactly half without the smallest id, serves no keys after half of
//!   `forget_after`, whatever a registry's `replicas`, unless it says `serve_all`; actions still run. Start the lost ones again under their ids: when more than half are up, slots open with what
//!   there is, and `possible_loss` says where that may not be all.
//! - **Clocks** may be wrong, and jump: leases are measured with clocks that only go forward. But a node whose clock is ahead by more than a
//!   year at its start is refused, for epochs begin there.
//! - **A split that lasts.** Members that have been down for `forget_after` (30 s to 15 min, by [`Timing`]) are given up by who sees more than half of
//!   the hosts it knows. Hosts that are started on the small side of a split count there, and may make it the larger one: let nothing
//!   start replacements on a side that cannot see the other.
//!
//! # What is recorded
//!
//! Everything goes through [`tracing`](https://docs.rs/tracing), under targets that begin with `registry_runtime`; no payload or secret is ever recorded, and no key but in one event: that of an instance of which a side of a partition is given up (`serve_all` without `merge`). `WARN` is for
//! what a person should look at (a refusal, a slot that may have lost something: `event = "possible_loss"`), `INFO` for members and slots that change hands, `DEBUG` for the rest.
//!
//! Each attempt at a command has a span of the target `registry_runtime::command` (`DEBUG`) around all that its body does, with the fields `registry`, `command`, `slot`, `node`,
//! `caller`, `id` (the same in every attempt), `attempt` and `trace`. A command that another one calls inherits its `trace` on whichever node it runs: it is the `id` of the command at
//! the beginning, so one filter finds all that a call has set in motion.
//!
//! # Debug builds
//!
//! Without optimisation, cryptography, codecs and this library are ten times and more as slow: a test cluster of three nodes may then take half a
//! minute to start, and another to settle after a failure, which is as long as tests wait. Let Cargo optimise what you depend on, and nothing
//! of your own; the first level has most of the speed:
//!
//! ```toml
//! [profile.dev.package."*"]
//! opt-level = 1
//! ```
//!
//! Fewer slots help, too: `sharding consistent_hashing(slots = 256)` is plenty for a test.
//!
//! What is promised and what is not stands in `README.md` of the repository, how ownership moves in `ARCHITECTURE.md`.

#![forbid(unsafe_code)]

// Generated code names the crate from outside; this lets it do so in here too.
extern crate self as registry_runtime;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod client;
mod codec;
mod engine;
mod exec;
pub mod id;
mod message;
mod node;
mod policy;
pub mod resource;
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "only `testing` shows them"))]
mod rules;
pub mod spec;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
mod transport;
mod wire;

pub use client::{Call, Caller, RegistryHandle, Route};
pub use exec::Hosted;
pub use id::{CommandId, Epoch, Incarnation, InvalidNodeId, NodeId, Slot};
pub use node::{LeaveError, Member, MemberState, Node, NodeBuilder, StartError, Stopped, WaitError};
pub use registry_macros::{Resource, commands, registry};
pub use resource::{CommandError, Commands, Context, Executed, IntoKey, Reason, Resource};
pub use time::Timing;
pub use transport::{Identity, IdentityError, PemPart};

/// The one hidden door for generated code.
#[doc(hidden)]
pub mod __private {
    pub use crate::client::{Call, Caller, Client, RegistryHandle, Typed};
    pub use crate::exec::Hosted;
    pub use crate::resource::{
        Boxed, ClientOf, Command, Commands, Context, CreateKey, Defines, Definition, ErrorCodec, IntoKey, Invocation,
        IsResource, OnlyOneCommandsBlock, Probe, Resource, ResultLike, Run, Stays, Travel, Travelling, Unprobed,
        Visitor, Whole, stable_hash,
    };
    pub use crate::spec::{Failover, LoadBalancing, OnPartition, Reads, Sharding, Spec, Then, defaults};
    pub use serde;

    /// Implemented by a registry's marker type, so that `registry()` need not name the resource, which may be private.
    pub trait Hosts {
        /// What a node hosts.
        fn hosted() -> Hosted;
    }

    /// Makes what a node hosts.
    pub fn hosted<R: Commands>(definition: &'static Definition<R>) -> Hosted {
        Hosted::of(definition)
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
