//! The one loop of a node: waits for whatever happens, tells the engine, and does what the engine wants done.

pub(super) mod marks;
mod slots;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::acquaintance::Acquaintance;
use super::error::{LeaveError, Stopped};
use super::every::Every;
use super::inbound::Inbound;
use super::join::{Join, Resolved};
use super::letter::{self, Letter};
use super::line::with_frame;
use super::load::LoadMeter;
use super::peers::Peers;
use super::records::News;
use super::status::Status;
use super::{Order, publish, twin};
use crate::client::{Port, Subscription};
use crate::engine::{self, Engine, Input, MemberState, Output};
use crate::exec::{self, AnyHost, BootClock, Clock, Lease};
use crate::id::{NodeId, Process, RegistryName};
use crate::policy::ration::{Line, Ration};
use crate::rules::Rules;
use crate::spec::OnPartition;
use crate::telemetry::{self, Wrong};
use crate::time::Moment;
use crate::transport::{Channel, Event, HandshakeError, Link, Transport};
use crate::wire::hello::Refusal;
use crate::wire::record::RecordWord;

/// How many things that have happened already are taken in before their consequences are carried out: enough to make one
/// batch of a burst, few enough that no consequence waits long.
const BURST: usize = 64;

/// How often receipts are looked through that nobody can ask for any more: their time is a minute and more, and a look at some thousands
/// of slots takes a fraction of a millisecond.
pub(super) const RECEIPTS_EVERY: Duration = Duration::from_secs(10);

/// How often backups that are sent nothing are asked how far they reach. A new connection asks at once; this is for those whose channel was
/// full, and a second is soon enough for who is behind by megabytes.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often this node looks how busy it is: a few times for each time that it may tell the others, which is once a second.
pub(super) const LOAD_EVERY: Duration = Duration::from_millis(250);

/// How often callers here are told what other nodes say of their loads: for so long the word on a reply counts.
pub(super) const LOADS_EVERY: Duration = Duration::from_secs(1);

/// How many addresses are remembered that could not be dialled, with what was said of each, so that it is not said again: as many as a
/// cluster has members. Beyond that all are forgotten, and a line more is written for each.
const DIALS_MAX: usize = 1024;

/// How often tables are made anew while more waits to be taken in than one turn takes. Each is made whole, in up to some milliseconds, and when
/// a member is lost every slot changes, one after the other: callers may hear of that a little later, but leases must not wait for it.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);

/// How long a goodbye may take to be sent.
const GOODBYE: Duration = Duration::from_millis(500);

/// Everything that a driver waits for.
pub(super) struct Sources {
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) news: mpsc::UnboundedReceiver<News>,
    pub(super) wishes: mpsc::UnboundedReceiver<Arc<Subscription>>,
    pub(super) resolved: mpsc::Receiver<Resolved>,
    pub(super) failed_dials: mpsc::UnboundedReceiver<FailedDial>,
}

/// A dial that came to nothing.
#[derive(Debug)]
pub(super) struct FailedDial {
    node: Option<NodeId>,
    address: SocketAddr,
    error: HandshakeError,
}

/// Everything that can happen to a node.
enum Happening {
    Order(Order),
    Transport(Event),
    News(News),
    Wish(Arc<Subscription>),
    Resolved(Resolved),
    FailedDial(FailedDial),
    Tick,
}

impl Sources {
    /// Waits for the next thing that happens.
    async fn next(&mut self, wake: Instant) -> Happening {
        tokio::select! {
            biased;
            Some(order) = self.orders.recv() => Happening::Order(order),
            Some(news) = self.news.recv() => Happening::News(news),
            Some(event) = self.events.recv() => Happening::Transport(event),
            Some(wish) = self.wishes.recv() => Happening::Wish(wish),
            Some(resolved) = self.resolved.recv() => Happening::Resolved(resolved),
            Some(failed) = self.failed_dials.recv() => Happening::FailedDial(failed),
            () = sleep_until(wake) => Happening::Tick,
        }
    }

