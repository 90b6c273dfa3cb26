//! Who may take a slot: the one rule, in the one file.
//!
//! - Nobody has opened it: the plan's first member founds it.
//! - Its owner lives: it moves only if that owner asks.
//! - Its owner is gone: the first live member of the set opens it, unless it is reserved for the owner's node.
//! - Nobody of the set lives: the plan's first member tries, and succeeds when the set's members come back or when it may
//!   go on without them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::charter::Charter;
use super::opening::Why;
use super::plan::Plan;
use super::row::Active;
use super::set::Set;
use super::shared::{Peer, is_near};
use super::sight::Sight;
use super::view::{Life, Member, MemberState, View};
use crate::id::{NodeId, Process, Slot};
use crate::rules::{Rule, Rules};
use crate::spec::{Failover, Then};
use crate::time::{Moment, Timing};

/// All that the rule looks at.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) me: &'a Process,
    pub(crate) now: Moment,
    /// When this engine began to look.
    pub(crate) born: Moment,
    pub(crate) timing: &'a Timing,
    pub(crate) rules: Rules,
    pub(crate) view: &'a View,
    pub(crate) sight: &'a Sight,
    pub(crate) charter: &'a Charter,
    pub(crate) plan: &'a Plan,
    /// Who has a connection with this node.
    pub(crate) peers: &'a BTreeMap<NodeId, Peer>,
    pub(crate) slot: Slot,
    pub(crate) active: Option<&'a Active>,
    pub(crate) failover: Failover,
    pub(crate) replicas: usize,
    /// Whether every side of a partition goes on with what it has.
    pub(crate) serves_all: bool,
    /// From when on this node may found.
    pub(crate) may_found: Option<Moment>,
}

/// What this node does about a slot that it does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It opens it with this set.
    Open(Set, Why),
    /// Somebody else holds it or is to open it.
    Wait,
    /// It may found it, but not before this moment.
    WaitUntil(Moment),
    /// It is kept for the owner's node until this moment.
    Reserved(Moment),
    /// The owner's node did not return in time, and nobody else may have it.
    Failed,
    /// Nobody could open it.
    Unhosted,
}

