//! All that this node knows of the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foca::State as Belief;
use xxhash_rust::xxh3::xxh3_64;

use super::identity::Identity;
use super::member::{Change, Downtime, Load, Member, MemberState, Profile};
use super::packet::{Entry, MEMBERS_MAX, Standing};
use super::swim::Mark;
use crate::id::{NodeId, Process};
use crate::time::Moment;

/// The members as reported to the outside, kept in step with foca's table by [`Roster::compare`].
///
/// foca knows neither goodbyes nor ages of a Down nor profiles; they are kept here.
#[derive(Debug, Default)]
pub(super) struct Roster {
    records: BTreeMap<NodeId, Record>,
    hints: BTreeMap<NodeId, Hint>,
    /// Whether the Down of some was withdrawn.
    doubtful: bool,
    sums: Sums,
}

/// What all records together come to. It is asked for with nearly every packet, so it is kept in step with every change of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// How many are alive.
    live: usize,
    /// How many of those are not client-only.
    hosting: usize,
    /// [`Roster::full_digest`] without this node.
    digest: u64,
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Who it is in its newest incarnation.
    pub(super) identity: Identity,
    /// How often that has refuted.
    pub(super) refutations: u16,
    /// What is believed of it.
    pub(super) state: MemberState,
    /// Since when it is Down or Left.
    down: Option<Downtime>,
    /// What it says of itself.
    profile: Option<Arc<Profile>>,
    /// Whether it was forgotten: still known to be Down, so that it cannot come back unnoticed, but no member any more.
    forgotten: bool,
    /// Until when its Down is not told to anyone, because it was judged while this node itself was cut off. Whoever
    /// knows better will have said so by then.
    withdrawn: Option<Moment>,
}

/// What was told about the end of an incarnation, beside that it is Down.
#[derive(Clone, Debug)]
struct Hint {
    identity: Identity,
    left: bool,
    age: Duration,
}

impl Record {
    /// The member as the outside sees it.
    pub(super) fn member(&self) -> Member {
        Member {
            process: self.identity.process(),
            incarnation: self.identity.incarnation,
            address: self.identity.address,
            state: self.state,
            down: self.down,
            profile: self.profile.clone(),
        }
    }

    /// What it says of itself.
    pub(super) const fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// What it adds to what all of them come to.
    fn sums(&self) -> Sums {
        let live = self.state.is_live();
        let hosting = live && self.profile.as_ref().is_none_or(|profile| !profile.client_only);
        let state = match self.state {
            MemberState::Up | MemberState::Suspect => 1,
            MemberState::Down => 2,
            MemberState::Left => 3,
        };
        let revision = self.profile.as_ref().map_or(0, |profile| profile.revision);
        // What was withdrawn is told to nobody.
        let digest = if self.withdrawn.is_none() { share(&self.identity, state, revision) } else { 0 };
        Sums { live: usize::from(live), hosting: usize::from(hosting), digest }
    }

    /// As told to others.
    pub(super) fn entry(&self, now: Moment) -> Entry {
        let age = self.down.map_or(Duration::ZERO, |down| down.age(now));
        Entry {
            identity: self.identity.clone(),
            refutations: self.refutations,
            state: self.state,
            down_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            profile: self.profile.as_ref().map(|profile| profile.revision),
        }
    }
}

impl Roster {
    /// An age of a Down must grow by this much at once to be reported again: less is only the time that news travel.
    const AGE_NEWS: Duration = Duration::from_secs(1);

    // What is known.

    /// A member, forgotten or not.
    pub(super) fn get(&self, node: &NodeId) -> Option<&Record> {
        self.records.get(node)
    }

