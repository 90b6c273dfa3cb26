//! The one loop of a node: waits for whatever happens, tells the engine, and does what the engine wants done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::error::{LeaveError, Stopped};
use super::inbound::Inbound;
use super::join::{Join, Resolved};
use super::load::LoadMeter;
use super::owners::Owners;
use super::peers::Peers;
use super::status::Status;
use super::{Order, letter, publish};
use crate::client::{Port, Subscription};
use crate::engine::{self, Engine, Input, Output};
use crate::exec::{AnyHost, BootClock, Clock, Lease};
use crate::id::{Epoch, NodeId, RegistryName, Slot};
use crate::telemetry;
use crate::time::Moment;
use crate::transport::{self, Channel, Event, HandshakeError, Link, Transport};
use crate::wire::hello::Refusal;

/// How many things that have happened already are taken in before their consequences are carried out: enough to make one
/// batch of a burst, few enough that no consequence waits long.
const BURST: usize = 64;

/// How long a leaving node tries to hand its slots over: longer than a thousand hand-overs take, shorter than what service
/// managers wait before they kill.
pub(super) const LEAVE: Duration = Duration::from_secs(20);

/// How long a goodbye may take to be sent.
const GOODBYE: Duration = Duration::from_millis(500);

/// A slot that has drained after a seal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drained {
    /// The registry.
    pub(super) registry: &'static str,
    /// The slot.
    pub(super) slot: Slot,
}

/// Everything that a driver waits for.
pub(super) struct Sources {
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) drained: mpsc::UnboundedReceiver<Drained>,
    pub(super) wishes: mpsc::UnboundedReceiver<Arc<Subscription>>,
    pub(super) resolved: mpsc::Receiver<Resolved>,
    pub(super) failed_dials: mpsc::UnboundedReceiver<FailedDial>,
}

/// A dial that came to nothing.
#[derive(Debug)]
pub(super) struct FailedDial {
    node: Option<NodeId>,
    address: SocketAddr,
    error: transport::DialError,
}

/// Everything that can happen to a node.
enum Happening {
    Order(Order),
    Transport(Event),
    Drained(Drained),
    Wish(Arc<Subscription>),
    Resolved(Resolved),
    FailedDial(FailedDial),
    Tick,
}

impl Sources {
    /// Waits for the next thing that happens.
    async fn next(&mut self, wake: Option<tokio::time::Instant>) -> Happening {
        let tick = async {
            match wake {
                Some(wake) => sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(order) = self.orders.recv() => Happening::Order(order),
            Some(drained) = self.drained.recv() => Happening::Drained(drained),
            Some(event) = self.events.recv() => Happening::Transport(event),
            Some(wish) = self.wishes.recv() => Happening::Wish(wish),
            Some(resolved) = self.resolved.recv() => Happening::Resolved(resolved),
            Some(failed) = self.failed_dials.recv() => Happening::FailedDial(failed),
            () = tick => Happening::Tick,
        }
    }

    /// What has happened already, without waiting.
    fn next_now(&mut self) -> Option<Happening> {
        if let Ok(drained) = self.drained.try_recv() {
            return Some(Happening::Drained(drained));
        }
        self.events.try_recv().ok().map(Happening::Transport)
    }
}

/// A registry that this node hosts.
pub(super) struct Kept {
    pub(super) host: Arc<dyn AnyHost>,
    /// By slot; the host shares them.
    pub(super) leases: Vec<Lease>,
}

/// The node's one loop and what it moves.
pub(super) struct Driver {
    pub(super) clock: BootClock,
    pub(super) engine: Engine,
    pub(super) transport: Transport,
    pub(super) inbound: Arc<Inbound>,
    pub(super) owners: Arc<Owners>,
    pub(super) kept: BTreeMap<RegistryName, Kept>,
    pub(super) peers: Peers,
    pub(super) port: Arc<Port>,
    pub(super) subscriptions: Vec<Arc<Subscription>>,
    pub(super) load: Arc<LoadMeter>,
    pub(super) join: Join,
    pub(super) status: watch::Sender<Arc<Status>>,
    pub(super) failed_dials: mpsc::UnboundedSender<FailedDial>,
    pub(super) dial_timeout: Duration,
    pub(super) stale: Stale,
    pub(super) leaving: Option<oneshot::Sender<Result<(), LeaveError>>>,
    pub(super) end: Option<End>,
}

/// What has to be published anew.
#[derive(Default)]
pub(super) struct Stale {
    tables: BTreeSet<RegistryName>,
    everything: bool,
}

/// How the loop ends.
pub(super) struct End {
    stopped: Stopped,
    /// Whether the others are told.
    quiet: bool,
}

impl Driver {
    /// Runs the node until it stops.
    #[must_use = "nothing happens unless the driver is run"]
    pub(super) async fn run(mut self, mut sources: Sources) {
        self.carry_out();
        let end = loop {
            if let Some(end) = self.end.take() {
                break end;
            }
            self.publish();
            let wake = self.engine.next_deadline().map(|moment| self.clock.instant(moment));
            let mut happening = Some(sources.next(wake).await);
            let mut burst = 0;
            while let Some(happened) = happening {
                self.take_in(happened);
                self.carry_out();
                burst += 1;
                happening = if burst < BURST && self.end.is_none() { sources.next_now() } else { None };
            }
        };
        self.stop(end).await;
    }

