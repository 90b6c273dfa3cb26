//! A node as callers see it: its connection, and how busy it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use crate::id::NodeId;
use crate::transport::Link;

/// The connection that a node has at a moment, or none: borrowed from its place, which costs less than an owner's count.
pub(crate) type Present = Guard<Option<Arc<Link>>>;

/// A node that commands can be sent to. It outlives its connections.
pub(crate) struct Peer {
    /// The node.
    pub(crate) node: NodeId,
    /// Whether it is this node itself.
    pub(crate) local: bool,
    link: ArcSwapOption<Link>,
    outstanding: AtomicU32,
    reported: AtomicU32,
}

impl Peer {
    /// A node without a connection.
    pub(crate) fn new(node: NodeId, local: bool) -> Arc<Self> {
        Arc::new(Self {
            node,
            local,
            link: ArcSwapOption::empty(),
            outstanding: AtomicU32::new(0),
            reported: AtomicU32::new(0),
        })
    }

    /// The current connection.
    pub(crate) fn link(&self) -> Present {
        self.link.load()
    }

    /// Puts a connection in place, or takes it away.
    pub(crate) fn set_link(&self, link: Option<Link>) {
        self.link.store(link.map(Arc::new));
    }

    /// Notes the load that the node stated in a heartbeat.
    pub(crate) fn report(&self, load: u16) {
        match self.link().as_deref() {
            Some(link) => link.report(load),
            None => self.reported.store(load.into(), Ordering::Relaxed),
        }
    }

    /// Own outstanding calls plus the load last stated. Those to another node are the connection's to count.
    pub(crate) fn business(&self) -> u32 {
        match self.link().as_deref() {
            Some(link) => link.business(),
            None => self.outstanding.load(Ordering::Relaxed).saturating_add(self.reported.load(Ordering::Relaxed)),
        }
    }

    /// Counts one call on this node as outstanding until the guard is dropped.
    pub(crate) fn occupy(self: &Arc<Self>) -> Outstanding {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Outstanding(Arc::clone(self))
    }
}

/// One outstanding call on this node.
pub(crate) struct Outstanding(Arc<Peer>);

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}
