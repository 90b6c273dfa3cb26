//! What a node records of its life: one function for each thing that is worth a line.
//!
//! Levels: `ERROR` for a fault of this library that ends a node, `WARN` for what a person should look at (a refusal, a
//! possible loss, a false Down), `INFO` for members and openings, `DEBUG` for the rest, spans of commands
//! (`registry_runtime::command`) and answers by receipts (`registry_runtime::receipt`) included. No payload or secret is ever recorded, and no key
//! but that of an instance of which one side of a partition is given up.

mod refusals;

use std::fmt::{Debug, Display};
use std::net::SocketAddr;

use tracing::{Span, debug, debug_span, error, info, warn};

use crate::engine::{Change, Event, MembershipEvent, OwnershipEvent};
use crate::id::{CommandId, Epoch, NodeId, RegistryName, Slot};
use crate::policy::ration::Line;

pub(crate) use self::refusals::{Asked, Refusals};

/// The span of one attempt at a command, around all that its body does. `slot` is `None` for an action.
///
/// A command that is called from another one on the same node lies within that one's span. On whichever node it runs, its `trace` is the id
/// of the command at the beginning, which no other command made; that one's own `trace` is its own id. Without a subscriber
/// that wants it, the span costs the look at one atomic number.
#[inline]
pub(crate) fn command(
    registry: &'static str,
    command: &'static str,
    slot: Option<Slot>,
    node: &NodeId,
    caller: &NodeId,
    tried: Tried,
) -> Span {
    let slot = slot.map(Slot::get);
    let Tried { trace, id, attempt } = tried;
    debug_span!(target: "registry_runtime::command", "command", registry, command, slot, %node, %caller, %trace, %id, attempt)
}

/// Which attempt at which command a span is of.
#[derive(Clone, Copy)]
pub(crate) struct Tried {
    /// The command that no other one made, and that this one serves.
    pub(crate) trace: CommandId,
    /// The command.
    pub(crate) id: CommandId,
    /// The attempt, from 1.
    pub(crate) attempt: u32,
}

/// A repetition of a command is answered by the receipt of an earlier attempt, and nothing runs: events of the target
/// `registry_runtime::receipt`, to be counted where somebody wants to know how often that happens.
pub(crate) fn answered_by_receipt(node: &NodeId, registry: &str, command: &str, id: CommandId, attempt: u32) {
    debug!(target: "registry_runtime::receipt", %node, registry, command, %id, attempt, "a receipt answers");
}

/// The program was built so that a panic ends it.
pub(crate) fn panics_abort(node: &NodeId) {
    warn!(%node, "built with `panic = \"abort\"`: the first command that panics ends this process, and then the next one that it is sent to");
}

/// A peer offers something otherwise than this node calls it; such calls are refused here.
pub(crate) fn peer_differs(node: &NodeId, peer: &NodeId, registry: &str, command: &str, detail: &str) {
    warn!(%node, %peer, registry, command, detail, "a peer differs; calls that do not fit are refused");
}

/// A call's key and arguments cannot be sent.
pub(crate) fn unsendable(node: &NodeId, registry: &str, command: &str, error: &dyn Display) {
    warn!(%node, registry, command, %error, "a call cannot be sent");
}

/// No member hosts a registry that this node calls.
pub(crate) fn nobody_hosts(node: &NodeId, registry: &str) {
    info!(%node, registry, "no member hosts a registry that is called here");
}

/// What is in a slot begins to go to a peer.
pub(crate) fn fills(node: &NodeId, registry: &str, slot: Slot, epoch: Epoch, peer: &NodeId) {
    debug!(%node, registry, %slot, %epoch, %peer, "a slot is being sent");
}

/// What is in a slot has come from a peer, whole.
pub(crate) fn is_filled(node: &NodeId, registry: &str, slot: Slot, epoch: Epoch, peer: &NodeId) {
    debug!(%node, registry, %slot, %epoch, %peer, "a slot has come whole");
}

/// A slot cannot be sent to those that should have a copy of it.
pub(crate) fn unfillable(node: &NodeId, registry: &str, slot: Slot, fault: &dyn Display) {
    warn!(%node, registry, %slot, %fault, "a slot cannot be sent to its backups");
}

