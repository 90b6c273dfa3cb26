//! The attempts of one call: where to, how long, and what to make of the answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::Reach;
use super::caller::derived_id;
use super::losses::Losses;
use super::parts::{Parts, Unfit};
use super::peer::Outstanding;
use super::port::Subscription;
use super::routes::Changes;
use super::target::{Aim, Refusal, Target};
use super::verdict::{self, Again, PAUSE, Verdict};
use crate::codec::decode;
use crate::exec::{Attempt, Handle, Started};
use crate::id::{CommandId, Descent, Epoch, IdempotencyName, Mark, NodeId, Slot};
use crate::policy::receipts::Ask;
use crate::policy::replica::Stamp;
use crate::resource::{Command, CommandError, Commands, Context as Calling, Executed, Kind, Reason};
use crate::rules::Rule;
use crate::telemetry;
use crate::transport::{Link, LinkError, Pending, Reply};
use crate::wire::frame::{Request, WireCommand};
use crate::wire::limits::COMMAND_BYTES_MAX;
use crate::wire::outcome as wire;

/// How many owners a call follows on the word of other nodes before it waits for its own table to catch up.
const HOPS_MAX: u32 = 3;

/// A call on its way.
pub(super) struct Run<R: Commands, A: 'static, T: 'static, E: 'static> {
    reach: Arc<Reach<R>>,
    command: &'static Command<R, A, T, E>,
    slot: Slot,
    parts: Parts<R::Key, A>,
    id: CommandId,
    /// What the command is known by beside its id; few are by anything, so it lies elsewhere.
    described: Option<Box<Described>>,
    /// Whether the call is open in its session, to be closed with its end.
    open: bool,
    /// Whether a command makes the call, whose own next run would make it again.
    derived: bool,
    deadline: Instant,
    /// For how long the machine had slept when the call began.
    asleep: Duration,
    attempts: u32,
    /// Why an attempt may have run without telling, be it one of an earlier run of the command that makes the call: then nothing may claim
    /// that the command never ran.
    unresolved: Option<Reason>,
    /// Whether an attempt of this very call is among those.
    own_unresolved: bool,
    /// An owner that another node named, newer than the own table.
    hint: Option<(NodeId, Epoch)>,
    /// The owners followed on the word of other nodes since the own table was in this epoch.
    hops: (u32, Epoch),
    losses: Losses,
}

/// What a command is known by beside its id.
#[derive(Clone, Copy, Default)]
struct Described {
    /// The user's own name for it.
    name: Option<IdempotencyName>,
    /// What it is, where its id cannot vouch for that.
    content: Option<u64>,
    /// What it hands down to the calls that it makes, as far as its own attempts do not matter.
    descent: Option<Descent>,
}

/// How an attempt begins.
pub(super) enum Start<T, E> {
    /// It has ended, too.
    Ended(Verdict<T, E>),
    /// It is under way.
    Waits(Awaited<T, E>),
}

/// An attempt that is under way; dropping it cancels it.
pub(super) enum Awaited<T, E> {
    /// On this node.
    Here { handle: Handle<T, E>, _occupied: Option<Outstanding> },
    /// On another one.
    There(Pending),
}

