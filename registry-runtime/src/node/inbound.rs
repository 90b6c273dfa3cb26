//! Requests of other nodes, on their way to the registries that this node hosts.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::load::LoadMeter;
use super::records::{News, Records};
use crate::client::Routes;
use crate::codec::with_scratch;
use crate::exec::{self, Answer, AnyHost, Cancel};
use crate::id::{Epoch, LinkId, NodeId, Process, Slot};
use crate::policy::receipts::Ask;
use crate::resource::{Kind, OwnCommand, Reason};
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
    common: Arc<Common>,
    records: Records,
}

/// What every answer needs.
struct Common {
    load: Arc<LoadMeter>,
    running: Running,
    refusals: Arc<Refusals>,
}

/// A registry as its entry in the catalogue has it. The commands have their places there as the host lists them.
#[derive(Clone)]
pub(super) struct Desk {
    /// Its instances.
    pub(super) host: Arc<dyn AnyHost>,
    /// Where its slots are, for those who ask for one in vain.
    pub(super) routes: Arc<Routes>,
}

impl Inbound {
    pub(super) fn new(
        me: Process,
        desks: Vec<Desk>,
        load: Arc<LoadMeter>,
        runtime: Handle,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        let refusals = Arc::new(Refusals::new(desks.first().map(|desk| desk.host.node().clone())));
        let hosts: Vec<_> = desks.iter().map(|desk| Arc::clone(&desk.host)).collect();
        let records = Records::new(me, &hosts, runtime, Arc::clone(&refusals), news);
        Self { desks, common: Arc::new(Common { load, running: Running::default(), refusals }), records }
    }

    /// What carries the records and fillings of slots.
    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// Cancels what a connection that has ended was waiting for.
    pub(super) fn hang_up(&self, link: LinkId) {
        self.common.running.cancel_all(link);
    }
}

impl Handler for Inbound {
    fn request(&self, from: &Link, received: Received<'_>, reply: ReplySlot<'_>) {
        let Received { request, at: now } = received;
        let (desk, command) = match self.find(request.command) {
            Ok(found) => found,
            Err(detail) => return self.refuse(from, request.command, detail, reply),
        };
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
        let mut later = |cancel: Option<Cancel>| -> Box<dyn exec::Replier> {
            let running = cancel.map(|cancel| {
                self.common.running.begin(ticket, cancel);
                ticket
            });
            Box::new(Later {
                replier: place.take().map(ReplySlot::later),
                running,
                slot: request.slot,
                caller: from.peer().node.clone(),
                desk: desk.clone(),
                command: *command,
                common: Arc::clone(&self.common),
            })
        };
        with_scratch(|bytes| {
            let Some(outcome) = desk.host.serve(command.number, asked, bytes, &mut later) else { return };
            if let Some(reply) = place.take() {
                let (outcome, head) = self.common.answer(desk, command, (&from.peer().node, request.slot), outcome);
                reply.answer_bytes(&outcome, head, bytes);
            }
        });
    }

    fn cancel(&self, ticket: Ticket) {
        self.common.running.cancel(ticket);
    }

    fn record(&self, from: &Link, frame: Part<'_>) {
        self.records.receive(from, frame.bytes);
    }
}

impl Inbound {
    /// What a command's code stands for in the catalogue; otherwise what is wrong with it.
    fn find(&self, code: WireCommand) -> Result<(&Desk, &OwnCommand), String> {
        let (registry, command) = (code.registry(), code.command());
        let desk = self.desks.get(usize::from(registry));
        let desk = desk.ok_or_else(|| format!("there is no registry number {registry} in this node's catalogue"))?;
        let name = desk.host.spec().name;
        let listed = desk.host.commands().get(usize::from(command));
        let listed =
            listed.ok_or_else(|| format!("`{name}` has no command number {command} in this node's catalogue"))?;
        Ok((desk, listed))
    }

    /// Refuses what the catalogue does not have.
    fn refuse(&self, from: &Link, code: WireCommand, detail: String, reply: ReplySlot<'_>) {
        let Common { refusals, load, .. } = &*self.common;
        let registry = self.desks.get(usize::from(code.registry())).map(|desk| desk.host.spec().name);
        let asked = Asked { peer: &from.peer().node, registry: registry.unwrap_or_default(), command: "" };
        match registry {
            Some(_) => refusals.unknown_command(asked, &detail),
            None => refusals.unknown_registry(asked, &detail),
        }
        reply.answer(&Outcome::Incompatible { detail }, load.read());
    }
}

impl Common {
    /// What the wire says for a command's outcome, beside its bytes.
    fn answer(
        &self,
        desk: &Desk,
        command: &OwnCommand,
        (caller, slot): (&NodeId, Slot),
        outcome: exec::Outcome,
    ) -> (Outcome, ReplyHead) {
        let Desk { host, routes } = desk;
        note(&self.refusals, Asked { peer: caller, registry: host.spec().name, command: command.name }, &outcome);
        let owner = || {
            let table = routes.table();
            let entry = table.slot(slot)?;
            Some((table.owner(entry)?.peer.node.clone(), entry.epoch))
        };
        // Actions belong to no slot.
        let shown = if command.kind == Kind::Action { None } else { host.shown(slot) };
        (translate(outcome, owner), ReplyHead { load: self.load.read(), shown })
    }
}

/// How to cancel the commands of peers that wait or run as tasks.
#[derive(Default)]
struct Running(Mutex<BTreeMap<Ticket, Cancel>>);

impl Running {
    fn begin(&self, ticket: Ticket, cancel: Cancel) {
        self.lock().insert(ticket, cancel);
    }

    fn end(&self, ticket: Ticket) {
        self.lock().remove(&ticket);
    }

    fn cancel(&self, ticket: Ticket) {
        self.lock().get(&ticket).map(Cancel::cancel);
    }

    fn cancel_all(&self, link: LinkId) {
        self.lock().iter().filter(|(ticket, _)| ticket.link == link).for_each(|(_, cancel)| _ = cancel.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Ticket, Cancel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a command that had to wait.
struct Later {
    replier: Option<Replier>,
    /// As which the command is listed, if it can be cancelled.
    running: Option<Ticket>,
    slot: Slot,
    caller: NodeId,
    desk: Desk,
    command: OwnCommand,
    common: Arc<Common>,
}

impl exec::Replier for Later {
    fn reply(mut self: Box<Self>, answer: Answer) {
        let Some(replier) = self.replier.take() else { return };
        let Answer { outcome, bytes } = answer;
        let (outcome, head) = self.common.answer(&self.desk, &self.command, (&self.caller, self.slot), outcome);
        replier.answer_with(&outcome, head, |out| {
            out.extend_from_slice(&bytes);
            Ok(())
        });
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        self.running.into_iter().for_each(|ticket| self.common.running.end(ticket));
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
            Some((owner, epoch)) => Outcome::NotOwner { owner: Some(Box::new(owner)), epoch },
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
