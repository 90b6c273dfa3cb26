//! A node: one process's part in the cluster. Builder, the one driver loop, peers, inbound dispatch, shutdown.

mod acquaintance;
mod builder;
mod differences;
mod driver;
mod error;
mod every;
mod fillers;
#[cfg(test)]
mod founding;
mod inbound;
mod join;
mod launch;
mod letter;
mod line;
mod load;
#[cfg(feature = "testing")]
mod machine;
mod member;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod notes;
mod offers;
mod peers;
mod publish;
mod records;
mod salvages;
mod status;
mod supervisor;
mod twin;
#[cfg(test)]
mod unreadable;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use builder::NodeBuilder;
pub use error::{LeaveError, StartError, Stopped, WaitError};
#[cfg(feature = "testing")]
pub use machine::Machine;
pub use member::{Member, MemberState};

pub(crate) use status::Status;

use crate::client::{Caller, Port, Sealed, Way};
use crate::id::{Incarnation, NodeId};

/// How long [`Node::wait_for_members`] waits at most: longer than a start over a wide area takes, shorter than a person's
/// patience.
const WAIT_FOR_MEMBERS: Duration = Duration::from_secs(30);

/// A handle to a node of the cluster: one process, or one of several in a test.
///
/// A cheap clone; dropping the last handle shuts the node down in the background. Clients do not keep a node alive.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    id: NodeId,
    local_addr: SocketAddr,
    port: Arc<Port>,
    status: watch::Receiver<Arc<Status>>,
    orders: mpsc::UnboundedSender<Order>,
}

/// What a handle asks of its node. The outcome is read in the node's status, by however many asked. A caller sends one order
/// and waits until the node has stopped, so the queue is as long as there are callers.
enum Order {
    /// Hand everything over, then stop.
    Leave,
    /// Stop.
    Shutdown,
    /// Panic.
    #[cfg(test)]
    Fail,
    /// Take this for what a lookup has brought.
    #[cfg(test)]
    Resolve(join::Resolved),
}

impl Node {
    /// Begins to set up a node with this id: 1 to 63 ASCII letters, digits, `-` or `_`, unlike that of every other live node.
    pub fn builder(id: impl Into<String>) -> NodeBuilder {
        NodeBuilder::new(id.into())
    }

    /// The node's name.
    pub fn id(&self) -> &NodeId {
        &self.inner.id
    }

    /// Which of the node's lives this is. Rises when the node finds itself declared Down.
    pub fn incarnation(&self) -> Incarnation {
        self.inner.status.borrow().incarnation
    }

    /// The address that the node listens on, with the port that it was given.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr
    }

    /// Everybody that this node knows of, itself included, in the order of their names. Members that are Down stay in the
    /// list until they are forgotten.
    pub fn members(&self) -> Vec<Member> {
        self.inner.status.borrow().members.clone()
    }

    /// Waits until that many members are up, this node included; 30 s at most.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] says who was seen.
    pub async fn wait_for_members(&self, count: usize) -> Result<(), WaitError> {
        self.wait_for_members_within(count, WAIT_FOR_MEMBERS).await
    }

    /// Waits until that many members are up, this node included, for as long as `patience`.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] says who was seen.
    pub async fn wait_for_members_within(&self, count: usize, patience: Duration) -> Result<(), WaitError> {
        let mut status = self.inner.status.clone();
        let is_over = |now: &Arc<Status>| now.stopped.is_some() || now.up().count() >= count;
        if let Ok(Ok(now)) = timeout(patience, status.wait_for(is_over)).await {
            return now.stopped.clone().map_or(Ok(()), |stopped| Err(WaitError::Stopped(stopped)));
        }
        let seen = self.inner.status.borrow().up().cloned().collect();
        Err(WaitError::TimedOut { wanted: count, seen })
    }

    /// Drains, hands everything over, then stops. Once all slots are handed over, commands that still run here, and calls from here that are
    /// under way, have five seconds to end, and new calls from here end as `Unavailable { reason: ShuttingDown }`. Who asks while the node is leaving
    /// already hears of the same outcome.
    ///
    /// # Errors
    ///
    /// When not everything could be handed over in time, or nobody was left to take it; the node has stopped all the same.
    pub async fn leave(&self) -> Result<(), LeaveError> {
        if let Some(stopped) = self.inner.status.borrow().stopped.clone() {
            return Err(LeaveError::Stopped(stopped));
        }
        // Who has stopped meanwhile does not listen, and its status says why.
        let _ = self.inner.orders.send(Order::Leave);
        match self.stopped().await {
            Stopped::Left => self.inner.status.borrow().left_behind.clone().map_or(Ok(()), Err),
            stopped => Err(LeaveError::Stopped(stopped)),
        }
    }

    /// Stops without handing over. The others see the connections close.
    pub async fn shutdown(&self) {
        // Whoever does not listen has stopped already.
        let _ = self.inner.orders.send(Order::Shutdown);
        self.stopped().await;
    }

    /// Waits until the node has stopped, whatever the cause, and tells it.
    pub async fn stopped(&self) -> Stopped {
        let mut status = self.inner.status.clone();
        match status.wait_for(|status| status.stopped.is_some()).await {
            Ok(status) => status.stopped.clone().unwrap_or(Stopped::Shutdown),
            Err(_) => Stopped::Shutdown,
        }
    }

    /// What the node last published about itself.
    #[cfg(feature = "testing")]
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.inner.status.borrow())
    }
}

impl Sealed for Node {}

impl Caller for Node {
    fn way(&self) -> Way {
        Way::of_node(&self.inner.port)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.inner.id)
            .field("local_addr", &self.inner.local_addr)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last handle is gone; who has stopped already does not listen.
        let _ = self.orders.send(Order::Shutdown);
    }
}
