//! A resource whose commands do what a test tells them, and a host of it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::exec::{Attempt, Clock, Host, Lease, Outcome, Setting, Started};
use crate::id::{CommandId, Epoch, NodeId, Slot};
use crate::resource::{
    Boxed, Command, Commands, Context, Definition, ErrorCodec, Invocation, Origin, Resource, Run, States, Visitor,
};
use crate::spec::{Failover, LoadBalancing, Sharding, Spec};
use crate::time::Moment;

pub(super) const SLOTS: u32 = 4;
pub(super) const CONCURRENCY: u32 = 3;
pub(super) const QUEUE: u32 = 80;
pub(super) const REPLY_BYTES_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) id: u64,
    pub(super) sum: i64,
}

/// What a body does before it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Do {
    /// Adds the number.
    Add(i64),
    /// Adds the number and returns an error.
    Fail(i64),
    /// Adds the number and panics.
    Panic(i64),
    /// Leaves another key.
    Rekey(u64),
    /// Adds the number once the deadline has passed.
    Overrun(i64),
    /// Adds the number once the stage lets it, blocking the thread; `stage.entered` tells of it.
    Block(i64),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct No(pub(super) i64);

/// A reply that encodes badly.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Awkward {
    Fine,
    Large,
    Fails,
    Panics,
}

impl Serialize for Awkward {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => to.serialize_u8(1),
            Self::Large => to.serialize_bytes(&[0; REPLY_BYTES_MAX + 1]),
            Self::Fails => Err(serde::ser::Error::custom("unspeakable")),
            Self::Panics => panic!("a reply that panics"),
        }
    }
}

impl Tally {
    fn act(&mut self, what: Do, deadline: Instant, stage: &Stage) -> Result<i64, No> {
        match what {
            Do::Add(number) => self.sum += number,
            Do::Fail(number) => {
                self.sum += number;
                return Err(No(number));
            }
            Do::Panic(number) => {
                self.sum += number;
                panic!("as told");
            }
            Do::Rekey(id) => self.id = id,
            Do::Overrun(number) => {
                self.sum += number;
                while Instant::now() < deadline {
                    std::hint::spin_loop();
                }
            }
            Do::Block(number) => {
                self.sum += number;
                stage.enter();
                while stage.gate.try_acquire().map(|permit| permit.forget()).is_err() {
                    std::thread::yield_now();
                }
            }
        }
        Ok(self.sum)
    }
}

impl Resource for Tally {
    type Key = u64;
    type KeyFields<'a> = &'a u64;

    fn key(&self) -> u64 {
        self.id
    }

    fn key_fields(key: &u64) -> &u64 {
        key
    }
}

fn stage_of<'a>(invocation: &'a Invocation<'_>) -> &'a Arc<Stage> {
    invocation.origin.states.get::<Arc<Stage>>().unwrap()
}

/// Waits for as many permits as `waits` says, then acts.
fn slowly<T: Send + 'static>(
    invocation: &Invocation<'_>,
    waits: u32,
    act: impl FnOnce(&Context, &Stage) -> T + Send + 'static,
) -> Boxed<T> {
    let context = invocation.context();
    Box::pin(async move {
        let stage = Arc::clone(context.state::<Arc<Stage>>());
        let _inside = stage.inside();
        for _ in 0..waits {
            stage.gate.acquire().await.unwrap().forget();
        }
        act(&context, &stage)
    })
}

const fn command<A, T, E>(number: u16, error: ErrorCodec<E>, run: Run<Tally, A, T, E>) -> Command<Tally, A, T, E> {
    Command { name: "a_command", number, idempotent: false, error, written: "", run }
}

fn made(id: u64, what: Do, deadline: Instant, stage: &Stage) -> Result<Tally, No> {
    let mut tally = Tally { id, sum: 0 };
    tally.act(what, deadline, stage).map(|_| tally)
}

pub(super) static MAKE: Command<Tally, (Do,), Tally, No> = command(
    0,
    ErrorCodec::travelling(),
    Run::Create(|id, (what,), cx| made(id, what, cx.deadline, stage_of(cx)), Clone::clone),
);
pub(super) static MAKE_SLOWLY: Command<Tally, (u32, Do), Tally, No> = command(
    1,
    ErrorCodec::travelling(),
    Run::CreateAsync(
        |id, (waits, what), cx| slowly(cx, waits, move |cx, stage| made(id, what, cx.deadline(), stage)),
        Clone::clone,
    ),
);
pub(super) static SUM: Command<Tally, (), i64, Infallible> =
    command(2, ErrorCodec::never(), Run::Read(|tally, (), _| Ok(tally.sum)));
