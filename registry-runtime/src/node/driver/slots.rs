//! What the engine wants done with slots.

use std::sync::Arc;

use super::super::line::{Line, standing_word, with_frame};
use super::super::peers::Peers;
use super::{Driver, Kept};
use crate::engine::{Adopt, Begin, Fence, Fenced, Fetch, Input, Opened, Report, Seal, Task};
use crate::exec;
use crate::id::{Epoch, Process, RegistryName, Slot};
use crate::rules::Rule;
use crate::telemetry;
use crate::time::Moment;
use crate::transport::Channel;
use crate::wire::record::RecordWord;

impl Driver {
    /// Does what is to be done with slots of a registry.
    pub(super) fn do_with_slots(&mut self, registry: &RegistryName, task: &Task) {
        match (task, self.kept.get(registry)) {
            // Who does not host a registry may be asked for its promise all the same, and holds nothing.
            (Task::Fence(slots), _) => self.fence(registry, slots),
            (_, None) => {}
            (Task::Fetch(slots), _) => slots.iter().for_each(|fetch| self.fetch(registry, fetch)),
            (Task::Begin(slots), _) => self.begin(registry, slots),
            (Task::Adopt(slots), Some(kept)) => slots.iter().for_each(|adopt| self.adopt(registry, kept, adopt)),
            (Task::Open(slots), Some(kept)) => slots.iter().for_each(|opened| kept.open(opened)),
            (Task::Close(slots), Some(kept)) => slots.iter().for_each(|(slot, _)| kept.close(*slot)),
            (Task::Forget(slots), Some(kept)) => slots.iter().for_each(|slot| kept.host.clear(*slot)),
            (Task::Lease(slots, until), Some(kept)) => slots.iter().for_each(|slot| kept.lend(*slot, *until)),
            (Task::Seal(slots), Some(_)) => self.seal(registry, slots),
        }
    }

    fn fence(&mut self, registry: &RegistryName, slots: &[Fence]) {
        let host = self.kept.get(registry).map(|kept| &kept.host);
        let fence = |fence: &Fence| Fenced {
            slot: fence.slot,
            epoch: fence.epoch,
            accepted: host.map(|host| host.fence(fence.slot, fence.epoch, fence.own)).unwrap_or_default(),
        };
        let fenced = slots.iter().map(fence).collect();
        self.answers.push_back(Input::Slots(registry.clone(), Report::Fenced(fenced)));
    }

    fn seal(&mut self, registry: &RegistryName, slots: &[Seal]) {
        let Some(kept) = self.kept.get(registry) else { return };
        for Seal { slot, epoch, to } in slots {
            let sealed = self.rules.keeps(Rule::Seal) && kept.host.seal(*slot, to);
            if !sealed {
                // What is not open has nothing to drain.
                self.answers.push_back(Input::Slots(registry.clone(), Report::Drained(*slot, *epoch)));
            }
        }
    }

    fn fetch(&self, registry: &RegistryName, fetch: &Fetch) {
        self.say(registry, &fetch.from, fetch.slot, fetch.epoch, RecordWord::Pull { stamp: fetch.base });
    }

    /// Begins streams. One that cannot begin with what is here has the engine open the slot anew.
    fn begin(&mut self, registry: &RegistryName, slots: &[Begin]) {
        // The engine may know of a member that no caller has been told of yet.
        slots.iter().flat_map(|begin| begin.set.members()).for_each(|member| self.peers.meet(&member.node));
        let Some(kept) = self.kept.get_mut(registry) else { return };
        kept.lines.retain(|_, line| Arc::strong_count(line) > 1);
        for Begin { slot, epoch, set, base } in slots {
            let backups = set.members().iter().filter(|member| member.node != self.port.node);
            let lines: Option<Vec<_>> = backups.map(|backup| kept.line(backup, &self.peers)).collect();
            if !lines.is_some_and(|lines| kept.host.begin_stream(*slot, *epoch, *base, lines)) {
                telemetry::cannot_begin(&self.port.node, registry, *slot, *epoch);
                self.answers.push_back(Input::Slots(registry.clone(), Report::Unbegun(*slot, *epoch)));
            }
        }
    }

    fn adopt(&self, registry: &RegistryName, kept: &Kept, adopt: &Adopt) {
        let Adopt { slot, epoch, base, owner } = adopt;
        let standing = kept.host.adopt(*slot, *epoch, *base, self.peers.heard(owner));
        if let Some(word) = standing_word(standing) {
            self.say(registry, owner, *slot, *epoch, word);
        }
    }

    /// Says something about a slot's content to the process that it is meant for.
    fn say(&self, registry: &RegistryName, to: &Process, slot: Slot, epoch: Epoch, word: RecordWord<'_>) {
        let Some(link) = self.peers.link(&to.node).filter(|link| link.peer().start == to.start) else { return };
        with_frame(registry.as_str(), slot, epoch, word, |frame| {
            // What is lost with the connection is said again when it is asked for again.
            let _ = link.send(Channel::Records, frame);
        });
    }
}

impl Kept {
    /// The way to a backup; `None` when nobody has met its node.
    fn line(&mut self, backup: &Process, peers: &Peers) -> Option<Arc<dyn exec::Line>> {
        if let Some(line) = self.lines.get(backup) {
            return Some(Arc::clone(line));
        }
        let peer = Arc::clone(peers.get(&backup.node)?);
        let line: Arc<dyn exec::Line> = Arc::new(Line::new(self.host.spec().name, backup.clone(), peer));
        self.lines.insert(backup.clone(), Arc::clone(&line));
        Some(line)
    }

    fn open(&self, opened: &Opened) {
        if let Some(lease) = self.leases.get(opened.slot.index()) {
            // One whose stream could not begin stays closed: the engine hears of it next.
            self.host.open(opened.slot, opened.epoch, lease.clone());
        }
    }

    fn close(&self, slot: Slot) {
        self.lend(slot, Moment::default());
        self.host.close(slot);
    }

    fn lend(&self, slot: Slot, until: Moment) {
        if let Some(lease) = self.leases.get(slot.index()) {
            lease.set(until);
        }
    }
}
