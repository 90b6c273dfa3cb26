//! Which step brings an open slot nearer to where the plan wants it.
//!
//! A set changes by one member at a time, so that the old and the new one have most of their data in common, and a slot
//! moves to another owner only when that one is a member already and has stored it. Where those that stay and are filled would be no majority
//! of the new set, as with one of two, the newcomer comes as one more if that goes on, and who is to go stays until it has been filled:
//! otherwise the slot would acknowledge nothing meanwhile.

use super::opening::Why;
use super::set::Set;
use crate::id::Process;

/// One step of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The slot is where it should be.
    Stay,
    /// Open it again with this set.
    Reopen(Set, Why),
    /// Seal it and let this member open it.
    HandOver(Process),
}

impl Move {
    /// The same step for a slot that nobody new can be sent: whoever is lost still goes.
    pub(crate) fn without_newcomers(self, former: &Set) -> Self {
        let Self::Reopen(set, why) = self else { return self };
        let known = set.members().iter().skip(1).filter(|member| former.contains(member)).cloned();
        let without = Set::of(set.owner(), known, set.len());
        if without == set {
            return Self::Reopen(set, why);
        }
        match why {
            Why::Repair if without.len() < former.len() => Self::Reopen(without, why),
            _ => Self::Stay,
        }
    }
}

