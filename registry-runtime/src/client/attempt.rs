//! The attempts of one call: where to, how long, and what to make of the answer.
//!
//! A call whose owner is this node and whose command needs no waiting ends in the first poll, on the caller's thread. All
//! else runs in [`Run::drive`], one loop that ends with the call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Client;
use super::balance::choose;
use super::call::{Begin, Begun, Limits};
use super::parts::Parts;
use super::peer::Peer;
use super::port::{Port, Subscription};
use super::routes::{Changes, PeerRoute, SlotState, Table};
use super::verdict::{self, Again, Verdict};
use crate::exec::{Attempt, Handle, Host, Started};
use crate::id::{CommandId, Epoch, NodeId, Slot};
use crate::resource::{Command, CommandError, Commands, Executed, Kind, Reason};
use crate::transport::{Link, LinkError, Reply};
use crate::wire::codec::decode;
use crate::wire::frame::{Request, WireCommand};
use crate::wire::limits::COMMAND_BYTES_MAX;
use crate::wire::outcome as wire;

/// How many owners a call follows on the word of other nodes before it waits for its own table to catch up.
const HOPS_MAX: u32 = 3;

/// How long a call waits before it asks again where no news may come: a fraction of a failover, and forty attempts a second
/// are no flood.
const PAUSE: Duration = Duration::from_millis(25);

/// A call that has been prepared.
pub(super) struct Prepared<R: Commands, A: 'static, T: 'static, E: 'static> {
    client: Client<R>,
    command: &'static Command<R, A, T, E>,
    key: Option<R::Key>,
    arguments: A,
}

impl<R: Commands, A, T, E> Prepared<R, A, T, E> {
    pub(super) fn new(
        client: Client<R>,
        command: &'static Command<R, A, T, E>,
        key: Option<R::Key>,
        arguments: A,
    ) -> Self {
        Self { client, command, key, arguments }
    }
}

impl<R, A, T, E> Begin<T, E> for Prepared<R, A, T, E>
where
    R: Commands,
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    fn begin(self: Box<Self>, limits: Limits) -> Begun<T, E> {
        let Self { client, command, key, arguments } = *self;
        let Client { way, definition, subscription, host } = client;
        let (Some(port), Some(subscription)) = (way.port().cloned(), subscription) else {
            return Begun::Ended(Err(CommandError::Unavailable { reason: Reason::ShuttingDown }));
        };
        let deadline = deadline(&limits, definition.spec.timeout, way.deadline());
        let slot = key.as_ref().map(|key| super::slot_of((definition.route)(key), definition.spec.slots()));
        let id = way.next_id(&port);
        let parts = Parts::Typed(key, arguments);
        let mut run = Run {
            port,
            subscription,
            host,
            command,
            slot: slot.unwrap_or(Slot::new(0)),
            parts,
            id,
            deadline,
            attempts: 0,
            begun: None,
            unresolved: false,
            hint: None,
            hops: 0,
        };
        match run.at_once() {
            Some(outcome) => Begun::Ended(outcome),
            None => Begun::Running(Box::pin(run.drive())),
        }
    }
}

/// The earliest of what the call and the command that it is made from say; without either, the registry's default.
fn deadline(limits: &Limits, default: Duration, inherited: Option<Instant>) -> Instant {
    let now = Instant::now();
    let by_timeout = limits.timeout.and_then(|timeout| now.checked_add(timeout));
    let said = [by_timeout, limits.deadline, inherited].into_iter().flatten().min();
    said.unwrap_or(now + default)
}

/// A call on its way.
struct Run<R: Commands, A: 'static, T: 'static, E: 'static> {
    port: Arc<Port>,
    subscription: Arc<Subscription>,
    host: Option<Arc<Host<R>>>,
    command: &'static Command<R, A, T, E>,
    slot: Slot,
    parts: Parts<R::Key, A>,
    id: CommandId,
    deadline: Instant,
    attempts: u32,
    /// An attempt on this node that has been started and did not end at once.
    begun: Option<Handle<T, E>>,
    /// Whether an attempt was sent and never answered: then nothing may claim that the command never ran.
    unresolved: bool,
    /// An owner that another node named, newer than the own table.
    hint: Option<(NodeId, Epoch)>,
    hops: u32,
}

