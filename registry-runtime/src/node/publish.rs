//! Turns what the engine decided into what callers route by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::acquaintance::Acquainted;
use super::member::Member;
use super::peers::Peers;
use super::status::Status;
use crate::client::{Codes, PeerRoute, SlotRoute, SlotState, Subscription, Table};
use crate::engine::membership;
use crate::engine::ownership::Ownership;
use crate::engine::{self, Engine, MemberState};
use crate::id::{Epoch, NodeId, Process, RegistryName, Slot};
use crate::resource::{Kind, OwnCommand, Reason};
use crate::spec::Reads;
use crate::transport::{Link, PeerInfo};
use crate::wire::hello::CommandKind;

/// The routing table of one registry as it follows from what this node knows now.
pub(super) fn table(
    ownership: &Ownership,
    peers: &Peers,
    subscription: &Subscription,
    acquainted: Acquainted,
) -> Option<Table> {
    let knows_all = acquainted == Acquainted::Well;
    let name = RegistryName::new(subscription.spec.name)?;
    let mut index = Index::new(peers, subscription);
    let hosts: Vec<u16> = ownership.hosts(&name).filter_map(|process| index.of(&process.node)).collect();
    let known = ownership.table(&name);
    if knows_all {
        peers.differences.hosted(peers.own(), subscription.spec.name, known.is_some() || !hosts.is_empty());
    }
    let slots = (0..subscription.spec.slots()).map(|slot| match known.and_then(|table| table.get(Slot::new(slot))) {
        Some((state, active)) => {
            let owner = active.and_then(|active| index.of(&active.set.owner().node));
            let epoch = active.map_or(Epoch::ZERO, |active| active.epoch);
            let set: Arc<[Process]> = active.map(|active| active.set.shared()).unwrap_or_default();
            match (told(state), owner) {
                (SlotState::Refused(Reason::NotHosted), owner) if !knows_all => {
                    SlotRoute::closed(SlotState::Waiting(Reason::Opening), owner, epoch, set)
                }
                (SlotState::Waiting(Reason::Opening), _) if acquainted == Acquainted::NotAtAll => {
                    SlotRoute::closed(SlotState::Waiting(Reason::NotJoined), owner, epoch, set)
                }
                (SlotState::Open, Some(owner)) => {
                    let readers = index.readers(&set);
                    SlotRoute::open(owner, epoch, set, readers)
                }
                (SlotState::Open, None) => SlotRoute::closed(SlotState::Waiting(Reason::Opening), None, epoch, set),
                (state, owner) => SlotRoute::closed(state, owner, epoch, set),
            }
        }
        None if knows_all && hosts.is_empty() => SlotRoute::never(SlotState::Refused(Reason::NotHosted)),
        None if acquainted == Acquainted::NotAtAll => SlotRoute::never(SlotState::Waiting(Reason::NotJoined)),
        None => SlotRoute::never(SlotState::Waiting(Reason::Opening)),
    });
    let slots = slots.collect();
    // Hosts may differ from one another; then those that the slots belong to count.
    let fits = known.is_some_and(|table| table.len() == subscription.spec.slots());
    let mismatch = if fits { None } else { index.mismatch() };
    let plan = ownership.plan(&name).map(Arc::clone);
    Some(Table { slots, peers: index.routes, hosts, plan, mismatch })
}

/// What callers are told of a slot's state.
fn told(state: engine::SlotState) -> SlotState {
    use engine::SlotState as Known;
    match state {
        Known::Open => SlotState::Open,
        Known::Opening => SlotState::Waiting(Reason::Opening),
        Known::Reserved(_) => SlotState::Waiting(Reason::Reserved),
        Known::Failed => SlotState::Refused(Reason::OwnerAway),
        Known::NoMajority | Known::Halted => SlotState::Refused(Reason::NoMajority),
        Known::Unhosted => SlotState::Refused(Reason::NotHosted),
    }
}

/// The nodes that a table points at, each once.
struct Index<'a> {
    peers: &'a Peers,
    subscription: &'a Subscription,
    places: BTreeMap<NodeId, u16>,
    routes: Vec<PeerRoute>,
}

impl<'a> Index<'a> {
    fn new(peers: &'a Peers, subscription: &'a Subscription) -> Self {
        Self { peers, subscription, places: BTreeMap::new(), routes: Vec::new() }
    }

    /// The place of a node; `None` for one that never had a connection with this node.
    fn of(&mut self, node: &NodeId) -> Option<u16> {
        if let Some(place) = self.places.get(node) {
            return Some(*place);
        }
        let peer = self.peers.get(node)?;
        let codes = match peer.link().as_ref() {
            Some(link) => self.codes(link),
            None => Codes::default(),
        };
        let place = u16::try_from(self.routes.len()).ok()?;
        self.routes.push(PeerRoute { peer: Arc::clone(peer), codes });
        self.places.insert(node.clone(), place);
        Some(place)
    }

    /// The places of a set's members, if they answer reads.
    fn readers(&mut self, set: &[Process]) -> Arc<[u16]> {
        match self.subscription.spec.reads {
            Reads::Owner => Arc::default(),
            Reads::Replicas => set.iter().filter_map(|process| self.of(&process.node)).collect(),
        }
    }