/// The next step for a slot that `set`'s owner holds. `rank` names the eligible members, the plan's owner first.
///
/// Lost backups come first. The rest can wait, and does while somebody is under suspicion (`calm` is false), or while the newcomer cannot be
/// reached and filled (`is_near`): nobody is given up for it. Until the next owner has stored the slot, it stays.
pub(crate) fn next(
    set: &Set,
    rank: &[&Process],
    replicas: usize,
    calm: bool,
    is_live: impl Fn(&Process) -> bool,
    is_near: impl Fn(&Process) -> bool,
    has_stored: impl Fn(&Process) -> bool,
) -> Move {
    let me = set.owner();
    let wanted = rank.get(..replicas.min(rank.len())).unwrap_or_default();
    let backups = || set.members().iter().skip(1);
    let newcomer = wanted.iter().copied().find(|process| !set.contains(process));
    // Whom this node does not reach it cannot fill: somebody else takes the place for now.
    let helper = || rank.iter().copied().find(|process| !set.contains(process) && is_near(process));
    let change = |out: Option<&Process>, new: Option<&Process>, why| {
        let kept = backups().filter(|member| Some(*member) != out);
        let mut others: Vec<Process> = kept.chain(new).cloned().collect();
        others.sort_by_key(|process| rank.iter().position(|ranked| *ranked == process).unwrap_or(rank.len()));
        Move::Reopen(Set::of(me, others, usize::MAX), why)
    };

    if let Some(lost) = backups().find(|member| !is_live(member)) {
        let repaired = change(Some(lost), helper(), Why::Repair);
        // A set that most have left cannot be repaired member by member: it would never be stored.
        return match repaired {
            Move::Reopen(set, _) if !set.is_majority(&is_live) => {
                let live = backups().filter(|member| is_live(member));
                let near = rank.iter().copied().filter(|process| is_near(process));
                let others = live.chain(near).chain(wanted.iter().copied()).cloned();
                Move::Reopen(Set::of(me, others, replicas), Why::Repair)
            }
            repaired => repaired,
        };
    }
    if set.len() < replicas
        && let Some(helper) = helper()
    {
        return change(None, Some(helper), Why::Repair);
    }
    let (true, Some(&owner)) = (calm, rank.first()) else { return Move::Stay };
    let arrival = if owner == me { newcomer } else { Some(owner).filter(|owner| !set.contains(owner)) };
    if arrival.is_some_and(|arrival| !is_near(arrival)) {
        return Move::Stay;
    }
    let surplus = || backups().rfind(|member| !wanted.contains(member));
    // Whether those that stay and are filled are a majority of the new set.
    let goes_on = |out: Option<&Process>, new: Option<&Process>| {
        let kept = || backups().filter(|member| Some(*member) != out);
        let (size, holding) =
            (1 + kept().count() + usize::from(new.is_some()), 1 + kept().filter(|member| has_stored(member)).count());
        2 * holding > size
    };
    // An exchange, or one more where that goes on and an exchange would not. One alone has no way round. Where neither goes and there is one
    // too many, that one was to be the next owner of a slot with one replica, and is not any more.
    let plan = |out: Option<&Process>, new: Option<&Process>| {
        let grows = new.is_some() && set.len() <= replicas && (set.len() == 1 || goes_on(None, new));
        match out {
            Some(_) if goes_on(out, new) => change(out, new, Why::Rebalance),
            _ if grows => change(None, new, Why::Rebalance),
            Some(_) if set.len() > replicas && goes_on(out, None) => change(out, None, Why::Rebalance),
            _ => Move::Stay,
        }
    };
    if owner == me {
        // Without a newcomer all that are wanted are there, and the surplus is one too many or one that leaves. A set that
        // must do with fewer than `replicas` lets go of who leaves, too: it waits for that.
        return surplus().map_or(Move::Stay, |out| plan(Some(out), newcomer));
    }
    if set.contains(owner) {
        return if has_stored(owner) { Move::HandOver(owner.clone()) } else { Move::Stay };
    }
    // The next owner takes the place of a backup, if there is one.
    plan(surplus().or_else(|| backups().next_back()), Some(owner))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::id::{NodeId, Start};

    fn processes(names: &str) -> Vec<Process> {
        let process = |name: char| Process { node: NodeId::new(name.to_string()).unwrap(), start: Start::new(1) };
        names.chars().map(process).collect()
    }

    /// The step as the new set's letters, or `>` and the next owner.
    fn step(set: &str, rank: &str, replicas: usize, dead: &str) -> String {
        let rank = processes(rank);
        let rank: Vec<_> = rank.iter().collect();
        let is_live = |process: &Process| !dead.contains(process.node.as_str());
        match next(&Set::new(processes(set)).unwrap(), &rank, replicas, true, is_live, |_| true, |_| true) {
            Move::Stay => "=".into(),
            Move::Reopen(set, _) => set.members().iter().map(|member| member.node.as_str()).collect(),
            Move::HandOver(to) => format!(">{}", to.node),
        }
    }

    #[test]
    fn one_member_at_a_time() {
        let check = |set, rank, replicas, dead, expected: &str| {
            assert_eq!(step(set, rank, replicas, dead), expected, "{set} towards {rank}, {dead} dead");
        };
        check("abc", "abcd", 3, "", "=");
        check("abc", "abd", 3, "c", "abd");
        check("abc", "ab", 3, "c", "ab");
        check("ab", "abcd", 3, "", "abc");
        check("a", "abcd", 3, "", "ab");
        check("acd", "abcd", 3, "", "abc");
        check("abcd", "abcd", 3, "", "abc");
        check("abc", "bacd", 3, "", ">b");
        check("abc", "dabc", 3, "", "adb");
        check("adb", "dabc", 3, "", ">d");
        check("abc", "dbca", 3, "", "adb");
        check("a", "ba", 1, "", "ab");
        check("ab", "ba", 1, "", ">b");
        check("ba", "ba", 1, "", "b");
        check("ab", "cab", 1, "", "a");
        // One of two does not acknowledge by itself.
        check("ab", "cba", 2, "", "acb");
        check("acb", "cba", 2, "", ">c");
        check("cab", "cba", 2, "", "cb");
        check("ab", "acb", 2, "", "acb");
        check("acb", "acb", 2, "", "ac");
        check("a", "", 3, "", "=");
        check("abc", "bd", 3, "c", "abd");
        check("abcde", "aefgh", 5, "bcd", "aefcd");
        check("abcde", "afghi", 5, "bcde", "afghi");
        // "l" leaves and nobody can take its place.
        check("abl", "ab", 3, "", "ab");
        check("bal", "ab", 3, "", ">a");
        check("lab", "ab", 3, "", ">a");
        check("al", "a", 3, "", "a");
        check("la", "a", 3, "", ">a");
        check("l", "a", 3, "", "la");
        check("ablm", "ab", 5, "", "abl");
    }

    #[test]
    fn planned_steps_wait_for_calm_and_repairs_do_not() {
        let processes = processes("abcd");
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| &processes[index]);
        let set = Set::new(vec![a.clone(), b.clone(), c.clone()]).unwrap();
        let all = |_: &Process| true;
        assert_eq!(next(&set, &[b, a, c], 3, false, all, all, all), Move::Stay);
        assert!(matches!(
            next(&set, &[a, b, d], 3, false, |process| process != c, all, all),
            Move::Reopen(_, Why::Repair)
        ));
    }

    #[test]
    fn a_set_lets_nobody_go_whose_successor_is_not_filled() {
        let processes = processes("abcd");
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| &processes[index]);
        let step = |members: &[&Process], rank: &[&Process], replicas, empty: &Process| {
            let set = Set::new(members.iter().copied().cloned().collect()).unwrap();
            next(&set, rank, replicas, true, |_| true, |_| true, |process| process != empty)
        };
        assert_eq!(step(&[a, b, c], &[a, c], 2, c), Move::Stay);
        assert_eq!(step(&[a, b, c], &[d, a], 2, b), Move::Stay);
        // With one more, two of three would be two of four.
        assert_eq!(step(&[a, b, c], &[a, b, d], 3, b), Move::Stay);
        assert_eq!(step(&[a, b, c], &[d, a, b], 3, b), Move::Stay);
        assert!(matches!(step(&[a, b, c, d], &[a, b, d], 3, d), Move::Reopen(set, _) if !set.contains(c)));
    }

    #[test]
    fn a_slot_goes_to_nobody_who_has_not_stored_it() {
        let processes = processes("abc");
        let [a, b, c] = [0, 1, 2].map(|index| &processes[index]);
        let set = Set::new(processes.clone()).unwrap();
        let step = |stored: &Process| next(&set, &[b, a, c], 3, true, |_| true, |_| true, |process| process == stored);
        assert_eq!(step(c), Move::Stay);
        assert_eq!(step(b), Move::HandOver(b.clone()));
    }

    #[test]
    fn nobody_is_given_up_for_one_that_cannot_be_reached() {
        let processes = processes("abcd");
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| &processes[index]);
        let set = Set::new(vec![a.clone(), b.clone(), c.clone()]).unwrap();
        let step = |rank: &[&Process]| next(&set, rank, 3, true, |_| true, |process| process != d, |_| true);
        assert_eq!(step(&[a, b, d, c]), Move::Stay);
        assert_eq!(step(&[d, a, b, c]), Move::Stay);
        assert_eq!(step(&[b, a, d, c]), Move::HandOver(b.clone()));
        let repair = |members: &[&Process], replicas, dead: &Process| {
            let set = Set::new(members.iter().copied().cloned().collect()).unwrap();
            match next(&set, &[a, d, b, c], replicas, true, |process| process != dead, |process| process != d, |_| true)
            {
                Move::Reopen(set, Why::Repair) => set.members().to_vec(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(repair(&[a], 2, d), [a.clone(), b.clone()], "another one is there");
        assert_eq!(repair(&[a, c], 2, c), [a.clone(), b.clone()]);
        assert_eq!(repair(&[a, b, c], 3, c), [a.clone(), b.clone()], "nobody else is");
    }

    #[test]
    fn without_newcomers_who_is_lost_still_goes() {
        let check = |set: &str, next: &str, why, expected: &str| {
            let set = Set::new(processes(set)).unwrap();
            let step = Move::Reopen(Set::new(processes(next)).unwrap(), why).without_newcomers(&set);
            let told = match step {
                Move::Reopen(set, _) => set.members().iter().map(|member| member.node.as_str()).collect(),
                _ => "=".to_owned(),
            };
            assert_eq!(told, expected, "{set}");
        };
        check("abc", "abd", Why::Repair, "ab");
        check("abc", "ab", Why::Repair, "ab");
        check("a", "ab", Why::Repair, "=");
        check("a", "ab", Why::Rebalance, "=");
        check("abc", "abd", Why::Rebalance, "=");
        check("abcd", "abc", Why::Rebalance, "abc");
    }

    /// All orders of all choices of at most so many letters.
    fn words(letters: &str, length_max: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..length_max {
            let longer = |word: &String| {
                let free: Vec<char> = letters.chars().filter(|letter| !word.contains(*letter)).collect();
                free.into_iter().map(|letter| format!("{word}{letter}")).collect::<Vec<_>>()
            };
            last = last.iter().flat_map(longer).collect();
            all.extend_from_slice(&last);
        }
        all.into_iter().filter(|word| !word.is_empty()).collect()
    }

    /// The steps from a set to its end, as each is stored by all.
    fn walk(set: &str, rank: &str, replicas: usize) -> Vec<String> {
        let mut way = vec![set.to_owned()];
        while way.len() < 20 {
            let here = way.last().unwrap();
            let next = match step(here, rank, replicas, "") {
                stays if stays == "=" => break,
                over if over.starts_with('>') => format!("{}{}", &over[1..], here.replace(&over[1..], "")),
                next => next,
            };
            way.push(next);
        }
        way
    }

    #[test]
    fn from_every_set_there_is_a_way_to_every_plan() {
        let mut walks = 0;
        for rank in words("abcd", 4) {
            // One more than there are replicas, at most: more never come together.
            for (replicas, set) in
                (1..=3).flat_map(|replicas| words("abcde", replicas + 1).into_iter().map(move |set| (replicas, set)))
            {
                let way = walk(&set, &rank, replicas);
                let end: BTreeSet<char> = way.last().unwrap().chars().collect();
                let wanted: BTreeSet<char> = rank.chars().take(replicas).collect();
                assert!(way.last().unwrap().starts_with(&rank[..1]), "{replicas} of {rank}: {way:?}");
                assert_eq!(end, wanted, "{replicas} of {rank}: {way:?}");
                assert!(way.iter().all(|set| set.len() <= replicas + 1), "{replicas} of {rank}: {way:?}");
                walks += 1;
            }
        }
        assert!(walks > 10_000, "{walks}");
    }
}