    /// All members, without the forgotten ones, by node id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values().filter(|record| !record.forgotten)
    }

    /// Everyone who is told of to others: forgotten or not, without what was withdrawn.
    pub(super) fn iter_told(&self) -> impl Iterator<Item = &Record> {
        self.records.values().filter(|record| record.withdrawn.is_none())
    }

    /// Whether this very identity is known to be Down or Left.
    pub(super) fn is_gone(&self, identity: &Identity) -> bool {
        let gone =
            |record: &Record| record.identity == *identity && !record.state.is_live() && record.withdrawn.is_none();
        self.records.get(&identity.node).is_some_and(gone)
    }

    /// Whether this very identity is known to be alive.
    pub(super) fn is_live(&self, identity: &Identity) -> bool {
        self.records.get(&identity.node).is_some_and(|record| record.identity == *identity && record.state.is_live())
    }

    /// Whether foca, told this, learns nothing: it is what is believed already.
    pub(super) fn is_known(&self, mark: &Mark) -> bool {
        let believes = |record: &Record| match mark.state() {
            Belief::Alive => record.state == MemberState::Up,
            Belief::Suspect => record.state == MemberState::Suspect,
            Belief::Down => !record.state.is_live() && record.withdrawn.is_none(),
        };
        let same = |record: &&Record| record.identity == *mark.id() && record.refutations == mark.incarnation();
        self.records.get(&mark.id().node).filter(same).is_some_and(believes)
    }

    /// How many are known, forgotten ones included.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many members are alive.
    pub(super) const fn live(&self) -> usize {
        self.sums.live
    }

    /// How much of the cluster this node sees alive, itself included.
    pub(super) fn standing(&self, own: &Profile) -> Standing {
        let with_own =
            |others: usize, own: bool| u16::try_from(others.saturating_add(usize::from(own))).unwrap_or(u16::MAX);
        let Sums { live, hosting, .. } = self.sums;
        Standing { hosting: with_own(hosting, !own.client_only), live: with_own(live, true) }
    }

    /// How many more members can be taken in.
    pub(super) fn room(&self) -> usize {
        MEMBERS_MAX.saturating_sub(self.records.len())
    }

    /// A member that can make room for another: a forgotten one, or else one that said goodbye, or else one that nobody waits for any more:
    /// of those that have been Down for so long, one that hosts nothing if there is one, and the one that has been so for longest.
    pub(super) fn expendable(&self, now: Moment, long: Duration) -> Option<Identity> {
        let forgotten = self.records.values().find(|record| record.forgotten);
        let left = || self.records.values().find(|record| record.state == MemberState::Left);
        let given_up = || {
            let down = self.records.values().filter(|record| record.state == MemberState::Down);
            let ages = down.filter_map(|record| Some((record, record.down?.age(now))));
            let long_gone = ages.filter(|(_, age)| *age >= long);
            let hosts = |record: &Record| record.profile.as_ref().is_some_and(|profile| !profile.hosted.is_empty());
            long_gone.max_by_key(|(record, age)| (!hosts(record), *age)).map(|(record, _)| record)
        };
        forgotten.or_else(left).or_else(given_up).map(|record| record.identity.clone())
    }

    /// A number that is the same on nodes with the same view: over node, incarnation and whether it is alive.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn digest(&self, own: &Identity) -> u64 {
        let mut bytes = Vec::new();
        let others = self.iter().map(|record| (&record.identity, u8::from(record.state.is_live())));
        let mut all: Vec<_> = others.chain([(own, 1)]).collect();
        all.sort_by(|one, two| one.0.node.cmp(&two.0.node));
        for (identity, live) in all {
            bytes.extend(identity.node.as_str().bytes());
            // No node id contains this byte, so that names cannot run together.
            bytes.push(0);
            bytes.extend(identity.incarnation.get().to_le_bytes());
            bytes.push(live);
        }
        xxh3_64(&bytes)
    }

    /// A number that differs when two nodes have something to tell each other: as [`Self::digest`], and over goodbyes and
    /// profiles, and over what was forgotten.
    pub(super) fn full_digest(&self, own: &Identity, profile: &Profile) -> u64 {
        // Sums do not depend on the order, so this node needs no place among the others.
        self.sums.digest.wrapping_add(share(own, 1, profile.revision))
    }

    fn sums_of(&self, node: &NodeId) -> Sums {
        self.records.get(node).map_or(Sums::default(), Record::sums)
    }

    // What happens.

    /// Notes what an entry tells beyond its being Down; it counts at the next [`Self::compare`].
    pub(super) fn hint(&mut self, entry: &Entry) {
        let hint = Hint {
            identity: entry.identity.clone(),
            left: entry.state == MemberState::Left,
            age: entry.down_for().min(Downtime::AGE_MAX),
        };
        self.hints.insert(entry.identity.node.clone(), hint);
    }

    /// Takes over what foca believes now, and tells what has changed, by node id.
    pub(super) fn compare<'a>(&mut self, now: Moment, marks: impl Iterator<Item = &'a Mark>) -> Vec<(Member, Change)> {
        let hints = std::mem::take(&mut self.hints);
        let mut changes = Vec::new();
        for mark in marks {
            let hint = hints.get(&mark.id().node).filter(|hint| hint.identity == *mark.id());
            let change = self.change(&mark.id().node, |roster| roster.compare_one(now, mark, hint));
            if let Some(change) = change
                && let Some(record) = self.records.get(&mark.id().node)
            {
                changes.push((record.member(), change));
            }
        }
        changes.sort_by(|one, two| one.0.process.cmp(&two.0.process));
        changes
    }

    /// Changes the record of one node, and the sums with it.
    fn change<T>(&mut self, node: &NodeId, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.sums_of(node);
        let changed = change(self);
        self.sums = self.sums.without(before).with(self.sums_of(node));
        changed
    }

    /// Adds everything up anew.
    fn add_up(&mut self) {
        self.sums = self.records.values().map(Record::sums).fold(Sums::default(), Sums::with);
    }

    fn compare_one(&mut self, now: Moment, mark: &Mark, hint: Option<&Hint>) -> Option<Change> {
        let identity = mark.id();
        let known = self.records.get_mut(&identity.node);
        let left = hint.is_some_and(|hint| hint.left);
        let age = hint.map_or(Duration::ZERO, |hint| hint.age);
        let state = match mark.state() {
            Belief::Alive => MemberState::Up,
            Belief::Suspect => MemberState::Suspect,
            Belief::Down if left => MemberState::Left,
            Belief::Down => MemberState::Down,
        };
        let down = (!state.is_live()).then(|| Downtime::new(age, now));
        let arrived = match state {
            MemberState::Up => Change::Up,
            MemberState::Suspect => Change::Suspect,
            MemberState::Down => Change::Down,
            MemberState::Left => Change::Left,
        };
        match known {
            None => {
                let record = Record {
                    identity: identity.clone(),
                    refutations: mark.incarnation(),
                    state,
                    down,
                    profile: None,
                    forgotten: false,
                    withdrawn: None,
                };
                self.records.insert(identity.node.clone(), record);
                Some(arrived)
            }
            Some(record) if record.identity == *identity => {
                record.withdrawn = None;
                record.refutations = mark.incarnation();
                record.change_state(now, state, age, arrived)
            }
            Some(record) if identity.outranks(&record.identity) => {
                let former = record.identity.process();
                let same = identity.process() == former;
                let profile = if same { record.profile.take() } else { None };
                *record = Record {
                    identity: identity.clone(),
                    refutations: mark.incarnation(),
                    state,
                    down,
                    profile,
                    forgotten: false,
                    withdrawn: None,
                };
                Some(match (same, state.is_live()) {
                    (true, true) => Change::Rejoined,
                    (true, false) => arrived,
                    (false, _) => Change::Replaced { former },
                })
            }
            // Told by somebody who is behind; it has been told better.
            Some(_) => None,
        }
    }

    /// Notes where a process is met, which counts more than what others say; says whether that is news.
    pub(super) fn locate(&mut self, met: &Identity) -> Option<Member> {
        let record = self.records.get_mut(&met.node).filter(|record| record.identity.is_same_process(met))?;
        let before = std::mem::replace(&mut record.identity.address, met.address);
        (before != met.address && !record.forgotten).then(|| record.member())
    }

    /// Takes in what a process says of itself; says whether that is news.
    pub(super) fn set_profile(&mut self, process: &Process, said: &Profile) -> Option<Member> {
        self.change(&process.node, |roster| roster.replace_profile(process, said))
    }

    fn replace_profile(&mut self, process: &Process, said: &Profile) -> Option<Member> {
        let record = self.records.get_mut(&process.node).filter(|record| record.identity.start == process.start)?;
        let known = record.profile.as_deref();
        if known.is_some_and(|known| known.revision >= said.revision) {
            return None;
        }
        let mut profile = said.clone();
        if let Some(known) = known.filter(|known| known.load_revision > said.load_revision) {
            (profile.load, profile.load_revision) = (known.load, known.load_revision);
        }
        record.profile = Some(Arc::new(profile));
        Some(record.member())
    }

    /// Takes in the load that a process reports; says whether that is news.
    pub(super) fn set_load(&mut self, process: &Process, load: Load, revision: u64) -> Option<Member> {
        let record = self.records.get_mut(&process.node).filter(|record| record.identity.start == process.start)?;
        let known = record.profile.as_mut().filter(|known| known.load_revision < revision)?;
        let profile = Arc::make_mut(known);
        (profile.load, profile.load_revision) = (load, revision);
        Some(record.member())
    }

    /// Counts a Down or Left member as a member no more, until another incarnation comes; says whether it did so before.
    pub(super) fn forget(&mut self, node: &NodeId) -> bool {
        match self.records.get_mut(node) {
            Some(record) if !record.state.is_live() && !record.forgotten => {
                record.forgotten = true;
                true
            }
            _ => false,
        }
    }

    /// Takes back for a while every Down that was judged here, and tells of whom. Goodbyes stand: they were said by the
    /// member itself.
    ///
    /// A node that was declared Down itself was cut off or asleep when it judged, and those who went on without it know
    /// better; they tell it right after. Kept and passed on, its judgement would declare healthy members Down in the whole
    /// cluster.
    pub(super) fn withdraw(&mut self, until: Moment) -> Vec<Identity> {
        let judged = self.records.values_mut().filter(|record| record.state == MemberState::Down);
        let withdrawn = judged
            .map(|record| {
                record.withdrawn = Some(until);
                record.identity.clone()
            })
            .collect();
        self.doubtful = true;
        self.add_up();
        withdrawn
    }

    /// Stands by the Downs that nobody has denied since they were taken back, and tells which.
    pub(super) fn restore(&mut self, now: Moment) -> Vec<Identity> {
        if !self.doubtful {
            return Vec::new();
        }
        let due = |record: &&mut Record| record.withdrawn.is_some_and(|until| until <= now);
        let undenied: Vec<_> = self
            .records
            .values_mut()
            .filter(due)
            .map(|record| {
                record.withdrawn = None;
                record.identity.clone()
            })
            .collect();
        if !undenied.is_empty() {
            self.add_up();
        }
        self.doubtful = self.records.values().any(|record| record.withdrawn.is_some());
        undenied
    }

    /// When [`Self::restore`] is due.
    pub(super) fn next(&self) -> Option<Moment> {
        if !self.doubtful {
            return None;
        }
        self.records.values().filter_map(|record| record.withdrawn).min()
    }

    /// Drops a member for good, to make room.
    pub(super) fn remove(&mut self, node: &NodeId) {
        self.change(node, |roster| roster.records.remove(node));
    }
}

