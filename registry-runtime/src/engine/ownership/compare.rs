//! Tables are compared by digests, and only what differs travels.
//!
//! Heartbeats tell one digest for each table. Where a peer's is another, the peer is asked with the digests of this node's runs of slots,
//! and tells its rows of the runs that differ. Only few are asked at a time: a newcomer to a large cluster, or either half of one that was
//! split, would else be told the same rows by everybody.

use std::time::Duration;

use super::super::outbox::send;
use super::Ownership;
use crate::id::{Process, RegistryName};
use crate::message::{Body, Digests, ROWS_TOLD_MAX, Word};
use crate::time::Moment;

/// How long tables that were equal may differ before their owners are asked. What is on its way arrives sooner.
const DIFFERENCE: Duration = Duration::from_secs(1);

/// How long an answer is waited for before another peer is asked.
const ANSWER: Duration = Duration::from_secs(1);

/// How many registries are asked about at a time, each of one peer: so many answers of [`ROWS_TOLD_MAX`] rows may be on their way at once.
const ASKED_AT_ONCE: usize = 2;

/// A question where a table differs.
#[derive(Debug)]
pub(super) struct Asked {
    whom: Process,
    at: Moment,
    /// The digest of this node's table then.
    digest: u64,
}

impl Ownership {
    /// Takes in the digests of a peer's tables.
    pub(super) fn has_tables(&mut self, from: &Process, tables: Vec<(RegistryName, u64)>) {
        let Self { shared, registries, .. } = self;
        let Some(peer) = shared.peers.get_mut(&from.node).filter(|peer| peer.process == *from) else { return };
        peer.tables = tables.into_iter().filter(|(_, digest)| *digest != 0).collect();
        peer.ask_from.retain(|name, _| registries.contains_key(name) || peer.tables.contains_key(name));
        let mut agreed = peer.tables.keys().all(|name| registries.contains_key(name));
        for (name, registry) in registries {
            if peer.tables.get(name).copied().unwrap_or_default() == registry.table().digest() {
                peer.ask_from.insert(name.clone(), shared.now + DIFFERENCE);
            } else {
                agreed = false;
            }
        }
        peer.agreed |= agreed;
        self.ask(from);
    }

    /// Takes in that a peer has told its rows of a registry.
    pub(super) fn has_told(&mut self, from: &Process, registry: &RegistryName) {
        if self.asked.get(registry).is_none_or(|asked| asked.whom != *from) {
            return;
        }
        let Some(asked) = self.asked.remove(registry) else { return };
        // It may not have told all; without any news it is given time, for what differs may be what it does not know.
        if self.digest(registry) != asked.digest
            && let Some(peer) = self.shared.peers.get_mut(&from.node)
        {
            peer.ask_from.remove(registry);
        }
        self.ask(from);
    }

    /// Asks a peer where its tables differ from this node's, as far as there is room for more questions.
    fn ask(&mut self, whom: &Process) {
        let now = self.shared.now;
        let peers = &self.shared.peers;
        self.asked.retain(|_, asked| {
            now.since(asked.at) < ANSWER && peers.get(&asked.whom.node).is_some_and(|peer| peer.process == asked.whom)
        });
        let Some(peer) = peers.get(&whom.node) else { return };
        let differs = |(name, digest): (&RegistryName, &u64)| (self.digest(name) != *digest).then(|| name.clone());
        let is_due = |name: &RegistryName| peer.ask_from.get(name).is_none_or(|from| *from <= now);
        let due = peer.tables.iter().filter_map(differs).filter(|name| is_due(name) && !self.asked.contains_key(name));
        let due: Vec<_> = due.take(ASKED_AT_ONCE.saturating_sub(self.asked.len())).collect();
        for name in due {
            self.ask_about(name, whom);
        }
    }

    fn ask_about(&mut self, registry: RegistryName, whom: &Process) {
        let table = self.registries.get(&registry).map(|known| (known.slots(), known.table().buckets().to_vec()));
        let (slots, buckets) = table.unwrap_or_default();
        let (now, me, digest) = (self.shared.now, self.shared.me.start, self.digest(&registry));
        let digests = Digests { registry: registry.clone(), slots, buckets };
        self.shared.outputs.push_back(send(me, whom, Body::Digests(digests)));
        if let Some(peer) = self.shared.peers.get_mut(&whom.node) {
            peer.ask_from.insert(registry.clone(), now + DIFFERENCE);
        }
        self.asked.insert(registry, Asked { whom: whom.clone(), at: now, digest });
    }

    /// Tells a peer the rows of the runs that differ.
    pub(super) fn hear_digests(&mut self, from: &Process, digests: &Digests) -> Result<(), &'static str> {
        let Digests { registry: name, slots, buckets } = digests;
        let Some(registry) = self.registries.get(name) else { return Ok(()) };
        let table = registry.table();
        let knows_none = *slots == 0 && buckets.is_empty();
        if !knows_none && (*slots != registry.slots() || buckets.len() != table.buckets().len()) {
            return Err("digests of a table of another size");
        }
        let nothing = vec![0; table.buckets().len()];
        let buckets = if knows_none { &nothing } else { buckets };
        for (slot, active) in table.differing(buckets).take(ROWS_TOLD_MAX) {
            let word = Word::Active { epoch: active.epoch, set: active.set.clone() };
            self.shared.outbox.say(from, name, registry.slots(), slot, word);
        }
        self.shared.outbox.close(send(self.shared.me.start, from, Body::Told(name.clone())));
        Ok(())
    }

    /// The digest of a table; 0 of one that is not known.
    fn digest(&self, registry: &RegistryName) -> u64 {
        self.registries.get(registry).map_or(0, |registry| registry.table().digest())
    }
}
