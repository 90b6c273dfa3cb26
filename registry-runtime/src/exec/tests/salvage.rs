//! What two sides of a partition wrote of one slot becomes one again.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::tally::{ask, spec};
use super::world::{Hands, end};
use crate::exec::copies::Copies;
use crate::exec::salvage::Remains;
use crate::exec::{Attempt, Filled, Filling, Host, Lease, Line, Outcome, Remainder, Salvage, Setting, Stranded};
use crate::id::{Epoch, LinkId, NodeId, Position, Process, Slot, Start};
use crate::policy::lineage::Kinship;
use crate::policy::replica::Stamp;
use crate::resource::{Command, Commands, Definition, ErrorCodec, Origin, Resource, Run, States, Visitor};
use crate::rules::Rules;
use crate::spec::{OnPartition, Spec};

/// A basket with or without a `merge`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Basket<const MERGES: bool> {
    id: u64,
    things: BTreeSet<u32>,
}

impl<const MERGES: bool> Resource for Basket<MERGES> {
    type Key = u64;
    type KeyFields<'a> = &'a u64;

    const MERGE: Option<fn(&mut Self, Self)> =
        if MERGES { Some(|mine, theirs| mine.things.extend(theirs.things)) } else { None };

    fn key(&self) -> u64 {
        self.id
    }

    fn key_fields(key: &u64) -> &u64 {
        key
    }
}

impl<const MERGES: bool> Basket<MERGES> {
    const MAKE: &'static Command<Self, (), (), Infallible> = &Command {
        name: "make",
        number: 0,
        idempotent: false,
        error: ErrorCodec::never(),
        written: "",
        run: Run::Create(|id, (), _| Ok(Self { id, things: BTreeSet::new() }), |_| ()),
    };
    const PUT: &'static Command<Self, (u32,), (), Infallible> = &Command {
        name: "put",
        number: 1,
        idempotent: false,
        error: ErrorCodec::never(),
        written: "",
        run: Run::Update(|basket, (thing,), _| {
            basket.things.insert(thing);
            Ok(())
        }),
    };
    const LOOK: &'static Command<Self, (), Vec<u32>, Infallible> = &Command {
        name: "look",
        number: 2,
        idempotent: true,
        error: ErrorCodec::never(),
        written: "",
        run: Run::Read(|basket, (), _| Ok(basket.things.iter().copied().collect())),
    };
    const DROP: &'static Command<Self, (), (), Infallible> = &Command {
        name: "drop",
        number: 3,
        idempotent: false,
        error: ErrorCodec::never(),
        written: "",
        run: Run::Destroy(|_, (), _| Ok(())),
    };
    const BASKETS: &'static Definition<Self> =
        &Definition { spec: Spec { on_partition: OnPartition::ServeAll, ..spec("baskets") }, route: |_| 0 };
}

impl<const MERGES: bool> Commands for Basket<MERGES> {
    type Client = ();

    fn each<V: Visitor<Self>>(visitor: &mut V) {
        visitor.command(Self::MAKE);
        visitor.command(Self::PUT);
        visitor.command(Self::LOOK);
        visitor.command(Self::DROP);
    }
}

/// A line to a backup that hears nothing.
#[derive(Debug)]
struct Deaf(Process);

impl Line for Deaf {
    fn process(&self) -> &Process {
        &self.0
    }

    fn record(&self, _: Slot, _: Epoch, _: Position, _: &[u8]) -> bool {
        true
    }

    fn ask(&self, _: Slot, _: Epoch) -> bool {
        true
    }

    fn acknowledged(&self, _: Slot, _: Epoch, _: Position) -> bool {
        true
    }

    fn begin(&self, _: Slot, _: Filling, _: LinkId) -> bool {
        true
    }
}

const SLOT: Slot = Slot::new(0);

/// One side of a partition.
struct Side<const MERGES: bool> {
    host: Arc<Host<Basket<MERGES>>>,
    epoch: Epoch,
    calls: u64,
}

