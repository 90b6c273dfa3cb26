//! The member list that this node acts on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::membership;
use crate::id::{Incarnation, NodeId, Process, RegistryName, Start};
use crate::rules::{Rule, Rules};
use crate::spec::{Failover, Then};
use crate::time::Moment;

/// Every member known to this node, itself included.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    members: BTreeMap<NodeId, Known>,
    /// Those under suspicion that host anything: every slot asks, whenever it looks around.
    suspects: BTreeSet<NodeId>,
    /// Lives that have ended although they began later than their node's present one: the wall clock was set back between.
    buried: BTreeMap<NodeId, BTreeSet<Start>>,
}

/// How many such lives of one node are remembered: a clock that is set back at every start is broken.
const BURIED_MAX: usize = 16;

/// A member as membership reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The node and its latest known life.
    pub(crate) process: Process,
    /// Rises also within a life, whenever the node found itself declared Down.
    pub(crate) incarnation: Incarnation,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What is believed of it.
    pub(crate) state: MemberState,
    /// How long ago this incarnation was first declared Down, by whomever; of several ages the largest wins.
    pub(crate) down_for: Option<Duration>,
    /// What it says of itself, once it has.
    pub(crate) profile: Option<Profile>,
}

/// What is believed of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It answers.
    Up,
    /// It did not answer lately. Suspicion moves nothing.
    Suspect,
    /// It did not answer for so long that its slots may open elsewhere.
    Down,
    /// It said goodbye; this life will not come back.
    Left,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The registries that it hosts; none for a client-only node.
    pub(crate) hosted: Vec<HostedRegistry>,
    /// How large a share of the slots it takes.
    pub(crate) weight: Weight,
    /// How busy it is.
    pub(crate) load: Load,
    /// It hands everything over and then stops.
    pub(crate) leaving: bool,
    /// Rises with every change of the profile.
    pub(crate) version: u64,
}

/// A registry as the members that host it must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostedRegistry {
    /// The wire name.
    pub(crate) name: RegistryName,
    /// The number of slots, 1 to 65,536.
    pub(crate) slots: u32,
    /// What happens to the slots of a node that is Down.
    pub(crate) failover: Failover,
    /// The size of a slot's replica set, 1 to 7.
    pub(crate) replicas: u8,
    /// Whether every side of a partition goes on with what it has.
    pub(crate) serves_all: bool,
    /// Whether the weights of the members count, which follow how busy they are.
    pub(crate) weighs: bool,
}

/// A share of the slots, in thousandths of the normal one; 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Weight(u16);

impl Profile {
    fn said(profile: &membership::Profile) -> Self {
        Self {
            hosted: profile.hosted.iter().cloned().map(Into::into).collect(),
            weight: Weight::from_thousandths(profile.weight.0.saturating_mul(10)),
            load: Load(profile.load.0.into()),
            leaving: profile.leaving,
            version: profile.revision,
        }
    }
}

impl From<membership::HostedRegistry> for HostedRegistry {
    fn from(said: membership::HostedRegistry) -> Self {
        let failover = match said.failover {
            membership::HostedFailover::AutoReassign => Failover::AutoReassign,
            membership::HostedFailover::WaitForNode { wait, reassign } => {
                Failover::WaitForNode { wait, then: if reassign { Then::Reassign } else { Then::Fail } }
            }
        };
        let membership::HostedRegistry { name, slots, replicas, serves_all, weighs, .. } = said;
        Self { name, slots, failover, replicas, serves_all, weighs }
    }
}

impl Weight {
    /// The share of a node that is as large as its peers.
    pub(crate) const NORMAL: Self = Self(1_000);

    /// Takes thousandths; what is out of range is moved to its end.
    pub(crate) fn from_thousandths(thousandths: u16) -> Self {
        Self(thousandths.clamp(1, 10_000))
    }

    /// The thousandths.
    pub(crate) const fn thousandths(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::NORMAL
    }
}

/// How many commands a node is working on or has waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Load(pub(crate) u32);

/// What became of a process that a replica set names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs; Suspect counts as running.
    Live,
    /// It may run or not, and was first declared Down at this moment.
    Down(Moment),
    /// Its memory is gone: it said goodbye, or the node has a newer life.
    Over,
    /// The view still has an older life of its node: word of this one is on its way.
    Unknown,
    /// The view has no such node, or no more.
    Absent,
}