pub(super) static SUM_SLOWLY: Command<Tally, (u32, Do), i64, No> = command(
    3,
    ErrorCodec::travelling(),
    Run::ReadAsync(|tally, (waits, what), cx| {
        slowly(cx, waits, move |cx, stage| Tally::clone(&tally).act(what, cx.deadline(), stage))
    }),
);
pub(super) static ADD: Command<Tally, (Do,), i64, No> = command(
    4,
    ErrorCodec::travelling(),
    Run::Update(|tally, (what,), cx| {
        let stage = stage_of(cx);
        stage.order.lock().unwrap().push(what);
        let _inside = stage.inside_quietly();
        let _alone = stage.alone(tally.id);
        tally.act(what, cx.deadline, stage)
    }),
);
pub(super) static ADD_SLOWLY: Command<Tally, (u32, Do), i64, No> = command(
    5,
    ErrorCodec::travelling(),
    Run::UpdateAsync(|mut tally, (waits, what), cx| {
        let stage = Arc::clone(stage_of(cx));
        stage.order.lock().unwrap().push(what);
        let alone = stage.alone(tally.id);
        slowly(cx, waits, move |cx, stage| {
            let _alone = alone;
            let result = tally.act(what, cx.deadline(), stage);
            (tally, result)
        })
    }),
);
pub(super) static TAKE: Command<Tally, (Do,), i64, No> = command(
    6,
    ErrorCodec::travelling(),
    Run::Destroy(|mut tally, (what,), cx| tally.act(what, cx.deadline, stage_of(cx))),
);
pub(super) static TAKE_SLOWLY: Command<Tally, (u32, Do), i64, No> = command(
    7,
    ErrorCodec::travelling(),
    Run::DestroyAsync(|mut tally, (waits, what), cx| {
        slowly(cx, waits, move |cx, stage| tally.act(what, cx.deadline(), stage))
    }),
);
pub(super) static PING: Command<Tally, (Do,), u64, No> = command(
    8,
    ErrorCodec::travelling(),
    Run::Action(|(what,), cx| made(0, what, cx.deadline, stage_of(cx)).map(|_| cx.epoch.get())),
);
pub(super) static PING_SLOWLY: Command<Tally, (u32, Do), u64, No> = command(
    9,
    ErrorCodec::travelling(),
    Run::ActionAsync(|(waits, what), cx| {
        slowly(cx, waits, move |cx, stage| made(0, what, cx.deadline(), stage).map(|_| cx.epoch().get()))
    }),
);
pub(super) static AWKWARD: Command<Tally, (Awkward,), Awkward, Infallible> = command(
    10,
    ErrorCodec::never(),
    Run::Update(|tally, (reply,), _| {
        tally.sum += 1;
        Ok(reply)
    }),
);
/// What the context says: key, caller, epoch, attempt; after as many waits.
pub(super) static CONTEXT: Command<Tally, (u32,), (String, NodeId, Epoch, u32), Infallible> = command(
    // A gap, as `#[cfg]` leaves one.
    12,
    ErrorCodec::never(),
    Run::UpdateAsync(|tally, (waits,), cx| {
        slowly(cx, waits, move |cx, _| (tally, Ok((cx.key().into(), cx.caller().clone(), cx.epoch(), cx.attempt()))))
    }),
);
/// Calls itself so many levels down, and counts the levels.
pub(super) static DIVE: Command<Tally, (u32,), u32, Infallible> = command(
    13,
    ErrorCodec::never(),
    Run::ActionAsync(|(levels,), cx| {
        let (stage, deadline) = (Arc::clone(stage_of(cx)), cx.deadline);
        Box::pin(async move {
            if levels == 0 {
                return Ok(0);
            }
            let host = stage.host.get().unwrap().upgrade().unwrap();
            let caller = NodeId::new("diver").unwrap();
            let attempt = Attempt {
                slot: Slot::new(0),
                epoch: Epoch::ZERO,
                key: None,
                id: ID,
                attempt: 1,
                caller: &caller,
                deadline,
            };
            let started = host.call(&DIVE, attempt, (levels - 1,));
            match end(started).await {
                Outcome::Done(below) => Ok(below + 1),
                outcome => panic!("{outcome:?} at {levels}"),
            }
        })
    }),
);

/// Lets other tasks go first so many times, then acts.
pub(super) static YIELD: Command<Tally, (u32, Do), i64, No> = command(
    14,
    ErrorCodec::travelling(),
    Run::UpdateAsync(|mut tally, (times, what), cx| {
        let alone = stage_of(cx).alone(tally.id);
        let context = cx.context();
        Box::pin(async move {
            for _ in 0..times {
                tokio::task::yield_now().await;
            }
            let result = tally.act(what, context.deadline(), context.state::<Arc<Stage>>());
            drop(alone);
            (tally, result)
        })
    }),
);