    /// Tells the engine what has happened.
    fn take_in(&mut self, happening: Happening) {
        match happening {
            Happening::Tick => {
                self.load.read(self.kept.values().map(|kept| &kept.host));
                self.tell(Input::Load(self.load.get()));
            }
            Happening::Transport(event) => self.take_event(event),
            Happening::Drained(Drained { registry, slot }) => {
                if let Some(registry) = RegistryName::new(registry) {
                    self.tell(Input::Drained { registry, slot });
                }
            }
            Happening::Wish(subscription) => {
                self.subscriptions.push(subscription);
                self.stale.everything = true;
            }
            Happening::Resolved(resolved) => {
                self.join.resolve(resolved);
                self.tell(Input::Join(self.join.addresses()));
            }
            Happening::FailedDial(failed) => self.take_failed_dial(failed),
            Happening::Order(Order::Leave(done)) => {
                self.leaving = Some(done);
                self.tell(Input::Leave);
            }
            Happening::Order(Order::Shutdown) => self.end = Some(End { stopped: Stopped::Shutdown, quiet: false }),
            Happening::Order(Order::Kill) => self.end = Some(End { stopped: Stopped::Shutdown, quiet: true }),
        }
    }

    fn tell(&mut self, input: Input) {
        self.engine.handle(self.clock.now(), input);
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Connected { link, dialled } => {
                telemetry::connected(&self.port.node, &link.peer().node, link.peer().address);
                self.peers.connect(link.clone());
                self.stale.everything = true;
                self.tell(connected(&link, dialled, &self.join));
            }
            Event::Disconnected { node, link, reason } => {
                telemetry::disconnected(&self.port.node, &node, &reason);
                self.inbound.hang_up(link);
                if self.peers.disconnect(&node, link) {
                    self.stale.everything = true;
                    self.tell(Input::Disconnected { node });
                }
            }
            Event::Control { link, frame } => {
                let from = link.peer().node.clone();
                match letter::decode(&frame.bytes) {
                    Ok(letter) => self.tell(Input::Letter { from, letter }),
                    Err(error) => telemetry::bad_letter(&self.port.node, &from, &error),
                }
            }
            Event::Refused { address, error } => telemetry::refused(&self.port.node, address, &error),
        }
    }

    fn take_failed_dial(&mut self, failed: FailedDial) {
        let FailedDial { node, address, error } = failed;
        telemetry::dial_failed(&self.port.node, address, &error);
        if let (true, Some(entry)) = (error.is_myself(), self.join.entry_of(address)) {
            self.tell(Input::Myself { entry });
        }
        self.tell(Input::DialFailed { node, address });
    }