impl Sums {
    const fn with(self, other: Self) -> Self {
        Self {
            live: self.live.saturating_add(other.live),
            hosting: self.hosting.saturating_add(other.hosting),
            digest: self.digest.wrapping_add(other.digest),
        }
    }

    const fn without(self, other: Self) -> Self {
        Self {
            live: self.live.saturating_sub(other.live),
            hosting: self.hosting.saturating_sub(other.hosting),
            digest: self.digest.wrapping_sub(other.digest),
        }
    }
}

/// What one member adds to a digest.
fn share(identity: &Identity, state: u8, revision: u64) -> u64 {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend(identity.node.as_str().bytes());
    bytes.extend([0, state]);
    bytes.extend(identity.incarnation.get().to_le_bytes());
    bytes.extend(revision.to_le_bytes());
    xxh3_64(&bytes)
}

impl Record {
    /// Takes over another state of the same incarnation.
    fn change_state(&mut self, now: Moment, state: MemberState, age: Duration, arrived: Change) -> Option<Change> {
        let before = self.state;
        // A goodbye is never unsaid by somebody who has only heard of a Down.
        let state = if before == MemberState::Left && state == MemberState::Down { MemberState::Left } else { state };
        self.state = state;
        if state.is_live() {
            self.down = None;
            self.forgotten = false;
        } else {
            let known = self.down.map(|down| down.age(now));
            if known.is_none_or(|known| age > known) {
                self.down = Some(Downtime::new(age, now));
            }
            let older = known.is_some_and(|known| age > known.saturating_add(Roster::AGE_NEWS));
            if before == state {
                return (older && !self.forgotten).then_some(arrived);
            }
        }
        match (before, state) {
            (MemberState::Suspect, MemberState::Up) => Some(Change::Refuted),
            (before, state) if before == state => None,
            _ if self.forgotten => None,
            _ => Some(arrived),
        }
    }
}

