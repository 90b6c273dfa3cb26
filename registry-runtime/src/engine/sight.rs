//! How much of the cluster this node sees, and what follows when time goes by: the one place where time alone may cost
//! data or stop a node.

use std::collections::BTreeSet;

use super::view::{MemberState, View};
use crate::id::{NodeId, Process};
use crate::time::{Moment, Timing};

/// What share of the known hosting members is live, and for how long it has been too small.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    forgotten: BTreeSet<Process>,
    sees_majority: bool,
    dim_since: Option<Moment>,
    halted: bool,
}

impl Sight {
    /// Looks around. Returns whether anything that others ask for has changed.
    pub(crate) fn look(&mut self, now: Moment, view: &View, me: &NodeId, timing: &Timing) -> bool {
        let before = (self.forgotten.len(), self.sees_majority, self.halted);
        self.forgotten.retain(|process| !view.is_live(process));
        let counted = || {
            view.members().filter(|member| {
                let gone = member.state == MemberState::Left || self.forgotten.contains(&member.process);
                member.is_hosting() && !gone
            })
        };
        let all = counted().count();
        let live = counted().filter(|member| member.is_live()).count();
        let smallest_is_live = counted().next().is_none_or(|member| member.is_live());
        let hosts = counted().any(|member| member.process.node == *me);
        self.sees_majority = 2 * live > all;
        // Exactly half with the smallest id goes on, as it does for promises: the other half, without it, does not. It
        // may not forget anybody, though, so that "more than half forgets" and "less than half stops" exclude each other.
        let dim = hosts && !self.sees_majority && !(2 * live == all && smallest_is_live);
        self.dim_since = if dim { self.dim_since.or(Some(now)) } else { None };
        self.halted = self.dim_since.is_some_and(|since| now.since(since) >= timing.forget_after / 2);
        if self.sees_majority {
            let down_too_long = view.members().filter(|member| match view.life(&member.process) {
                super::view::Life::Down(since) => now.since(since) >= timing.forget_after,
                _ => false,
            });
            self.forgotten.extend(down_too_long.map(|member| member.process.clone()));
        }
        before != (self.forgotten.len(), self.sees_majority, self.halted)
    }

    /// Whether the process was Down for so long, while a majority was seen, that openings need not wait for it.
    pub(crate) fn has_forgotten(&self, process: &Process) -> bool {
        self.forgotten.contains(process)
    }

    /// Whether more than half of the hosting members that this node knows are live.
    pub(crate) fn sees_majority(&self) -> bool {
        self.sees_majority
    }

    /// Whether this node has seen too few for so long that others may have forgotten it: it serves nothing.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted
    }
}
