//! A resource whose commands do what a test tells them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use super::somebody;
use super::world::{Stage, end};
use crate::exec::{Attempt, Outcome};
use crate::id::{CommandId, Epoch, Mark, NodeId, Slot};
use crate::policy::receipts::Ask;
use crate::resource::{Boxed, Command, Commands, Context, Definition, ErrorCodec, Invocation, Resource, Run, Visitor};
use crate::spec::{Failover, LoadBalancing, OnPartition, Reads, Sharding, Spec};

pub(super) const SLOTS: u32 = 4;
pub(super) const CONCURRENCY: u32 = 3;
pub(super) const QUEUE: u32 = 80;
/// Small enough for a test to pass.
pub(super) const REPLY_BYTES_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) id: u64,
    #[serde(serialize_with = "speak")]
    pub(super) sum: i64,
}

/// The sum of a tally that panics when it is written down.
pub(super) const UNSPEAKABLE: i64 = 1 << 40;

fn speak<S: Serializer>(sum: &i64, to: S) -> Result<S::Ok, S::Error> {
    assert_ne!(*sum, UNSPEAKABLE, "a state that panics");
    to.serialize_i64(*sum)
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
    Deep,
}

/// Nests so often.
struct Nest(u32);

impl Serialize for Nest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.checked_sub(1) {
            Some(levels) => to.serialize_some(&Self(levels)),
            None => to.serialize_none(),
        }
    }
}

impl Serialize for Awkward {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => to.serialize_u8(1),
            Self::Large => to.serialize_bytes(&[0; REPLY_BYTES_MAX + 1]),
            Self::Fails => Err(serde::ser::Error::custom("unspeakable")),
            Self::Panics => panic!("a reply that panics"),
            Self::Deep => Nest(100).serialize(to),
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
                seen: None,
                key: None,
                ask: ask(1),
                keeps_receipt: false,
                attempt: 1,
                only_asks: false,
                caller: &caller,
                begun: Instant::now(),
                deadline,
                descent: None,
                bytes: 0,
            };
            let started = host.call(&DIVE, attempt, (levels - 1,), &mut |_, _| ());
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

/// What a body does to its own slot while it is first polled.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Gate {
    Close,
    Seal,
}

/// Turns the gate of its own slot, then waits once and adds 1.
pub(super) static TURN: Command<Tally, (Gate,), i64, No> = command(
    15,
    ErrorCodec::travelling(),
    Run::UpdateAsync(|mut tally, (gate,), cx| {
        let host = stage_of(cx).host.get().unwrap().upgrade().unwrap();
        let slot = host.slot_of(&tally.id);
        match gate {
            Gate::Close => host.close(slot),
            Gate::Seal => assert!(host.seal(slot, &somebody())),
        }
        slowly(cx, 1, move |cx, stage| {
            let result = tally.act(Do::Add(1), cx.deadline(), stage);
            (tally, result)
        })
    }),
);

/// Reads what an action of that kind would make of a copy, and replies so.
pub(super) static TRY: Command<Tally, (Awkward, Do), Awkward, No> = command(
    16,
    ErrorCodec::travelling(),
    Run::Read(|tally, (reply, what), cx| {
        Tally::clone(tally).act(what, cx.deadline, stage_of(cx))?;
        Ok(reply)
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
        visitor.command(&TURN);
        visitor.command(&TRY);
    }
}

pub(super) static TALLIES: Definition<Tally> = Definition { spec: spec("tallies"), route: |key| *key };

/// The same with more places.
pub(super) static ROOMY: Definition<Tally> =
    Definition { spec: Spec { concurrency: 10_000, queue: 1024, ..spec("roomy") }, route: |key| *key };

/// The same without backups.
pub(super) static ALONE: Definition<Tally> =
    Definition { spec: Spec { replicas: 1, ..spec("alone") }, route: |key| *key };

/// The same with reads of backups.
pub(super) static READ_ANYWHERE: Definition<Tally> =
    Definition { spec: Spec { reads: Reads::Replicas, ..spec("read_anywhere") }, route: |key| *key };

/// The same where every side of a partition serves.
pub(super) static EVERYWHERE: Definition<Tally> =
    Definition { spec: Spec { on_partition: OnPartition::ServeAll, ..spec("everywhere") }, route: |key| *key };

pub(super) const fn spec(name: &'static str) -> Spec {
    Spec {
        name,
        sharding: Sharding::ConsistentHashing { slots: SLOTS },
        load_balancing: LoadBalancing::LeastBusy,
        failover: Failover::AutoReassign,
        replicas: 3,
        reads: Reads::Owner,
        on_partition: OnPartition::PauseMinority,
        timeout: Duration::from_secs(5),
        idempotency_window: Duration::from_secs(600),
        queue: QUEUE,
        concurrency: CONCURRENCY,
    }
}

/// A command by its number, while all before are open.
pub(super) const fn ask(sequence: u64) -> Ask {
    Ask { id: CommandId { session: 1, sequence }, mark: Mark::new(1), name: None, content: None }
}

pub(super) const EPOCH: Epoch = Epoch::new(7);