#[cfg(test)]
mod tests {
    use foca::State as Belief;

    use super::*;
    use crate::id::{Incarnation, Start};

    fn identity(incarnation: u64) -> Identity {
        let born = Identity::at_birth(NodeId::new("x").unwrap(), ([127, 0, 0, 1], 1).into(), Start::new(5));
        Identity { incarnation: Incarnation::new(incarnation), ..born }
    }

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    fn told(state: MemberState, down_ms: u64) -> Entry {
        Entry { identity: identity(5), refutations: 0, state, down_ms, profile: None }
    }

    fn changes(roster: &mut Roster, now: Moment, identity: Identity, belief: Belief) -> Vec<Change> {
        let marks = [Mark::new(identity, 0, belief)];
        roster.compare(now, marks.iter()).into_iter().map(|(_, change)| change).collect()
    }

    fn profile(revision: u64, load: u16, load_revision: u64) -> Profile {
        Profile {
            hosted: vec![],
            client_only: false,
            leaving: false,
            weight: super::super::member::Weight::NORMAL,
            load: Load(load),
            version: "1".into(),
            revision,
            load_revision,
        }
    }

    #[test]
    fn every_change_is_told_once() {
        let mut roster = Roster::default();
        let steps = [
            (5, Belief::Alive, Some(Change::Up)),
            (5, Belief::Alive, None),
            (5, Belief::Suspect, Some(Change::Suspect)),
            (5, Belief::Alive, Some(Change::Refuted)),
            (5, Belief::Down, Some(Change::Down)),
            (5, Belief::Down, None),
            (6, Belief::Alive, Some(Change::Rejoined)),
            (5, Belief::Down, None),
        ];
        for (incarnation, belief, expected) in steps {
            let seen = changes(&mut roster, at(0), identity(incarnation), belief);
            assert_eq!(seen, Vec::from_iter(expected), "{incarnation} {belief:?}");
        }
        let restarted = Identity { start: Start::new(9), ..identity(9) };
        let former = identity(6).process();
        assert_eq!(changes(&mut roster, at(0), restarted, Belief::Alive), [Change::Replaced { former }]);
    }

