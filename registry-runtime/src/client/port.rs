//! The way out of a node: what every client of the node shares.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::balance::Rotation;
use super::routes::Routes;
use super::seen::Seen;
use super::session::Session;
use crate::exec::{AnyHost, BootClock};
use crate::id::{Mark, NodeId};
use crate::resource::{Origin, OwnCommand};
use crate::rules::Rules;
use crate::spec::{Reads, Spec};

/// What every client of a node shares.
pub(crate) struct Port {
    /// The node.
    pub(crate) node: NodeId,
    hosts: BTreeMap<&'static str, Arc<dyn AnyHost>>,
    subscriptions: Mutex<BTreeMap<SubscriptionKey, Arc<Subscription>>>,
    wishes: mpsc::UnboundedSender<Arc<Subscription>>,
    session: u64,
    /// The open calls of each registry, by wire name: owners know the node's session and that name, whoever declares the registry here.
    open: Mutex<BTreeMap<&'static str, Arc<Session>>>,
    /// What has been seen of each registry whose replicas answer reads, by wire name, too.
    seen: Mutex<BTreeMap<&'static str, Arc<Seen>>>,
    sequence: AtomicU64,
    dice: AtomicU64,
    closed: AtomicBool,
    draining: AtomicBool,
    clock: BootClock,
    /// For how long the machine had slept when the node last looked, in nanoseconds.
    asleep: AtomicU64,
    /// All of them, outside of tests.
    pub(super) rules: Rules,
}

