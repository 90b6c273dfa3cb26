//! The way in for callers elsewhere: commands by number, keys and arguments as bytes.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::begin::{Begun, agreed};
use super::contain::contain;
use super::control::Control;
use super::copies::Copies;
use super::host::Host;
use super::outcome::Outcome;
use super::reply::{Buffer, Encoded};
use super::salvage::Remains;
use super::work::Work;
use super::{Attempt, Lease, Load, Request, codec};
use crate::id::{Epoch, Fingerprint, Mark, NodeId, Process, Slot};
use crate::policy::replica::Stamp;
use crate::resource::{Command, Commands, Kind, OwnCommand, Resource, Visitor, fingerprint_of_instances};
use crate::spec::Spec;

/// A [`Host`] without the type of its resource.
pub(crate) trait AnyHost: Copies + Remains + Debug + Send + Sync + 'static {
    /// The registry.
    fn spec(&self) -> &'static Spec;

    /// The node that keeps it.
    fn node(&self) -> &NodeId;

    /// What its instances look like to whoever keeps a copy; not free, so ask once. `None` where it cannot be told.
    fn instances(&self) -> Option<Fingerprint>;

    /// Runs a command. When it ends at once, the outcome tells how, and the bytes of a reply (`Done`) or error (`Rejected`)
    /// have been put at the end of `buffer`, which is otherwise left as it was; `later` is not called. When it has to wait,
    /// `later` is called once for somebody to reply to, with the way to cancel it: one whose record is under way has none.
    fn serve(
        &self,
        number: u16,
        request: Request<'_>,
        buffer: &mut Vec<u8>,
        later: &mut dyn FnMut(Option<Cancel>) -> Box<dyn Replier>,
    ) -> Option<Outcome>;

    /// All commands by rising number.
    fn commands(&self) -> &[OwnCommand];

    /// See [`Host::open`]. The stream of records must have begun in that epoch: a slot without one would keep its changes to itself.
    fn open(&self, slot: Slot, epoch: Epoch, lease: Lease) -> bool;

    /// See [`Host::close`].
    fn close(&self, slot: Slot);

    /// See [`Host::stop`].
    fn stop(&self);

    /// See [`Host::empty`].
    fn empty(&self);

    /// See [`Host::clear`].
    fn clear(&self, slot: Slot);

    /// See [`Host::seal`].
    fn seal(&self, slot: Slot, to: &Process) -> bool;

    /// See [`Host::shown`].
    fn shown(&self, slot: Slot) -> Option<Stamp>;

    /// See [`Host::forget_due`].
    fn forget_due(&self);

    /// See [`Host::pass`].
    fn pass(&self, session: u64, mark: Mark);

    /// See [`Host::load`].
    fn load(&self) -> Load;

    /// For `host_of`.
    fn as_any(&self) -> &(dyn Any + Send + Sync);
}

impl dyn AnyHost {
    /// Gives the type back; `None` when it is another.
    pub(crate) fn host_of<R: Resource>(&self) -> Option<Arc<Host<R>>> {
        self.as_any().downcast_ref::<Arc<Host<R>>>().cloned()
    }
}

/// Cancels a command that waits or runs as a task.
#[derive(Clone, Debug)]
pub(crate) struct Cancel(Arc<Control>);

impl Cancel {
    pub(super) fn new(control: &Arc<Control>) -> Self {
        Self(Arc::clone(control))
    }

    /// Cancels the command, which is still replied to. `true` is a promise: it is never started.
    pub(crate) fn cancel(&self) -> bool {
        self.0.stop_cancelled()
    }
}

/// Takes the answer to a command that had to wait.
pub(crate) trait Replier: Send + 'static {
    /// Takes it. Called once, on a thread of the node's runtime, so it must not block; it is dropped without a call only if
    /// that runtime shuts down.
    fn reply(self: Box<Self>, answer: Answer);
}

/// How a command ended that had to wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The encoded reply (`Done`) or error (`Rejected`); empty otherwise.
    pub(crate) bytes: Vec<u8>,
}