#[derive(Clone, Debug)]
struct Known {
    member: Member,
    /// The moment, on this node's clock, of this incarnation's first Down.
    down_since: Option<Moment>,
}

impl View {
    /// Takes in what membership says of one member; what is older than what is known says nothing. Returns whether
    /// anything has changed that ownership depends on, which a load is not.
    pub(crate) fn update(&mut self, now: Moment, member: Member) -> bool {
        let known = self.members.get(&member.process.node);
        // As membership has it: only incarnations rise whatever the wall clock does.
        let age = |member: &Member| (member.incarnation, member.process.start);
        if known.is_some_and(|known| age(&known.member) > age(&member)) {
            return false;
        }
        let former = known.map(|known| known.member.process.clone());
        let same = known.is_some_and(|known| {
            known.member.process == member.process && known.member.incarnation == member.incarnation
        });
        let is_down = member.state == MemberState::Down;
        let reported = is_down.then(|| now - member.down_for.unwrap_or_default());
        let before = known.filter(|_| same && is_down).and_then(|known| known.down_since);
        let down_since = [reported, before].into_iter().flatten().min();
        let matters = known.is_none_or(|known| known.down_since != down_since || !known.member.owns_like(&member));
        let start = member.process.start;
        match member.state == MemberState::Suspect && member.is_hosting() {
            true => _ = self.suspects.insert(member.process.node.clone()),
            false => _ = self.suspects.remove(&member.process.node),
        }
        self.members.insert(member.process.node.clone(), Known { member, down_since });
        if let Some(former) = former.filter(|former| former.start > start) {
            self.bury(&former);
        }
        matters
    }

    /// Notes that a life is over, whatever its start says.
    pub(crate) fn bury(&mut self, process: &Process) {
        let buried = self.buried.entry(process.node.clone()).or_default();
        buried.insert(process.start);
        if buried.len() > BURIED_MAX {
            buried.pop_first();
        }
    }

    /// Drops a member that membership no longer lists.
    pub(crate) fn remove(&mut self, node: &NodeId) {
        self.members.remove(node);
        self.suspects.remove(node);
        self.buried.remove(node);
    }

    /// The members in the order of their names.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values().map(|known| &known.member)
    }

    /// One member.
    pub(crate) fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node).map(|known| &known.member)
    }

    /// What became of a process.
    pub(crate) fn life(&self, process: &Process) -> Life {
        let Some(known) = self.members.get(&process.node) else { return Life::Absent };
        if known.member.process.start > process.start {
            return Life::Over;
        }
        if known.member.process.start < process.start {
            let is_buried = self.buried.get(&process.node).is_some_and(|buried| buried.contains(&process.start));
            return if is_buried { Life::Over } else { Life::Unknown };
        }
        match known.member.state {
            MemberState::Up | MemberState::Suspect => Life::Live,
            MemberState::Down => known.down_since.map_or(Life::Unknown, Life::Down),
            MemberState::Left => Life::Over,
        }
    }

    /// When the node's present incarnation was first declared Down, on this node's clock.
    pub(crate) fn down_since(&self, node: &NodeId) -> Option<Moment> {
        self.members.get(node).and_then(|known| known.down_since)
    }

    /// Whether the process runs as far as this view knows.
    pub(crate) fn is_live(&self, process: &Process) -> bool {
        self.life(process) == Life::Live
    }

    /// Whether some hosting member is under suspicion: not the time for planned moves.
    pub(crate) fn is_suspecting(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// The members that may be given slots of `registry`.
    pub(crate) fn eligible<'a>(
        &'a self,
        registry: &'a RegistryName,
        slots: u32,
    ) -> impl Iterator<Item = (&'a Process, Weight)> {
        self.members().filter(|member| member.is_live()).filter_map(move |member| {
            let profile = member.profile.as_ref()?;
            let hosted = profile.hosts(registry, slots)?;
            let weight = if hosted.weighs { profile.weight } else { Weight::NORMAL };
            (!profile.leaving).then_some((&member.process, weight))
        })
    }
}

