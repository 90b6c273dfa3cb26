//! What all registries of a node have in common, handed down with every input.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::charter::Charter;
use super::epochs::Epochs;
use super::lease::{Borrowed, Lent};
use super::outbox::Outbox;
use super::output::{Closing, Event, Output};
use super::set::Sets;
use super::sight::Sight;
use super::store::{Adopt, Begin, Fence, Fetch, Opened, Seal, Task};
use super::view::{MemberState, View};
use crate::id::{Epoch, NodeId, Process, RegistryName, Slot};
use crate::rules::{Rule, Rules};
use crate::time::{Moment, Timing};

/// The node's own facts, its view, and the trays for what is to be sent and done.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) me: Process,
    pub(crate) now: Moment,
    pub(crate) born: Moment,
    pub(crate) timing: Timing,
    pub(crate) rules: Rules,
    pub(crate) view: View,
    pub(crate) sight: Sight,
    pub(crate) charter: Charter,
    pub(crate) epochs: Epochs,
    pub(crate) borrowed: Borrowed,
    pub(crate) lent: Lent,
    pub(crate) sets: Sets,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    pub(crate) outbox: Outbox,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) rng: ChaCha8Rng,
}

/// A process that this node has a connection with.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) process: Process,
    /// Whether its tables were equal to this node's once: then it has told all it knew.
    pub(crate) agreed: bool,
    /// The digests of its tables, as its last heartbeat told them; not of those that are empty.
    pub(crate) tables: BTreeMap<RegistryName, u64>,
    /// When it may be asked where a table of its differs; at once where nothing stands.
    pub(crate) ask: BTreeMap<RegistryName, AskAgain>,
    /// From when on it may be asked anything, and how many questions it has left unanswered in a row.
    pub(crate) ask_from: Moment,
    pub(crate) unanswered: u32,
}

/// Whether a process has a connection with this node, whose peers these are: it can be asked, and filled.
pub(crate) fn is_near(peers: &BTreeMap<NodeId, Peer>, process: &Process) -> bool {
    peers.get(&process.node).is_some_and(|peer| peer.process == *process)
}

/// When a peer may be asked about a registry again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskAgain {
    pub(crate) from: Moment,
    /// How many answers in a row have brought nothing.
    pub(crate) fruitless: u32,
    /// How many answers in a row were parts.
    pub(crate) parts: u32,
}

impl Peer {
    pub(crate) fn new(process: Process, now: Moment) -> Self {
        let (tables, ask) = (BTreeMap::new(), BTreeMap::new());
        Self { process, agreed: false, tables, ask, ask_from: now, unanswered: 0 }
    }

    /// The digest of its table of a registry; 0 of an empty one.
    pub(crate) fn digest(&self, registry: &RegistryName) -> u64 {
        self.tables.get(registry).copied().unwrap_or_default()
    }
}

/// Adds to the last output if that is of the same kind and registry, so that neighbours in time share one.
macro_rules! list {
    ($shared:ident, $kind:ident, $registry:ident, $slot:expr) => {
        match $shared.outputs.back_mut() {
            Some(Output::Slots(registry, Task::$kind(slots))) if registry == $registry => slots.push($slot),
            _ => $shared.outputs.push_back(Output::Slots($registry.clone(), Task::$kind(vec![$slot]))),
        }
    };
}

impl Shared {
    /// The pause after a first unanswered question: two heartbeats' time is far more than a round trip.
    pub(crate) fn first_pause(&self) -> Duration {
        self.timing.heartbeat / 2
    }

    /// The pause after meeting a higher epoch: a lease, so that the other opening can end.
    pub(crate) fn outbid_pause(&self) -> Duration {
        self.timing.lease / 2
    }

    /// Whether another member may take over what this node has of a registry, now or when it is back: one that hosts it, does not leave, and
    /// is not given up for good.
    pub(crate) fn has_heirs(&self, registry: &RegistryName, slots: u32) -> bool {
        self.view.members().any(|member| {
            let hosts = match &member.profile {
                Some(profile) => !profile.leaving && profile.hosts(registry, slots).is_some(),
                // Who is back says soon what it hosts.
                None => member.is_live(),
            };
            let is_gone = member.state == MemberState::Left || self.sight.has_forgotten(&member.process);
            member.process.node != self.me.node && hosts && !is_gone
        })
    }

    /// From when on this node may found slots: a little after more than half of the charter has compared tables with it.
    pub(crate) fn may_found(&self) -> Option<Moment> {
        self.charter.ready_at(self.timing.suspicion)
    }

    /// A process that this node has a connection with.
    pub(crate) fn peer(&self, process: &Process) -> Option<&Peer> {
        self.peers.get(&process.node).filter(|peer| peer.process == *process)
    }

    pub(crate) fn peer_mut(&mut self, process: &Process) -> Option<&mut Peer> {
        self.peers.get_mut(&process.node).filter(|peer| peer.process == *process)
    }

    /// Notes that an owner has lost this node's word for a slot, so that it hears of it with the next lease.
    pub(crate) fn supersede(&mut self, owner: Option<Process>, registry: &RegistryName, slot: Slot, epoch: Epoch) {
        if let Some(owner) = owner
            && owner != self.me
            && self.rules.keeps(Rule::LenderTells)
        {
            self.lent.supersede(&owner, registry, slot, epoch);
        }
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Lets the store refuse lower epochs of a slot.
    pub(crate) fn fence(&mut self, registry: &RegistryName, fence: Fence) {
        list!(self, Fence, registry, fence);
    }

    /// Lets a slot's content be taken over from another process.
    pub(crate) fn fetch(&mut self, registry: &RegistryName, fetch: Fetch) {
        list!(self, Fetch, registry, fetch);
    }

    /// Lets a slot's record stream begin here.
    pub(crate) fn begin(&mut self, registry: &RegistryName, begin: Begin) {
        list!(self, Begin, registry, begin);
    }

    /// Lets a slot's record stream be followed.
    pub(crate) fn adopt(&mut self, registry: &RegistryName, adopt: Adopt) {
        list!(self, Adopt, registry, adopt);
    }

    /// Lets a slot be served.
    pub(crate) fn open(&mut self, registry: &RegistryName, opened: Opened) {
        list!(self, Open, registry, opened);
    }

    /// Ends the serving of a slot.
    pub(crate) fn close(&mut self, registry: &RegistryName, slot: Slot, epoch: Epoch, why: Closing) {
        self.event(Event::Closed { registry: registry.clone(), slot, epoch, why });
        list!(self, Close, registry, (slot, epoch));
    }

    /// Lets go of the content of a slot.
    pub(crate) fn forget(&mut self, registry: &RegistryName, slot: Slot) {
        list!(self, Forget, registry, slot);
    }

    /// Seals a slot.
    pub(crate) fn seal(&mut self, registry: &RegistryName, seal: Seal) {
        list!(self, Seal, registry, seal);
    }

    /// Tells until when state may be shown; neighbours in time with one end share one output.
    pub(crate) fn lease(&mut self, registry: &RegistryName, slots: impl IntoIterator<Item = Slot>, until: Moment) {
        match self.outputs.back_mut() {
            Some(Output::Slots(same, Task::Lease(others, end))) if same == registry && *end == until => {
                others.extend(slots);
            }
            _ => {
                let slots = slots.into_iter().collect();
                self.outputs.push_back(Output::Slots(registry.clone(), Task::Lease(slots, until)));
            }
        }
    }
}