/// A host that knows itself by its handle: its tasks need one.
impl<R: Resource> AnyHost for Arc<Host<R>> {
    fn spec(&self) -> &'static Spec {
        &self.definition.spec
    }

    fn node(&self) -> &NodeId {
        &self.setting.origin.node
    }

    fn instances(&self) -> Option<Fingerprint> {
        fingerprint_of_instances::<R>()
    }

    fn serve(
        &self,
        number: u16,
        request: Request<'_>,
        buffer: &mut Vec<u8>,
        later: &mut dyn FnMut(Option<Cancel>) -> Box<dyn Replier>,
    ) -> Option<Outcome> {
        let Some(Some(command)) = self.commands.get(usize::from(number)) else {
            let detail = format!("`{}` has no command number {number}", self.definition.spec.name);
            return Some(Outcome::Incompatible { detail });
        };
        let start = buffer.len();
        // Bodies are contained further in. What is left is the `Drop` of arguments that were never used, and the caller
        // here is a connection that others use, too.
        contain(|| command.serve(self, request, buffer, later)).unwrap_or_else(|| {
            buffer.truncate(start);
            Some(Outcome::Panicked)
        })
    }

    fn commands(&self) -> &[OwnCommand] {
        &self.own_commands
    }

    fn open(&self, slot: Slot, epoch: Epoch, lease: Lease) -> bool {
        self.shelf(slot).is_some_and(|shelf| shelf.has_begun(epoch)) && Host::open(self, slot, epoch, lease)
    }

    fn close(&self, slot: Slot) {
        Host::close(self, slot);
    }

    fn stop(&self) {
        Host::stop(self);
    }

    fn empty(&self) {
        Host::empty(self);
    }

    fn clear(&self, slot: Slot) {
        Host::clear(self, slot);
    }

    fn seal(&self, slot: Slot, to: &Process) -> bool {
        Host::seal(self, slot, to)
    }

    fn shown(&self, slot: Slot) -> Option<Stamp> {
        Host::shown(self, slot)
    }

    fn forget_due(&self) {
        Host::forget_due(self);
    }

    fn pass(&self, session: u64, mark: Mark) {
        Host::pass(self, session, mark);
    }

    fn load(&self) -> Load {
        Host::load(self)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// A command of `R` without the types of its arguments, reply and error.
pub(super) trait Erased<R: Resource>: Send + Sync {
    fn serve(
        &self,
        host: &Arc<Host<R>>,
        request: Request<'_>,
        buffer: &mut Vec<u8>,
        later: &mut dyn FnMut(Option<Cancel>) -> Box<dyn Replier>,
    ) -> Option<Outcome>;
}

/// All commands of `R`, each at its number.
pub(super) fn list<R: Commands>() -> Vec<Option<Box<dyn Erased<R>>>> {
    let mut list = List(Vec::new());
    R::each(&mut list);
    list.0
}

struct List<R>(Vec<Option<Box<dyn Erased<R>>>>);

impl<R: Commands> Visitor<R> for List<R> {
    fn command<A, T, E>(&mut self, command: &'static Command<R, A, T, E>)
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        let at = usize::from(command.number);
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        if let Some(space) = self.0.get_mut(at) {
            debug_assert!(space.is_none(), "two commands have the number {at}");
            *space = Some(Box::new(Entry { command }));
        }
    }
}

struct Entry<R: Resource, A: 'static, T: 'static, E: 'static> {
    command: &'static Command<R, A, T, E>,
}

impl<R, A, T, E> Erased<R> for Entry<R, A, T, E>
where
    R: Resource,
    A: DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
    E: Send + 'static,
{
    fn serve(
        &self,
        host: &Arc<Host<R>>,
        request: Request<'_>,
        buffer: &mut Vec<u8>,
        later: &mut dyn FnMut(Option<Cancel>) -> Box<dyn Replier>,
    ) -> Option<Outcome> {
        let command = self.command;
        let (key, args) = match decode::<R, A>(host, command.kind(), &request) {
            Ok(decoded) => decoded,
            Err(detail) => return Some(Outcome::BadRequest { detail }),
        };
        let Request { slot, epoch, seen, ask, attempt, only_asks, caller, begun, deadline, descent, .. } = request;
        let seen = seen.filter(|_| command.kind() == Kind::Read);
        let bytes = request.key.len().saturating_add(request.args.len());
        let attempt = Attempt {
            slot,
            epoch,
            seen,
            key,
            ask,
            keeps_receipt: true,
            attempt,
            only_asks,
            caller,
            begun,
            deadline,
            descent,
            bytes,
        };
        let start = buffer.len();
        let bytes_max = host.setting.reply_bytes_max;
        let reply = Encoded { buffer: Buffer::Lent(&mut *buffer), bytes_max, error: &command.error };
        let mut work = Work::new(command, args, reply, None);
        let job = match host.begin(&mut work, attempt) {
            Begun::Ready(outcome) => {
                if !outcome.tells() {
                    buffer.truncate(start);
                }
                return Some(outcome);
            }
            Begun::Pledged(pledge, outcome) => {
                let bytes = buffer.get(start..).unwrap_or_default().to_vec();
                buffer.truncate(start);
                let replier = later(None);
                pledge.then(move |decided| {
                    let outcome = agreed(outcome, decided);
                    let bytes = if outcome.tells() { bytes } else { Vec::new() };
                    replier.reply(Answer { outcome, bytes });
                });
                return None;
            }
            Begun::Later(job) => job,
        };
        let cancel = Cancel::new(job.control());
        let task = job.with(work.into_task(Encoded::into_task));
        let replier = later(Some(cancel));
        host.setting.spawn(Box::pin(async move {
            let (outcome, work) = task.drive().await;
            let bytes = work.reply.told(&outcome);
            replier.reply(Answer { outcome, bytes });
        }));
        None
    }
}

/// Decodes what a peer sent and catches it in a lie about the slot.
fn decode<R: Resource, A: DeserializeOwned>(
    host: &Host<R>,
    kind: Kind,
    request: &Request<'_>,
) -> Result<(Option<R::Key>, A), String> {
    let decoded = contain(|| {
        let args = codec::decode::<A>(request.args).map_err(|fault| format!("the arguments do not decode: {fault}"))?;
        if kind == Kind::Action {
            return Ok((None, args));
        }
        let key: R::Key = codec::decode(request.key).map_err(|fault| format!("the key does not decode: {fault}"))?;
        let slot = host.slot_of(&key);
        if slot != request.slot {
            return Err(format!("the key belongs to slot {slot}, not to slot {}", request.slot));
        }
        Ok((Some(key), args))
    });
    decoded.unwrap_or_else(|| Err("decoding panicked".into()))
}