/// Where an attempt goes.
enum Target {
    Here(Epoch),
    There { peer: Arc<Peer>, link: Arc<Link>, code: WireCommand, epoch: Epoch },
    Nowhere(Reason),
    Refused(Refusal),
}

/// Why there is no point in an attempt.
enum Refusal {
    Unavailable(Reason),
    Incompatible(Arc<str>),
}

impl<R, A, T, E> Run<R, A, T, E>
where
    R: Commands,
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    /// The short way: a synchronous command on a key that this node owns.
    #[inline]
    fn at_once(&mut self) -> Option<Result<T, CommandError<E>>> {
        if self.command.kind() == Kind::Action || !self.command.run.is_sync() || self.port.is_closed() {
            return None;
        }
        let epoch = {
            let table = self.subscription.routes.table();
            let entry = table.slot(self.slot)?;
            let owner = table.peer(entry.owner()?)?;
            (entry.state == SlotState::Open && owner.peer.local).then_some(entry.epoch)?
        };
        match self.start_here(epoch) {
            Ok(Started::Ready(outcome)) => match verdict::here(outcome, self.repeatable()) {
                Verdict::End(outcome) => return Some(outcome),
                Verdict::Again(again) => _ = self.learn(again),
            },
            Ok(Started::Later(handle)) => self.begun = Some(handle),
            Err(error) => return Some(Err(error)),
        }
        None
    }

    /// The whole way, until an outcome or the deadline.
    async fn drive(mut self) -> Result<T, CommandError<E>> {
        let mut changes: Option<Changes> = None;
        let mut waiting: Option<Waiting> = None;
        loop {
            let again = match self.attempt().await {
                Verdict::End(Ok(reply)) => return Ok(reply),
                Verdict::End(Err(error)) => return Err(self.settle(error)),
                Verdict::Again(again) => again,
            };
            let (reason, blind) = (again.reason, again.blind);
            let hopped = self.learn(again);
            let now = Instant::now();
            if now >= self.deadline {
                return Err(self.settle(CommandError::Unavailable { reason }));
            }
            if hopped {
                continue;
            }
            // The first time round it subscribes and looks once more, so that no change of the table is missed.
            let Some(changes) = &mut changes else {
                changes = Some(self.subscription.routes.watch());
                continue;
            };
            if waiting.is_none() {
                waiting = Waiting::enter(&self.subscription);
            }
            if waiting.is_none() {
                return Err(self.settle(CommandError::Overloaded { retry_after: PAUSE }));
            }
            let until = if blind { self.deadline.min(now + PAUSE) } else { self.deadline };
            changes.next(until).await;
            if Instant::now() >= self.deadline {
                return Err(self.settle(CommandError::Unavailable { reason }));
            }
        }
    }

    /// One attempt, wherever it goes.
    async fn attempt(&mut self) -> Verdict<T, E> {
        if let Some(handle) = self.begun.take() {
            return verdict::here(handle.await, self.repeatable());
        }
        if Instant::now() >= self.deadline {
            return Verdict::End(Err(CommandError::DeadlineExceeded { executed: Executed::No }));
        }
        if self.port.is_closed() {
            return Verdict::End(Err(CommandError::Unavailable { reason: Reason::ShuttingDown }));
        }
        match self.target() {
            Target::Here(epoch) => match self.start_here(epoch) {
                Ok(Started::Ready(outcome)) => verdict::here(outcome, self.repeatable()),
                Ok(Started::Later(handle)) => verdict::here(handle.await, self.repeatable()),
                Err(error) => Verdict::End(Err(error)),
            },
            Target::There { peer, link, code, epoch } => self.there(&peer, &link, code, epoch).await,
            Target::Nowhere(reason) => Verdict::Again(Again::news(reason)),
            Target::Refused(error) => Verdict::End(Err(match error {
                Refusal::Unavailable(reason) => CommandError::Unavailable { reason },
                Refusal::Incompatible(detail) => CommandError::Incompatible { detail: detail.to_string() },
            })),
        }
    }

    /// Starts the command on this node.
    fn start_here(&mut self, epoch: Epoch) -> Result<Started<T, E>, CommandError<E>> {
        let Some(host) = &self.host else {
            return Err(CommandError::Unavailable { reason: Reason::NotHosted });
        };
        self.attempts = self.attempts.saturating_add(1);
        let (key, arguments) = self.parts.take().map_err(|detail| CommandError::Incompatible { detail })?;
        let attempt = Attempt {
            slot: self.slot,
            epoch,
            key,
            id: self.id,
            attempt: self.attempts,
            caller: &self.port.node,
            deadline: self.deadline,
        };
        let parts = &mut self.parts;
        Ok(host.call(self.command, attempt, arguments, &mut |key, arguments| parts.spare(key, arguments)))
    }

    /// Sends the command to another node and waits for what it says.
    async fn there(&mut self, peer: &Arc<Peer>, link: &Link, code: WireCommand, epoch: Epoch) -> Verdict<T, E> {
        self.attempts = self.attempts.saturating_add(1);
        let (key, arguments) = match self.parts.encode() {
            Ok(encoded) => encoded,
            Err(detail) => return Verdict::End(Err(CommandError::Incompatible { detail })),
        };
        let size = key.len().saturating_add(arguments.len());
        if size > COMMAND_BYTES_MAX {
            return Verdict::End(Err(CommandError::TooLarge { limit: COMMAND_BYTES_MAX }));
        }
        let request = Request {
            command: code,
            slot: self.slot,
            epoch,
            id: self.id,
            attempt: u8::try_from(self.attempts).unwrap_or(u8::MAX),
            flags: 0,
            remaining: self.deadline.saturating_duration_since(Instant::now()),
            key,
            arguments,
        };
        let _occupied = peer.occupy();
        let reply = match link.request(self.slot.get(), &request, self.deadline) {
            Ok(pending) => pending.await,
            Err(error) => Err(error),
        };
        self.understand(peer, reply)
    }
    /// Where the next attempt goes, by the table and by what other nodes have said.
    fn target(&self) -> Target {
        let table = self.subscription.routes.table();
        let spec = &self.subscription.spec;
        if let Some(detail) = &table.mismatch {
            return Target::Refused(Refusal::Incompatible(Arc::clone(detail)));
        }
        if self.command.kind() == Kind::Action {
            return match choose(&table, spec.load_balancing, &self.subscription.rotation, self.port.roll()) {
                Some(route) => self.toward(route, Epoch::ZERO),
                None => self.without_hosts(&table),
            };
        }
        let Some(entry) = table.slot(self.slot) else { return Target::Nowhere(Reason::NotJoined) };
        if let Some((node, epoch)) = &self.hint
            && *epoch > entry.epoch
            && let Some(route) = table.peer_named(node)
        {
            return self.toward(route, *epoch);
        }
        match entry.state {
            SlotState::Refused(reason) => Target::Refused(Refusal::Unavailable(reason)),
            SlotState::Waiting(reason) => Target::Nowhere(reason),
            SlotState::Open => match entry.owner().and_then(|owner| table.peer(owner)) {
                Some(route) => self.toward(route, entry.epoch),
                None => Target::Nowhere(Reason::Opening),
            },
        }
    }

    /// Where an action goes that no reachable node hosts: nowhere yet while the cluster is being looked for.
    fn without_hosts(&self, table: &Table) -> Target {
        match table.slot(Slot::new(0)).map(|entry| entry.state) {
            Some(SlotState::Refused(reason)) if table.hosts.is_empty() => Target::Refused(Refusal::Unavailable(reason)),
            Some(SlotState::Waiting(reason)) => Target::Nowhere(reason),
            _ => Target::Nowhere(Reason::ConnectionLost),
        }
    }

    fn toward(&self, route: &PeerRoute, epoch: Epoch) -> Target {
        if route.peer.local {
            return match self.host {
                Some(_) => Target::Here(epoch),
                None => Target::Refused(Refusal::Incompatible(
                    format!("this node hosts another `{}` than the one called", self.subscription.spec.name).into(),
                )),
            };
        }
        let Some(link) = route.peer.link().clone() else { return Target::Nowhere(Reason::ConnectionLost) };
        match route.codes.get(self.command.number) {
            Ok(code) => Target::There { peer: Arc::clone(&route.peer), link, code, epoch },
            Err(detail) => Target::Refused(Refusal::Incompatible(detail)),
        }
    }

    /// What the other node's reply, or the lack of one, means.
    fn understand(&mut self, peer: &Peer, reply: Result<Reply, LinkError>) -> Verdict<T, E> {
        let Reply { outcome, load, payload } = match reply {
            Ok(reply) => reply,
            Err(LinkError::Lost { sent: false }) => return Verdict::Again(Again::soon(Reason::ConnectionLost)),
            Err(LinkError::Lost { sent: true }) if self.repeatable() => {
                self.unresolved = true;
                return Verdict::Again(Again::soon(Reason::ConnectionLost));
            }
            Err(LinkError::Lost { sent: true }) => {
                return Verdict::End(Err(CommandError::Unknown { reason: Reason::ConnectionLost }));
            }
            Err(LinkError::DeadlinePassed { sent }) => {
                let executed = if sent { Executed::Maybe } else { Executed::No };
                return Verdict::End(Err(CommandError::DeadlineExceeded { executed }));
            }
            Err(LinkError::Full) => return Verdict::End(Err(CommandError::Overloaded { retry_after: PAUSE })),
            Err(LinkError::TooLarge) => {
                return Verdict::End(Err(CommandError::TooLarge { limit: COMMAND_BYTES_MAX }));
            }
        };
        peer.report(load);
        match outcome {
            wire::Outcome::Ok => match decode(&payload) {
                Ok(reply) => Verdict::End(Ok(reply)),
                Err(_) => Verdict::End(Err(CommandError::Unknown { reason: Reason::BadReply })),
            },
            wire::Outcome::Rejected => match (self.command.error.decode)(&payload) {
                Ok(error) => Verdict::End(Err(CommandError::Rejected(error))),
                Err(_) => Verdict::End(Err(CommandError::Unknown { reason: Reason::BadReply })),
            },
            refusal => verdict::there(refusal, self.repeatable()),
        }
    }

    /// Takes in what an attempt has taught; `true` when it named another owner that is worth a hop at once.
    fn learn(&mut self, again: Again) -> bool {
        let Some((node, epoch)) = again.hint else {
            self.hint = None;
            return false;
        };
        let newer = self.hint.as_ref().is_none_or(|(_, known)| epoch > *known);
        let known = self.subscription.routes.table().slot(self.slot).map_or(Epoch::ZERO, |entry| entry.epoch);
        if !newer || epoch <= known || self.hops >= HOPS_MAX {
            self.hint = None;
            self.hops = 0;
            return false;
        }
        self.hint = Some((node, epoch));
        self.hops = self.hops.saturating_add(1);
        true
    }

    /// Whether another run of the command does no harm.
    fn repeatable(&self) -> bool {
        self.command.idempotent || self.command.kind() == Kind::Read
    }

    /// What the call may say at its end: with an attempt unanswered, not that the command never ran.
    fn settle(&self, error: CommandError<E>) -> CommandError<E> {
        if !self.unresolved || error.executed() != Executed::No {
            return error;
        }
        match error {
            CommandError::DeadlineExceeded { .. } => CommandError::DeadlineExceeded { executed: Executed::Maybe },
            _ => CommandError::Unknown { reason: Reason::ConnectionLost },
        }
    }
}

/// One of the calls of a registry that wait for an owner; as many may wait as the registry's `queue` says.
struct Waiting(Arc<Subscription>);

impl Waiting {
    fn enter(subscription: &Arc<Subscription>) -> Option<Self> {
        let waiting = Self(Arc::clone(subscription));
        let before = subscription.waiting.fetch_add(1, Ordering::Relaxed);
        (before < subscription.spec.queue).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
