//! Where an attempt goes.

use std::sync::Arc;

use super::Reach;
use super::balance::choose;
use super::peer::{Outstanding, Present};
use super::routes::{PeerRoute, SlotState, Table};
use crate::id::{Epoch, NodeId, Slot};
use crate::resource::{Kind, Reason, Resource};
use crate::wire::frame::WireCommand;

/// Where an attempt goes.
pub(super) enum Target {
    /// To this node. An action counts as outstanding here, too, so that callers on this node can compare it with others.
    Here { epoch: Epoch, occupied: Option<Outstanding> },
    /// To another one.
    There { link: Present, code: WireCommand, epoch: Epoch },
    /// Nowhere before the table changes.
    Nowhere(Reason),
    /// Nowhere, and waiting would not help.
    Refused(Refusal),
}

/// Why there is no point in an attempt.
pub(super) enum Refusal {
    Unavailable(Reason),
    Incompatible(Arc<str>),
}

/// What is to be sent where.
pub(super) struct Aim<'a> {
    pub(super) kind: Kind,
    /// The command's number at the caller.
    pub(super) number: u16,
    pub(super) slot: Slot,
    /// An owner that another node named.
    pub(super) hint: Option<&'a (NodeId, Epoch)>,
}

impl<R: Resource> Reach<R> {
    /// Where the next attempt goes, by the table and by what other nodes have said.
    #[inline]
    pub(super) fn target(&self, aim: &Aim<'_>) -> Target {
        let table = self.subscription.routes.table();
        if let Some(detail) = &table.mismatch {
            return Target::Refused(Refusal::Incompatible(Arc::clone(detail)));
        }
        if aim.kind == Kind::Action {
            let Self { subscription, port, .. } = self;
            return match choose(&table, subscription.spec.load_balancing, &subscription.rotation, port.roll()) {
                Some(route) => self.toward(route, Epoch::ZERO, aim),
                None => without_hosts(&table),
            };
        }
        let Some(entry) = table.slot(aim.slot) else { return Target::Nowhere(Reason::NotJoined) };
        if let Some((node, epoch)) = aim.hint
            && *epoch > entry.epoch
            && let Some(route) = table.peer_named(node)
        {
            return self.toward(route, *epoch, aim);
        }
        match entry.state {
            SlotState::Refused(reason) => Target::Refused(Refusal::Unavailable(reason)),
            SlotState::Waiting(reason) => Target::Nowhere(reason),
            SlotState::Open => match entry.owner().and_then(|owner| table.peer(owner)) {
                Some(route) => self.toward(route, entry.epoch, aim),
                None => Target::Nowhere(Reason::Opening),
            },
        }
    }

    fn toward(&self, route: &PeerRoute, epoch: Epoch, aim: &Aim<'_>) -> Target {
        if route.peer.local {
            return match self.host {
                Some(_) => {
                    let occupied = (aim.kind == Kind::Action).then(|| route.peer.occupy());
                    Target::Here { epoch, occupied }
                }
                None => Target::Refused(Refusal::Incompatible(
                    format!("this node hosts another `{}` than the one called", self.subscription.spec.name).into(),
                )),
            };
        }
        let link = route.peer.link();
        if link.is_none() {
            return Target::Nowhere(Reason::ConnectionLost);
        }
        match route.codes.get(aim.number) {
            Ok(code) => Target::There { link, code, epoch },
            Err(detail) => Target::Refused(Refusal::Incompatible(detail)),
        }
    }
}

/// Where an action goes that no reachable node hosts: nowhere yet while the cluster is being looked for.
fn without_hosts(table: &Table) -> Target {
    match table.slot(Slot::new(0)).map(|entry| entry.state) {
        Some(SlotState::Refused(reason)) if table.hosts.is_empty() => Target::Refused(Refusal::Unavailable(reason)),
        Some(SlotState::Waiting(reason)) => Target::Nowhere(reason),
        _ => Target::Nowhere(Reason::ConnectionLost),
    }
}
