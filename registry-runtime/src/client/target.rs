//! Where an attempt goes.

use std::sync::Arc;

use super::Reach;
use super::balance::choose;
use super::peer::{Outstanding, Present};
use super::routes::{PeerRoute, SlotRoute, SlotState, Table};
use crate::id::{Epoch, NodeId, Slot};
use crate::policy::replica::Stamp;
use crate::resource::{Kind, Reason, Resource};
use crate::wire::frame::WireCommand;

/// Where an attempt goes.
pub(super) enum Target {
    /// To this node. What was chosen counts as outstanding here, too, so that callers on this node can compare it with others.
    Here { epoch: Epoch, seen: Option<Stamp>, occupied: Option<Outstanding> },
    /// To another one.
    There { link: Present, code: WireCommand, epoch: Epoch, seen: Option<Stamp> },
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
    /// Whether a backup may answer.
    pub(super) any_replica: bool,
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
            return match self.choose(&table, &table.hosts, aim) {
                Some(route) => self.toward(route, Epoch::ZERO, None, aim),
                None => without_hosts(&table),
            };
        }
        let Some(entry) = table.slot(aim.slot) else { return Target::Nowhere(Reason::NotJoined) };
        if let Some((node, epoch)) = aim.hint
            && *epoch > entry.epoch
            && let Some(route) = table.peer_named(node)
        {
            return self.toward(route, *epoch, None, aim);
        }
        match entry.state {
            SlotState::Refused(reason) => Target::Refused(Refusal::Unavailable(reason)),
            SlotState::Waiting(reason) => Target::Nowhere(reason),
            SlotState::Open => match self.reader(&table, entry, aim) {
                Some((route, seen)) => self.toward(route, entry.epoch, seen, aim),
                None => Target::Nowhere(Reason::Opening),
            },
        }
    }

    /// Who of an open slot's set gets the command; with what this node's callers have seen, if that is a backup.
    fn reader<'t>(&self, table: &'t Table, entry: &SlotRoute, aim: &Aim<'_>) -> Option<(&'t PeerRoute, Option<Stamp>)> {
        let owner = table.owner(entry);
        let Some(seen) = self.subscription.seen.as_ref().filter(|_| aim.any_replica) else {
            return Some((owner?, None));
        };
        let chosen = self.choose(table, &entry.readers, aim);
        match chosen.filter(|chosen| owner.is_none_or(|owner| !Arc::ptr_eq(&owner.peer, &chosen.peer))) {
            Some(backup) => Some((backup, Some(seen.of(aim.slot)))),
            None => Some((owner?, None)),
        }
    }

    /// One of these nodes, as the registry balances loads.
    fn choose<'t>(&self, table: &'t Table, places: &[u16], aim: &Aim<'_>) -> Option<&'t PeerRoute> {
        let Self { subscription, port, .. } = self;
        let fits = |route: &PeerRoute| match route.peer.local {
            true => self.host.is_some(),
            false => route.peer.link().as_deref().is_some_and(|link| route.codes.fits(aim.number, link.id())),
        };
        choose(table, places, subscription.spec.load_balancing, &subscription.rotation, port.roll(), fits)
    }

    fn toward(&self, route: &PeerRoute, epoch: Epoch, seen: Option<Stamp>, aim: &Aim<'_>) -> Target {
        if route.peer.local {
            return match self.host {
                Some(_) => {
                    let is_chosen = aim.kind == Kind::Action || aim.any_replica;
                    Target::Here { epoch, seen, occupied: is_chosen.then(|| route.peer.occupy()) }
                }
                None => Target::Refused(Refusal::Incompatible(
                    format!("this node hosts another `{}` than the one called", self.subscription.spec.name).into(),
                )),
            };
        }
        let link = route.peer.link();
        let code = link.as_deref().and_then(|link| route.codes.get(aim.number, link.id()));
        match code {
            Some(Ok(code)) => Target::There { link, code, epoch, seen },
            Some(Err(detail)) => Target::Refused(Refusal::Incompatible(detail)),
            // A connection that stands before the table knows of it is used with the next table.
            None => Target::Nowhere(Reason::ConnectionLost),
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