/// A registry by name and by the static definition it was compiled with: two programs' parts may disagree about one name.
type SubscriptionKey = (&'static str, usize);

/// One registry that this node calls.
pub(crate) struct Subscription {
    /// What its block says here.
    pub(crate) spec: Spec,
    /// Its commands as compiled here.
    pub(crate) commands: Vec<OwnCommand>,
    /// Where its slots are.
    pub(crate) routes: Arc<Routes>,
    /// Calls that may leave a receipt and have not ended; those of other subscriptions of that name are among them.
    pub(super) session: Arc<Session>,
    /// What this node's callers have seen, where replicas answer reads.
    pub(super) seen: Option<Arc<Seen>>,
    /// Calls that wait for an owner.
    pub(super) waiting: AtomicU32,
    /// Whose turn it is under `round_robin`.
    pub(super) rotation: Rotation,
}

impl Port {
    /// Makes the way out of a node. `wishes` hears of every registry that is called for the first time: one message for each
    /// generated client type at most, so the queue needs no bound of its own.
    pub(crate) fn new(
        node: NodeId,
        hosts: BTreeMap<&'static str, Arc<dyn AnyHost>>,
        wishes: mpsc::UnboundedSender<Arc<Subscription>>,
        session: u64,
        clock: BootClock,
        rules: Rules,
    ) -> Self {
        Self {
            node,
            hosts,
            subscriptions: Mutex::default(),
            wishes,
            session,
            open: Mutex::default(),
            seen: Mutex::default(),
            sequence: AtomicU64::new(0),
            dice: AtomicU64::new(session),
            closed: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            clock,
            asleep: AtomicU64::new(0),
            rules,
        }
    }

    /// The registry's instances on this node, when it hosts it.
    pub(crate) fn host(&self, name: &str) -> Option<&Arc<dyn AnyHost>> {
        self.hosts.get(name)
    }

    /// Everything that this node hosts, by wire name.
    pub(crate) fn hosts(&self) -> &BTreeMap<&'static str, Arc<dyn AnyHost>> {
        &self.hosts
    }

    /// The registry as this node calls it; asks for its routes the first time.
    pub(crate) fn subscribe(
        &self,
        spec: &'static Spec,
        commands: impl FnOnce() -> Vec<OwnCommand>,
    ) -> Arc<Subscription> {
        let key = (spec.name, std::ptr::from_ref(spec).addr());
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        let subscription = subscriptions.entry(key).or_insert_with(|| {
            let subscription = Arc::new(Subscription {
                spec: *spec,
                commands: commands(),
                routes: Routes::new(spec.slots()),
                session: self.open_calls(spec),
                seen: (spec.reads == Reads::Replicas).then(|| self.seen(spec)),
                waiting: AtomicU32::new(0),
                rotation: Rotation::default(),
            });
            // A node that has stopped hears no wishes; its calls end as `ShuttingDown`.
            let _ = self.wishes.send(Arc::clone(&subscription));
            subscription
        });
        Arc::clone(subscription)
    }

    fn open_calls(&self, spec: &Spec) -> Arc<Session> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(spec.name).or_insert_with(|| Arc::new(Session::new(spec.slots()))))
    }

    fn seen(&self, spec: &Spec) -> Arc<Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(seen.entry(spec.name).or_insert_with(|| Arc::new(Seen::new(spec.slots()))))
    }

    /// Of each registry that this node has called lately, a number below which all its calls are over.
    pub(crate) fn marks(&self) -> Vec<(&'static str, Mark)> {
        let drawn = || self.sequence.load(Ordering::Relaxed);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(|(name, session)| Some((*name, session.mark_of_all(drawn)?))).collect()
    }

    /// For how long the machine has slept since the node's birth.
    pub(crate) fn asleep(&self) -> Duration {
        self.clock.asleep()
    }

    /// Looks at that, for [`Self::asleep_lately`].
    pub(crate) fn look_at_clock(&self) {
        let asleep = u64::try_from(self.asleep().as_nanos()).unwrap_or(u64::MAX);
        self.asleep.store(asleep, Ordering::Relaxed);
    }

    /// The same as the node last saw it, for who asks too often to look at the clock.
    pub(super) fn asleep_lately(&self) -> Duration {
        Duration::from_nanos(self.asleep.load(Ordering::Relaxed))
    }

    /// Whether any call waits for somebody to send it to.
    pub(crate) fn has_waiting(&self) -> bool {
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.values().any(|subscription| subscription.waiting.load(Ordering::Relaxed) > 0)
    }

    /// The node's session: the first half of the ids of its calls.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// A number that no other call of the session has, above all before.
    pub(crate) fn next_number(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A number for choosing among equals: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) from the session's seed.
    pub(crate) fn roll(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.dice.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Lets no new calls out: the node is about to stop.
    pub(crate) fn drain(&self) {
        if !self.draining.swap(true, Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Whether only calls that were sent before are to go on.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether the node has stopped.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends all calls to come, and wakes those that wait.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        for subscription in subscriptions.values() {
            subscription.routes.wake();
        }
    }
}

/// The way out that a command finds in its context.
pub(crate) fn port_of(origin: &Origin) -> Option<Arc<Port>> {
    let any: &dyn Any = origin.port.as_ref();
    any.downcast_ref::<std::sync::Weak<Port>>()?.upgrade()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::Slot;
    use crate::spec::{Failover, LoadBalancing, OnPartition, Sharding};

    const fn orders(slots: u32) -> Spec {
        Spec {
            name: "orders",
            sharding: Sharding::ConsistentHashing { slots },
            load_balancing: LoadBalancing::LeastBusy,
            failover: Failover::AutoReassign,
            replicas: 3,
            reads: Reads::Owner,
            on_partition: OnPartition::PauseMinority,
            timeout: Duration::from_secs(5),
            idempotency_window: Duration::from_secs(600),
            queue: 64,
            concurrency: 64,
        }
    }

    /// One registry as two parts of a program have compiled it; they may even disagree about its slots.
    static ORDERS: [Spec; 2] = [orders(4), orders(8)];

    #[test]
    fn the_calls_of_one_registry_are_one_session_whoever_declares_it() {
        let (wishes, _heard) = mpsc::unbounded_channel();
        let port =
            Port::new(NodeId::new("n1").unwrap(), BTreeMap::new(), wishes, 7, BootClock::sleepless(), Rules::ALL);
        let [first, second] = [&ORDERS[0], &ORDERS[1]].map(|spec| port.subscribe(spec, Vec::new));
        for slot in [1, 6].map(Slot::new) {
            let early = first.session.open(slot, || port.next_number());
            let late = second.session.open(slot, || port.next_number());
            assert_eq!(second.session.mark(slot, late), Mark::new(early), "the first one's call is still open");
            first.session.close(slot, early);
            assert_eq!(second.session.mark(slot, late), Mark::new(late));
            second.session.close(slot, late);
        }
    }
}