    #[test]
    fn who_was_down_for_longest_makes_room_and_who_hosts_something_last() {
        let mut roster = Roster::default();
        let named = |name: &str| Identity { node: NodeId::new(name).unwrap(), ..identity(5) };
        for (name, since) in [("host", 0), ("late", 2_000), ("early", 1_000)] {
            changes(&mut roster, at(0), named(name), Belief::Alive);
            changes(&mut roster, at(since), named(name), Belief::Down);
        }
        let hosted = super::super::member::HostedRegistry {
            name: crate::id::RegistryName::new("orders").unwrap(),
            slots: 1,
            replicas: 1,
            failover: super::super::member::HostedFailover::AutoReassign,
            serves_all: false,
            weighs: false,
        };
        let hosting = Profile { hosted: vec![hosted], ..profile(1, 0, 0) };
        assert!(roster.set_profile(&named("host").process(), &hosting).is_some());
        let long = Duration::from_secs(30);
        assert_eq!(roster.expendable(at(29_000), long), None, "each may come back");
        for name in ["early", "late", "host"] {
            assert_eq!(roster.expendable(at(40_000), long), Some(named(name)));
            roster.remove(&named(name).node);
        }
        assert_eq!(roster.expendable(at(40_000), long), None);
    }

    #[test]
    fn the_largest_age_of_a_down_wins() {
        let mut roster = Roster::default();
        changes(&mut roster, at(0), identity(5), Belief::Alive);
        changes(&mut roster, at(1000), identity(5), Belief::Down);
        let age = |roster: &Roster, now| roster.get(&identity(5).node).unwrap().down.unwrap().age(now);
        assert_eq!(age(&roster, at(3000)), Duration::from_secs(2));
        for (heard_ms, news, expected) in [(500, false, 2), (9_000, true, 9), (4_000, false, 9)] {
            roster.hint(&told(MemberState::Down, heard_ms));
            assert_eq!(changes(&mut roster, at(3000), identity(5), Belief::Down).len(), usize::from(news));
            assert_eq!(age(&roster, at(3000)), Duration::from_secs(expected));
        }
    }