impl<const MERGES: bool> Side<MERGES> {
    fn new(name: &str) -> Self {
        let origin = Origin { node: NodeId::new(name).unwrap(), states: States::default(), port: Box::new(()) };
        let setting = Setting {
            origin: Arc::new(origin),
            clock: Arc::new(Hands::default()),
            runtime: tokio::runtime::Handle::current(),
            drained: Arc::new(|_, _| ()),
            secret: 1,
            session: 1,
            reply_bytes_max: 1000,
            rules: Rules::ALL,
        };
        Self { host: Host::new(Basket::BASKETS, setting), epoch: Epoch::ZERO, calls: 0 }
    }

    /// Opens the slot on what is here.
    fn open(&mut self, epoch: u64, backups: &[&str]) -> Stamp {
        self.epoch = Epoch::new(epoch);
        let base = self.host.fence(SLOT, self.epoch, true);
        let process = |name: &&str| Process { node: NodeId::new(name).unwrap(), start: Start::new(1) };
        let lines = backups.iter().map(|name| Arc::new(Deaf(process(name))) as Arc<dyn Line>).collect();
        assert!(self.host.begin_stream(SLOT, self.epoch, base, lines));
        assert!(self.host.open(SLOT, self.epoch, Lease::forever()));
        base
    }

    /// Takes over what another side has, which has closed the slot or counts this one as a backup.
    fn take_over(&self, from: &Self, epoch: u64) {
        let epoch = Epoch::new(epoch);
        let here = Process { node: NodeId::new("here").unwrap(), start: Start::new(1) };
        let mut content = from
            .host
            .content_for(SLOT, epoch, &here, LinkId::new(1))
            .or_else(|| from.host.content(SLOT, epoch, from.host.fence(SLOT, epoch, false)))
            .unwrap();
        let filling = content.filling();
        self.host.begin_filling(SLOT, &here, filling, true);
        while let Some(portion) = content.next() {
            let portion = portion.unwrap();
            let filled = self.host.fill(SLOT, &here, filling, portion.part, portion.last, &portion.body).unwrap();
            assert_eq!(matches!(filled, Filled::Whole(_)), portion.last);
        }
    }