impl Commands for Tally {
    type Client = ();

    fn each<V: Visitor<Self>>(visitor: &mut V) {
        visitor.command(&MAKE);
        visitor.command(&MAKE_SLOWLY);
        visitor.command(&SUM);
        visitor.command(&SUM_SLOWLY);
        visitor.command(&ADD);
        visitor.command(&ADD_SLOWLY);
        visitor.command(&TAKE);
        visitor.command(&TAKE_SLOWLY);
        visitor.command(&PING);
        visitor.command(&PING_SLOWLY);
        visitor.command(&AWKWARD);
        visitor.command(&CONTEXT);
        visitor.command(&DIVE);
        visitor.command(&YIELD);
    }
}

pub(super) static TALLIES: Definition<Tally> = Definition { spec: spec("tallies"), route: |key| *key };

/// The same with more places.
pub(super) static ROOMY: Definition<Tally> =
    Definition { spec: Spec { concurrency: 256, queue: 1024, ..spec("roomy") }, route: |key| *key };

pub(super) const fn spec(name: &'static str) -> Spec {
    Spec {
        name,
        sharding: Sharding::ConsistentHashing { slots: SLOTS },
        load_balancing: LoadBalancing::LeastBusy,
        failover: Failover::AutoReassign,
        replicas: 3,
        timeout: Duration::from_secs(5),
        queue: QUEUE,
        concurrency: CONCURRENCY,
    }
}

pub(super) const ID: CommandId = CommandId { session: 1, sequence: 1 };
pub(super) const EPOCH: Epoch = Epoch::new(7);

/// What bodies and tests share.
pub(super) struct Stage {
    /// Each wait of a body takes one.
    pub(super) gate: Semaphore,
    /// How many bodies have ever come to their first wait.
    entered: watch::Sender<usize>,
    /// How many bodies are between beginning and end or drop.
    inside: watch::Sender<usize>,
    /// The most that were inside at once.
    pub(super) crowd: AtomicU64,
    /// What updates were told, in the order in which their bodies began.
    pub(super) order: Mutex<Vec<Do>>,
    /// The keys on which an update is inside.
    held: Mutex<BTreeSet<u64>>,
    /// How often an update began on a key while another was inside.
    pub(super) overlaps: AtomicU64,
    host: OnceLock<Weak<Host<Tally>>>,
}

/// An update that is inside on its key.
struct Alone(Arc<Stage>, u64);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.held.lock().unwrap().remove(&self.1);
    }
}

/// A body that has begun and has neither ended nor been dropped.
pub(super) struct Inside<'a>(&'a Stage);

impl Stage {
    fn new() -> Self {
        Self {
            gate: Semaphore::new(0),
            entered: watch::Sender::new(0),
            inside: watch::Sender::new(0),
            crowd: AtomicU64::new(0),
            order: Mutex::default(),
            held: Mutex::default(),
            overlaps: AtomicU64::new(0),
            host: OnceLock::new(),
        }
    }

    fn alone(self: &Arc<Self>, key: u64) -> Alone {
        if !self.held.lock().unwrap().insert(key) {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        Alone(Arc::clone(self), key)
    }

    fn enter(&self) {
        self.entered.send_modify(|count| *count += 1);
    }

    fn inside(&self) -> Inside<'_> {
        self.enter();
        self.inside_quietly()
    }

    fn inside_quietly(&self) -> Inside<'_> {
        self.inside.send_modify(|count| {
            *count += 1;
            self.crowd.fetch_max(*count as u64, Ordering::Relaxed);
        });
        Inside(self)
    }

    /// Waits until so many bodies have come to their first wait.
    pub(super) async fn entered(&self, count: usize) {
        self.entered.subscribe().wait_for(|entered| *entered >= count).await.unwrap();
    }

    pub(super) fn entries(&self) -> usize {
        *self.entered.borrow()
    }

    /// Waits until so many bodies are inside.
    pub(super) async fn insiders(&self, count: usize) {
        self.inside.subscribe().wait_for(|inside| *inside == count).await.unwrap();
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.send_modify(|count| *count -= 1);
    }
}

/// A clock that a test moves.
#[derive(Default)]
pub(super) struct Hands(AtomicU64);

impl Hands {
    pub(super) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Moment {
        moment(self.0.load(Ordering::SeqCst))
    }
}

pub(super) fn moment(seconds: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(seconds))
}