    #[test]
    fn a_goodbye_stands() {
        let mut roster = Roster::default();
        changes(&mut roster, at(0), identity(5), Belief::Alive);
        assert_eq!(changes(&mut roster, at(0), identity(5), Belief::Down), [Change::Down]);
        roster.hint(&told(MemberState::Left, 0));
        assert_eq!(changes(&mut roster, at(0), identity(5), Belief::Down), [Change::Left]);
        roster.hint(&told(MemberState::Down, 0));
        assert_eq!(changes(&mut roster, at(0), identity(5), Belief::Down), []);
    }

    #[test]
    fn a_judgement_taken_back_is_not_told_and_stands_again_unless_denied() {
        let mut roster = Roster::default();
        changes(&mut roster, at(0), identity(5), Belief::Alive);
        changes(&mut roster, at(0), identity(5), Belief::Down);
        assert_eq!(roster.withdraw(at(10)), [identity(5)]);
        assert_eq!((roster.iter().count(), roster.iter_told().count()), (1, 0));
        assert!(!roster.is_gone(&identity(5)));
        assert_eq!(roster.restore(at(9)), []);
        assert_eq!(roster.next(), Some(at(10)));
        assert_eq!(roster.restore(at(10)), [identity(5)]);
        assert!(roster.is_gone(&identity(5)));
        assert_eq!(roster.withdraw(at(20)), [identity(5)]);
        assert_eq!(changes(&mut roster, at(15), identity(5), Belief::Alive), [Change::Up]);
        assert_eq!((roster.next(), roster.restore(at(20))), (None, vec![]));
    }