    /// What has happened already, without waiting. In every other turn that is what peers say, if they say anything: thousands of slots may
    /// have news at once, and heartbeats are answered meanwhile.
    fn next_now(&mut self, turn: usize) -> Option<Happening> {
        if turn % 2 == 1
            && let Ok(event) = self.events.try_recv()
        {
            return Some(Happening::Transport(event));
        }
        if let Ok(news) = self.news.try_recv() {
            return Some(Happening::News(news));
        }
        if let Ok(wish) = self.wishes.try_recv() {
            return Some(Happening::Wish(wish));
        }
        if let Ok(resolved) = self.resolved.try_recv() {
            return Some(Happening::Resolved(resolved));
        }
        if let Ok(failed) = self.failed_dials.try_recv() {
            return Some(Happening::FailedDial(failed));
        }
        self.events.try_recv().ok().map(Happening::Transport)
    }
}

/// A registry that this node hosts.
pub(super) struct Kept {
    pub(super) host: Arc<dyn AnyHost>,
    /// By slot; the host shares them.
    pub(super) leases: Vec<Lease>,
    /// The ways to the backups of its slots, one for each process: slots share them.
    pub(super) lines: BTreeMap<Process, Arc<dyn exec::Line>>,
}

/// The node's one loop and what it moves.
pub(super) struct Driver {
    pub(super) clock: BootClock,
    pub(super) engine: Engine,
    pub(super) transport: Arc<Transport>,
    pub(super) inbound: Arc<Inbound>,
    pub(super) kept: BTreeMap<RegistryName, Kept>,
    pub(super) peers: Peers,
    pub(super) port: Arc<Port>,
    pub(super) subscriptions: Vec<Arc<Subscription>>,
    pub(super) load: Arc<LoadMeter>,
    /// The load that the others have last been told of.
    pub(super) load_told: u16,
    /// When this node looks how busy it is.
    pub(super) load_read: Every,
    /// When callers are told of others' loads.
    pub(super) loads_told: Every,
    /// When the others are told which calls are over.
    pub(super) marks_told: Every,
    /// When receipts are looked through.
    pub(super) receipts_seen: Every,
    /// When backups are asked how far they reach.
    pub(super) backups_asked: Every,
    /// Whether commands still run on this node that is to leave, as the engine was told.
    pub(super) works_told: bool,
    /// Why whom this node has dialled last, of those with another reason than before, is no fellow member, though it answers.
    pub(super) refused: Option<Arc<str>>,
    /// Whether it knows owners of slots.
    pub(super) stands: bool,
    /// Whether another node that hosts anything has ever been a member.
    pub(super) had_fellows: bool,
    /// How many slots this node has opened that may have lost something.
    pub(super) losses: u64,
    pub(super) join: Join,
    pub(super) status: watch::Sender<Arc<Status>>,
    pub(super) failed_dials: mpsc::UnboundedSender<FailedDial>,
    /// The last failure of each address, so that the same one is not reported again and again.
    pub(super) dials: BTreeMap<SocketAddr, String>,
    /// All of them, outside of tests.
    pub(super) rules: Rules,
    pub(super) dial_timeout: Duration,
    /// How long a word of another node counts.
    pub(super) lease: Duration,
    pub(super) acquaintance: Acquaintance,
    pub(super) stale: Stale,
    /// When tables were last made.
    pub(super) published: Moment,
    /// What peers did wrong, so that one that goes on with it fills no disk.
    pub(super) wrongs: Ration<(NodeId, Wrong)>,
    /// Of strangers that were refused.
    pub(super) strangers: Ration<(&'static str, Option<IpAddr>)>,
    /// What the hosts have answered to the engine's questions.
    pub(super) answers: VecDeque<Input>,
    /// Since when this node has been leaving.
    pub(super) leaving_since: Option<Moment>,
    /// What it could not hand over, once it has left.
    pub(super) left_behind: Option<LeaveError>,
    /// Why the loop is to end.
    pub(super) end: Option<Stopped>,
}

/// What has to be published anew.
#[derive(Default)]
pub(super) struct Stale {
    tables: BTreeSet<RegistryName>,
    everything: bool,
}

impl Driver {
    /// Runs the node until it stops.
    #[must_use = "nothing happens unless the driver is run"]
    pub(super) async fn run(mut self, mut sources: Sources) {
        self.carry_out();
        self.tell_entries();
        let mut burst = 0;
        let end = loop {
            // Not on a tick: with much to do there may be none for long.
            self.do_what_comes_round(self.clock.now());
            self.tell_work();
            self.port.look_at_clock();
            if let Some(end) = self.end.take() {
                break end;
            }
            let has_joined = publish::has_joined(&self.engine, self.join.len());
            self.stale.everything |= self.acquaintance.look(self.clock.now(), has_joined, self.lease);
            // Who comes to an end of what waits tells callers at once.
            let next_table = self.published + PUBLISH_EVERY;
            let postpones = burst == BURST && self.clock.now() < next_table;
            if !postpones {
                self.publish();
            }
            let due = self.engine.next_deadline();
            let wake = self.clock.instant(if postpones { due.min(next_table) } else { due });
            let mut happening = Some(sources.next(wake).await);
            burst = 0;
            while let Some(happened) = happening {
                self.take_in(happened);
                burst += 1;
                happening = if burst < BURST && self.end.is_none() { sources.next_now(burst) } else { None };
            }
            if burst == BURST {
                // What never lets up, and may be nothing but noise, is not to hold up what is due.
                self.take_in(Happening::Tick);
            }
        };
        self.stop(end, sources).await;
    }

