//! What is left to do when a node's driver itself fails.

use std::any::Any;
use std::sync::{Arc, Weak};

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::error::Stopped;
use super::status::Status;
use crate::client::Port;
use crate::telemetry;
use crate::transport::Transport;

/// Ends a node whose driver has failed, which is a fault of this library.
///
/// Nobody else would: leases run for ever in a set of one, callers wait for tables that nobody publishes, and peers get
/// answers from slots that nobody may close. A driver is not started anew, since what its engine has promised to others is
/// lost with it; for the cluster the node is one that crashed.
pub(super) struct Supervisor {
    pub(super) port: Arc<Port>,
    /// Not kept alive, so that the socket of a node that has stopped is free.
    pub(super) transport: Weak<Transport>,
    pub(super) status: watch::Sender<Arc<Status>>,
    /// Whether the driver has ended.
    pub(super) is_over: bool,
}

/// What is said where the driver did not fail.
const RUNTIME_ENDED: &str = "its runtime was shut down";

impl Supervisor {
    /// Waits for the driver's end, and tidies up unless the driver has done so.
    #[must_use = "nobody watches unless this is run"]
    pub(super) async fn watch(mut self, driver: JoinHandle<()>) {
        let Err(failure) = driver.await else { return self.is_over = true };
        let what = describe(failure);
        self.close();
        if let Some(transport) = self.transport.upgrade() {
            // Contained, for the program's subscriber may be what has failed.
            let _ = tokio::spawn(async move { transport.shutdown().await }).await;
        }
        self.say(&what);
        self.is_over = true;
        telemetry::driver_failed(&self.port.node, &what);
    }

    fn close(&self) {
        self.port.close();
        for host in self.port.hosts().values() {
            host.stop();
            host.empty();
        }
    }

    /// Says why the node has stopped, unless that is known.
    fn say(&self, what: &Arc<str>) {
        let mut status = Status::clone(&self.status.borrow());
        if status.stopped.is_none() {
            status.stopped = Some(Stopped::Failed(Arc::clone(what)));
            self.status.send_replace(Arc::new(status));
        }
    }
}

/// Callers may be on another runtime than the node was, which goes on when that one is shut down.
impl Drop for Supervisor {
    fn drop(&mut self) {
        if !self.is_over {
            self.close();
            self.say(&RUNTIME_ENDED.into());
        }
    }
}

/// What a task ended with, in words.
fn describe(failure: JoinError) -> Arc<str> {
    if failure.is_cancelled() {
        return RUNTIME_ENDED.into();
    }
    let thrown = failure.into_panic();
    let said = <dyn Any>::downcast_ref::<&str>(&*thrown).copied();
    let said = said.or_else(|| <dyn Any>::downcast_ref::<String>(&*thrown).map(String::as_str));
    said.unwrap_or("a panic without words").into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::super::notes::notes;
    use super::super::{Node, Order};
    use super::*;
    use crate::id::{Process, Slot, Start};
    use crate::node::LeaveError;
    use crate::resource::{CommandError, Reason};
    use crate::time::Timing;
    use crate::transport::Identity;

    #[test]
    fn callers_hear_that_the_runtime_of_their_node_has_ended() {
        let of_node = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let identity = Identity::shared_secret("a secret among the tests of a room");
        let node = Node::builder("left").identity(identity).timing(Timing::fast()).host(notes::registry());
        let node = of_node.block_on(node.start()).unwrap();
        let notes = notes::client(&node);
        let of_caller = Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(of_caller.block_on(async { notes.touch(7).await }), Ok(7));
        drop(of_node);
        let refused = CommandError::Unavailable { reason: Reason::ShuttingDown };
        assert_eq!(of_caller.block_on(async { notes.touch(7).await }), Err(refused));
        assert_eq!(of_caller.block_on(node.stopped()), Stopped::Failed(RUNTIME_ENDED.into()));
    }

    #[tokio::test]
    async fn a_node_whose_driver_fails_serves_nobody_and_says_why() {
        let identity = Identity::shared_secret("a secret among the tests of a room");
        let node = Node::builder("alone").identity(identity).timing(Timing::fast()).host(notes::registry());
        let node = node.start().await.unwrap();
        let notes = notes::client(&node);
        assert_eq!(notes.touch(7).await, Ok(7));

        assert!(node.inner.orders.send(Order::Fail).is_ok());
        let stopped = timeout(Duration::from_secs(20), node.stopped()).await.expect("somebody notices");
        assert_eq!(stopped, Stopped::Failed("as a test has ordered".into()));
        let refused = CommandError::Unavailable { reason: Reason::ShuttingDown };
        assert_eq!(notes.touch(7).await, Err(refused));
        let host = node.inner.port.host("notes").unwrap();
        let heir = Process { node: node.id().clone(), start: Start::new(1) };
        assert!(!host.seal(Slot::new(0), &heir), "the slot is closed");
        assert_eq!(node.leave().await, Err(LeaveError::Stopped(stopped)));
        // The address is free again, although a handle to the node and a client live on.
        let mut bound = std::net::UdpSocket::bind(node.local_addr());
        for _ in 0..100 {
            if bound.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                bound = std::net::UdpSocket::bind(node.local_addr());
            }
        }
        bound.unwrap();
    }
}