impl Profile {
    /// How it hosts a registry of this size, if it does.
    pub(crate) fn hosts(&self, registry: &RegistryName, slots: u32) -> Option<&HostedRegistry> {
        self.hosted.iter().find(|hosted| hosted.name == *registry && hosted.slots == slots)
    }
}

impl Member {
    /// What membership says of a member, as of now.
    pub(crate) fn seen(now: Moment, member: membership::Member, rules: Rules) -> Self {
        Self {
            process: member.process,
            incarnation: member.incarnation,
            address: member.address,
            state: match member.state {
                membership::MemberState::Up => MemberState::Up,
                membership::MemberState::Suspect if rules.keeps(Rule::Suspicion) => MemberState::Suspect,
                membership::MemberState::Suspect | membership::MemberState::Down => MemberState::Down,
                membership::MemberState::Left => MemberState::Left,
            },
            down_for: member.down.map(|down| down.age(now)),
            profile: member.profile.map(|profile| Profile::said(&profile)),
        }
    }

    /// Up or Suspect.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, MemberState::Up | MemberState::Suspect)
    }

    /// Whether ownership treats both alike: they differ in load at most.
    fn owns_like(&self, other: &Self) -> bool {
        let alike = |(one, other): (&Profile, &Profile)| {
            one.hosted == other.hosted && one.weight == other.weight && one.leaving == other.leaving
        };
        let profiles = match (&self.profile, &other.profile) {
            (None, None) => true,
            pair => pair.0.as_ref().zip(pair.1.as_ref()).is_some_and(alike),
        };
        profiles
            && self.process == other.process
            && self.incarnation == other.incarnation
            && self.address == other.address
            && self.state == other.state
    }

    /// Whether it hosts anything, which a client-only node does not.
    pub(crate) fn is_hosting(&self) -> bool {
        self.profile.as_ref().is_some_and(|profile| !profile.hosted.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(start: u64, incarnation: u64, state: MemberState) -> Member {
        Member {
            process: Process { node: NodeId::new("a").unwrap(), start: Start::new(start) },
            incarnation: Incarnation::new(incarnation),
            address: ([127, 0, 0, 1], 1).into(),
            state,
            down_for: None,
            profile: None,
        }
    }

    #[test]
    fn it_is_no_time_for_moves_while_a_host_is_suspected() {
        let mut view = View::default();
        let hosted = HostedRegistry {
            name: RegistryName::new("r").unwrap(),
            slots: 1,
            failover: Failover::AutoReassign,
            replicas: 3,
            serves_all: false,
            weighs: false,
        };
        let host = Some(Profile { hosted: vec![hosted], ..Profile::default() });
        let mut check = |incarnation, state, profile: &Option<Profile>, expected| {
            let profile = profile.clone();
            assert!(view.update(Moment::default(), Member { profile, ..member(1, incarnation, state) }));
            assert_eq!(view.is_suspecting(), expected);
        };
        check(1, MemberState::Suspect, &None, false);
        check(1, MemberState::Suspect, &host, true);
        check(2, MemberState::Up, &host, false);
        check(2, MemberState::Suspect, &host, true);
        check(2, MemberState::Down, &host, false);
        check(3, MemberState::Suspect, &Some(Profile::default()), false);
        check(4, MemberState::Suspect, &host, true);
        view.remove(&member(1, 1, MemberState::Up).process.node);
        assert!(!view.is_suspecting());
    }

    #[test]
    fn the_later_incarnation_counts_whatever_the_clock_said_at_its_start() {
        let mut view = View::default();
        let [former, present] = [member(9, 9, MemberState::Down), member(3, 10, MemberState::Up)];
        let process = |start| member(start, 0, MemberState::Up).process;
        assert!(view.update(Moment::default(), former.clone()));
        assert!(matches!(view.life(&process(9)), Life::Down(_)));
        assert!(view.update(Moment::default(), present));
        assert_eq!([9, 3, 2].map(|start| view.life(&process(start))), [Life::Over, Life::Live, Life::Over]);
        assert!(!view.update(Moment::default(), former), "word of it is late");
        assert_eq!(view.life(&process(10)), Life::Unknown);
        view.bury(&process(10));
        assert_eq!(view.life(&process(10)), Life::Over);
    }
}