    /// Does everything that the engine wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send { to, letter } => self.send(&to, &letter),
                Output::Dial { node, address } => self.dial(node, address),
                Output::Hangup { process } => self.transport.hangup(&process.node, process.start),
                Output::Open { registry, slots } => self.open(&registry, &slots),
                Output::Close { registry, slots } => self.close(&registry, &slots),
                Output::Seal { registry, slots } => self.seal(&registry, &slots),
                Output::Lease { registry, slots, until } => self.lend(&registry, &slots, until),
                Output::TableChanged(registry) => _ = self.stale.tables.insert(registry),
                Output::MembersChanged => self.stale.everything = true,
                Output::Event(event) => telemetry::engine_event(&self.port.node, &event),
                Output::Left { slots } => self.left(slots),
                Output::Stop { address } => {
                    let node = self.port.node.clone();
                    self.end = Some(End { stopped: Stopped::DuplicateNode { node, address }, quiet: false });
                }
            }
        }
    }

    fn send(&self, to: &NodeId, letter: &engine::Letter) {
        let Some(link) = self.peers.link(to) else { return };
        match letter::encode(letter) {
            Some(frame) => {
                // A connection that has just ended loses what is sent, like any network.
                let _ = link.send(Channel::Control, &frame);
            }
            None => telemetry::letter_too_large(&self.port.node, to),
        }
    }

    fn dial(&self, node: Option<NodeId>, address: SocketAddr) {
        let dial = self.transport.dial(address, node.clone(), self.dial_timeout);
        let failed = self.failed_dials.clone();
        tokio::spawn(async move {
            if let Err(error) = dial.await {
                // A driver that has stopped does not want to know.
                let _ = failed.send(FailedDial { node, address, error });
            }
        });
    }

    fn open(&self, registry: &RegistryName, slots: &[engine::Opened]) {
        let Some(kept) = self.kept.get(registry) else { return };
        for opened in slots {
            if let Some(lease) = kept.leases.get(opened.slot.index()) {
                kept.host.open(opened.slot, opened.epoch, lease.clone(), opened.keep);
            }
        }
    }

    fn close(&self, registry: &RegistryName, slots: &[(Slot, Epoch)]) {
        let Some(kept) = self.kept.get(registry) else { return };
        for (slot, _) in slots {
            if let Some(lease) = kept.leases.get(slot.index()) {
                lease.set(Moment::default());
            }
            kept.host.close(*slot);
        }
    }

    fn seal(&mut self, registry: &RegistryName, slots: &[(Slot, Epoch)]) {
        let Some(kept) = self.kept.get(registry) else { return };
        let idle: Vec<Slot> = slots.iter().map(|(slot, _)| *slot).filter(|slot| !kept.host.seal(*slot)).collect();
        for slot in idle {
            // What is not open has nothing to drain.
            self.tell(Input::Drained { registry: registry.clone(), slot });
        }
    }

    fn lend(&self, registry: &RegistryName, slots: &[Slot], until: Moment) {
        let Some(kept) = self.kept.get(registry) else { return };
        for slot in slots {
            if let Some(lease) = kept.leases.get(slot.index()) {
                lease.set(until);
            }
        }
    }

    fn left(&mut self, slots: usize) {
        let outcome = match slots {
            0 => Ok(()),
            slots => Err(LeaveError::TimedOut { slots, waited: LEAVE }),
        };
        if let Some(done) = self.leaving.take() {
            // Whoever asked may be gone.
            let _ = done.send(outcome);
        }
        self.end = Some(End { stopped: Stopped::Left, quiet: false });
    }

    /// Publishes what has changed for callers and watchers.
    fn publish(&mut self) {
        let Stale { tables, everything } = std::mem::take(&mut self.stale);
        if !everything && tables.is_empty() {
            return;
        }
        for member in self.engine.members() {
            self.peers.meet(&member.process.node);
        }
        let joined = self.engine.has_joined();
        for subscription in &self.subscriptions {
            let touched = everything || tables.iter().any(|name| name.as_str() == subscription.spec.name);
            if touched
                && let Some(table) = publish::table(self.engine.ownership(), &self.peers, subscription, joined)
            {
                subscription.routes.publish(table);
            }
        }
        let status = publish::status(&self.engine);
        self.status.send_replace(Arc::new(status));
    }

    /// Ends everything, and says why.
    async fn stop(mut self, end: End) {
        self.port.close();
        for (registry, kept) in &self.kept {
            for slot in (0..kept.leases.len()).filter_map(|slot| u32::try_from(slot).ok()).map(Slot::new) {
                kept.host.close(slot);
            }
            tracing::debug!(%registry, "closed");
        }
        if !end.quiet {
            self.transport.flush(GOODBYE).await;
        }
        self.transport.shutdown().await;
        telemetry::stopped(&self.port.node, &end.stopped);
        if let Some(done) = self.leaving.take() {
            let _ = done.send(Err(LeaveError::Stopped(end.stopped.clone())));
        }
        let mut status = Status::clone(&self.status.borrow());
        status.stopped = Some(end.stopped);
        self.status.send_replace(Arc::new(status));
    }
}

/// What the engine hears of a new connection.
fn connected(link: &Link, dialled: Option<SocketAddr>, join: &Join) -> Input {
    let peer = link.peer();
    let entry = dialled.and_then(|address| join.entry_of(address)).or_else(|| join.entry_of(peer.address));
    Input::Connected {
        node: peer.node.clone(),
        start: peer.start,
        incarnation: peer.incarnation,
        address: peer.address,
        dialled,
        entry,
    }
}
