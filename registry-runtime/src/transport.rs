//! Connections between nodes: QUIC with certificates from both sides, lanes for commands, channels for everything else.
//!
//! Begin with [`Transport`]. Knows nothing of resources, owners or views: it carries bytes between nodes whose names
//! it has verified.

mod bounds;
mod certificate;
mod channel;
mod core;
mod counters;
mod end;
mod endpoint;
mod event;
mod gate;
mod handler;
mod handshake;
mod identity;
#[cfg(unix)]
mod kernel;
mod lane;
mod link;
mod peer;
mod places;
mod roster;
mod seeds;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod window;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub(crate) use self::channel::Channel;
use self::core::Core;
pub(crate) use self::counters::Counts;
pub(crate) use self::end::{HandshakeError, Reason};
use self::endpoint::Endpoint;
pub(crate) use self::event::Event;
pub(crate) use self::gate::Gate;
pub(crate) use self::handler::{Handler, Part, Received};
pub use self::identity::{Identity, IdentityError, PemPart};
pub(crate) use self::lane::{LinkError, Pending, Replier, Reply, ReplySlot, Ticket};
pub(crate) use self::link::Link;
pub(crate) use self::peer::PeerInfo;
pub(crate) use self::seeds::Seeds;
#[cfg(test)]
pub(crate) use self::socket::Breaker;
pub(crate) use self::socket::{Socket, bind};
use self::tls::Tls;
use crate::id::NodeId;
use crate::telemetry;
use crate::wire::hello::Hello;

/// How long a shutdown waits for peers to be told: a few round trips on a slow path. Connections that were given up while young
/// linger for seconds, and nobody has to hear of them.
const SHUTDOWN_TIME: Duration = Duration::from_millis(500);

/// What a transport needs to begin.
pub(crate) struct Setup {
    /// Who the node is.
    pub(crate) identity: Identity,
    /// What it says of itself. The port of its address is filled in when it is zero.
    pub(crate) hello: Hello,
    /// Where it sends and receives.
    pub(crate) socket: Socket,
    /// Where its randomness comes from.
    pub(crate) seeds: Seeds,
    /// Who takes its peers' requests.
    pub(crate) handler: Arc<dyn Handler>,
    /// What drives QUIC: `quinn::TokioRuntime`, in simulations too.
    pub(crate) runtime: Arc<dyn Runtime>,
}

/// A node's connections to all others.
///
/// Its tasks run on the runtime that it was started on. Dropping it is like [`shutdown`](Self::shutdown) without waiting.
pub(crate) struct Transport {
    core: Arc<Core>,
    address: SocketAddr,
}

/// Why a transport cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The socket cannot be used.
    #[error("the socket cannot be used: {0}")]
    Socket(#[from] io::Error),
}

impl Transport {
    /// Begins to listen; must be called within a tokio runtime. Deriving a shared secret for the first time takes up to a tenth of
    /// a second.
    pub(crate) fn start(setup: Setup) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        let Setup { identity, mut hello, socket, mut seeds, handler, runtime } = setup;
        let credentials = identity.credentials(&hello.node, &mut seeds)?;
        let tls = Tls::new(credentials, seeds.crypto())?;
        let endpoint = Endpoint::new(socket, tls, &mut seeds, runtime)?;
        let address = endpoint.local_addr()?;
        if hello.address.port() == 0 {
            hello.address.set_port(address.port());
        }
        let (events, receiver) = mpsc::channel(bounds::EVENTS_MAX);
        let core = Arc::new(Core::new(endpoint, hello, handler, events));
        core.tasks.spawn(core.clone().accept());
        Ok((Self { core, address }, receiver))
    }

    /// Where the transport listens.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Dials an address. With an expected node, only a certificate of that name will do.
    ///
    /// Gives the connection when both sides have welcomed each other; the `Connected` event is then on its way.
    /// It dials even when the node is connected already; the new connection then takes the place of the old one.
    /// `Refused(Duplicate)` from either side means that the pair has another connection, or is just making one.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        expected: Option<NodeId>,
        limit: Duration,
    ) -> Result<Link, HandshakeError> {
        // On the transport's own runtime, whoever calls: quinn drives a connection where it was begun.
        let (answer, dialled) = oneshot::channel();
        let core = self.core.clone();
        self.core.tasks.spawn(async move {
            let _ = answer.send(core.dial(address, expected, limit).await);
        });
        dialled.await.unwrap_or(Err(HandshakeError::ShuttingDown))
    }

    /// Ends the connection to a node, if there is one.
    pub(crate) fn hangup(&self, node: &NodeId) {
        if let Some(link) = self.core.roster.link(node) {
            link.end(Reason::Hangup);
        }
    }

    /// The same with one that has said goodbye: what it has answered before may still be on its way, overtaken by that word.
    pub(crate) fn take_leave(&self, node: &NodeId) {
        match self.core.roster.link(node) {
            Some(link) if link.waiting() > 0 => self.core.take_leave(link),
            Some(link) => link.end(Reason::Hangup),
            None => {}
        }
    }

    /// The connection to a node.
    pub(crate) fn link(&self, node: &NodeId) -> Option<Link> {
        self.core.roster.link(node)
    }

    /// Every connection, in the order of the nodes' names.
    #[cfg(test)]
    pub(crate) fn links(&self) -> Vec<Link> {
        self.core.roster.links()
    }

    /// From now on tells those whom it refuses that it knows owners of slots.
    pub(crate) fn tell_that_it_stands(&self) {
        self.core.tell_that_it_stands();
    }

    /// Changes what the node says of itself on connections to come.
    #[cfg(test)]
    pub(crate) fn set_hello(&self, change: impl FnOnce(&mut Hello)) {
        let mut hello = (*self.core.hello()).clone();
        change(&mut hello);
        self.core.set_hello(hello);
    }

    /// What has happened so far, in numbers.
    pub(crate) fn counts(&self) -> Counts {
        self.core.counters.read()
    }

    /// Ends every connection, tells the peers, and stops listening.
    pub(crate) async fn shutdown(&self) {
        self.core.close();
        let _ = timeout(SHUTDOWN_TIME, self.core.endpoint.wait_idle()).await;
        let _ = timeout(SHUTDOWN_TIME, self.core.endpoint.let_go()).await;
        telemetry::connections(&self.core.hello().node, &self.counts());
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.core.close();
    }
}