/// An opening was to begin with a content that is not here.
pub(crate) fn cannot_begin(node: &NodeId, registry: &RegistryName, slot: Slot, epoch: Epoch) {
    warn!(%node, %registry, %slot, %epoch, "an opening cannot begin with what is here");
}

/// What this node had written on a side of a partition was kept for too long without anybody to take it in.
pub(crate) fn forsaken(node: &NodeId, registry: &str, slot: Slot, instances: usize) {
    warn!(%node, registry, %slot, instances, "what another side of a partition never took in is given up");
}

/// A command left an instance that its replicas could not take.
pub(crate) fn unkept(node: &NodeId, registry: &str, slot: Slot, why: &dyn Debug, line: Line) {
    let Line { total, silent } = line;
    warn!(%node, registry, %slot, ?why, total, silent, "replicas could not take what a command left; nothing of it was kept");
}

/// A command has panicked.
pub(crate) fn panicked(node: &NodeId, registry: &str, command: &str, id: CommandId, line: Line) {
    let Line { total, silent } = line;
    warn!(%node, registry, command, %id, total, silent, "a command panicked; its instance is as it was");
}

/// Two sides of a partition have changed an instance, and the state of one is given up.
pub(crate) fn given_up(node: &NodeId, registry: &str, slot: Slot, key: &str) {
    warn!(%node, registry, %slot, key, "two sides of a partition changed an instance; what the other made of it is given up");
}

/// What another side of a partition wrote of a slot has been taken in.
pub(crate) fn salvaged(
    node: &NodeId,
    from: &NodeId,
    registry: &str,
    slot: Slot,
    (taken, merged, given_up): (usize, usize, usize),
) {
    info!(%node, peer = %from, registry, %slot, taken, merged, given_up, "another side of a partition is taken in");
}

/// A connection stands.
pub(crate) fn connected(node: &NodeId, peer: &NodeId, address: SocketAddr) {
    info!(%node, %peer, %address, "connected");
}

/// A connection has ended; `fault` says that the peer did what no honest one does.
pub(crate) fn disconnected(node: &NodeId, peer: &NodeId, reason: &dyn Display, fault: bool) {
    match fault {
        true => warn!(%node, %peer, %reason, "disconnected"),
        false => info!(%node, %peer, %reason, "disconnected"),
    }
}

/// What became of all connections, in numbers, when a node has ended them.
pub(crate) fn connections(node: &NodeId, counts: &dyn Debug) {
    debug!(%node, ?counts, "connections are ended");
}

/// A stranger was refused.
pub(crate) fn refused(node: &NodeId, address: SocketAddr, error: &dyn Display, line: Line) {
    let Line { total, silent } = line;
    warn!(%node, %address, %error, total, silent, "refused a peer");
}

/// A stranger was refused, as others were a moment ago.
pub(crate) fn refused_again(node: &NodeId, address: SocketAddr, error: &dyn Display) {
    debug!(%node, %address, %error, "refused a peer");
}

/// Many strangers come at once, so one of them has to show that it receives at its address.
pub(crate) fn stranger_tried(node: &NodeId, address: SocketAddr) {
    debug!(%node, %address, "many peers come at once; asked one to prove its address");
}

/// More strangers come at once than there is room for.
pub(crate) fn crowded_out(node: &NodeId, address: SocketAddr, line: Line) {
    let Line { total, silent } = line;
    warn!(%node, %address, total, silent, "too many peers come at once; the one that took longest was turned away");
}

/// A reply finds no room behind those that wait to be sent to the same peer.
pub(crate) fn no_room_for_reply(bytes: usize) {
    debug!(bytes, "too many replies wait for a peer; the caller of one more is told that it cannot be had");
}

/// Of two connections with a peer one is given up, as happens whenever two nodes dial each other at once.
pub(crate) fn gave_way(node: &NodeId, address: SocketAddr) {
    debug!(%node, %address, "gave up one of two connections with a peer");
}

/// A dial came to nothing for the first time in a row, or for another reason than before.
pub(crate) fn dial_failed(node: &NodeId, address: SocketAddr, error: &dyn Display) {
    warn!(%node, %address, %error, "cannot connect; trying again");
}

/// A cluster stands that will not have this node.
pub(crate) fn shut_out(node: &NodeId, address: SocketAddr) {
    warn!(%node, %address, "a cluster stands there that refuses this node; none is founded beside it");
}