    async fn call<A, T>(&mut self, command: &'static Command<Basket<MERGES>, A, T, Infallible>, key: u64, args: A) -> T
    where
        A: Send + 'static,
        T: Serialize + serde::de::DeserializeOwned + Send + 'static,
    {
        match self.attempt(command, key, args).await {
            Outcome::Done(done) => done,
            Outcome::NotFound => panic!("there is no basket {key}"),
            _ => panic!("the command has failed"),
        }
    }

    async fn attempt<A, T>(
        &mut self,
        command: &'static Command<Basket<MERGES>, A, T, Infallible>,
        key: u64,
        args: A,
    ) -> Outcome<T, Infallible>
    where
        A: Send + 'static,
        T: Serialize + serde::de::DeserializeOwned + Send + 'static,
    {
        self.calls += 1;
        let caller = NodeId::new("caller").unwrap();
        let attempt = Attempt {
            slot: SLOT,
            epoch: self.epoch,
            seen: None,
            key: Some(key),
            ask: ask(self.calls),
            keeps_receipt: false,
            attempt: 1,
            only_asks: false,
            caller: &caller,
            begun: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(5),
            descent: None,
            bytes: 0,
        };
        end(self.host.call(command, attempt, args, &mut |_, _| ())).await
    }

    async fn look(&mut self, key: u64) -> Option<Vec<u32>> {
        match self.attempt(Basket::LOOK, key, ()).await {
            Outcome::Done(things) => Some(things),
            _ => None,
        }
    }

    async fn put(&mut self, key: u64, thing: u32) {
        self.call(Basket::PUT, key, (thing,)).await;
    }

    async fn make(&mut self, key: u64, thing: u32) {
        self.call(Basket::MAKE, key, ()).await;
        self.put(key, thing).await;
    }
}

/// Two sides that were one, on which baskets 1 to 6 were made with the thing 0 in each, and that have gone on alone.
async fn forked<const MERGES: bool>() -> (Side<MERGES>, Side<MERGES>) {
    let (mut left, mut right) = (Side::new("left"), Side::new("right"));
    left.open(1, &[]);
    for key in 1..=6 {
        left.make(key, 0).await;
    }
    left.host.close(SLOT);
    right.take_over(&left, 2);
    left.open(3, &[]);
    right.open(4, &[]);
    // 1: untouched. 2: left alone. 3: right alone. 4: both. 5: gone on the left. 6: gone on the left, changed on the right.
    left.put(2, 2).await;
    right.put(3, 3).await;
    left.put(4, 40).await;
    right.put(4, 41).await;
    left.call(Basket::DROP, 5, ()).await;
    left.call(Basket::DROP, 6, ()).await;
    right.put(6, 6).await;
    // 7: made on the left. 8: made on both.
    left.make(7, 7).await;
    left.make(8, 80).await;
    right.make(8, 81).await;
    (left, right)
}

/// The right side has won: the left is filled by it, and what it had is offered and taken in.
async fn heal<const MERGES: bool>(left: &Side<MERGES>, right: &mut Side<MERGES>) -> Salvage {
    left.host.close(SLOT);
    right.open(5, &["here"]);
    assert!(left.host.remains().is_empty());
    left.take_over(right, 5);
    // No backup answers, and the owner needs none.
    right.open(6, &[]);
    let offers = left.host.remains();
    let [(slot, stamp, lineage)] = &offers[..] else { panic!("one content was set aside: {offers:?}") };
    let Some(Kinship::ForkedAt(since)) = right.host.kinship(*slot, lineage) else { panic!("they have forked") };
    let (mut sum, mut from) = (Salvage::default(), 0);
    loop {
        let Remainder { next, last, body } = left.host.remainder(SLOT, *stamp, since, from).unwrap().unwrap();
        sum.add(right.host.salvage(SLOT, since, body).await.unwrap());
        from = next;
        if last {
            break;
        }
    }
    left.host.let_go_of(SLOT, *stamp);
    assert!(left.host.remains().is_empty());
    sum
}

#[tokio::test]
async fn what_one_side_changed_is_taken_and_what_both_did_stays_as_the_owner_has_it() {
    let (left, mut right) = forked::<false>().await;
    assert_eq!(heal(&left, &mut right).await, Salvage { taken: 3, merged: 0, given_up: 3 });
    for (key, expected) in [(1, vec![0]), (2, vec![0, 2]), (3, vec![0, 3]), (4, vec![0, 41]), (6, vec![0, 6])] {
        assert_eq!(right.look(key).await, Some(expected), "basket {key}");
    }
    assert_eq!(right.look(5).await, None, "gone on one side, untouched on the other");
    assert_eq!(right.look(7).await, Some(vec![7]));
    assert_eq!(right.look(8).await, Some(vec![81]));
}

#[tokio::test]
async fn what_both_sides_changed_is_merged_where_the_resource_can() {
    let (left, mut right) = forked::<true>().await;
    assert_eq!(heal(&left, &mut right).await, Salvage { taken: 3, merged: 2, given_up: 1 });
    assert_eq!(right.look(4).await, Some(vec![0, 40, 41]));
    assert_eq!(right.look(8).await, Some(vec![80, 81]));
    assert_eq!(right.look(6).await, Some(vec![0, 6]), "what is gone cannot be merged");
}

#[tokio::test]
async fn a_second_offer_of_the_same_changes_nothing() {
    let (left, mut right) = forked::<true>().await;
    left.host.close(SLOT);
    right.open(5, &["here"]);
    left.take_over(&right, 5);
    right.open(6, &[]);
    let (_, stamp, lineage) = left.host.remains().remove(0);
    let Some(Kinship::ForkedAt(since)) = right.host.kinship(SLOT, &lineage) else { panic!("they have forked") };
    let part = || left.host.remainder(SLOT, stamp, since, 0).unwrap().unwrap();
    right.host.salvage(SLOT, since, part().body).await.unwrap();
    let before = [right.look(2).await, right.look(4).await, right.look(7).await, right.look(8).await];
    // What was taken counts as changed here from now on, so it is merged with itself.
    let again = right.host.salvage(SLOT, since, part().body).await.unwrap();
    assert_eq!(again.taken, 0, "{again:?}");
    assert_eq!([right.look(2).await, right.look(4).await, right.look(7).await, right.look(8).await], before);
    // Once all is there it is known to be, whoever offers it.
    right.host.took_in(SLOT, &lineage);
    assert_eq!(right.host.kinship(SLOT, &lineage), Some(Kinship::Contained));
}

#[tokio::test]
async fn what_only_a_backup_holds_of_a_leader_that_is_gone_is_offered_too() {
    let (mut left, mut right) = forked::<false>().await;
    let backup = Side::new("backup");
    left.open(10, &["here"]);
    backup.take_over(&left, 10);
    drop(left);
    right.open(12, &["here"]);
    backup.take_over(&right, 12);
    right.open(13, &[]);
    let (_, stamp, lineage) = backup.host.remains().remove(0);
    let Some(Kinship::ForkedAt(since)) = right.host.kinship(SLOT, &lineage) else { panic!("they have forked") };
    let Remainder { body, .. } = backup.host.remainder(SLOT, stamp, since, 0).unwrap().unwrap();
    assert_eq!(right.host.salvage(SLOT, since, body).await, Ok(Salvage { taken: 3, merged: 0, given_up: 3 }));
    assert_eq!(right.look(2).await, Some(vec![0, 2]));
}

#[tokio::test]
async fn only_the_last_few_contents_wait_for_an_owner() {
    let (mut left, mut right) = forked::<false>().await;
    for round in 0..10 {
        left.host.close(SLOT);
        right.open(100 + 10 * round, &["here"]);
        left.take_over(&right, 100 + 10 * round);
        right.open(102 + 10 * round, &[]);
        left.open(105 + 10 * round, &[]);
        left.make(1000 + round, 1).await;
        right.make(2000 + round, 1).await;
    }
    assert_eq!(left.host.remains().len(), 4);
    left.host.stop();
    assert!(left.host.remains().is_empty());
}

#[tokio::test]
async fn what_has_not_gone_on_alone_is_contained() {
    let (mut left, mut right) = (Side::<false>::new("left"), Side::new("right"));
    left.open(1, &[]);
    left.make(1, 0).await;
    left.host.close(SLOT);
    right.take_over(&left, 2);
    right.open(4, &["here"]);
    left.take_over(&right, 4);
    assert_eq!(left.host.remains(), [], "what comes goes on from what was here");
    // Of what is dropped nobody knows what takes its place, so its owner is asked.
    left.host.clear(SLOT);
    let (_, stamp, lineage) = left.host.remains().remove(0);
    assert_eq!(right.host.kinship(SLOT, &lineage), Some(Kinship::Contained));
    assert_eq!(left.host.kinship(SLOT, &lineage), None, "it is not open there");
    assert!(left.host.remainder(SLOT, (Epoch::new(9), stamp.1), Position::new(0), 0).is_none());
}

#[tokio::test]
async fn more_changes_than_are_remembered_count_as_changes_of_everything() {
    let mut side = Side::<false>::new("left");
    side.open(1, &[]);
    side.make(1, 0).await;
    let instance_since = |side: &Side<false>, key, since| {
        side.host.shelf(SLOT).unwrap().instance_since(&key, Position::new(since)).unwrap().1
    };
    assert!(!instance_since(&side, 1, 2), "it was made and changed by the first two records");
    for key in 0..(1 << 16) {
        side.call(Basket::MAKE, 10 + key, ()).await;
    }
    assert!(instance_since(&side, 1, 2));
    assert!(!instance_since(&side, 1, 1 << 17));
}

#[tokio::test]
async fn what_cannot_be_read_or_comes_to_a_closed_slot_changes_nothing() {
    let (left, mut right) = forked::<true>().await;
    let unreadable = right.host.salvage(SLOT, Position::new(0), vec![9, 9, 9]).await;
    assert!(matches!(unreadable, Err(Stranded::Unreadable(_))), "{unreadable:?}");
    left.host.close(SLOT);
    right.open(5, &["here"]);
    left.take_over(&right, 5);
    let (_, stamp, _) = left.host.remains().remove(0);
    let Remainder { body, .. } = left.host.remainder(SLOT, stamp, Position::new(0), 0).unwrap().unwrap();
    right.host.close(SLOT);
    assert_eq!(right.host.salvage(SLOT, Position::new(0), body).await, Err(Stranded::NotNow));
}
