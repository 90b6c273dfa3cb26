//! A cluster of real nodes over real QUIC on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::seats::Seats;
use super::settled::unsettled;
use crate::exec::Hosted;
use crate::id::NodeId;
use crate::node::{LeaveError, Node, NodeBuilder, StartError};
use crate::resource::States;
use crate::time::Timing;
use crate::transport::{self, Identity, Seeds, Socket};

/// How long [`Cluster::settled`] waits: longer than any failover of `Timing::fast()`, shorter than a person's patience.
const SETTLE: Duration = Duration::from_secs(30);

/// How often a condition is looked at: a fraction of the shortest heartbeat.
const LOOK: Duration = Duration::from_millis(10);

/// How long a restarting node waits for its former life's port.
const REBIND: Duration = Duration::from_secs(5);

/// A cluster of real nodes over real QUIC on loopback, with `Timing::fast()` unless told otherwise.
///
/// Nodes are named `node-0`, `node-1` and so on, and counted from 0. Dropping the cluster shuts its nodes down.
#[derive(Debug)]
pub struct Cluster {
    recipe: Recipe,
    join: Vec<SocketAddr>,
    seats: Mutex<Seats>,
}

/// What every node of the cluster is made from.
#[derive(Debug)]
struct Recipe {
    name: String,
    hosted: Vec<Hosted>,
    states: States,
    timing: Timing,
    identity: Identity,
}

/// Sets up a [`Cluster`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `start` is awaited"]
pub struct ClusterBuilder {
    nodes: usize,
    recipe: Recipe,
}

impl ClusterBuilder {
    /// How many nodes. Default: 3.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Hosts a registry on every node.
    pub fn host(mut self, registry: Hosted) -> Self {
        self.recipe.hosted.push(registry);
        self
    }

    /// Hands a value to the commands of every node; the nodes share it.
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.recipe.states.insert(state);
        self
    }

    /// How soon silent nodes are declared Down. Default: [`Timing::fast`].
    pub fn timing(mut self, timing: Timing) -> Self {
        self.recipe.timing = timing;
        self
    }

    /// Starts the nodes and returns when the cluster has settled.
    ///
    /// # Errors
    ///
    /// Whatever keeps a node from starting.
    ///
    /// # Panics
    ///
    /// When the cluster does not settle within 30 s.
    pub async fn start(self) -> Result<Cluster, StartError> {
        let sockets = (0..self.nodes).map(|_| bind(loopback())).collect::<Result<Vec<_>, _>>()?;
        let join = sockets.iter().map(|(_, address)| *address).collect();
        let cluster = Cluster { recipe: self.recipe, join, seats: Mutex::default() };
        let places: Vec<_> = sockets.iter().map(|(_, address)| cluster.seats().reserve(*address)).collect();
        for (index, (socket, address)) in places.into_iter().zip(sockets) {
            cluster.launch(index, socket, address).await?;
        }
        cluster.settled().await;
        Ok(cluster)
    }
}

