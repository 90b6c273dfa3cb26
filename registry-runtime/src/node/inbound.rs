//! Requests of other nodes, on their way to the registries that this node hosts.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::load::LoadMeter;
use super::owners::Owners;
use crate::codec::with_scratch;
use crate::exec::{self, Answer, AnyHost, Cancel, Served};
use crate::resource::Reason;
use crate::transport::{Handler, Link, LinkId, Part, Received, Replier, ReplySlot, Ticket};
use crate::wire::outcome::Outcome;

/// Takes the requests of peers and hands them to the hosts.
pub(super) struct Inbound {
    /// In the order of the catalogue that the hello shows.
    desks: Vec<Desk>,
    owners: Arc<Owners>,
    load: Arc<LoadMeter>,
    running: Arc<Running>,
}

impl Inbound {
    pub(super) fn new(hosts: Vec<Arc<dyn AnyHost>>, owners: Arc<Owners>, load: Arc<LoadMeter>) -> Self {
        Self { desks: hosts.into_iter().map(Desk::new).collect(), owners, load, running: Arc::default() }
    }

    /// Cancels what a connection that has ended was waiting for.
    pub(super) fn hang_up(&self, link: LinkId) {
        self.running.cancel_all(link);
    }
}

impl Handler for Inbound {
    fn request(&self, from: &Link, received: Received<'_>, reply: ReplySlot<'_>) {
        let request = received.request;
        let desk = self.desks.get(usize::from(request.command.registry()));
        let number = desk.and_then(|desk| desk.numbers.get(usize::from(request.command.command())));
        let (Some(Desk { host, .. }), Some(number)) = (desk, number) else {
            let detail = "there is no such command in this node's catalogue".to_owned();
            return reply.answer(&Outcome::Incompatible { detail }, self.load.read());
        };
        let now = Instant::now();
        let asked = exec::Request {
            slot: request.slot,
            epoch: request.epoch,
            id: request.id,
            attempt: u32::from(request.attempt),
            caller: &from.peer().node,
            // A remaining time beyond what the clock can count is as good as none.
            begun: now,
            deadline: now.checked_add(request.remaining).unwrap_or(now),
            key: request.key,
            args: request.arguments,
        };
        let ticket = reply.ticket();
        let place = Cell::new(Some(reply));
        let mut later = || -> Box<dyn exec::Replier> {
            let replier = place.take().map(ReplySlot::later);
            Box::new(Later {
                replier,
                ticket,
                slot: request.slot,
                host: Arc::downgrade(host),
                owners: Arc::clone(&self.owners),
                load: Arc::clone(&self.load),
                running: Arc::clone(&self.running),
            })
        };
        let served = with_scratch(|bytes| {
            let served = host.serve(*number, asked, bytes, &mut later);
            if let Served::Ready(outcome) = served {
                let outcome = translate(outcome, || self.owners.of(host.spec().name, request.slot));
                if let Some(reply) = place.take() {
                    reply.answer_with(&outcome, self.load.read(), |out| {
                        out.extend_from_slice(bytes);
                        Ok(())
                    });
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

    fn record(&self, _from: &Link, _frame: Part<'_>) {
        // Records are replicated by a later release; a peer that sends one today is newer than this node.
        tracing::debug!("a record came, which this release does not know");
    }
}

/// A registry as its entry in the catalogue has it.
struct Desk {
    host: Arc<dyn AnyHost>,
    /// The commands' numbers, in the order of the entry.
    numbers: Vec<u16>,
}

impl Desk {
    fn new(host: Arc<dyn AnyHost>) -> Self {
        let numbers = host.list().into_iter().map(|(number, _)| number).collect();
        Self { host, numbers }
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
    slot: crate::id::Slot,
    host: Weak<dyn AnyHost>,
    owners: Arc<Owners>,
    load: Arc<LoadMeter>,
    running: Arc<Running>,
}

impl exec::Replier for Later {
    fn reply(mut self: Box<Self>, answer: Answer) {
        let Some(replier) = self.replier.take() else { return };
        let Answer { outcome, bytes } = answer;
        let name = self.host.upgrade().map(|host| host.spec().name);
        let outcome = translate(outcome, || name.and_then(|name| self.owners.of(name, self.slot)));
        replier.answer_with(&outcome, self.load.read(), |out| {
            out.extend_from_slice(&bytes);
            Ok(())
        });
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        self.running.ended(self.ticket);
    }
}

/// What the wire says for an outcome of a host.
fn translate(outcome: exec::Outcome, owner: impl FnOnce() -> Option<(crate::id::NodeId, crate::id::Epoch)>) -> Outcome {
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
        Here::Panicked => Outcome::Panicked,
        Here::BadReply { .. } | Here::TooLarge { .. } => Outcome::BadReply,
        Here::BadRequest { .. } => Outcome::BadFrame,
        Here::Incompatible { detail } => Outcome::Incompatible { detail },
    }
}
