//! What the tasks of a transport share: dialling, accepting, and bringing a connection to life.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use quinn::Connection;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep, timeout};

use super::bounds::{HANDSHAKE_TIME, LINGER_TIME, LINGERS_MAX};
use super::counters::Counters;
use super::end::{HandshakeError, Reason, code};
use super::endpoint::Endpoint;
use super::event::Event;
use super::handler::Handler;
use super::handshake::{self, Acquaintance};
use super::link::{Link, Mainspring, supervise};
use super::places::Places;
use super::roster::{Replaced, Roster};
use crate::id::{LinkId, NodeId};
use crate::policy::ration::Ration;
use crate::telemetry;
use crate::time::Moment;
use crate::wire::hello::{Hello, Refusal};

pub(super) struct Core {
    pub(super) endpoint: Endpoint,
    pub(super) roster: Roster,
    /// The number of the next dial.
    pub(super) dials: AtomicU64,
    pub(super) counters: Arc<Counters>,
    pub(super) tasks: Handle,
    hello: ArcSwap<Hello>,
    handler: Arc<dyn Handler>,
    events: mpsc::Sender<Event>,
    links: AtomicU64,
    closing: AtomicBool,
    stands: AtomicBool,
}

impl Core {
    pub(super) fn new(
        endpoint: Endpoint,
        hello: Hello,
        handler: Arc<dyn Handler>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            endpoint,
            roster: Roster::default(),
            dials: AtomicU64::new(1),
            counters: Arc::default(),
            tasks: Handle::current(),
            hello: ArcSwap::from_pointee(hello),
            handler,
            events,
            links: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            stands: AtomicBool::new(false),
        }
    }

    /// What this node says of itself.
    pub(super) fn hello(&self) -> Arc<Hello> {
        self.hello.load_full()
    }

    /// Changes what this node says of itself on connections to come.
    #[cfg(test)]
    pub(super) fn set_hello(&self, hello: Hello) {
        self.hello.store(Arc::new(hello));
    }

    /// Whether this node knows owners of slots.
    pub(super) fn stands(&self) -> bool {
        self.stands.load(Ordering::Relaxed)
    }

    pub(super) fn tell_that_it_stands(&self) {
        self.stands.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Begins to shut down: nothing new, and everyone is told.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        for link in self.roster.close() {
            link.end(Reason::Shutdown);
        }
        self.endpoint.close(code::SHUTDOWN);
    }

    /// Dials an address.
    pub(super) async fn dial(
        self: Arc<Self>,
        address: SocketAddr,
        expected: Option<NodeId>,
        limit: Duration,
    ) -> Result<Link, HandshakeError> {
        if self.is_closing() {
            return Err(HandshakeError::ShuttingDown);
        }
        let _dialling = expected.as_ref().map(|node| self.roster.dialling(node));
        let made = timeout(limit, async {
            let connection = self.endpoint.connect(address)?.await?;
            let met = handshake::greet(&self, &connection, expected.as_ref()).await;
            self.close_if_failed(&connection, met).map(|met| (connection, met))
        });
        let (connection, met) = made.await.unwrap_or(Err(HandshakeError::TimedOut)).inspect_err(|error| {
            // The node has a line for it: it asked for the dial.
            self.counters.dial_failed(error);
        })?;
        self.begin(connection, met, Some(address)).await
    }

    /// Takes strangers until the endpoint is closed, and tells when it ends by itself. No stranger holds up another.
    pub(super) async fn accept(self: Arc<Self>) {
        let places = Arc::new(Places::default());
        let (began, mut crowd) = (Instant::now(), Ration::default());
        while let Some(incoming) = self.endpoint.accept().await {
            if places.are_crowded(incoming.remote_address().ip())
                && incoming.may_retry()
                && !incoming.remote_address_validated()
            {
                // Under load, who dials must first show that it receives at its address.
                self.counters.retried();
                telemetry::stranger_tried(&self.hello().node, incoming.remote_address());
                let _ = incoming.retry();
                continue;
            }
            let (place, pushed_out) = places.take(incoming.remote_address());
            if let Some(address) = pushed_out {
                self.counters.crowded_out();
                if let Some(line) = crowd.count(&(), Moment::from_origin(began.elapsed())) {
                    telemetry::crowded_out(&self.hello().node, address, line);
                }
            }
            let core = self.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = place.pushed_out() => {}
                    () = core.meet(incoming) => {}
                }
            });
        }
        if !self.is_closing() {
            let _ = self.events.send(Event::Ended { reason: self.endpoint.fault() }).await;
        }
    }

    /// Gets to know a stranger.
    async fn meet(self: &Arc<Self>, incoming: quinn::Incoming) {
        let address = incoming.remote_address();
        let made = timeout(HANDSHAKE_TIME, async {
            let connection = incoming.await?;
            let met = handshake::welcome(self, &connection).await;
            self.close_if_failed(&connection, met).map(|met| (connection, met))
        });
        let begun = match made.await.unwrap_or(Err(HandshakeError::TimedOut)) {
            Ok((connection, met)) => self.begin(connection, met, None).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            self.counters.stranger_refused(&error);
            let told = self.events.try_send(Event::Refused { address, error });
            if let Err(Event::Refused { address, error }) = told.map_err(TrySendError::into_inner) {
                telemetry::refused_again(&self.hello().node, address, &error);
            }
        }
    }

    fn close_if_failed<T>(
        &self,
        connection: &Connection,
        made: Result<T, HandshakeError>,
    ) -> Result<T, HandshakeError> {
        made.inspect_err(|error| connection.close(handshake::closing_code(error), error.to_string().as_bytes()))
    }

    /// Brings a connection to life, if it is the one of its pair that stays.
    async fn begin(
        self: &Arc<Self>,
        connection: Connection,
        met: Acquaintance,
        dialled: Option<SocketAddr>,
    ) -> Result<Link, HandshakeError> {
        let id = LinkId::new(self.links.fetch_add(1, Ordering::Relaxed));
        let link = Link::new(id, met.peer, connection.clone(), self.tasks.clone());
        let admitted = self.roster.admit(link.clone(), met.order).map_err(|refusal| match refusal {
            Refusal::Closed => HandshakeError::ShuttingDown,
            refusal => HandshakeError::Refused(refusal),
        });
        if let Some(replaced) = self.close_if_failed(&connection, admitted)? {
            self.end_soon(replaced);
        }
        self.counters.connected();
        let spring = Mainspring { handler: self.handler.clone(), events: self.events.clone(), good_for: met.good_for };
        let (core, driven) = (self.clone(), link.clone());
        self.tasks.spawn(async move {
            // A node that no longer takes events is shutting down, and ends the connection by itself.
            let _ = core.events.send(Event::Connected { link: driven.clone(), dialled }).await;
            let reason = supervise(driven.clone(), spring).await;
            core.over(&driven, reason).await;
        });
        Ok(link)
    }

    /// Ends a connection that has given way to another: one that both sides had begun at once when nothing is under way on it any more, and one
    /// whose peer had lost it, or was another process, soon, for nothing comes over it.
    fn end_soon(&self, Replaced { link, twin }: Replaced) {
        self.tasks.spawn(async move {
            let mut idle = 0;
            for _ in 0..if twin { LINGERS_MAX } else { 1 } {
                sleep(LINGER_TIME).await;
                // What was idle at one look may have been on its way still.
                idle = if link.is_idle() { idle + 1 } else { 0 };
                if idle > 1 || !link.is_open() {
                    break;
                }
            }
            link.end(Reason::Duplicate);
        });
    }

    /// Ends the connection with one that has said goodbye, when what it has answered before has had time to come.
    pub(super) fn take_leave(&self, link: Link) {
        self.tasks.spawn(async move {
            sleep(LINGER_TIME).await;
            link.end(Reason::Hangup);
        });
    }

    async fn over(&self, link: &Link, reason: Reason) {
        let node = link.peer().node.clone();
        self.roster.remove(&node, link.id());
        self.counters.disconnected(&reason);
        let _ = self.events.send(Event::Disconnected { node, link: link.id(), reason }).await;
    }
}