    /// Tells the engine what has happened.
    fn take_in(&mut self, happening: Happening) {
        match happening {
            Happening::Tick => self.tell(Input::Tick),
            Happening::Transport(event) => self.take_event(event),
            Happening::News(news) => self.take_news(news),
            Happening::Wish(subscription) => {
                self.subscriptions.push(subscription);
                self.stale.everything = true;
            }
            Happening::Resolved(resolved) => self.resolve(resolved),
            Happening::FailedDial(failed) => self.take_failed_dial(failed),
            Happening::Order(Order::Leave) => {
                self.leaving_since.get_or_insert(self.clock.now());
                self.tell_work();
                self.tell(Input::Leave);
            }
            Happening::Order(Order::Shutdown) => self.end = Some(Stopped::Shutdown),
            #[cfg(test)]
            Happening::Order(Order::Fail) => panic!("as a test has ordered"),
            #[cfg(test)]
            Happening::Order(Order::Resolve(resolved)) => self.resolve(resolved),
        }
    }

    /// Takes in what a name of the join list stands for now.
    fn resolve(&mut self, resolved: Resolved) {
        self.join.resolve(resolved);
        for link in self.peers.links() {
            // It may have connected before anybody knew that it is behind this name.
            self.join.meet(link.process(), link.peer().address, None);
        }
        self.tell_entries();
        self.tell(Input::Join(self.join.addresses()));
    }

    /// Tells the engine whom the entries of the join list stand for, where that has changed.
    fn tell_entries(&mut self) {
        for (entry, process) in self.join.news() {
            self.tell(Input::Entry { entry, process });
        }
    }

    /// Does what is done from time to time.
    fn do_what_comes_round(&mut self, now: Moment) {
        if self.loads_told.is_due(now) {
            self.tell_loads();
        }
        if self.load_read.is_due(now) {
            self.tell_load();
        }
        if self.marks_told.is_due(now) {
            self.tell_marks();
        }
        if self.receipts_seen.is_due(now) {
            self.kept.values().for_each(|kept| kept.host.forget_due());
        }
        if self.backups_asked.is_due(now) {
            self.kept.values().for_each(|kept| kept.host.ask(None));
            self.offer_remains();
            self.fill_owed();
        }
    }

    /// Tells callers what others say of their loads. A reply may have told of a burst that was over before anybody else heard of it; where no
    /// other reply comes, that would keep callers away for ever.
    fn tell_loads(&self) {
        for member in self.engine.membership().members() {
            if let (Some(peer), Some(profile)) = (self.peers.get(&member.process.node), &member.profile) {
                peer.report(profile.load.0);
            }
        }
    }

    /// Tells the engine how busy this node is.
    fn tell_load(&mut self) {
        let load = self.load.read();
        if std::mem::replace(&mut self.load_told, load) != load {
            self.tell(Input::Load(load));
            // Callers on this node compare it with others, of which they know the same.
            let own = self.peers.get(&self.port.node);
            own.into_iter().for_each(|own| own.report(load));
        }
    }