/// A host with all slots open for ever, and what a test needs around it.
pub(super) struct World {
    pub(super) host: Arc<Host<Tally>>,
    pub(super) stage: Arc<Stage>,
    pub(super) clock: Arc<Hands>,
    pub(super) drained: mpsc::UnboundedReceiver<Slot>,
    pub(super) caller: NodeId,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(&TALLIES)
    }

    pub(super) fn of(definition: &'static Definition<Tally>) -> Self {
        let stage = Arc::new(Stage::new());
        let clock = Arc::new(Hands::default());
        let (setting, drained) = setting(Arc::clone(&stage), Arc::clone(&clock) as Arc<dyn Clock>);
        let host = Host::new(definition, setting);
        stage.host.set(Arc::downgrade(&host)).unwrap();
        for slot in 0..SLOTS {
            assert!(host.open(Slot::new(slot), EPOCH, Lease::forever(), true));
        }
        Self { host, stage, clock, drained, caller: NodeId::new("caller").unwrap() }
    }

    /// With an instance of that key and sum.
    pub(super) fn with(id: u64, sum: i64) -> Self {
        let world = Self::new();
        assert_eq!(world.call(&MAKE, id, (Do::Add(sum),)).ready(), Outcome::Done(Tally { id, sum }));
        world
    }

    pub(super) fn attempt(&self, key: u64) -> Attempt<'_, Tally> {
        Attempt {
            slot: self.host.slot_of(&key),
            epoch: EPOCH,
            key: Some(key),
            id: ID,
            attempt: 1,
            caller: &self.caller,
            deadline: Instant::now() + Duration::from_secs(5),
        }
    }

    pub(super) fn call<A, T, E>(&self, command: &'static Command<Tally, A, T, E>, key: u64, args: A) -> Started<T, E>
    where
        A: Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.host.call(command, self.attempt(key), args)
    }

    /// The committed sum, if there is an instance.
    pub(super) fn sum(&self, key: u64) -> Option<i64> {
        match self.call(&SUM, key, ()).ready() {
            Outcome::Done(sum) => Some(sum),
            Outcome::NotFound => None,
            outcome => panic!("{outcome:?}"),
        }
    }

    pub(super) fn slot(&self, key: u64) -> Slot {
        self.host.slot_of(&key)
    }

    /// Opens the key's slot with a lease that ends at second 10; the clock stands at 0.
    pub(super) fn lend(&self, key: u64) -> Lease {
        let lease = Lease::until(moment(10));
        self.host.set_lease(self.slot(key), lease.clone());
        lease
    }

    /// Waits until so many commands wait.
    pub(super) async fn waiting(&self, count: u32) {
        until(|| self.host.load().waiting == count).await;
    }

    /// Waits until nothing runs or waits, and checks that idle lanes cost nothing but their instances.
    pub(super) async fn idle(&self) {
        until(|| self.host.load().waiting == 0 && self.host.load().running == 0).await;
        for slot in (0..SLOTS).map(Slot::new) {
            until(|| self.host.shelf(slot).unwrap().is_idle()).await;
        }
    }
}

/// What a host is built with.
pub(super) fn setting(stage: Arc<Stage>, clock: Arc<dyn Clock>) -> (Setting, mpsc::UnboundedReceiver<Slot>) {
    let mut states = States::default();
    states.insert(stage);
    let (teller, drained) = mpsc::unbounded_channel();
    let setting = Setting {
        origin: Arc::new(Origin { node: NodeId::new("node").unwrap(), states, port: Box::new(()) }),
        clock,
        runtime: tokio::runtime::Handle::current(),
        drained: Arc::new(move |slot| {
            let _ = teller.send(slot);
        }),
        seed: 42,
        reply_bytes_max: REPLY_BYTES_MAX,
    };
    (setting, drained)
}

/// Waits for what only other tasks can bring about.
pub(super) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// The outcome, whichever way it comes.
pub(super) async fn end<T, E>(started: Started<T, E>) -> Outcome<T, E> {
    match started {
        Started::Ready(outcome) => outcome,
        Started::Later(handle) => handle.await,
    }
}

impl<T: Debug, E: Debug> Started<T, E> {
    /// Of a command that must have ended in place.
    pub(super) fn ready(self) -> Outcome<T, E> {
        match self {
            Self::Ready(outcome) => outcome,
            Self::Later(_) => panic!("the command became a task"),
        }
    }

    /// Of a command that must have become a task.
    pub(super) fn later(self) -> crate::exec::Handle<T, E> {
        match self {
            Self::Ready(outcome) => panic!("the command ended in place: {outcome:?}"),
            Self::Later(handle) => handle,
        }
    }
}