    /// What the caller's commands are called on a peer.
    fn codes(&self, link: &Link) -> Codes {
        let Subscription { spec, commands, .. } = self.subscription;
        let peer: &PeerInfo = link.peer();
        let count = commands.iter().map(|command| usize::from(command.number) + 1).max().unwrap_or(0);
        let mut codes = vec![Err("there is no such command".into()); count];
        for OwnCommand { number, name, kind, shape } in commands {
            let code = peer.command(spec.name, name, on_the_wire(*kind), shape.get());
            if let Err(difference) = &code {
                self.peers.differences.differs(self.peers.own(), link, spec.name, name, difference);
            }
            if let Some(place) = codes.get_mut(usize::from(*number)) {
                *place = code.map_err(Into::into);
            }
        }
        Codes::new(link.id(), codes)
    }

    /// How the cluster's registry of this name differs from the caller's, if some connected host says so.
    fn mismatch(&self) -> Option<Arc<str>> {
        self.peers.links().find_map(|link| {
            let spec = &self.subscription.spec;
            let entry = link.peer().hello.registry(spec.name)?;
            if entry.slots == spec.slots() {
                return None;
            }
            let (theirs, peer, ours) = (entry.slots, &link.peer().node, spec.slots());
            let detail = format!("the registry `{}` has {theirs} slots on `{peer}` and {ours} slots here", spec.name);
            self.peers.differences.differs(self.peers.own(), link, spec.name, "", &detail);
            Some(detail.into())
        })
    }
}

/// The kind of a command as a hello says it.
pub(super) fn on_the_wire(kind: Kind) -> CommandKind {
    match kind {
        Kind::Create => CommandKind::Create,
        Kind::Read => CommandKind::Read,
        Kind::Update => CommandKind::Update,
        Kind::Destroy => CommandKind::Destroy,
        Kind::Action => CommandKind::Action,
    }
}

/// What a node tells about itself.
pub(super) fn status(engine: &Engine) -> Status {
    let membership = engine.membership();
    let mut members: Vec<Member> = membership.members().chain([membership.myself()]).map(member).collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    Status {
        incarnation: membership.identity().incarnation,
        members,
        #[cfg(feature = "testing")]
        view: membership.digest(),
        #[cfg(feature = "testing")]
        table: digest(engine.ownership()),
        #[cfg(feature = "testing")]
        unsettled: unsettled(engine.ownership()),
        refused: None,
        left_behind: None,
        stopped: None,
    }
}

fn member(member: membership::Member) -> Member {
    let hosted = member.profile.iter().flat_map(|profile| &profile.hosted);
    Member {
        registries: hosted.map(|registry| registry.name.to_string()).collect(),
        id: member.process.node,
        address: member.address,
        state: member.state,
        incarnation: member.incarnation,
    }
}

/// The same number on nodes whose tables are the same.
#[cfg(feature = "testing")]
fn digest(ownership: &Ownership) -> u64 {
    let digests = ownership.registries().filter_map(|name| Some(ownership.table(name)?.digest()));
    digests.fold(0, |all, digest| all.rotate_left(1) ^ digest)
}

/// What keeps the slots from being where the plan wants them.
#[cfg(feature = "testing")]
fn unsettled(ownership: &Ownership) -> Option<String> {
    ownership.registries().find_map(|name| {
        let (table, plan) = (ownership.table(name)?, ownership.plan(name)?);
        let size = ownership.replicas(name)?;
        (0..table.len()).map(Slot::new).find_map(|slot| {
            let (state, active) = table.get(slot)?;
            let Some(active) = active.filter(|_| state == engine::SlotState::Open) else {
                return Some(format!("slot {slot} of `{name}` is {state:?}"));
            };
            let wanted: Vec<&Process> = plan.rank(slot).take(size).collect();
            let is_there = active.set.owner() == *wanted.first()?
                && active.set.len() == wanted.len()
                && wanted.iter().all(|process| active.set.contains(process));
            (!is_there).then(|| format!("slot {slot} of `{name}` is not where the plan wants it"))
        })
    })
}

/// Whether slots were ever opened, as far as this node knows.
pub(super) fn stands(ownership: &Ownership) -> bool {
    ownership.registries().filter_map(|name| ownership.table(name)).any(|table| table.digest() != 0)
}

/// How many slots go with this node: those that it owns, and those that it keeps for an owner that is gone. With whether anybody is left who could
/// take some of them over.
pub(super) fn left_behind(engine: &Engine) -> (usize, bool) {
    let me = engine.membership().identity().process();
    let live: BTreeSet<Process> =
        engine.membership().members().filter(|member| member.state.is_live()).map(|member| member.process).collect();
    let ownership = engine.ownership();
    let of = |name| {
        let sets = ownership.table(name).into_iter().flat_map(|table| table.active().map(|(_, active)| &active.set));
        let slots = sets.filter(|set| *set.owner() == me || (set.contains(&me) && !live.contains(set.owner()))).count();
        (slots, slots > 0 && ownership.has_heirs(name))
    };
    let add = |(all, any): (usize, bool), (slots, heirs)| (all.saturating_add(slots), any || heirs);
    ownership.registries().map(of).fold((0, false), add)
}

/// Whether another member that hosts anything is Up.
pub(super) fn has_fellows(engine: &Engine) -> bool {
    let is_fellow = |member: membership::Member| {
        member.state == MemberState::Up && member.profile.is_some_and(|profile| !profile.hosted.is_empty())
    };
    engine.membership().members().any(is_fellow)
}

/// Whether this node has found its cluster: a member, or that it is one by itself.
pub(super) fn has_joined(engine: &Engine, join_entries: usize) -> bool {
    join_entries == 0 || engine.membership().members().next().is_some()
}