    /// Tells the engine whether commands still run here, or calls from here are under way, once this node is to leave. That counts when
    /// no new ones are let out, so until then something is.
    fn tell_work(&mut self) {
        let is_draining = self.engine.ownership().has_handed_over();
        if is_draining {
            self.port.drain();
        }
        let calls = || self.port.has_waiting() || self.peers.links().any(|link| link.waiting() > 0);
        let works = self.leaving_since.is_some() && (!is_draining || self.load.read() > 0 || calls());
        if std::mem::replace(&mut self.works_told, works) != works {
            self.tell(Input::Works(works));
        }
    }

    /// Offers what this node has written of slots that others own since, where every side of a partition serves.
    fn offer_remains(&self) {
        for (registry, kept) in &self.kept {
            if kept.host.spec().on_partition != OnPartition::ServeAll {
                continue;
            }
            let active = |slot| self.engine.ownership().table(registry)?.row(slot)?.active();
            let owner = |slot| active(slot).map(|active| active.set.owner().node.clone());
            let say = |to: &NodeId, slot, epoch, word: RecordWord<'_>| {
                let Some(link) = self.peers.link(to) else { return };
                // What is lost with the connection is offered again.
                with_frame(registry.as_str(), slot, epoch, word, |frame| _ = link.send(Channel::Records, frame));
            };
            self.inbound.records().salvages().offer(&kept.host, &self.port.node, owner, say);
        }
    }

    /// Fills backups that lack receipts which this node has taken in from another side of a partition. One that is not connected is filled
    /// when it has come back.
    fn fill_owed(&self) {
        let serves_all = |kept: &&Kept| kept.host.spec().on_partition == OnPartition::ServeAll;
        for kept in self.kept.values().filter(serves_all) {
            for (slot, epoch, backup) in kept.host.owed() {
                if let Some(link) = self.peers.link(&backup.node).filter(|link| link.peer().start == backup.start) {
                    self.inbound.records().fill(link, &kept.host, slot, epoch);
                }
            }
        }
    }

    /// Tells the engine what has become of a slot's content.
    fn take_news(&mut self, news: News) {
        let News { registry, report } = news;
        if let Some(registry) = RegistryName::new(registry) {
            self.tell(Input::Slots(registry, report));
        }
    }