impl Case<'_> {
    /// The rule.
    pub(crate) fn verdict(&self) -> Verdict {
        let Some(active) = self.active else { return self.found() };
        let owner = active.set.owner();
        match self.life(owner) {
            Life::Live if owner == self.me => self.open(Why::Return),
            Life::Live | Life::Unknown | Life::Absent => Verdict::Wait,
            Life::Down(_) | Life::Over => match self.failover {
                Failover::WaitForNode { wait, then } if self.rules.keeps(Rule::Reservation) => {
                    self.wait_for(active, wait, then)
                }
                Failover::WaitForNode { .. } | Failover::AutoReassign => self.reassign(active),
            },
        }
    }

    /// Whether an opening need not have this process's promise when it goes on with what there is: it can never give one,
    /// or it was Down for so long that this node may forget it, or it was the only replica that the registry asks for,
    /// whose loss is part of the bargain, or the registry serves on every side of a partition.
    pub(crate) fn is_excused(&self, process: &Process) -> bool {
        match self.life(process) {
            Life::Over => true,
            Life::Down(_) => self.serves_all || self.sight.has_forgotten(process) || self.was_only_replica(process),
            Life::Live | Life::Unknown | Life::Absent => false,
        }
    }

    /// Whether this node may open the slot with what there is, once a set can never give enough promises.
    ///
    /// What it knows may be old: the set that has lost its members may have had a successor. So it must see more than half
    /// of the hosting members, and all of them must be live, where they are asked, or gone for so long that they have
    /// stopped serving. A young process may not have heard of most members yet: it must see most of the charter too.
    ///
    /// Where every side of a partition serves, each goes on with what it has.
    pub(crate) fn may_lose(&self) -> bool {
        if self.serves_all {
            return true;
        }
        let is_settled = |process: &Process| self.view.is_live(process) || self.is_excused(process);
        let mut hosts = self.view.members().filter(|member| member.is_hosting());
        let only_replica_lost = || {
            let owner = self.active.map(|active| active.set.owner());
            owner.is_some_and(|owner| self.was_only_replica(owner) && !self.view.is_live(owner))
        };
        let is_seen = |node: &NodeId| self.view.member(node).is_some_and(Member::is_live);
        let is_old = self.now.since(self.born) >= self.timing.forget_after;
        self.rules.keeps(Rule::OpensWithWhatThereIs)
            && self.sight.sees_majority()
            && (is_old || self.charter.is_seen(is_seen))
            && (only_replica_lost() || hosts.all(|member| is_settled(&member.process)))
    }

    /// All who may know better than this node: the live members that host anything.
    pub(crate) fn witnesses(&self) -> impl Iterator<Item = &Process> {
        let hosts = self.view.members().filter(|member| member.is_live() && member.is_hosting());
        hosts.map(|member| &member.process)
    }

    /// Whether the slot's set can give the promises that an opening needs, as far as this node sees.
    pub(crate) fn has_majority(&self) -> bool {
        self.active.is_none_or(|active| {
            let set = &active.set;
            set.is_promised(|member| self.view.is_live(member))
                || (self.may_lose()
                    && set.members().iter().all(|member| self.view.is_live(member) || self.is_excused(member)))
        })
    }

    /// On its way to another node a slot has two, and waits for neither: the bargain is that it opens again at once. Where both live, and each
    /// holds the other for Down, both may serve until they meet, as with one.
    fn was_only_replica(&self, process: &Process) -> bool {
        self.replicas == 1 && self.active.is_some_and(|active| active.set.contains(process))
    }

    fn found(&self) -> Verdict {
        match (self.plan.owner(self.slot), self.may_found) {
            (None, _) => Verdict::Unhosted,
            (Some(first), Some(from)) if first == self.me && from <= self.now => self.open(Why::Founding),
            (Some(first), Some(from)) if first == self.me => Verdict::WaitUntil(from),
            _ => Verdict::Wait,
        }
    }

    fn reassign(&self, active: &Active) -> Verdict {
        let live = || active.set.members().iter().filter(|member| self.view.is_live(member));
        let staying = live().find(|member| !self.is_leaving(member));
        match staying.or_else(|| live().next()).or_else(|| self.plan.owner(self.slot)) {
            Some(heir) if heir == self.me => self.open(Why::Failover),
            Some(_) => Verdict::Wait,
            None => Verdict::Unhosted,
        }
    }

    fn wait_for(&self, active: &Active, wait: Duration, then: Then) -> Verdict {
        let node = &active.set.owner().node;
        let Some(member) = self.view.member(node) else { return self.reassign(active) };
        match member.state {
            MemberState::Up | MemberState::Suspect if self.is_planned(&member.process) => {
                if member.process == *self.me { self.open(Why::Return) } else { Verdict::Wait }
            }
            MemberState::Down => {
                let until = self.view.down_since(node).unwrap_or(self.now) + wait;
                match then {
                    _ if self.now < until => Verdict::Reserved(until),
                    Then::Reassign => self.reassign(active),
                    Then::Fail => Verdict::Failed,
                }
            }
            // It is back, and what it hosts has not been heard of yet: it is not given up for that.
            MemberState::Up | MemberState::Suspect if member.profile.is_none() => Verdict::Wait,
            // It said goodbye, or came back as one that hosts this no more: nothing to wait for.
            MemberState::Up | MemberState::Suspect | MemberState::Left => self.reassign(active),
        }
    }

    /// Opens it with those that come next in the plan, but with whom this node can reach before all others: who is cut off from it, and not
    /// from everybody, would keep the slot shut. There is nothing to fill when a slot is founded.
    fn open(&self, why: Why) -> Verdict {
        let rank = self.plan.rank(self.slot);
        let (near, far): (Vec<_>, Vec<_>) =
            rank.partition(|process| why == Why::Founding || is_near(self.peers, process));
        Verdict::Open(Set::of(self.me, near.into_iter().chain(far).cloned(), self.replicas), why)
    }

    /// A node that the view does not have after `forget_after` is one that all others have forgotten; but rows may come before the member that
    /// they name, and a full list has no room for it.
    fn life(&self, process: &Process) -> Life {
        match self.view.life(process) {
            Life::Absent
                if self.sight.sees_majority()
                    && self.now.since(self.born) >= self.timing.forget_after
                    && !is_near(self.peers, process) =>
            {
                Life::Over
            }
            life => life,
        }
    }

    fn is_leaving(&self, process: &Process) -> bool {
        let profile = self.view.member(&process.node).and_then(|member| member.profile.as_ref());
        profile.is_some_and(|profile| profile.leaving)
    }

    fn is_planned(&self, process: &Process) -> bool {
        self.plan.contains(process)
    }
}
