//! How much of the cluster this node sees, and what follows when time goes by: the one place where time alone may cost
//! data or stop a node.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{Life, MemberState, View};
use crate::id::{NodeId, Process};
use crate::message::{FORGOTTEN_MAX, Forgotten};
use crate::time::{Moment, Timing};

/// What share of the known hosting members is live, and for how long it has been too small.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Since when each was Down here while this node saw a majority. How long it had been Down elsewhere, or before, does not count: those who
    /// see too little stop only when they have seen it for half of that time.
    missed: BTreeMap<Process, Moment>,
    forgotten: BTreeSet<Process>,
    /// Whom others have forgotten, before it is known here that they are Down.
    told: BTreeSet<Process>,
    /// Whether others may not know whom this node has forgotten.
    news: bool,
    sees_majority: bool,
    dim_since: Option<Moment>,
    halted: bool,
}

impl Sight {
    /// Looks around. Returns whether anything that others ask for has changed.
    pub(crate) fn look(&mut self, now: Moment, view: &View, me: &NodeId, timing: &Timing) -> bool {
        let (saw_majority, was_halted) = (self.sees_majority, self.halted);
        let is_down = |process: &Process| matches!(view.life(process), Life::Down(_));
        let mut forgets = false;
        // Who is back counts again, and a life that is over is waited for by nobody.
        self.forgotten.retain(|process| {
            let stays = is_down(process);
            forgets |= !stays;
            stays
        });
        self.told.retain(|process| !matches!(view.life(process), Life::Live | Life::Over));
        for process in self.told.extract_if(.., |process| is_down(process)) {
            forgets |= self.forgotten.insert(process);
        }
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
            self.missed.retain(|process, _| is_down(process));
            // Who hosts nothing is waited for by nobody.
            for process in view.members().filter(|member| member.is_hosting()).map(|member| &member.process) {
                let Life::Down(down) = view.life(process) else { continue };
                let missed = *self.missed.entry(process.clone()).or_insert(now);
                if now.since(missed.max(down)) >= timing.forget_after {
                    forgets |= self.forgotten.insert(process.clone());
                }
            }
        } else {
            self.missed.clear();
        }
        self.news |= self.sees_majority && (forgets || !saw_majority);
        forgets || (saw_majority, was_halted) != (self.sees_majority, self.halted)
    }

    /// A peer that saw a majority has forgotten these. Believed of who does not live here, this node included, and only if the peer waited for
    /// as long as this node would: who only calls may go by other times than those who serve.
    pub(crate) fn hear(&mut self, forgotten: Forgotten, view: &View, timing: &Timing) {
        if forgotten.after >= timing.forget_after {
            let room = FORGOTTEN_MAX.saturating_sub(self.told.len());
            let gone = forgotten.processes.into_iter().filter(|process| !view.is_live(process));
            self.told.extend(gone.take(room));
        }
    }

    /// Whether peers are to be told whom this node has forgotten. Who met it before it saw a majority was not.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Whom openings need not wait for, in the order of their names.
    pub(crate) fn forgotten(&self) -> impl ExactSizeIterator<Item = &Process> {
        self.forgotten.iter()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::view::{HostedRegistry, Member, Profile};
    use super::*;
    use crate::id::{Incarnation, RegistryName, Start};
    use crate::spec::Failover;

    const OTHERS: [&str; 4] = ["b", "c", "d", "e"];

    fn process(name: &str) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    /// What `a` sees: of the others so many are Down, since long ago by what others say.
    fn see(view: &mut View, now: Moment, down: usize, incarnation: u64) {
        let name = RegistryName::new("r").unwrap();
        let hosted = HostedRegistry {
            name,
            slots: 1,
            failover: Failover::AutoReassign,
            replicas: 3,
            serves_all: false,
            weighs: false,
        };
        for (place, name) in ["a"].into_iter().chain(OTHERS).enumerate() {
            let is_down = place > OTHERS.len() - down;
            let member = Member {
                process: process(name),
                incarnation: Incarnation::new(incarnation),
                address: ([127, 0, 0, 1], 1).into(),
                state: if is_down { MemberState::Down } else { MemberState::Up },
                down_for: is_down.then_some(Duration::from_secs(100_000)),
                profile: Some(Profile { hosted: vec![hosted.clone()], ..Profile::default() }),
            };
            view.update(now, member);
        }
    }

    fn forgotten(sight: &Sight) -> Vec<&str> {
        sight.forgotten().map(|process| process.node.as_str()).collect()
    }

    #[test]
    fn nobody_is_forgotten_for_having_been_down_while_no_majority_was_seen() {
        let (mut sight, mut view, timing) = (Sight::default(), View::default(), Timing::fast());
        let (me, forget_after) = (process("a").node, timing.forget_after.as_secs());
        let mut look = |view: &View, now| {
            sight.look(at(now), view, &me, &timing);
            forgotten(&sight).join(" ")
        };
        see(&mut view, at(1000), 4, 1);
        assert_eq!(look(&view, 1000), "", "cut off from all");
        see(&mut view, at(2000), 2, 2);
        assert_eq!(look(&view, 2000), "");
        assert_eq!(look(&view, 2000 + forget_after - 1), "");
        see(&mut view, at(2000 + forget_after - 1), 3, 3);
        assert_eq!(look(&view, 2000 + forget_after), "", "the majority is lost again");
        see(&mut view, at(4000), 2, 4);
        assert_eq!(look(&view, 4000), "");
        assert_eq!(look(&view, 4000 + forget_after), "d e");
        see(&mut view, at(5000), 0, 5);
        assert_eq!(look(&view, 5000), "", "they are back");
    }

    /// Names of clients that never come back would crowd out those that openings wait for.
    #[test]
    fn who_hosts_nothing_is_not_forgotten_either() {
        let (mut sight, mut view, timing) = (Sight::default(), View::default(), Timing::fast());
        see(&mut view, at(1), 1, 1);
        let mut client = view.members().find(|member| member.process == process("e")).unwrap().clone();
        (client.process, client.profile) = (process("job"), Some(Profile::default()));
        view.update(at(1), client);
        sight.look(at(1), &view, &process("a").node, &timing);
        sight.look(at(1 + timing.forget_after.as_secs()), &view, &process("a").node, &timing);
        assert_eq!(forgotten(&sight), ["e"]);
    }

    #[test]
    fn whom_others_have_forgotten_counts_no_more_once_it_is_known_to_be_down() {
        let (mut sight, mut view, timing) = (Sight::default(), View::default(), Timing::fast());
        let me = process("a").node;
        let hear = |sight: &mut Sight, after, names: &[&str], view: &View| {
            let processes = names.iter().map(|name| process(name)).collect();
            sight.hear(Forgotten { after, processes }, view, &timing);
        };
        hear(&mut sight, timing.forget_after, &["c", "d", "e"], &view);
        hear(&mut sight, timing.forget_after - Duration::from_millis(1), &["b"], &view);
        sight.look(at(1), &view, &me, &timing);
        assert_eq!(forgotten(&sight), [""; 0]);
        see(&mut view, at(1), 3, 1);
        assert!(sight.look(at(1), &view, &me, &timing));
        assert_eq!(forgotten(&sight), ["c", "d", "e"]);
        assert!(sight.sees_majority(), "a and b are all that counts");
        hear(&mut sight, timing.forget_after, &["a", "b"], &view);
        see(&mut view, at(1), 4, 1);
        sight.look(at(1), &view, &me, &timing);
        assert_eq!(forgotten(&sight), ["c", "d", "e"], "b waited for less long, and then it lived");
        see(&mut view, at(2), 1, 2);
        sight.look(at(2), &view, &me, &timing);
        see(&mut view, at(3), 3, 3);
        sight.look(at(3), &view, &me, &timing);
        assert_eq!(forgotten(&sight), ["e"], "who came back is counted from then on");
        let mut again = view.members().find(|member| member.process == process("e")).unwrap().clone();
        (again.process.start, again.incarnation) = (Start::new(2), Incarnation::new(4));
        view.update(at(4), again);
        sight.look(at(4), &view, &me, &timing);
        assert_eq!(forgotten(&sight), [""; 0], "that life is over, and the next was not missed for long");
    }
}
