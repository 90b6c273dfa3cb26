//! The exchange of all that two nodes know, so that no gossip that was missed stays missed.
//!
//! One sends a digest. Whoever knows otherwise answers with its whole list, without profiles. The other one takes that in
//! and answers with what is missing or older there, profiles included, and with whose profiles it lacks itself; those
//! are sent at last. So nothing travels twice, and between equals only eight bytes do.

use std::collections::{BTreeMap, BTreeSet};

use super::Membership;
use super::identity::Identity;
use super::member::{MemberState, Profile};
use super::packet::{Body, Entry, State, in_portions};
use crate::id::{NodeId, Process};
use crate::time::Moment;

impl Membership {
    /// Asks a peer whether its view differs.
    pub(super) fn send_digest(&mut self, to: &NodeId) {
        let digest = self.roster.full_digest(self.swim.identity(), &self.profile);
        self.send(to, Body::Digest(digest));
    }

    /// A peer asks; it gets the whole list if its view differs.
    pub(super) fn handle_digest(&mut self, now: Moment, from: &NodeId, digest: u64) {
        if digest == self.roster.full_digest(self.swim.identity(), &self.profile) {
            return;
        }
        let others = self.roster.iter_told().map(|record| record.entry(now));
        let entries = others.chain([self.own_entry()]).collect();
        self.send_state(from, entries, vec![], vec![], true);
    }

    /// Answers a list with what is missing or older in it, and a wish with what was wished for.
    pub(super) fn answer(&mut self, now: Moment, from: &Identity, state: &State) {
        let wanted: BTreeSet<_> = state.wanted.iter().collect();
        let mut profiles: Vec<_> = wanted.into_iter().filter_map(|node| self.profile_of(node)).collect();
        if !state.complete {
            if !profiles.is_empty() {
                self.send_state(&from.node, vec![], profiles, vec![], false);
            }
            return;
        }
        let theirs: BTreeMap<_, _> = state.entries.iter().map(|entry| (&entry.identity.node, entry)).collect();
        let mine: Vec<_> = self.roster.iter_told().map(|record| record.entry(now)).chain([self.own_entry()]).collect();
        let mut wanted = Vec::new();
        let mut news = Vec::new();
        for entry in mine {
            let their = theirs.get(&entry.identity.node);
            let same_life = their.filter(|their| their.identity.start == entry.identity.start);
            let their_revision = same_life.and_then(|their| their.profile);
            if entry.profile > their_revision {
                profiles.extend(self.profile_of(&entry.identity.node));
            } else if entry.profile < their_revision {
                wanted.push(entry.identity.node.clone());
            }
            if their.is_none_or(|their| entry.tells_more_than(their)) {
                news.push(entry);
            }
        }
        if !(news.is_empty() && profiles.is_empty() && wanted.is_empty()) {
            self.send_state(&from.node, news, profiles, wanted, false);
        }
    }

    /// Tells a peer that this node exists and what it is. Who sees nobody asks foca's question for members, too; anyone else
    /// would get a feed of sixty that it knows from each of its peers.
    pub(super) fn introduce(&mut self, now: Moment, to: &Identity) {
        let profile = (self.swim.identity().process(), Profile::clone(&self.profile));
        self.send_state(&to.node, vec![self.own_entry()], vec![profile], vec![], false);
        if !self.swim.is_active() {
            self.swim.announce(now, to.clone());
            self.settle(now);
        }
    }

    /// Tells a peer of some members.
    pub(super) fn tell(&mut self, to: &NodeId, entries: Vec<Entry>) {
        self.send_state(to, entries, vec![], vec![], false);
    }

    /// This node as told to others.
    pub(super) fn own_entry(&self) -> Entry {
        Entry {
            identity: self.swim.identity().clone(),
            refutations: self.swim.refutations(),
            state: MemberState::Up,
            down_ms: 0,
            profile: Some(self.profile.revision),
        }
    }

    fn profile_of(&self, node: &NodeId) -> Option<(Process, Profile)> {
        let own = self.swim.identity();
        if own.node == *node {
            return Some((own.process(), Profile::clone(&self.profile)));
        }
        let record = self.roster.get(node)?;
        Some((record.identity.process(), Profile::clone(record.profile()?)))
    }

    fn send_state(
        &mut self,
        to: &NodeId,
        entries: Vec<Entry>,
        profiles: Vec<(Process, Profile)>,
        wanted: Vec<NodeId>,
        complete: bool,
    ) {
        let standing = self.roster.standing(&self.profile);
        let mut portions = in_portions(profiles).into_iter();
        let profiles = portions.next().unwrap_or_default();
        self.send(to, Body::State(State { standing, entries, profiles, wanted, complete }));
        for profiles in portions.filter(|portion| !portion.is_empty()) {
            let (entries, wanted) = (vec![], vec![]);
            self.send(to, Body::State(State { standing, entries, profiles, wanted, complete: false }));
        }
    }
}
