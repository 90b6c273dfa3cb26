//! The registry as data: what a `registry!` block says, in one static value.

use std::time::Duration;

/// What one `registry!` block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The wire name.
    pub name: &'static str,
    /// How keys are spread over slots.
    pub sharding: Sharding,
    /// How a node is chosen where any will do, and whether slots move away from a busy one.
    pub load_balancing: LoadBalancing,
    /// What happens to the slots of a node that is Down.
    pub failover: Failover,
    /// The size of a slot's replica set, 1 to 7.
    pub replicas: u8,
    /// Who answers reads.
    pub reads: Reads,
    /// What each side of a partition does.
    pub on_partition: OnPartition,
    /// The default deadline of a call.
    pub timeout: Duration,
    /// How long a user's idempotency key is remembered.
    pub idempotency_window: Duration,
    /// How many commands may wait per node, 1 to 1,000,000.
    pub queue: u32,
    /// How many commands may run at once per node, 1 to 1,000,000.
    pub concurrency: u32,
}

impl Spec {
    /// The number of slots, 1 to 65,536.
    pub const fn slots(&self) -> u32 {
        match self.sharding {
            Sharding::ConsistentHashing { slots } | Sharding::ByAttribute { slots, .. } => slots,
            Sharding::Singleton => 1,
        }
    }
}

/// How keys are spread over slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// By the hash of the whole key.
    ConsistentHashing {
        /// The number of slots, 1 to 65,536.
        slots: u32,
    },
    /// By the hash of one key field, so that keys that share it live together.
    ByAttribute {
        /// The name of the field.
        field: &'static str,
        /// The number of slots, 1 to 65,536.
        slots: u32,
    },
    /// All keys in one slot.
    Singleton,
}

/// How a node is chosen where any will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancing {
    /// The less busy of two random candidates. A node that stays busier than its peers for ten seconds (half as many commands again as
    /// their mean, and sixteen at least) also owns less, in steps of a tenth down to half of its share, and as much as before when
    /// it has been calm for some minutes.
    LeastBusy,
    /// One after the other. Slots stay where they are, however busy their owner is.
    RoundRobin,
}

/// Who answers reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The slot's owner: a read sees every change that was acknowledged before it began.
    Owner,
    /// Any replica, chosen by `load_balancing`. A read may miss the latest changes of others, but never what its caller's node has been told
    /// before.
    Replicas,
}

/// What each side of a partition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPartition {
    /// A side without more than half of a slot's replica set answers `Unavailable`: nothing that was acknowledged is lost.
    PauseMinority,
    /// Every side goes on with what it has, so one key may have several owners, and each acknowledges. When the sides meet again, the
    /// slot goes on from one of them, and takes in what the other changed. Where both changed an instance, the resource's `merge`
    /// decides; without one, what the other made of it is given up, which is logged and counted.
    ServeAll,
}

/// What happens to the slots of a node that is Down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// They open elsewhere.
    AutoReassign,
    /// They stay reserved for the node for a while.
    WaitForNode {
        /// For how long, counted from the first Down of that incarnation.
        wait: Duration,
        /// What follows when it has not come back.
        then: Then,
    },
}

/// What follows when a reservation has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The slots open elsewhere.
    Reassign,
    /// The slots stay closed until the node returns.
    Fail,
}

/// The defaults of the clauses.
pub mod defaults {
    use std::time::Duration;

    /// Slots of a registry.
    pub const SLOTS: u32 = 4096;
    /// Size of a slot's replica set.
    pub const REPLICAS: u8 = 3;
    /// Deadline of a call.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// For how long a user's idempotency key is remembered: longer than people and programs go on retrying.
    pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(600);
    /// Commands that may wait per node and registry: about what a node can work off within a default deadline at 5 ms each.
    pub const QUEUE: u32 = 1024;
    /// Commands that may run at once per node and registry.
    pub const CONCURRENCY: u32 = 256;
}
