//! A host of tallies, and what a test needs around it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::tally::{Do, EPOCH, MAKE, REPLY_BYTES_MAX, SLOTS, SUM, TALLIES, Tally, ask};
use crate::exec::{Attempt, Clock, Host, Lease, Outcome, Setting, Started};
use crate::id::{Epoch, NodeId, Slot};
use crate::resource::{Command, Definition, Origin, States};
use crate::rules::Rules;
use crate::time::Moment;

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
    pub(super) host: OnceLock<Weak<Host<Tally>>>,
}

/// An update that is inside on its key.
pub(super) struct Alone(Arc<Stage>, u64);

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

    pub(super) fn alone(self: &Arc<Self>, key: u64) -> Alone {
        if !self.held.lock().unwrap().insert(key) {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        Alone(Arc::clone(self), key)
    }

    pub(super) fn enter(&self) {
        self.entered.send_modify(|count| *count += 1);
    }

    pub(super) fn inside(&self) -> Inside<'_> {
        self.enter();
        self.inside_quietly()
    }

    pub(super) fn inside_quietly(&self) -> Inside<'_> {
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
    pub(super) drained: mpsc::UnboundedReceiver<(Slot, Epoch)>,
    pub(super) caller: NodeId,
    /// The number of the next command.
    asked: AtomicU64,
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
            assert!(host.open(Slot::new(slot), EPOCH, Lease::forever()));
        }
        Self { host, stage, clock, drained, caller: NodeId::new("caller").unwrap(), asked: AtomicU64::new(1) }
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
            seen: None,
            key: Some(key),
            ask: ask(self.asked.fetch_add(1, Ordering::Relaxed)),
            keeps_receipt: false,
            attempt: 1,
            only_asks: false,
            caller: &self.caller,
            begun: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(5),
            descent: None,
            bytes: 0,
        }
    }

    pub(super) fn call<A, T, E>(&self, command: &'static Command<Tally, A, T, E>, key: u64, args: A) -> Started<T, E>
    where
        A: Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        self.host.call(command, self.attempt(key), args, &mut |_, _| ())
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

    /// Closes a slot, gives up its instances, and opens it.
    pub(super) fn begin_anew(&self, slot: Slot, epoch: Epoch) {
        self.host.close(slot);
        self.host.clear(slot);
        assert!(self.host.open(slot, epoch, Lease::forever()));
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
pub(super) fn setting(stage: Arc<Stage>, clock: Arc<dyn Clock>) -> (Setting, mpsc::UnboundedReceiver<(Slot, Epoch)>) {
    let mut states = States::default();
    states.insert(stage);
    let (teller, drained) = mpsc::unbounded_channel();
    let setting = Setting {
        origin: Arc::new(Origin { node: NodeId::new("node").unwrap(), states, port: Box::new(()) }),
        clock,
        runtime: tokio::runtime::Handle::current(),
        drained: Arc::new(move |slot, epoch| {
            let _ = teller.send((slot, epoch));
        }),
        secret: 42,
        session: 42,
        reply_bytes_max: REPLY_BYTES_MAX,
        rules: Rules::ALL,
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
