//! Requests of other nodes, on their way to the registries that this node hosts.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::load::LoadMeter;
use super::owners::Owners;
use super::records::{News, Records};
use crate::codec::with_scratch;
use crate::exec::{self, Answer, AnyHost, Cancel, Served, Wait};
use crate::id::{Epoch, LinkId, NodeId, Process, Slot};
use crate::policy::receipts::Ask;
use crate::resource::Reason;
use crate::telemetry::{Asked, Refusals};
use crate::transport::{Handler, Link, Part, Received, Replier, ReplySlot, Ticket};
use crate::wire::frame::{ReplyHead, WireCommand};
use crate::wire::outcome::Outcome;

#[cfg(test)]
mod tests;

/// Takes the requests of peers and hands them to the hosts.
pub(super) struct Inbound {
    /// In the order of the catalogue that the hello shows.
    desks: Vec<Desk>,
    owners: Arc<Owners>,
    load: Arc<LoadMeter>,
    running: Arc<Running>,
    refusals: Arc<Refusals>,
    records: Records,
}

impl Inbound {
    pub(super) fn new(
        me: Process,
        hosts: Vec<Arc<dyn AnyHost>>,
        owners: Arc<Owners>,
        load: Arc<LoadMeter>,
        runtime: Handle,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        let refusals = Arc::new(Refusals::new(hosts.first().map(|host| host.node().clone())));
        let records = Records::new(me, &hosts, runtime, Arc::clone(&refusals), news);
        let desks = hosts.into_iter().map(Desk::new).collect();
        Self { desks, owners, load, running: Arc::default(), refusals, records }
    }

    /// What carries the records and fillings of slots.
    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// Cancels what a connection that has ended was waiting for.
    pub(super) fn hang_up(&self, link: LinkId) {
        self.running.cancel_all(link);
    }
}

impl Handler for Inbound {
    fn request(&self, from: &Link, received: Received<'_>, reply: ReplySlot<'_>) {
        let request = received.request;
        let (desk, entry) = match self.find(request.command) {
            Ok(found) => found,
            Err(detail) => {
                let registry =
                    self.desks.get(usize::from(request.command.registry())).map(|desk| desk.host.spec().name);
                let asked = Asked { peer: &from.peer().node, registry: registry.unwrap_or_default(), command: "" };
                match registry {
                    Some(_) => self.refusals.unknown_command(asked, &detail),
                    None => self.refusals.unknown_registry(asked, &detail),
                }
                return reply.answer(&Outcome::Incompatible { detail }, self.load.read());
            }
        };
        let host = &desk.host;
        let now = Instant::now();
        let asked = exec::Request {
            slot: request.slot,
            epoch: request.epoch,
            seen: request.seen,
            ask: Ask { id: request.id, mark: request.mark, name: request.name, content: request.content },
            attempt: u32::from(request.attempt),
            only_asks: request.only_asks,
            caller: &from.peer().node,
            begun: now,
            // No caller waits for longer than the clock can count; one that says so is told at once that its time is over.
            deadline: now.checked_add(request.remaining).unwrap_or(now),
            descent: request.descent,
            key: request.key,
            args: request.arguments,
        };
        let ticket = reply.ticket();
        let place = Cell::new(Some(reply));
        let mut later = |wait: Wait| -> Box<dyn exec::Replier> {
            let replier = place.take().map(ReplySlot::later);
            Box::new(Later {
                replier,
                ticket,
                slot: request.slot,
                caller: from.peer().node.clone(),
                host: Arc::clone(host),
                command: entry.name,
                owners: Arc::clone(&self.owners),
                load: Arc::clone(&self.load),
                running: (wait == Wait::Cancellable).then(|| Arc::clone(&self.running)),
                refusals: Arc::clone(&self.refusals),
            })
        };
        let served = with_scratch(|bytes| {
            let served = host.serve(entry.number, asked, bytes, &mut later);
            if let Served::Ready(outcome) = served {
                let asked = Asked { peer: &from.peer().node, registry: host.spec().name, command: entry.name };
                note(&self.refusals, asked, &outcome);
                let outcome = translate(outcome, || self.owners.of(host.spec().name, request.slot));
                if let Some(reply) = place.take() {
                    let head = ReplyHead { load: self.load.read(), shown: host.shown(request.slot) };
                    reply.answer_bytes(&outcome, head, bytes);
                }
                return None;
            }
            Some(served)
        });
        if let Some(Served::Later(cancel)) = served {
            self.running.began(ticket, cancel);
        }
    }

    fn cancel(&self, _from: &Link, ticket: Ticket) {
        self.running.cancel(ticket);
    }

    fn record(&self, from: &Link, frame: Part<'_>) {
        self.records.receive(from, frame.bytes);
    }
}

impl Inbound {
    /// What a command's code stands for in the catalogue; otherwise what is wrong with it.
    fn find(&self, code: WireCommand) -> Result<(&Desk, &Entry), String> {
        let (registry, command) = (code.registry(), code.command());
        let desk = self.desks.get(usize::from(registry));
        let desk = desk.ok_or_else(|| format!("there is no registry number {registry} in this node's catalogue"))?;
        let entry = desk.entries.get(usize::from(command));
        let name = desk.host.spec().name;
        let entry =
            entry.ok_or_else(|| format!("`{name}` has no command number {command} in this node's catalogue"))?;
        Ok((desk, entry))
    }
}