    #[test]
    fn what_is_believed_already_is_no_news() {
        let mut roster = Roster::default();
        let mark = |incarnation, refutations, belief| Mark::new(identity(incarnation), refutations, belief);
        assert!(!roster.is_known(&mark(5, 0, Belief::Alive)), "nobody is known");
        for (incarnation, believed) in [(5, Belief::Alive), (6, Belief::Suspect), (7, Belief::Down)] {
            changes(&mut roster, at(0), identity(incarnation), believed);
            for told in [Belief::Alive, Belief::Suspect, Belief::Down] {
                assert_eq!(
                    roster.is_known(&mark(incarnation, 0, told)),
                    told == believed,
                    "{believed:?}, told {told:?}"
                );
            }
            assert!(!roster.is_known(&mark(incarnation, 1, believed)), "a refutation is news");
            assert!(!roster.is_known(&mark(incarnation + 10, 0, believed)), "another incarnation is news");
        }
        roster.withdraw(at(10));
        assert!(!roster.is_known(&mark(7, 0, Belief::Down)), "it stands by it again");
    }

    #[test]
    fn the_full_digest_follows_every_change() {
        let mut roster = Roster::default();
        let own = Identity::at_birth(NodeId::new("me").unwrap(), ([127, 0, 0, 1], 2).into(), Start::new(1));
        let digest = |roster: &mut Roster| {
            let kept = roster.sums;
            roster.add_up();
            assert_eq!(kept, roster.sums, "the sums are out of step");
            roster.full_digest(&own, &profile(1, 0, 0))
        };
        let alone = digest(&mut roster);
        changes(&mut roster, at(0), identity(5), Belief::Alive);
        let together = digest(&mut roster);
        roster.set_profile(&identity(5).process(), &profile(3, 0, 0));
        let introduced = digest(&mut roster);
        changes(&mut roster, at(0), identity(5), Belief::Down);
        let down = digest(&mut roster);
        let all: std::collections::BTreeSet<_> = [alone, together, introduced, down].into();
        assert_eq!(all.len(), 4);
        roster.withdraw(at(10));
        assert_eq!(digest(&mut roster), alone, "nothing is told of it");
        roster.restore(at(10));
        assert_eq!(digest(&mut roster), down);
        roster.remove(&identity(5).node);
        assert_eq!(digest(&mut roster), alone);
    }

    #[test]
    fn a_forgotten_member_is_out_of_the_view_until_it_returns() {
        let mut roster = Roster::default();
        let own = Identity::at_birth(NodeId::new("me").unwrap(), ([127, 0, 0, 1], 2).into(), Start::new(1));
        let alone = roster.digest(&own);
        changes(&mut roster, at(0), identity(5), Belief::Alive);
        assert!(!roster.forget(&identity(5).node), "it is alive");
        let together = roster.digest(&own);
        changes(&mut roster, at(0), identity(5), Belief::Down);
        assert_ne!(roster.digest(&own), together);
        assert!(roster.forget(&identity(5).node));
        assert_eq!((roster.iter().count(), roster.digest(&own)), (0, alone));
        assert_eq!(changes(&mut roster, at(0), identity(5), Belief::Down), []);
        assert!(roster.is_gone(&identity(5)), "its old incarnation stays out");
        assert_eq!(changes(&mut roster, at(0), identity(6), Belief::Alive), [Change::Rejoined]);
        assert_eq!(roster.iter().count(), 1);
    }

    #[test]
    fn the_newest_profile_and_the_newest_load_win() {
        let mut roster = Roster::default();
        let x = identity(5).process();
        assert_eq!(roster.set_profile(&x, &profile(1, 0, 0)), None, "unknown yet");
        changes(&mut roster, at(0), identity(5), Belief::Alive);
        assert_eq!(roster.set_load(&x, Load(3), 1), None, "no profile yet");
        assert!(roster.set_profile(&x, &profile(2, 1, 1)).is_some());
        assert!(roster.set_profile(&x, &profile(1, 9, 9)).is_none());
        assert!(roster.set_load(&x, Load(4), 3).is_some());
        assert!(roster.set_load(&x, Load(5), 2).is_none());
        let member = roster.set_profile(&x, &profile(3, 2, 2)).unwrap();
        assert_eq!(member.profile.unwrap().load, Load(4));
        let other = Process { start: Start::new(99), ..x };
        assert_eq!(roster.set_profile(&other, &profile(9, 0, 0)), None, "another life");
    }
}