impl<R, A, T, E> Run<R, A, T, E>
where
    R: Commands,
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    /// A call that no attempt was made of yet.
    pub(super) fn new(
        reach: Arc<Reach<R>>,
        command: &'static Command<R, A, T, E>,
        slot: Slot,
        parts: Parts<R::Key, A>,
        within: Option<&Calling>,
        deadline: Instant,
    ) -> Self {
        let keeps_receipt = keeps_receipt(command.kind());
        let Reach { port, subscription, .. } = &*reach;
        let asleep = port.asleep_lately();
        let id = match within {
            Some(context) => derived_id(context),
            None if keeps_receipt => {
                let sequence = subscription.session.open(slot, || port.next_number());
                CommandId { session: port.session(), sequence }
            }
            None => CommandId { session: port.session(), sequence: port.next_number() },
        };
        // The next run of a command makes its calls under the same ids, and what the last one made of them is for their receipts to say.
        let doubt = within.is_some_and(Calling::is_rerun) && command.kind() != Kind::Read;
        let unresolved = doubt.then_some(Reason::OwnerLost).filter(|_| port.rules.keeps(Rule::NoMeansNo));
        // A run of a command is a session that nobody closes calls of: there, time does.
        let open = keeps_receipt && within.is_none();
        Self {
            reach,
            command,
            slot,
            parts,
            id,
            described: None,
            open,
            derived: within.is_some(),
            deadline,
            asleep,
            attempts: 0,
            unresolved,
            own_unresolved: false,
            hint: None,
            hops: (0, Epoch::ZERO),
            losses: Losses::default(),
        }
    }

    /// Begins an attempt, wherever it goes. The task is woken when there is an answer from there.
    #[inline]
    pub(super) fn set_out(&mut self, now: Instant, task: &Waker) -> Start<T, E> {
        let end = |error| Start::Ended(Verdict::End(Err(error)));
        if now >= self.deadline {
            return end(CommandError::DeadlineExceeded { executed: Executed::No });
        }
        let Reach { port, .. } = &*self.reach;
        // What commands call that still run here goes on.
        if port.is_closed() || (port.is_draining() && self.attempts == 0 && !self.derived) {
            return end(CommandError::Unavailable { reason: Reason::ShuttingDown });
        }
        let Command { number, .. } = self.command;
        let kind = self.command.kind();
        // Who was sent away by a backup asks the owner.
        let any_replica = kind == Kind::Read && self.attempts == 0 && self.reach.subscription.seen.is_some();
        let aim = Aim { kind, number: *number, slot: self.slot, any_replica, hint: self.hint.as_ref() };
        let target = self.reach.target(&aim);
        self.count_losses(&target);
        if self.losses.are_too_many() && !keeps_receipt(kind) {
            return end(CommandError::Unknown { reason: Reason::OwnerLost });
        }
        match target {
            Target::Here { epoch, seen, occupied } => self.start_here(now, (epoch, seen), occupied),
            Target::There { link, code, epoch, seen } => match link.as_deref() {
                Some(link) => self.send(now, link, code, (epoch, seen), task),
                None => Start::Ended(Verdict::Again(Again::news(Reason::ConnectionLost))),
            },
            Target::Nowhere(reason) => Start::Ended(Verdict::Again(Again::news(reason))),
            // With an attempt unresolved nobody could say what became of it, and whoever owns the slot later can.
            Target::Refused(Refusal::Unavailable(reason)) if self.unresolved.is_some() => {
                Start::Ended(Verdict::Again(Again::news(reason)))
            }
            Target::Refused(Refusal::Unavailable(reason)) => end(CommandError::Unavailable { reason }),
            Target::Refused(Refusal::Incompatible(detail)) => {
                end(CommandError::Incompatible { detail: detail.to_string() })
            }
        }
    }

    /// Waits for the end of an attempt.
    #[inline]
    pub(super) fn poll_verdict(&mut self, awaited: &mut Awaited<T, E>, task: &mut Context<'_>) -> Poll<Verdict<T, E>> {
        Poll::Ready(match awaited {
            Awaited::Here { handle, .. } => {
                let outcome = ready!(Pin::new(handle).poll(task));
                self.note_shown_here();
                verdict::here(outcome, self.may_repeat(), self.parts.are_spent())
            }
            Awaited::There(pending) => {
                let reply = ready!(Pin::new(pending).poll(task));
                self.understand(reply)
            }
        })
    }

    /// Goes on after an attempt that came to nothing, until an outcome or the deadline.
    pub(super) async fn drive(mut self, first: Again) -> Result<T, CommandError<E>> {
        let mut again = first;
        let mut changes: Option<Changes> = None;
        let mut waiting: Option<Waiting> = None;
        loop {
            self.pause(again, &mut changes, &mut waiting).await?;
            let start = poll_fn(|task| Poll::Ready(self.set_out(Instant::now(), task.waker()))).await;
            let verdict = match start {
                Start::Ended(verdict) => verdict,
                Start::Waits(mut awaited) => {
                    // Who is under way waits for nobody's place any more.
                    waiting = None;
                    poll_fn(|task| self.poll_verdict(&mut awaited, task)).await
                }
            };
            again = match self.weigh(verdict) {
                Verdict::End(outcome) => return outcome,
                Verdict::Again(again) => again,
            };
        }
    }

    /// Counts whoever had the last attempt as lost with it, where the next one goes to somebody else.
    fn count_losses(&mut self, target: &Target) {
        let next = match target {
            Target::Here { .. } => None,
            Target::There { link, .. } => link.as_deref().map(|link| link.peer().start),
            Target::Nowhere(_) | Target::Refused(_) => return,
        };
        let Self { losses, reach, .. } = self;
        losses.goes_on_to(next, |process| {
            let is_with = |link: &Link| link.is_open() && link.peer().start == process;
            reach
                .subscription
                .routes
                .table()
                .peers
                .iter()
                .any(|route| route.peer.link().as_deref().is_some_and(is_with))
        });
    }

    /// What a verdict comes to after all attempts. With one unresolved, who had no place for another one was not asked what became of it: the
    /// call asks again. And where there is no receipt of a command that is not to be run any more, nobody can say.
    #[inline]
    pub(super) fn weigh(&self, verdict: Verdict<T, E>) -> Verdict<T, E> {
        // Before all else, so that a reply is not moved through whatever else might have come.
        if let Verdict::End(Ok(_)) = verdict {
            return verdict;
        }
        match (verdict, self.unresolved) {
            (Verdict::End(Err(CommandError::Overloaded { retry_after })), Some(reason)) => {
                Verdict::Again(Again { anyway: Some(retry_after.max(PAUSE)), ..Again::soon(reason) })
            }
            (Verdict::Again(Again { started: true, reason: reason @ Reason::OwnerLost, .. }), _)
                if self.losses.are_too_many() =>
            {
                Verdict::End(Err(CommandError::Unknown { reason }))
            }
            (Verdict::End(Err(error)), _) => Verdict::End(Err(self.settle(error))),
            (verdict, _) => verdict,
        }
    }

    /// Takes in what the last attempt has taught and waits until there is reason for another one.
    async fn pause(
        &mut self,
        mut again: Again,
        changes: &mut Option<Changes>,
        waiting: &mut Option<Waiting>,
    ) -> Result<(), CommandError<E>> {
        let hopped = self.learn(&mut again);
        let Again { reason, anyway, .. } = again;
        let now = Instant::now();
        if self.is_over(now) {
            return Err(self.out_of_time(reason));
        }
        if hopped {
            return Ok(());
        }
        // The first time round it subscribes and looks once more, so that no change of the table is missed.
        let Some(changes) = changes else {
            *changes = Some(self.reach.subscription.routes.watch());
            return Ok(());
        };
        if waiting.is_none() {
            *waiting = Waiting::enter(&self.reach.subscription);
        }
        // Of those with an attempt unresolved there are no more than lanes have room for, or commands that make them.
        if waiting.is_none() && self.unresolved.is_none() {
            return Err(self.settle(CommandError::Overloaded { retry_after: PAUSE }));
        }
        let until = anyway.map_or(self.deadline, |pause| self.deadline.min(now + pause));
        changes.next(until).await;
        if self.is_over(Instant::now()) { Err(self.out_of_time(reason)) } else { Ok(()) }
    }

    /// Starts the command on this node.
    #[inline]
    fn start_here(
        &mut self,
        now: Instant,
        (epoch, seen): (Epoch, Option<Stamp>),
        occupied: Option<Outstanding>,
    ) -> Start<T, E> {
        let end = |error| Start::Ended(Verdict::End(Err(error)));
        let Some(host) = &self.reach.host else {
            return end(CommandError::Unavailable { reason: Reason::NotHosted });
        };
        self.attempts = self.attempts.saturating_add(1);
        let (key, arguments) = match self.parts.take() {
            Ok(parts) => parts,
            Err(unfit) => return end(self.unsendable(&unfit)),
        };
        // Nobody can lose the answer of a call on this node, so it leaves a receipt only for its name, for the next run of the command that
        // makes it, or for the next owner, to whom the call goes when this node loses the slot.
        let Described { name, content, descent } = self.described();
        let descent = self.handed_down(descent);
        let keeps = name.is_some() || self.derived || self.reach.subscription.spec.replicas > 1;
        let mark = if keeps { self.mark() } else { Mark::NOTHING };
        let attempt = Attempt {
            slot: self.slot,
            epoch,
            seen,
            key,
            ask: Ask { id: self.id, mark, name, content },
            keeps_receipt: keeps,
            attempt: self.attempts,
            only_asks: self.losses.are_too_many(),
            caller: &self.reach.port.node,
            begun: now,
            deadline: self.deadline,
            descent,
            bytes: 0,
        };
        let parts = &mut self.parts;
        match host.call(self.command, attempt, arguments, &mut |key, arguments| parts.spare(key, arguments)) {
            Started::Ready(outcome) => {
                self.note_shown_here();
                Start::Ended(verdict::here(outcome, self.may_repeat(), self.parts.are_spent()))
            }
            Started::Later(handle) => Start::Waits(Awaited::Here { handle, _occupied: occupied }),
        }
    }

    /// Sends the command to another node.
    fn send(
        &mut self,
        now: Instant,
        link: &Link,
        command: WireCommand,
        (epoch, seen): (Epoch, Option<Stamp>),
        task: &Waker,
    ) -> Start<T, E> {
        self.attempts = self.attempts.saturating_add(1);
        self.losses.sent(link.peer().start);
        let mark = self.mark();
        let Self { slot, id, attempts, deadline, losses, .. } = *self;
        let is_keyed = self.is_keyed();
        let Described { name, content, descent } = self.described();
        let descent = self.handed_down(descent);
        let sent = self.parts.show(|key, arguments| {
            let attempt = u8::try_from(attempts).unwrap_or(u8::MAX);
            let remaining = deadline.saturating_duration_since(now);
            let request = Request {
                command,
                slot,
                epoch,
                id,
                attempt,
                only_asks: losses.are_too_many(),
                mark,
                name,
                content,
                descent,
                seen,
                remaining,
                key,
                arguments,
            };
            // Actions belong to no slot, and may overtake one another. The first calls of all commands have the same number.
            #[expect(clippy::cast_possible_truncation, reason = "any number spreads them")]
            let hint = if is_keyed { slot.get() } else { (id.session ^ id.sequence) as u32 };
            link.request_for(hint, &request, deadline, task)
        });
        match sent {
            Ok(Ok(pending)) => Start::Waits(Awaited::There(pending)),
            Ok(Err(error)) => Start::Ended(self.understand(Err(error))),
            Err(unfit) => Start::Ended(Verdict::End(Err(self.unsendable(&unfit)))),
        }
    }

    /// What the other node's reply, or the lack of one, means.
    fn understand(&mut self, reply: Result<Reply, LinkError>) -> Verdict<T, E> {
        let Reply { outcome, head, payload } = match reply {
            Ok(reply) => {
                self.losses.answered();
                reply
            }
            Err(LinkError::Lost { sent: false }) => return Verdict::Again(Again::soon(Reason::ConnectionLost)),
            Err(LinkError::Lost { sent: true }) if self.may_repeat() => {
                self.losses.lost();
                return Verdict::Again(Again::soon_after_start(Reason::ConnectionLost));
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
        self.note_shown(head.shown);
        match outcome {
            wire::Outcome::Ok => match decode(&payload) {
                Ok(reply) => Verdict::End(Ok(reply)),
                Err(_) => Verdict::End(Err(CommandError::Unknown { reason: Reason::BadReply })),
            },
            wire::Outcome::Rejected => match (self.command.error.decode)(&payload) {
                Ok(error) => Verdict::End(Err(CommandError::Rejected(error))),
                Err(_) => Verdict::End(Err(CommandError::Unknown { reason: Reason::BadReply })),
            },
            refusal => verdict::there(refusal, self.may_repeat()),
        }
    }

    /// Whether its time is over. While an attempt is unresolved, what the machine has slept counts, too: receipts are kept for as long as the
    /// owner's clock shows, which ran on.
    fn is_over(&self, now: Instant) -> bool {
        let slept = || self.reach.port.asleep().saturating_sub(self.asleep);
        now >= self.deadline || (self.unresolved.is_some() && now + slept() >= self.deadline)
    }

    /// Remembers what this node may have shown to the caller.
    fn note_shown_here(&self) {
        if self.reach.subscription.seen.is_some()
            && self.is_keyed()
            && let Some(host) = &self.reach.host
        {
            self.note_shown(host.shown(self.slot));
        }
    }

    /// Whether the command is one on an instance; an action's slot means nothing.
    fn is_keyed(&self) -> bool {
        self.command.kind() != Kind::Action
    }

    /// Remembers what the caller may have been shown.
    fn note_shown(&self, shown: Option<Stamp>) {
        if let (Some(seen), Some(shown)) = (&self.reach.subscription.seen, shown) {
            seen.note(self.slot, shown);
        }
    }

    /// Takes in what an attempt has taught; `true` when it named another owner that is worth a hop at once.
    fn learn(&mut self, again: &mut Again) -> bool {
        if again.started && self.reach.port.rules.keeps(Rule::NoMeansNo) {
            self.unresolved.get_or_insert(again.reason);
            self.own_unresolved = true;
        }
        self.hint = None;
        let Some((node, epoch)) = again.hint.take() else { return false };
        let known = self.reach.subscription.routes.table().slot(self.slot).map_or(Epoch::ZERO, |entry| entry.epoch);
        if epoch <= known {
            return false;
        }
        let (hops, since) = self.hops;
        self.hops = if known > since { (1, known) } else { (hops.saturating_add(1), since) };
        if self.hops.0 > HOPS_MAX {
            again.reason = Reason::TooManyHops;
            return false;
        }
        self.hint = Some((node, epoch));
        true
    }

    /// Puts down what the command is known by beside its id: the user's own word for it, what it has from the command that makes it, and
    /// what it is, where its id cannot vouch for that, since it follows from that command's.
    pub(super) fn describe(&mut self, word: Option<&str>, within: Option<&Calling>) -> Result<(), CommandError<E>> {
        let keeps = keeps_receipt(self.command.kind());
        let (word, hashed) = (word.filter(|_| keeps), keeps && within.is_some());
        let mut described = Described { descent: within.map(|outer| self.inherited(outer)), ..Described::default() };
        if word.is_some() || hashed {
            let command = self.command.name;
            let shown = self.parts.show(|key, arguments| {
                described.name = word.map(|word| name_of(key, word, command, arguments));
                described.content = hashed.then(|| hash_of_all(key, command, arguments));
            });
            shown.map_err(|unfit| self.unsendable(&unfit))?;
        }
        self.described = (word.is_some() || within.is_some()).then(|| Box::new(described));
        Ok(())
    }

    /// What the call has from the command that makes it. Of a command without a receipt, too: for the calls which it makes in its turn.
    fn inherited(&self, outer: &Calling) -> Descent {
        let outlives = outer.repeats_until().saturating_duration_since(self.deadline);
        Descent { root: outer.root(), outlives, rerun: outer.is_rerun() }
    }

    /// What the command hands down to the calls that it makes in this attempt.
    fn handed_down(&self, inherited: Option<Descent>) -> Option<Descent> {
        match self.unresolved {
            None => inherited,
            Some(_) => {
                let own = Descent { root: self.id, outlives: Duration::ZERO, rerun: true };
                Some(Descent { rerun: true, ..inherited.unwrap_or(own) })
            }
        }
    }

    /// What the caller hears of key or arguments that cannot travel, which is recorded, too.
    fn unsendable(&self, unfit: &Unfit) -> CommandError<E> {
        let Reach { port, subscription, .. } = &*self.reach;
        telemetry::unsendable(&port.node, subscription.spec.name, self.command.name, unfit);
        match unfit {
            Unfit::TooLarge => CommandError::TooLarge { limit: COMMAND_BYTES_MAX },
            unfit => CommandError::Incompatible { detail: unfit.to_string() },
        }
    }

    fn described(&self) -> Described {
        self.described.as_deref().copied().unwrap_or_default()
    }

    /// Whether the command may be sent again after an attempt that may have run: a receipt answers then, or another run does no
    /// harm.
    fn may_repeat(&self) -> bool {
        let sent_once = self.command.kind() == Kind::Action && self.reach.port.rules.keeps(Rule::SentOnce);
        self.command.idempotent || !sent_once
    }

    /// What the call may say at its end: with an attempt unresolved, not that the command never ran.
    fn settle(&self, error: CommandError<E>) -> CommandError<E> {
        use CommandError::{AlreadyExists, DeadlineExceeded, IdempotencyKeyReused, NotFound, Unknown};
        match (self.unresolved, error) {
            // Of an earlier run alone: who says so has looked for its receipt, and the command that makes the call is to go the same way again.
            (Some(_), error @ (NotFound | AlreadyExists | IdempotencyKeyReused)) if !self.own_unresolved => error,
            (Some(reason), error) if error.executed() == Executed::No => match error {
                DeadlineExceeded { .. } => DeadlineExceeded { executed: Executed::Maybe },
                _ => Unknown { reason },
            },
            (_, error) => error,
        }
    }

    /// How the call ends when its time is over while nobody could take it.
    fn out_of_time(&self, reason: Reason) -> CommandError<E> {
        match self.unresolved {
            Some(_) => CommandError::DeadlineExceeded { executed: Executed::Maybe },
            None => CommandError::Unavailable { reason },
        }
    }
}

impl<R: Commands, A, T, E> Run<R, A, T, E> {
    /// The lowest number that the session has open in the slot now.
    fn mark(&self) -> Mark {
        let Reach { port, subscription, .. } = &*self.reach;
        match self.open {
            true if !port.rules.keeps(Rule::MarkIsLowest) => Mark::new(self.id.sequence),
            true => subscription.session.mark(self.slot, self.id.sequence),
            false => Mark::NOTHING,
        }
    }
}

impl<R: Commands, A, T, E> Drop for Run<R, A, T, E> {
    fn drop(&mut self) {
        if self.open {
            self.reach.subscription.session.close(self.slot, self.id.sequence);
        }
    }
}

/// Whether a command of this kind leaves a receipt: whatever changes an instance does.
fn keeps_receipt(kind: Kind) -> bool {
    !matches!(kind, Kind::Read | Kind::Action)
}

/// What stands for a user's word for a command: the word belongs to the instance, so its key goes in, with its length, for a key and a
/// word must not be taken for another key and another word.
fn name_of(key: &[u8], word: &str, command: &str, arguments: &[u8]) -> IdempotencyName {
    IdempotencyName {
        name: xxh3_128(&joined(key, word.as_bytes())),
        content: xxh3_64(&joined(command.as_bytes(), arguments)),
    }
}

/// What stands for a command with its key and its arguments.
fn hash_of_all(key: &[u8], command: &str, arguments: &[u8]) -> u64 {
    xxh3_64(&joined(key, &joined(command.as_bytes(), arguments)))
}

/// Two texts as one that no other two make.
fn joined(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [&(head.len() as u64).to_le_bytes(), head, tail].concat()
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
