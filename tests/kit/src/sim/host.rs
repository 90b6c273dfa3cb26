//! A host: an address, a clock of its own, and at most one life of a node at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use registry_runtime::{Node, NodeBuilder};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::network::{Network, address};
use super::socket::Socket;

/// A thousandth of the true rate.
pub const TRUE_RATE: u64 = 1000;

/// A host of a [`World`](super::World).
pub struct Host {
    number: u16,
    name: String,
    network: Network,
    inbox_bytes_max: usize,
    /// How fast its clock runs, in thousandths of the world's.
    rate: u64,
    /// What the clock has gained on whole milliseconds, in thousandths of one.
    crumbs: u64,
    /// While it is frozen: what its clock has moved on meanwhile, in milliseconds.
    frozen_for: Option<u64>,
    lives: u32,
    life: Option<Life>,
}

/// One life of a node, from its start to its end or crash.
struct Life {
    // Dropped in this order: with the runtime all tasks end, and the handle finds nobody left to tell.
    runtime: Runtime,
    socket: Arc<Socket>,
    node: Node,
    leaving: Option<JoinHandle<()>>,
}

impl Host {
    pub(super) fn new(number: u16, network: Network, inbox_bytes_max: usize) -> Self {
        Self {
            number,
            name: format!("n{number}"),
            network,
            inbox_bytes_max,
            rate: TRUE_RATE,
            crumbs: 0,
            frozen_for: None,
            lives: 0,
            life: None,
        }
    }

    /// Its number, from 1.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its name, which is the node's id too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        address(self.number)
    }

    /// The node that lives here now, if there is one.
    pub fn node(&self) -> Option<&Node> {
        self.life.as_ref().map(|life| &life.node)
    }

    /// How many lives began here so far.
    pub fn lives(&self) -> u32 {
        self.lives
    }

    /// Whether a node lives here, frozen or not.
    pub fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Whether it stands still at present.
    pub fn is_frozen(&self) -> bool {
        self.frozen_for.is_some()
    }

    /// Whether its node is about to leave.
    pub fn is_leaving(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.leaving.is_some())
    }

    /// Runs the future on the host, as a task beside its node; it ends with the node's life.
    ///
    /// # Panics
    ///
    /// When no node lives here.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.life {
            Some(life) => life.runtime.spawn(future),
            None => panic!("nobody lives on {}", self.name),
        }
    }

    /// Sets how fast its clock runs, in thousandths of the world's.
    pub fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
    }

    /// Starts a node: the closure completes its builder, which has the socket.
    pub(super) fn start(&mut self, make: impl FnOnce(Arc<Socket>) -> NodeBuilder) {
        assert!(self.life.is_none(), "somebody lives on {}", self.name);
        self.lives += 1;
        self.crumbs = 0;
        self.frozen_for = None;
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let socket = Socket::plug_in(self.number, &self.network, self.inbox_bytes_max);
        let node = match runtime.block_on(make(socket.clone()).start()) {
            Ok(node) => node,
            Err(error) => panic!("{} does not start: {error}", self.name),
        };
        self.life = Some(Life { runtime, socket, node, leaving: None });
    }

    /// Ends the node's life as `kill -9` would: not one more packet leaves.
    pub(super) fn crash(&mut self) {
        if let Some(life) = &self.life {
            life.socket.unplug();
        }
        self.life = None;
        self.frozen_for = None;
    }

    /// Has the node leave; the life ends when it has.
    pub(super) fn leave(&mut self) {
        if let Some(life) = &mut self.life
            && life.leaving.is_none()
        {
            let node = life.node.clone();
            life.leaving = Some(life.runtime.spawn(async move {
                // Whether everything could be handed over is for the oracles to find out.
                let _ = node.leave().await;
            }));
        }
    }

    /// Stops everything on the host, as SIGSTOP would; its clock runs on.
    pub(super) fn freeze(&mut self) {
        if self.life.is_some() {
            self.frozen_for.get_or_insert(0);
        }
    }

    /// Lets the host run again. Its clock jumps to where it has got meanwhile.
    pub(super) fn thaw(&mut self) {
        let Some(missed_ms) = self.frozen_for.take() else { return };
        if let Some(life) = &self.life {
            life.runtime.block_on(advance(Duration::from_millis(missed_ms)));
        }
    }

    /// A millisecond of the world passes. Tells whether the node has left with it.
    pub(super) fn step(&mut self) -> bool {
        let Some(life) = &mut self.life else { return false };
        self.crumbs += self.rate;
        let passed_ms = self.crumbs / TRUE_RATE;
        self.crumbs %= TRUE_RATE;
        if let Some(frozen_for) = &mut self.frozen_for {
            *frozen_for += passed_ms;
            return false;
        }
        if passed_ms > 0 {
            life.runtime.block_on(async { sleep(Duration::from_millis(passed_ms)).await });
        }
        let left = life.leaving.as_ref().is_some_and(JoinHandle::is_finished);
        if left {
            self.crash();
        }
        left
    }
}