/// A registry as its entry in the catalogue has it.
struct Desk {
    host: Arc<dyn AnyHost>,
    /// The commands, in the order of the entry.
    entries: Vec<Entry>,
}

/// A command of a registry.
struct Entry {
    number: u16,
    name: &'static str,
}

impl Desk {
    fn new(host: Arc<dyn AnyHost>) -> Self {
        let entries = host.list().into_iter().map(|(number, described)| Entry { number, name: described.name });
        Self { entries: entries.collect(), host }
    }
}

/// The commands of peers that wait or run as tasks.
#[derive(Default)]
struct Running(Mutex<BTreeMap<Ticket, Stage>>);

/// The host says how to cancel a command after it has begun, and the command may have ended by then.
enum Stage {
    Began(Cancel),
    Ended,
}

impl Running {
    fn began(&self, ticket: Ticket, cancel: Cancel) {
        let mut running = self.lock();
        if running.remove(&ticket).is_none() {
            running.insert(ticket, Stage::Began(cancel));
        }
    }

    fn ended(&self, ticket: Ticket) {
        let mut running = self.lock();
        if running.remove(&ticket).is_none() {
            running.insert(ticket, Stage::Ended);
        }
    }

    fn cancel(&self, ticket: Ticket) {
        if let Some(Stage::Began(cancel)) = self.lock().get(&ticket) {
            cancel.cancel();
        }
    }

    fn cancel_all(&self, link: LinkId) {
        for (ticket, stage) in self.lock().iter() {
            if let (true, Stage::Began(cancel)) = (ticket.link == link, stage) {
                cancel.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Ticket, Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a command that had to wait.
struct Later {
    replier: Option<Replier>,
    ticket: Ticket,
    slot: Slot,
    caller: NodeId,
    host: Arc<dyn AnyHost>,
    command: &'static str,
    owners: Arc<Owners>,
    load: Arc<LoadMeter>,
    /// Where the command is listed, if it can be cancelled.
    running: Option<Arc<Running>>,
    refusals: Arc<Refusals>,
}

impl exec::Replier for Later {
    fn reply(mut self: Box<Self>, answer: Answer) {
        let Some(replier) = self.replier.take() else { return };
        let Answer { outcome, bytes } = answer;
        let registry = self.host.spec().name;
        let asked = Asked { peer: &self.caller, registry, command: self.command };
        note(&self.refusals, asked, &outcome);
        let outcome = translate(outcome, || self.owners.of(registry, self.slot));
        let head = ReplyHead { load: self.load.read(), shown: self.host.shown(self.slot) };
        replier.answer_with(&outcome, head, |out| {
            out.extend_from_slice(&bytes);
            Ok(())
        });
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.ended(self.ticket);
        }
    }
}

/// Records what a person should look at: the wire has no room for the details.
fn note(refusals: &Refusals, asked: Asked<'_>, outcome: &exec::Outcome) {
    match outcome {
        exec::Outcome::BadRequest { detail } => refusals.unreadable(asked, detail),
        exec::Outcome::TooLarge { limit } => refusals.reply_too_large(asked, *limit),
        exec::Outcome::BadReply { detail } => refusals.reply_fails(asked, detail),
        _ => {}
    }
}

/// What the wire says for an outcome of a host.
fn translate(outcome: exec::Outcome, owner: impl FnOnce() -> Option<(NodeId, Epoch)>) -> Outcome {
    use exec::Outcome as Here;
    match outcome {
        Here::Done(()) => Outcome::Ok,
        Here::Rejected(()) => Outcome::Rejected,
        Here::NotFound => Outcome::NotFound,
        Here::AlreadyExists => Outcome::AlreadyExists,
        Here::Overloaded { retry_after } => Outcome::Overloaded { retry_after },
        Here::NotOwner { epoch } => match owner() {
            Some((owner, epoch)) => Outcome::NotOwner { owner: Some(owner), epoch },
            None => Outcome::NotOwner { owner: None, epoch },
        },
        Here::NoLease => Outcome::Unavailable { reason: Reason::NoMajority.to_wire() },
        Here::Lost => Outcome::Unknown { reason: Reason::OwnerLost.to_wire() },
        Here::Moved { started } => Outcome::Moved { started },
        Here::Cancelled { .. } => Outcome::Cancelled,
        Here::DeadlineExceeded { started } => Outcome::DeadlineExceeded { started },
        Here::ReceiptExpired => Outcome::ReceiptExpired,
        Here::IdempotencyKeyReused => Outcome::IdempotencyKeyReused,
        Here::Panicked => Outcome::Panicked,
        Here::BadReply { .. } | Here::TooLarge { .. } => Outcome::BadReply,
        Here::BadRequest { detail } => {
            Outcome::Incompatible { detail: format!("the other node could not read the request: {detail}") }
        }
        Here::Incompatible { detail } => Outcome::Incompatible { detail },
    }
}
