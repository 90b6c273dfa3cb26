//! The routing table of one registry as callers read it: an immutable picture that the node publishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::peer::Peer;
use crate::engine::Plan;
use crate::id::{Epoch, LinkId, NodeId, Process, Slot};
use crate::resource::Reason;
use crate::wire::frame::WireCommand;

/// The index that stands for "nobody" in [`SlotRoute::owner`].
const NOBODY: u16 = u16::MAX;

/// What callers of one registry route by.
pub(crate) struct Routes {
    table: ArcSwap<Table>,
    /// Counts the times that who waits was woken.
    changes: AtomicU64,
    /// Wakes in the order of waiting. (A `watch` channel wakes in an order of its own, drawn anew in each process, which no
    /// seed repeats.)
    bell: Notify,
}

impl Routes {
    /// Before anything is known: every slot waits.
    pub(crate) fn new(slots: u32) -> Arc<Self> {
        let table = Table::unknown(slots);
        Arc::new(Self { table: ArcSwap::from_pointee(table), changes: AtomicU64::new(0), bell: Notify::new() })
    }

    /// The current picture.
    pub(crate) fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    /// Puts a new picture in place and wakes who waits for one.
    pub(crate) fn publish(&self, table: Table) {
        self.table.store(Arc::new(table));
        self.wake();
    }

    /// Wakes who waits, so that it looks again.
    pub(crate) fn wake(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.bell.notify_waiters();
    }

    /// Remembers the present moment, so that a later wait misses no change in between.
    pub(crate) fn watch(self: &Arc<Self>) -> Changes {
        Changes { routes: Arc::clone(self), seen: self.changes.load(Ordering::Acquire) }
    }
}

/// A place in the row of pictures.
pub(crate) struct Changes {
    routes: Arc<Routes>,
    seen: u64,
}

impl Changes {
    /// Waits for the next picture; `false` when `until` passed first.
    pub(crate) async fn next(&mut self, until: Instant) -> bool {
        // It counts as waiting from here on, so that no change falls between the look and the wait.
        let rung = self.routes.bell.notified();
        let changed = || self.routes.changes.load(Ordering::Acquire) != self.seen;
        let news = changed() || timeout_at(until, rung).await.is_ok();
        self.seen = self.routes.changes.load(Ordering::Acquire);
        news
    }
}

/// Who has each slot open, as one node knew it when it published this.
pub(crate) struct Table {
    /// One entry for each slot.
    pub(crate) slots: Vec<SlotRoute>,
    /// Every node that the slots point at or that hosts the registry.
    pub(crate) peers: Vec<PeerRoute>,
    /// Where actions may run: indices into `peers`.
    pub(crate) hosts: Vec<u16>,
    /// Where slots should be.
    pub(crate) plan: Option<Arc<Plan>>,
    /// How the cluster's registry of this name differs from the caller's, when it does: then nothing fits.
    pub(crate) mismatch: Option<Arc<str>>,
}

impl Table {
    fn unknown(slots: u32) -> Self {
        let slots = vec![SlotRoute::never(SlotState::Waiting(Reason::NotJoined)); slots as usize];
        Self { slots, peers: Vec::new(), hosts: Vec::new(), plan: None, mismatch: None }
    }

    /// The slot's entry.
    pub(crate) fn slot(&self, slot: Slot) -> Option<&SlotRoute> {
        self.slots.get(slot.index())
    }

    /// The node behind an index.
    pub(crate) fn peer(&self, index: u16) -> Option<&PeerRoute> {
        self.peers.get(usize::from(index))
    }

    /// The node that a slot's entry names as its owner.
    pub(crate) fn owner(&self, entry: &SlotRoute) -> Option<&PeerRoute> {
        self.peer(entry.owner()?)
    }

    /// The node of that name.
    pub(crate) fn peer_named(&self, node: &NodeId) -> Option<&PeerRoute> {
        self.peers.iter().find(|route| route.peer.node == *node)
    }
}

/// Who has one slot open.
#[derive(Clone)]
pub(crate) struct SlotRoute {
    /// The epoch it is open in; zero while it is not.
    pub(crate) epoch: Epoch,
    owner: u16,
    /// Whether a caller may go ahead.
    pub(crate) state: SlotState,
    /// The set it was last opened with.
    pub(crate) set: Arc<[Process]>,
    /// Where that set's members are in the table; nowhere, where the owner alone answers reads.
    pub(crate) readers: Arc<[u16]>,
}

/// Whether a caller may go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// The owner takes commands.
    Open,
    /// Nobody takes commands yet: wait for the next picture.
    Waiting(Reason),
    /// Nobody will take commands before something in the cluster changes: tell the caller.
    Refused(Reason),
}

impl SlotRoute {
    /// An open slot.
    pub(crate) fn open(owner: u16, epoch: Epoch, set: Arc<[Process]>, readers: Arc<[u16]>) -> Self {
        Self { epoch, owner, state: SlotState::Open, set, readers }
    }

    /// A slot that nobody has open.
    pub(crate) fn closed(state: SlotState, owner: Option<u16>, epoch: Epoch, set: Arc<[Process]>) -> Self {
        Self { epoch, owner: owner.unwrap_or(NOBODY), state, set, readers: Arc::default() }
    }

    /// A slot that nobody ever had open.
    pub(crate) fn never(state: SlotState) -> Self {
        Self::closed(state, None, Epoch::ZERO, Arc::default())
    }

    /// The owner's index, when there is one.
    pub(crate) fn owner(&self) -> Option<u16> {
        (self.owner != NOBODY).then_some(self.owner)
    }
}

/// A node as callers of one registry reach it.
#[derive(Clone)]
pub(crate) struct PeerRoute {
    /// The node.
    pub(crate) peer: Arc<Peer>,
    /// What each of the caller's commands is called there, by the command's number.
    pub(crate) codes: Codes,
}

/// What each command of a caller's registry is called on one peer, as that one's hello said on one connection.
#[derive(Clone, Default)]
pub(crate) struct Codes {
    link: Option<LinkId>,
    list: Arc<[Result<WireCommand, Arc<str>>]>,
}

impl Codes {
    /// Takes the codes in the order of the commands' numbers; an `Err` says what does not fit.
    pub(crate) fn new(link: LinkId, codes: Vec<Result<WireCommand, Arc<str>>>) -> Self {
        Self { link: Some(link), list: codes.into() }
    }

    /// The peer's code for a command of the caller. `None` when they were said on another connection: the process at the other end may be
    /// another one by now, and have other codes.
    pub(crate) fn get(&self, number: u16, link: LinkId) -> Option<Result<WireCommand, Arc<str>>> {
        if self.link != Some(link) {
            return None;
        }
        Some(match self.list.get(usize::from(number)) {
            Some(code) => code.clone(),
            None => Err("the registry's commands on the other side are not known".into()),
        })
    }

    /// Whether the peer has the command as the caller knows it.
    pub(crate) fn fits(&self, number: u16, link: LinkId) -> bool {
        self.link == Some(link) && matches!(self.list.get(usize::from(number)), Some(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_hold_on_the_connection_on_which_they_were_said() {
        let code = WireCommand::new(0, 3);
        let codes = Codes::new(LinkId::new(1), vec![Ok(code)]);
        assert_eq!(codes.get(0, LinkId::new(1)), Some(Ok(code)));
        assert!(matches!(codes.get(1, LinkId::new(1)), Some(Err(_))), "there is no such command");
        assert_eq!(codes.get(0, LinkId::new(2)), None, "another process may have other numbers");
        assert_eq!(Codes::default().get(0, LinkId::new(1)), None);
    }
}
