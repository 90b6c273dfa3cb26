//! What all registries of a node have in common, handed down with every input.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::charter::Charter;
use super::epochs::Epochs;
use super::lease::{Borrowed, Lent};
use super::outbox::Outbox;
use super::output::{Closing, Event, Opened, Output};
use super::set::Sets;
use super::sight::Sight;
use super::view::View;
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
    /// Since when a registry's table is another than this node's.
    pub(crate) differs_since: BTreeMap<RegistryName, Moment>,
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

    /// From when on this node may found slots: a little after more than half of the charter has compared tables with it.
    pub(crate) fn may_found(&self) -> Option<Moment> {
        self.charter.ready_at(self.timing.suspicion)
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

    /// Lets a slot be served; neighbours in time share one output.
    pub(crate) fn open(&mut self, registry: &RegistryName, opened: Opened) {
        match self.outputs.back_mut() {
            Some(Output::Open { registry: same, slots }) if same == registry => slots.push(opened),
            _ => self.outputs.push_back(Output::Open { registry: registry.clone(), slots: vec![opened] }),
        }
    }

    /// Ends the serving of a slot.
    pub(crate) fn close(&mut self, registry: &RegistryName, slot: Slot, epoch: Epoch, why: Closing) {
        self.event(Event::Closed { registry: registry.clone(), slot, epoch, why });
        self.outputs.push_back(Output::Close { registry: registry.clone(), slots: vec![(slot, epoch)] });
    }

    /// Lets go of what is kept of a slot; neighbours in time share one output.
    pub(crate) fn forget(&mut self, registry: &RegistryName, slot: Slot) {
        match self.outputs.back_mut() {
            Some(Output::Forget { registry: same, slots }) if same == registry => slots.push(slot),
            _ => self.outputs.push_back(Output::Forget { registry: registry.clone(), slots: vec![slot] }),
        }
    }

    /// Seals a slot; neighbours in time share one output.
    pub(crate) fn seal(&mut self, registry: &RegistryName, slot: Slot, epoch: Epoch) {
        match self.outputs.back_mut() {
            Some(Output::Seal { registry: same, slots }) if same == registry => slots.push((slot, epoch)),
            _ => self.outputs.push_back(Output::Seal { registry: registry.clone(), slots: vec![(slot, epoch)] }),
        }
    }

    /// Tells until when state may be shown; neighbours in time with one end share one output.
    pub(crate) fn lease(&mut self, registry: &RegistryName, slots: impl IntoIterator<Item = Slot>, until: Moment) {
        match self.outputs.back_mut() {
            Some(Output::Lease { registry: same, slots: others, until: end }) if same == registry && *end == until => {
                others.extend(slots);
            }
            _ => {
                let slots = slots.into_iter().collect();
                self.outputs.push_back(Output::Lease { registry: registry.clone(), slots, until });
            }
        }
    }
}