    /// Tells the engine one thing, and does what follows: some happenings are more than one thing to it, and it wants its
    /// tray emptied between them.
    fn tell(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            self.engine.handle(self.clock.now(), input);
            self.carry_out();
            next = self.answers.pop_front();
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Connected { link, dialled } => {
                telemetry::connected(&self.port.node, &link.peer().node, link.peer().address);
                self.dials.remove(&link.peer().address);
                // Each connection tells of an address, also one that gives way.
                self.join.meet(link.process(), link.peer().address, dialled);
                // Of two connections of one pair that began at once, the later event may be about the one that gives way.
                let link = self.transport.link(&link.peer().node).unwrap_or(link);
                self.connect(link, dialled);
            }
            Event::Disconnected { node, link, reason } => {
                telemetry::disconnected(&self.port.node, &node, &reason, reason.is_fault());
                self.inbound.hang_up(link);
                if self.peers.disconnect(&node, link) {
                    self.stale.everything = true;
                    match self.transport.link(&node).filter(|other| other.id() != link) {
                        Some(other) => self.connect(other, None),
                        None => self.tell(Input::Disconnected { node }),
                    }
                }
            }
            Event::Control { link, frame } => {
                let from = link.peer().node.clone();
                match letter::decode(&frame.bytes) {
                    Ok(Letter::Engine(letter)) => self.tell(Input::Letter { from, letter }),
                    Ok(Letter::Mark(mark)) => self.take_mark(&mark),
                    Err(error) => {
                        if let Some(line) = self.wrongs.count(&(from.clone(), Wrong::Letter), self.clock.now()) {
                            telemetry::bad_letter(&self.port.node, &from, &error, line);
                        }
                    }
                }
                self.peers.hear(link.process(), self.engine.ownership().lent_until(link.process()));
            }
            Event::Refused { address, error } => {
                self.look_for_twin(&error);
                match is_race(&error) {
                    true => telemetry::gave_way(&self.port.node, address),
                    false => match self.strangers.count(&error.class(address), self.clock.now()) {
                        Some(line) => telemetry::refused(&self.port.node, address, &error, line),
                        None => telemetry::refused_again(&self.port.node, address, &error),
                    },
                }
            }
            Event::Ended { reason } => self.end = Some(Stopped::Endpoint(reason)),
        }
    }

    /// Uses a connection from now on.
    fn connect(&mut self, link: Link, dialled: Option<SocketAddr>) {
        self.peers.connect(link.clone());
        self.stale.everything = true;
        self.join.meet(link.process(), link.peer().address, dialled);
        self.tell_entries();
        self.tell(connected(&link, dialled));
        // What was on its way on an earlier connection may be lost.
        let process = link.process().clone();
        self.kept.values().for_each(|kept| kept.host.ask(Some(&process)));
    }

    fn take_failed_dial(&mut self, failed: FailedDial) {
        let FailedDial { node, address, error } = failed;
        let myself =
            matches!(error, HandshakeError::Refused(Refusal::Myself) | HandshakeError::RefusedByPeer(Refusal::Myself));
        if myself {
            self.join.meet_myself(address);
            self.tell_entries();
        }
        self.look_for_twin(&error);
        let text = error.to_string();
        if myself || is_race(&error) || self.dials.get(&address) == Some(&text) {
            telemetry::dial_failed_again(&self.port.node, address, &error);
        } else {
            telemetry::dial_failed(&self.port.node, address, &error);
            if error.shuts_out() && !self.stands {
                telemetry::shut_out(&self.port.node, address);
            }
            if self.dials.len() >= DIALS_MAX {
                self.dials.clear();
            }
            if error.is_an_answer() {
                self.refused = Some(text.as_str().into());
                self.tell_refused();
            }
            self.dials.insert(address, text);
        }
        self.tell(Input::DialFailed { node, address, shuts_out: error.shuts_out() });
    }

    /// Tells who watches why this node is not let in. Nothing else has changed.
    fn tell_refused(&self) {
        let mut status = Status::clone(&self.status.borrow());
        status.refused.clone_from(&self.refused);
        self.status.send_replace(Arc::new(status));
    }

    /// Stops if a later process has this node's id: of the two, the older gives way.
    fn look_for_twin(&mut self, error: &HandshakeError) {
        let own = self.engine.membership().identity().start;
        if let Some(address) = twin::later_twin(error, own, self.transport.local_addr()) {
            self.end = Some(Stopped::DuplicateNode { node: self.port.node.clone(), address });
        }
    }

    /// Does everything that the engine wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send { to, letter } => self.send(&to, &Letter::Engine(letter)),
                Output::Dial { node, address } => self.dial(node, address),
                Output::Hangup { process } => self.hang_up(&process),
                Output::Slots(registry, task) => self.do_with_slots(&registry, &task),
                Output::TableChanged(registry) => _ = self.stale.tables.insert(registry),
                Output::MembersChanged => self.stale.everything = true,
                Output::Load { node, load } => _ = self.peers.get(&node).map(|peer| peer.report(load)),
                Output::Event(event) => self.record(&event),
                Output::Left => self.left(),
                Output::Stop { address } => {
                    let node = self.port.node.clone();
                    self.end = Some(Stopped::DuplicateNode { node, address });
                }
            }
        }
    }

    /// Records what the engine tells; what peers do wrong now and then.
    fn record(&mut self, event: &engine::Event) {
        let line = match telemetry::blames(event) {
            Some(wrong) => self.wrongs.count(&wrong, self.clock.now()),
            None if telemetry::may_have_lost(event) => {
                self.losses = self.losses.saturating_add(1);
                Some(Line { total: self.losses, silent: 0 })
            }
            None => Some(Line::FIRST),
        };
        if let Some(line) = line {
            telemetry::engine_event(&self.port.node, event, line);
        }
    }

    fn send(&self, to: &NodeId, letter: &Letter) {
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
        let (transport, limit) = (Arc::clone(&self.transport), self.dial_timeout);
        let failed = self.failed_dials.clone();
        tokio::spawn(async move {
            if let Err(error) = transport.dial(address, node.clone(), limit).await {
                // A driver that has stopped does not want to know.
                let _ = failed.send(FailedDial { node, address, error });
            }
        });
    }

    fn hang_up(&self, process: &Process) {
        let of_that_life = |link: &&Link| link.peer().start == process.start;
        if self.peers.link(&process.node).filter(of_that_life).is_some() {
            let member = self.engine.membership().members().find(|member| member.process == *process);
            match member.is_some_and(|member| member.state == MemberState::Left) {
                true => self.transport.take_leave(&process.node),
                false => self.transport.hangup(&process.node),
            }
        }
    }

    fn left(&mut self) {
        let now = self.clock.now();
        let waited = now.since(self.leaving_since.unwrap_or(now));
        self.left_behind = match publish::left_behind(&self.engine) {
            (0, _) => None,
            (slots, true) => Some(LeaveError::TimedOut { slots, waited }),
            (slots, false) if self.had_fellows => Some(LeaveError::NobodyLeft { slots }),
            // Who was always alone had nobody to hand over to, and everybody knows.
            _ => None,
        };
        self.end = Some(Stopped::Left);
    }

    /// Publishes what has changed for callers and watchers.
    fn publish(&mut self) {
        let Stale { tables, everything } = std::mem::take(&mut self.stale);
        if !everything && tables.is_empty() {
            return;
        }
        self.published = self.clock.now();
        self.had_fellows |= publish::has_fellows(&self.engine);
        if !self.stands && publish::stands(self.engine.ownership()) {
            self.stands = true;
            self.transport.tell_that_it_stands();
        }
        for member in self.engine.membership().members() {
            self.peers.meet(&member.process.node);
        }
        let acquainted = self.acquaintance.get();
        for subscription in &self.subscriptions {
            let touched = everything || tables.iter().any(|name| name.as_str() == subscription.spec.name);
            if touched
                && let Some(table) = publish::table(self.engine.ownership(), &self.peers, subscription, acquainted)
            {
                subscription.routes.publish(table);
            }
        }
        if everything {
            let members: BTreeSet<_> = self.engine.membership().members().map(|member| member.process.node).collect();
            self.peers.forget(|node| members.contains(node));
        }
        let status = Status { refused: self.refused.clone(), ..publish::status(&self.engine) };
        self.status.send_replace(Arc::new(status));
    }

    /// Ends everything, and says why.
    async fn stop(mut self, end: Stopped, mut sources: Sources) {
        self.port.close();
        for (registry, kept) in &self.kept {
            kept.host.stop();
            tracing::debug!(%registry, "closed");
        }
        if end == Stopped::Left {
            // The others hang up when they have heard the goodbye.
            let until = Instant::now() + GOODBYE;
            while self.peers.links().next().is_some() {
                let Ok(Some(event)) = timeout_at(until, sources.events.recv()).await else { break };
                if let Event::Disconnected { node, link, .. } = event {
                    self.peers.disconnect(&node, link);
                }
            }
        }
        self.peers.clear();
        self.transport.shutdown().await;
        self.kept.values().for_each(|kept| kept.host.empty());
        telemetry::stopped(&self.port.node, &end);
        let mut status = Status::clone(&self.status.borrow());
        status.left_behind = self.left_behind.take();
        status.stopped = Some(end);
        self.status.send_replace(Arc::new(status));
    }
}

/// Whether the refusal only says that two nodes dialled each other at once and keep one of the connections.
fn is_race(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::Refused(Refusal::Duplicate) | HandshakeError::RefusedByPeer(Refusal::Duplicate))
}

/// What the engine hears of a new connection.
fn connected(link: &Link, dialled: Option<SocketAddr>) -> Input {
    let peer = link.peer();
    Input::Connected {
        node: peer.node.clone(),
        start: peer.start,
        incarnation: peer.incarnation,
        address: peer.address,
        dialled,
    }
}