/// A dial came to nothing once more.
pub(crate) fn dial_failed_again(node: &NodeId, address: SocketAddr, error: &dyn Display) {
    debug!(%node, %address, %error, "still cannot connect; trying again");
}

/// A control frame of a peer does not decode.
pub(crate) fn bad_letter(node: &NodeId, peer: &NodeId, error: &dyn Display, line: Line) {
    let Line { total, silent } = line;
    warn!(%node, %peer, %error, total, silent, "a control frame does not decode; it was ignored");
}

/// A control frame for a peer is over the limit.
pub(crate) fn letter_too_large(node: &NodeId, peer: &NodeId) {
    warn!(%node, %peer, "a control frame is over the limit; it was not sent");
}

/// The node has stopped.
pub(crate) fn stopped(node: &NodeId, reason: &dyn Display) {
    info!(%node, %reason, "stopped");
}

/// The driver has failed, and the node is ended by its supervisor.
pub(crate) fn driver_failed(node: &NodeId, what: &str) {
    error!(%node, what, "the driver failed; the node serves nothing any more");
}

/// What a peer did wrong in what it says of members and slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// A frame that cannot be read.
    Letter,
    /// A packet about members.
    Packet,
    /// It tells of more members than there is room for.
    Crowd,
    /// A message about slots.
    Message,
}

/// Who did something wrong, if the event is about that.
pub(crate) fn blames(event: &Event) -> Option<(NodeId, Wrong)> {
    match event {
        Event::Membership(MembershipEvent::Refused { from, .. }) => Some((from.clone(), Wrong::Packet)),
        Event::Membership(MembershipEvent::TableFull { from, .. }) => Some((from.clone(), Wrong::Crowd)),
        Event::Ownership(OwnershipEvent::BadInput { from, .. }) => Some((from.clone(), Wrong::Message)),
        _ => None,
    }
}

/// Whether a slot was opened that may have lost something.
pub(crate) fn may_have_lost(event: &Event) -> bool {
    matches!(event, Event::Ownership(OwnershipEvent::PossibleLoss { .. }))
}

/// What the engine has to tell. The line counts what a peer did wrong, or slots that may have lost something.
pub(crate) fn engine_event(node: &NodeId, event: &Event, line: Line) {
    match event {
        Event::Member { process, change: Change::Down } => warn!(%node, member = %process, "a member is down"),
        Event::Member { process, change } => info!(%node, member = %process, ?change, "a member changed"),
        Event::Rejoined(incarnation) => {
            warn!(%node, %incarnation, "this node was declared down and is back; its slots open anew");
        }
        Event::Silent(process) => {
            warn!(%node, peer = %process, "a connection brings nothing any more; connecting anew")
        }
        Event::Share { percent, load } => {
            info!(%node, percent, load, "asks for another share of the slots; it is compared with how busy the peers are");
        }
        Event::Membership(event) => membership_event(node, event, line),
        Event::Ownership(event) => ownership_event(node, event, line),
    }
}

fn membership_event(node: &NodeId, event: &MembershipEvent, Line { total, silent }: Line) {
    match event {
        MembershipEvent::Refused { from, reason } => {
            warn!(%node, peer = %from, ?reason, total, silent, "a membership packet was refused")
        }
        MembershipEvent::TableFull { from, node: member } => {
            warn!(%node, peer = %from, %member, total, silent, "the member list is full");
        }
        event => debug!(%node, ?event, "membership"),
    }
}

fn ownership_event(node: &NodeId, event: &OwnershipEvent, Line { total, silent }: Line) {
    match event {
        OwnershipEvent::PossibleLoss { registry, slot, epoch, short } => {
            warn!(event = "possible_loss", %node, %registry, %slot, %epoch, replicas = %short, total, "a slot opened without a majority of its former replicas: updates may be lost");
        }
        OwnershipEvent::BadInput { from, what } => {
            warn!(%node, peer = %from, what, total, silent, "a peer said something impossible");
        }
        OwnershipEvent::Halted => warn!(%node, "sees too few members and serves nothing"),
        OwnershipEvent::Resumed => info!(%node, "sees enough members again"),
        event => debug!(%node, ?event, "ownership"),
    }
}
