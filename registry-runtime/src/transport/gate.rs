//! A switch between this node and others, for tests that cut a network in two.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Decides which addresses packets may come from and go to. Clones share the decision.
///
/// What it holds back is lost without a word, as in a network that is cut. An open gate costs one atomic load a batch.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<ArcSwapOption<Shut>>);

/// Whether the way to and from an address is shut.
type Shut = Box<dyn Fn(SocketAddr) -> bool + Send + Sync>;

impl Gate {
    /// Shuts the way to and from every address that the function says yes to.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn shut(&self, to: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) {
        self.0.store(Some(Arc::new(Box::new(to))));
    }

    /// Lets everything pass again.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn open(&self) {
        self.0.store(None);
    }

    /// Whether anything is shut at all.
    pub(super) fn is_open(&self) -> bool {
        self.0.load().is_none()
    }

    /// Whether packets from or to the address are held back.
    pub(super) fn holds(&self, address: SocketAddr) -> bool {
        self.0.load().as_ref().is_some_and(|shut| shut(address))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "Gate(open)" } else { "Gate(shut for some)" })
    }
}
