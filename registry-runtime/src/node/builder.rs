//! How a node is set up. Bad values are refused at `start`, all before anything runs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::error::StartError;
#[cfg(feature = "testing")]
use super::machine::Machine;
use super::{Node, launch};
use crate::engine::membership::Profile;
use crate::exec::Hosted;
use crate::id::{NAME_BYTES_MAX, NodeId};
use crate::resource::States;
use crate::rules::Rules;
use crate::time::Timing;
#[cfg(feature = "testing")]
use crate::transport::Gate;
use crate::transport::{Identity, Seeds, Socket};

/// The most entries of a join list: it is dialled as a whole while nobody is found.
const JOIN_ENTRIES_MAX: usize = 64;

/// The most registries that one node hosts: each is a table of slots on every node of the cluster. Peers take no longer
/// profile than this.
const REGISTRIES_MAX: usize = Profile::HOSTED_MAX;

/// Sets up a node; made by [`Node::builder`].
#[must_use = "a builder does nothing until `start` is awaited"]
pub struct NodeBuilder {
    pub(super) id: String,
    pub(super) listen: SocketAddr,
    pub(super) join: Vec<String>,
    pub(super) require_join: Option<Duration>,
    pub(super) identity: Option<Identity>,
    pub(super) hosted: Vec<Hosted>,
    pub(super) states: States,
    pub(super) timing: Timing,
    pub(super) cluster: String,
    pub(super) client_only: bool,
    /// The socket, instead of a bound one.
    pub(super) socket: Option<Socket>,
    /// Where randomness comes from, instead of the operating system.
    pub(super) seeds: Option<Seeds>,
    /// The wall clock at the start, instead of the machine's; then it also never sleeps.
    pub(super) born_ms: Option<u64>,
    /// Which rules it keeps: all of them, but in tests.
    pub(super) rules: Rules,
}

impl NodeBuilder {
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            join: Vec::new(),
            require_join: None,
            identity: None,
            hosted: Vec::new(),
            states: States::default(),
            timing: Timing::default(),
            cluster: "registry".to_owned(),
            client_only: false,
            socket: None,
            seeds: None,
            born_ms: None,
            rules: Rules::ALL,
        }
    }

    /// The UDP address to listen on. Default: a free port of 127.0.0.1, for trying out on one machine.
    ///
    /// Others dial the node there; where it listens on all addresses, at the one that its packets come from.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Where to find the cluster: addresses or host names with a port, the same list on every node, own address included, at
    /// most 64 entries.
    ///
    /// More than half of the list must be up to found the cluster; after that the list only serves to find somebody. Without
    /// one the node founds a cluster of its own at every start. Entries that do not resolve or answer are tried again and
    /// again, with back-off.
    ///
    /// Each entry is to stand for one node, so that a node alone never takes itself for the whole list. A name that stands for several
    /// nodes (a headless service) serves to find them, but counts for none where a cluster is founded; one with several addresses of a
    /// single node counts when the node was found behind all of those that can be dialled from here. An address behind which now one
    /// node answers and now another (a load balancer) does not belong in the list.
    pub fn join<I>(mut self, addresses: I) -> Self
    where
        I: IntoIterator,
        I::Item: ToString,
    {
        self.join.extend(addresses.into_iter().map(|address| address.to_string()));
        self
    }

    /// Makes `start` wait until somebody of the join list has answered, and fail when nobody does within `patience`.
    /// Default: `start` returns at once and the node goes on trying.
    pub fn require_join(mut self, patience: Duration) -> Self {
        self.require_join = Some(patience);
        self
    }

    /// Who this node is to the others. Required: there is no plaintext mode.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Hosts a registry: its slots may be owned here. At most 128, with different wire names.
    pub fn host(mut self, registry: Hosted) -> Self {
        self.hosted.push(registry);
        self
    }

    /// Hands a value to the commands that run here (`cx.state::<T>()`), one for each type.
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(state);
        self
    }

    /// How soon silent nodes are declared Down. Default: [`Timing::balanced`]. All nodes use the same one: two that host one registry and
    /// count on different times refuse each other.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The cluster's name, 1 to 128 bytes; clusters with other names refuse each other. Default: `registry`.
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = name.into();
        self
    }

    /// Joins to call only: hosts and owns nothing, whatever `host` was given.
    pub fn client_only(mut self) -> Self {
        self.client_only = true;
        self
    }

    #[cfg(feature = "testing")]
    pub(crate) fn states(mut self, states: States) -> Self {
        self.states = states;
        self
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn socket(mut self, socket: Socket) -> Self {
        self.socket = Some(socket);
        self
    }

    /// Runs the node on a simulated machine: everything that would differ from run to run comes from it.
    #[cfg(feature = "testing")]
    pub fn machine(mut self, machine: Machine) -> Self {
        let Machine { socket, seed, born_ms, rules } = machine;
        self.socket = Some(Socket::over(socket, Gate::default()));
        self.seeds = Some(Seeds::repeatable(seed));
        self.born_ms = Some(born_ms);
        self.rules = rules;
        self
    }

    /// Binds the socket, starts the node's tasks on the current tokio runtime and returns the handle. The cluster is looked
    /// for in the background: see [`Node::wait_for_members`].
    ///
    /// # Errors
    ///
    /// A bad setting, a missing or useless identity, a taken port; with [`require_join`](Self::require_join) also that nobody
    /// answered.
    pub async fn start(self) -> Result<Node, StartError> {
        let id = self.check()?;
        launch::launch(self, id).await
    }

    fn check(&self) -> Result<NodeId, StartError> {
        let id = NodeId::new(&self.id)?;
        if self.cluster.is_empty() || self.cluster.len() > NAME_BYTES_MAX {
            return Err(StartError::Setting(format!("a cluster's name has 1 to {NAME_BYTES_MAX} bytes")));
        }
        if self.join.len() > JOIN_ENTRIES_MAX {
            return Err(StartError::Setting(format!("a join list has at most {JOIN_ENTRIES_MAX} entries")));
        }
        if let Some(entry) = self.join.iter().find(|entry| !names_a_port(entry)) {
            return Err(StartError::Setting(format!("the join entry `{entry}` has no port: write `host:port`")));
        }
        if self.require_join.is_some() && self.join.is_empty() {
            return Err(StartError::Setting(
                "`require_join` without a join list: there is nobody to wait for".to_owned(),
            ));
        }
        if self.hosted.len() > REGISTRIES_MAX {
            return Err(StartError::Setting(format!("a node hosts at most {REGISTRIES_MAX} registries")));
        }
        let mut names = BTreeMap::new();
        for hosted in &self.hosted {
            if names.insert(hosted.spec().name, ()).is_some() {
                return Err(StartError::DuplicateRegistry(hosted.spec().name));
            }
            let misfits = hosted.misfits();
            if !misfits.is_empty() {
                let (name, misfits) = (hosted.spec().name, misfits.join("\n"));
                return Err(StartError::Setting(format!("the registry `{name}` cannot be hosted:\n{misfits}")));
            }
        }
        if self.identity.is_none() {
            return Err(StartError::MissingIdentity);
        }
        Ok(id)
    }
}

/// Whether an entry of a join list has the form `host:port`, as every lookup needs it.
fn names_a_port(entry: &str) -> bool {
    entry.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl std::fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("id", &self.id)
            .field("listen", &self.listen)
            .field("join", &self.join)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}