impl Cluster {
    /// Begins to set up a cluster of three nodes.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            nodes: 3,
            recipe: Recipe {
                name: own_name(),
                hosted: Vec::new(),
                states: States::default(),
                timing: Timing::fast(),
                identity: Identity::shared_secret("a cluster in one process"),
            },
        }
    }

    /// A handle to a node, in its latest life.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    pub fn node(&self, index: usize) -> Node {
        self.seats().node(index)
    }

    /// The place of the node with this name.
    ///
    /// # Panics
    ///
    /// When no node has this name.
    pub fn index_of(&self, id: &NodeId) -> usize {
        let found = self.seats().index_of(id);
        match found {
            Some(index) => index,
            None => panic!("no node of this cluster is called `{id}`"),
        }
    }

    /// How many nodes there are or were: also those that were killed or have left keep their place.
    pub fn len(&self) -> usize {
        self.seats().len()
    }

    /// Whether the cluster has no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends a node without a word to the others, as `kill -9` would. Clients of it end their calls as `Unavailable`, for good: get new ones
    /// from the [node](Self::node) that is [restarted](Self::restart). [`Node::shutdown`] and [`Node::leave`] are the orderly ways.
    pub async fn kill(&self, index: usize) {
        let node = self.seats().ends(index);
        self.seats().cut_off(index);
        node.shutdown().await;
    }

    /// Starts a node again that was killed or has left: same name, same address, new incarnation. A [partition](Self::partition) holds for it as
    /// before.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub async fn restart(&self, index: usize) -> Result<(), StartError> {
        let former = self.seats().ends(index);
        former.shutdown().await;
        let address = self.seats().address(index);
        let socket = rebind(address).await?;
        self.launch(index, socket, address).await
    }

    /// Has a node leave: it hands everything over and stops.
    ///
    /// # Errors
    ///
    /// When not everything could be handed over.
    pub async fn leave(&self, index: usize) -> Result<(), LeaveError> {
        let node = self.seats().ends(index);
        node.leave().await
    }

    /// Starts one more node and tells its place.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn add(&self) -> usize {
        let (socket, address) = bind(loopback()).unwrap_or_else(|error| panic!("a node has no socket: {error}"));
        let index = self.seats().reserve(address);
        let started = self.launch(index, socket, address).await;
        started.unwrap_or_else(|error| panic!("node {index} does not start: {error}"));
        index
    }

    /// Drops every packet between nodes that share no group, in both directions; a node in no group is cut off from all
    /// others, also one that starts later. Groups may overlap: `&[&[0, 1], &[1, 2]]` cuts only 0 from 2. A former partition is replaced.
    pub async fn partition(&self, groups: &[&[usize]]) {
        self.seats().part(Some(groups));
    }

    /// Lets all packets pass again.
    pub async fn heal(&self) {
        self.seats().part(None);
    }

    /// Waits until all live nodes hold the same view and every slot has an open owner, and all its replicas, where the plan wants them. That
    /// cannot be while a [partition](Self::partition) lasts.
    ///
    /// # Panics
    ///
    /// After 30 s, saying what was missing. Where nothing is optimised that may be too short: see [debug builds](crate#debug-builds).
    pub async fn settled(&self) {
        let until = Instant::now() + SETTLE;
        while let Some(missing) = self.unsettled() {
            assert!(Instant::now() < until, "the cluster did not settle within {SETTLE:?}: {missing}");
            sleep(LOOK).await;
        }
    }

    /// What keeps the cluster from being settled.
    fn unsettled(&self) -> Option<String> {
        let live = self.seats().live();
        unsettled(&live)
    }

    async fn launch(&self, index: usize, socket: UdpSocket, address: SocketAddr) -> Result<(), StartError> {
        let gate = self.seats().begin(index);
        let socket = Socket::new(socket, gate).map_err(|source| StartError::Listen { address, source })?;
        let mut builder: NodeBuilder = Node::builder(format!("node-{index}"))
            .cluster(self.recipe.name.clone())
            .join(&self.join)
            .identity(self.recipe.identity.clone())
            .timing(self.recipe.timing)
            .states(self.recipe.states.clone())
            .socket(socket);
        for hosted in &self.recipe.hosted {
            builder = builder.host(*hosted);
        }
        let node = builder.start().await?;
        self.seats().started(index, node);
        Ok(())
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // A test that has panicked may still want to look.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn bind(address: SocketAddr) -> Result<(UdpSocket, SocketAddr), StartError> {
    let socket = transport::bind(address).and_then(|socket| {
        let address = socket.local_addr()?;
        Ok((socket, address))
    });
    socket.map_err(|source| StartError::Listen { address, source })
}

/// Binds a port that a stopping node may hold for another moment.
async fn rebind(address: SocketAddr) -> Result<UdpSocket, StartError> {
    let until = Instant::now() + REBIND;
    loop {
        match bind(address) {
            Ok((socket, _)) => return Ok(socket),
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// A name that no other cluster has: the address of a node that was killed may be another cluster's soon, and its fellows go on dialling it.
fn own_name() -> String {
    let random = Seeds::from_system().map_or(0, |mut seeds| seeds.number());
    format!("testing {} {random:x}", std::process::id())
}
