//! An owner and its backups, with the frames between them in a test's hands.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use super::somebody;
use super::tally::*;
use super::world::*;
use crate::exec::copies::{Copies, Parts};
use crate::exec::flow::{Flow, LOOKS_MAX, PENDING_BYTES_MAX, PENDING_MAX, Pending};
use crate::exec::host::SEAL_GRACE;
use crate::exec::pledge::Pledge;
use crate::exec::shelf::{Change, Cut};
use crate::exec::{
    Answer, AnyHost, Attempt, Filled, Filling, Lease, Line, Outcome, Replier, Request, Standing, Started,
};
use crate::id::{Epoch, LinkId, NodeId, Position, Process, Slot, Start};
use crate::policy::stream::{Heard, Stream};
use crate::resource::{Definition, Resource};
use crate::rules::Rules;
use crate::spec::Reads;
use crate::time::Moment;

pub(super) const FIRST: Epoch = Epoch::new(EPOCH.get() + 1);
pub(super) const SECOND: Epoch = Epoch::new(EPOCH.get() + 2);
pub(super) const KEY: u64 = 1;
/// The connection to each backup.
pub(super) const LINK: LinkId = LinkId::new(1);

pub(super) fn process(name: &str) -> Process {
    Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }
}

/// What an owner has sent on a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    Record(Epoch, Position, Vec<u8>),
    Ask,
    Begin(Filling),
    Acknowledged(Epoch, Position),
}

/// A line that ends in the test.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) to: Process,
    pub(super) sent: Mutex<VecDeque<Frame>>,
}

impl Wire {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { to: process(name), sent: Mutex::default() })
    }

    fn put(&self, frame: Frame) -> bool {
        self.sent.lock().unwrap().push_back(frame);
        true
    }

    pub(super) fn next(&self) -> Option<Frame> {
        self.sent.lock().unwrap().pop_front()
    }
}

impl Line for Wire {
    fn process(&self) -> &Process {
        &self.to
    }

    fn record(&self, _: Slot, epoch: Epoch, position: Position, body: &[u8]) -> bool {
        self.put(Frame::Record(epoch, position, body.to_vec()))
    }

    fn ask(&self, _: Slot, _: Epoch) -> bool {
        self.put(Frame::Ask)
    }

    fn acknowledged(&self, _: Slot, epoch: Epoch, position: Position) -> bool {
        self.put(Frame::Acknowledged(epoch, position))
    }

    fn begin(&self, _: Slot, filling: Filling, over: LinkId) -> bool {
        over == LINK && self.put(Frame::Begin(filling))
    }
}

/// An owner with two backups.
pub(super) struct Trio {
    pub(super) owner: World,
    pub(super) backups: [World; 2],
    pub(super) wires: [Arc<Wire>; 2],
    pub(super) slot: Slot,
    /// Whether the backups have heard the owner lately.
    pub(super) heard: Lease,
}

impl Trio {
    /// The slot founded and open, with nothing in it.
    fn new() -> Self {
        Self::of([World::new(), World::new(), World::new()])
    }

    pub(super) fn of(worlds: [World; 3]) -> Self {
        let slot = worlds[0].slot(KEY);
        for world in &worlds {
            world.host.close(slot);
        }
        let [owner, one, two] = worlds;
        let this = Self {
            owner,
            backups: [one, two],
            wires: [Wire::new("b1"), Wire::new("b2")],
            slot,
            heard: Lease::forever(),
        };
        this.open(FIRST);
        this
    }

    /// Opens on what the owner has; the backups adopt it if they can.
    pub(super) fn open(&self, epoch: Epoch) {
        let base = self.owner.host.fence(self.slot, epoch, true);
        let lines = self.wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Line>).collect();
        assert!(self.owner.host.begin_stream(self.slot, epoch, base, lines));
        for at in 0..2 {
            self.backups[at].host.fence(self.slot, epoch, false);
            if let Standing::Reaches(_) = self.backups[at].host.adopt(self.slot, epoch, base, self.heard.clone()) {
                assert!(self.reaches(at, epoch, base.1).stored);
            }
        }
        assert!(self.owner.host.open(self.slot, epoch, Lease::forever()));
    }

    pub(super) fn add(&self, epoch: Epoch, number: i64, sequence: u64) -> Started<i64, No> {
        let attempt = Attempt { epoch, ask: ask(sequence), keeps_receipt: true, ..self.owner.attempt(KEY) };
        self.owner.host.call(&ADD, attempt, (Do::Add(number),), &mut |_, _| ())
    }

    pub(super) fn make(&self, epoch: Epoch, sequence: u64) -> Started<Tally, No> {
        let attempt = Attempt { epoch, ask: ask(sequence), keeps_receipt: true, ..self.owner.attempt(KEY) };
        self.owner.host.call(&MAKE, attempt, (Do::Add(5),), &mut |_, _| ())
    }

    pub(super) fn sum(&self, epoch: Epoch) -> Option<i64> {
        let attempt = Attempt { epoch, ..self.owner.attempt(KEY) };
        match self.owner.host.call(&SUM, attempt, (), &mut |_, _| ()).ready() {
            Outcome::Done(sum) => Some(sum),
            _ => None,
        }
    }

    /// Gives a backup all that was sent to it; what it says does not come back by itself.
    pub(super) fn deliver(&self, at: usize) -> Vec<Standing> {
        let mut taken = Vec::new();
        while let Some(frame) = self.wires[at].next() {
            match frame {
                Frame::Record(epoch, position, body) => {
                    taken.push(self.backups[at].host.take(self.slot, epoch, position, &body).unwrap());
                }
                Frame::Begin(filling) => {
                    self.backups[at].host.begin_filling(self.slot, &process("owner"), filling, false);
                }
                Frame::Acknowledged(epoch, position) => {
                    self.backups[at].host.hear_acknowledged(self.slot, epoch, position);
                }
                Frame::Ask => {}
            }
        }
        taken
    }

    pub(super) fn reaches(&self, at: usize, epoch: Epoch, position: Position) -> Heard {
        self.owner.host.hear(self.slot, epoch, &self.wires[at].to, position)
    }

    /// Fills a backup whole, with the records that come meanwhile.
    pub(super) fn fill(&self, at: usize, epoch: Epoch, meanwhile: impl FnOnce(&Self)) -> Position {
        let mut content = self.owner.host.content_for(self.slot, epoch, &self.wires[at].to, LINK).unwrap();
        let filling = content.filling();
        meanwhile(self);
        assert!(self.deliver(at).iter().all(|taken| *taken == Standing::Filling));
        loop {
            let part = content.next().unwrap().unwrap();
            let filled = self.backups[at]
                .host
                .fill(self.slot, &process("owner"), filling, part.part, part.last, &part.body)
                .unwrap();
            if let Filled::Whole((_, position)) = filled {
                return position;
            }
        }
    }

    /// What a backup would serve if it were to open the slot.
    pub(super) fn promoted(&self, at: usize, epoch: Epoch) -> (Option<i64>, Outcome<i64, No>) {
        let world = &self.backups[at];
        let base = world.host.fence(self.slot, epoch, true);
        assert!(world.host.begin_stream(self.slot, epoch, base, Vec::new()));
        assert!(world.host.open(self.slot, epoch, Lease::forever()));
        let read = Attempt { epoch, ..world.attempt(KEY) };
        let sum = match world.host.call(&SUM, read, (), &mut |_, _| ()).ready() {
            Outcome::Done(sum) => Some(sum),
            _ => None,
        };
        let again = Attempt { epoch, ask: ask(101), keeps_receipt: true, ..world.attempt(KEY) };
        (sum, world.host.call(&ADD, again, (Do::Add(1),), &mut |_, _| ()).ready())
    }
}

/// What a backup answers to a caller that has seen so much.
fn read(world: &World, epoch: Epoch, seen: (Epoch, u64)) -> Outcome<i64, Infallible> {
    let seen = Some((seen.0, Position::new(seen.1)));
    let attempt = Attempt { epoch, seen, ..world.attempt(KEY) };
    world.host.call(&SUM, attempt, (), &mut |_, _| ()).ready()
}

/// Three that answer reads, the first backup with what is acknowledged.
async fn shown() -> Trio {
    let trio = Trio::of([World::of(&READ_ANYWHERE), World::of(&READ_ANYWHERE), World::of(&READ_ANYWHERE)]);
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    trio.deliver(0);
    assert_eq!(read(&trio.backups[0], FIRST, (FIRST, 1)), Outcome::Done(5));
    trio
}

#[tokio::test]
async fn a_backup_answers_reads_with_what_is_acknowledged() {
    let trio = Trio::of([World::of(&READ_ANYWHERE), World::of(&READ_ANYWHERE), World::of(&READ_ANYWHERE)]);
    let [backup, _] = &trio.backups;
    let refused = Outcome::NotOwner { epoch: FIRST };
    assert_eq!(read(backup, FIRST, (FIRST, 0)), refused, "it was not told yet what is acknowledged");
    trio.deliver(0);
    assert_eq!(read(backup, FIRST, (FIRST, 0)), Outcome::NotFound);
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    assert_eq!(read(backup, FIRST, (FIRST, 0)), refused, "the record is under way");
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    assert_eq!(trio.owner.host.shown(trio.slot), Some((FIRST, Position::new(1))));
    assert_eq!(backup.host.shown(trio.slot), Some((FIRST, Position::new(0))));
    trio.deliver(0);
    assert_eq!(read(backup, FIRST, (FIRST, 1)), Outcome::Done(5), "who made it sees it");
    assert_eq!(backup.host.shown(trio.slot), Some((FIRST, Position::new(1))));
    assert_eq!(read(backup, FIRST, (FIRST, 2)), refused, "who has seen more does not go back in time");
    assert_eq!(read(backup, SECOND, (FIRST, 1)), Outcome::NotOwner { epoch: FIRST }, "sent under another epoch");
    trio.heard.set(Moment::default());
    assert_eq!(read(backup, FIRST, (FIRST, 1)), refused, "the owner was not heard for a lease");
    trio.heard.set(Moment::FOREVER);
    backup.host.fence(trio.slot, SECOND, false);
    assert_eq!(read(backup, FIRST, (FIRST, 1)), refused, "the slot is promised to another");
}

#[tokio::test]
async fn a_backup_that_was_filled_answers_when_all_of_it_is_acknowledged() {
    let trio = Trio::of([World::of(&READ_ANYWHERE), World::of(&READ_ANYWHERE), World::of(&READ_ANYWHERE)]);
    let made = trio.make(FIRST, 100).later();
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    trio.wires[1].sent.lock().unwrap().clear();
    let mut added = None;
    let reaches = trio.fill(1, FIRST, |trio| added = Some(trio.add(FIRST, 1, 101)));
    assert_eq!(reaches, Position::new(2));
    let [_, backup] = &trio.backups;
    assert_eq!(read(backup, FIRST, (FIRST, 0)), Outcome::NotOwner { epoch: FIRST }, "the addition is under way");
    trio.reaches(1, FIRST, reaches);
    added.unwrap().later().await;
    trio.deliver(1);
    assert_eq!(read(backup, FIRST, (FIRST, 2)), Outcome::Done(6));
}

#[tokio::test]
async fn a_backup_that_is_being_filled_shows_nothing_of_what_it_had() {
    let trio = shown().await;
    let [backup, _] = &trio.backups;
    let reaches = trio.fill(0, FIRST, |trio| {
        trio.deliver(0);
        assert_eq!(read(backup, FIRST, (FIRST, 1)), Outcome::NotOwner { epoch: FIRST }, "it has missed something");
    });
    trio.reaches(0, FIRST, reaches);
    trio.deliver(0);
    assert_eq!(read(backup, FIRST, (FIRST, 1)), Outcome::Done(5));
}

#[tokio::test]
async fn what_was_shown_of_a_content_is_told_after_it_is_given_up() {
    let trio = shown().await;
    let [backup, _] = &trio.backups;
    backup.host.clear(trio.slot);
    assert_eq!(backup.host.shown(trio.slot), Some((FIRST, Position::new(1))), "a reply may be on its way");
    assert_eq!(read(backup, FIRST, (FIRST, 0)), Outcome::NotOwner { epoch: Epoch::ZERO }, "nothing is here");
}

#[tokio::test]
async fn a_backup_answers_no_reads_where_the_owner_does() {
    let trio = Trio::new();
    trio.deliver(0);
    trio.backups[0].host.hear_acknowledged(trio.slot, FIRST, Position::new(0));
    assert_eq!(read(&trio.backups[0], FIRST, (FIRST, 0)), Outcome::NotOwner { epoch: FIRST });
    assert_eq!(trio.owner.host.shown(trio.slot), None);
}

#[tokio::test]
async fn a_change_shows_when_more_than_half_have_it_and_outlives_its_owner_with_its_receipt() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    assert_eq!(trio.sum(FIRST), None, "nobody has it yet");
    assert_eq!(trio.deliver(0), [Standing::Reaches(Position::new(1))]);
    trio.reaches(0, FIRST, Position::new(1));
    assert_eq!(made.await, Outcome::Done(Tally { id: KEY, sum: 5 }));
    assert_eq!(trio.sum(FIRST), Some(5));

    let added = trio.add(FIRST, 1, 101).later();
    trio.deliver(1);
    trio.reaches(1, FIRST, Position::new(2));
    assert_eq!(added.await, Outcome::Done(6));
    assert_eq!(trio.promoted(1, SECOND), (Some(6), Outcome::Done(6)), "the receipt answers");
}

#[tokio::test]
async fn what_was_not_acknowledged_is_lost_with_the_slot_and_its_caller_hears_so() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    trio.owner.host.close(trio.slot);
    assert_eq!(made.await, Outcome::Lost);
    assert_eq!(trio.owner.host.fence(trio.slot, SECOND, false), (FIRST, Position::new(0)));
    assert_eq!(trio.backups[0].host.fence(trio.slot, SECOND, false), (FIRST, Position::new(1)), "it may stand");
    trio.owner.idle().await;
}

#[tokio::test]
async fn what_a_backup_may_have_without_a_receipt_is_not_asked_for_again() {
    let trio = Trio::new();
    let attempt = Attempt { epoch: FIRST, ..trio.owner.attempt(KEY) };
    let made = trio.owner.host.call(&MAKE, attempt, (Do::Add(5),), &mut |_, _| ()).later();
    trio.deliver(0);
    trio.owner.host.close(trio.slot);
    assert_eq!(made.await, Outcome::Cancelled { started: true }, "nobody knows, and another run could be a second one");
    trio.owner.idle().await;
}

/// With backups the caller hears what is wrong; without, the next owner is alone again and has nobody to write to.
#[tokio::test]
async fn what_panics_when_it_is_written_down_is_undone() {
    let told = |replicas: &'static Definition<Tally>| {
        let trio = Trio::of([World::of(replicas), World::of(replicas), World::of(replicas)]);
        let _made = trio.make(FIRST, 100).later();
        trio.deliver(0);
        trio.reaches(0, FIRST, Position::new(1));
        trio.deliver(1);
        let told = trio.add(FIRST, UNSPEAKABLE - 5, 101).ready();
        assert_eq!([trio.wires[0].next(), trio.wires[1].next()], [None, None], "nothing is sent");
        assert_eq!(trio.sum(FIRST), Some(5));
        told
    };
    assert_eq!(told(&TALLIES), Outcome::Panicked);
    assert_eq!(told(&ALONE), Outcome::Moved { started: true });
}

#[tokio::test]
async fn a_backup_is_filled_for_no_opening_that_it_was_not_told_to_follow() {
    let trio = Trio::new();
    let (owner, other) = (&trio.owner.host, &trio.backups[1].host);
    let base = owner.fence(trio.slot, SECOND, true);
    let lines = trio.wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Line>).collect();
    assert!(owner.begin_stream(trio.slot, SECOND, base, lines));
    let mut content = owner.content_for(trio.slot, SECOND, &trio.wires[1].to, LINK).unwrap();
    let (filling, part) = (content.filling(), content.next().unwrap().unwrap());
    let fill = || {
        other.begin_filling(trio.slot, &process("owner"), filling, false);
        other.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body).unwrap()
    };
    assert_eq!(fill(), Filled::Refused, "it would count, and lend its word, without knowing to whom");
    // One that has something else than what the opening takes over is to be filled, and follows it nevertheless.
    let unknown = (FIRST, Position::new(9));
    assert!(matches!(other.adopt(trio.slot, SECOND, unknown, trio.heard.clone()), Standing::Trails(_)));
    assert!(matches!(fill(), Filled::Whole(_)));
}

#[tokio::test]
async fn a_fenced_backup_takes_nothing_of_lower_epochs() {
    let trio = Trio::new();
    trio.backups[0].host.fence(trio.slot, SECOND, false);
    let made = trio.make(FIRST, 100).later();
    assert_eq!(trio.deliver(0), [Standing::Lacks]);
    trio.owner.host.close(trio.slot);
    assert_eq!(made.await, Outcome::Lost);
}

#[tokio::test]
async fn a_backup_that_missed_a_record_is_filled_and_hears_of_what_comes_meanwhile() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    // The record is lost on its way to the second backup.
    assert!(trio.wires[1].next().is_some());
    let added = trio.add(FIRST, 1, 101).later();
    assert_eq!(trio.deliver(1), [Standing::Lacks]);
    assert!(trio.owner.host.hear_lack(trio.slot, FIRST, &trio.wires[1].to));
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(2));
    added.await;

    let mut later = None;
    let position = trio.fill(1, FIRST, |trio| later = Some(trio.add(FIRST, 10, 102).later()));
    assert_eq!(position, Position::new(3));
    trio.reaches(1, FIRST, position);
    assert_eq!(later.unwrap().await, Outcome::Done(16));
    assert_eq!(trio.promoted(1, SECOND), (Some(16), Outcome::Done(6)), "the receipts came with the filling");
}

#[tokio::test]
async fn an_owner_that_opens_again_goes_on_with_what_was_under_way() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    // It opens again before it hears of that.
    trio.open(SECOND);
    assert_eq!(trio.deliver(0), [], "who had it already is sent nothing");
    let sent: Vec<_> = std::iter::from_fn(|| trio.wires[1].next()).collect();
    assert!(matches!(sent[..], [Frame::Record(FIRST, ..)]), "who had less waits to be filled: {sent:?}");
    assert_eq!(made.await, Outcome::Done(Tally { id: KEY, sum: 5 }));
    assert_eq!(trio.fill(1, SECOND, |_| ()), Position::new(1));
}

#[tokio::test]
async fn a_seal_waits_for_what_is_under_way() {
    let mut trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    assert!(trio.owner.host.seal(trio.slot, &somebody()));
    assert!(trio.owner.drained.try_recv().is_err());
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    assert_eq!(made.await, Outcome::Done(Tally { id: KEY, sum: 5 }));
    assert_eq!(trio.owner.drained.recv().await, Some((trio.slot, FIRST)));
}

/// Otherwise it would be sent the whole slot, which nobody serves meanwhile.
#[tokio::test]
async fn a_seal_waits_until_the_next_owner_has_the_last_record() {
    let mut trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    let heir = trio.wires[1].to.clone();
    assert!(trio.owner.host.seal(trio.slot, &heir));
    trio.reaches(0, FIRST, Position::new(1));
    assert_eq!(made.await, Outcome::Done(Tally { id: KEY, sum: 5 }), "two of three have it");
    assert!(trio.owner.drained.try_recv().is_err());
    trio.reaches(1, FIRST, Position::new(1));
    assert_eq!(trio.owner.drained.recv().await, Some((trio.slot, FIRST)));
}

#[tokio::test]
async fn an_opener_takes_the_content_that_was_promised_and_no_other() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    let stamp = trio.backups[0].host.fence(trio.slot, SECOND, false);
    assert!(trio.backups[0].host.content(trio.slot, FIRST, stamp).is_none(), "it is promised to another");
    assert!(trio.backups[0].host.content(trio.slot, SECOND, (FIRST, Position::new(0))).is_none());
    let mut content = trio.backups[0].host.content(trio.slot, SECOND, stamp).unwrap();
    let (opener, part) = (&trio.backups[1].host, content.next().unwrap().unwrap());
    assert!(content.next().is_none());
    opener.fence(trio.slot, SECOND, true);
    opener.begin_filling(trio.slot, &process("owner"), content.filling(), true);
    let filled =
        opener.fill(trio.slot, &process("owner"), content.filling(), part.part, part.last, &part.body).unwrap();
    assert_eq!(filled, Filled::Whole(stamp));
    assert_eq!(trio.promoted(1, SECOND).0, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_time_is_over_hears_so_and_the_record_stands() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    assert_eq!(made.await, Outcome::DeadlineExceeded { started: true });
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    assert_eq!(trio.sum(FIRST), Some(5));
    trio.owner.idle().await;
}

/// Hands the answer to the test.
struct Ear(tokio::sync::oneshot::Sender<Answer>);

impl Replier for Ear {
    fn reply(self: Box<Self>, answer: Answer) {
        self.0.send(answer).unwrap();
    }
}

#[tokio::test]
async fn a_caller_elsewhere_is_answered_when_the_change_is_acknowledged() {
    let trio = Trio::new();
    let (key, args) = (postcard::to_stdvec(&KEY).unwrap(), postcard::to_stdvec(&(Do::Add(5),)).unwrap());
    let Attempt { ask, caller, begun, deadline, descent, .. } = trio.owner.attempt(KEY);
    let (slot, epoch) = (trio.slot, FIRST);
    let request = Request {
        slot,
        epoch,
        seen: None,
        ask,
        attempt: 1,
        only_asks: false,
        caller,
        begun,
        deadline,
        descent,
        key: &key,
        args: &args,
    };
    let (teller, mut told) = tokio::sync::oneshot::channel();
    let (mut buffer, mut teller) = (b"before".to_vec(), Some(teller));
    let served = AnyHost::serve(&trio.owner.host, MAKE.number, request, &mut buffer, &mut |cancel| {
        assert!(cancel.is_none(), "nobody can cancel it");
        Box::new(Ear(teller.take().unwrap()))
    });
    assert!(served.is_none() && buffer == b"before" && told.try_recv().is_err());
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    let Answer { outcome, bytes } = told.await.unwrap();
    assert_eq!(outcome, Outcome::Done(()));
    assert_eq!(postcard::from_bytes::<Tally>(&bytes).unwrap(), Tally { id: KEY, sum: 5 });
}

#[tokio::test]
async fn a_slot_whose_backups_are_far_behind_refuses_what_is_new() {
    let trio = Trio::new();
    let keys: Vec<u64> = (0..).filter(|key| trio.owner.slot(*key) == trio.slot).take(PENDING_MAX + 1).collect();
    let make = |key: u64| {
        let attempt = Attempt { epoch: FIRST, ..trio.owner.attempt(key) };
        trio.owner.host.call(&MAKE, attempt, (Do::Add(5),), &mut |_, _| ())
    };
    let (last, first) = keys.split_last().unwrap();
    let made: Vec<_> = first.iter().map(|key| make(*key).later()).collect();
    assert!(matches!(make(*last).ready(), Outcome::Overloaded { .. }));
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    assert!(matches!(make(*last), Started::Later(_)), "one is acknowledged");
    trio.owner.host.close(trio.slot);
    drop(made);
    trio.owner.idle().await;
}

/// The bound of their number alone would let a slot of large instances hold gigabytes.
#[test]
fn a_flow_is_full_when_its_records_have_many_bytes() {
    let wire = Wire::new("b1");
    let stream = Stream::new(FIRST, Position::new(0), Position::new(0), 1, Rules::ALL);
    let mut flow = Flow::<Tally>::begin(stream, vec![Arc::clone(&wire) as _], None, Reads::Owner);
    let large = || Pending {
        key: KEY,
        turn: None,
        change: Change::Keep,
        receipt: None,
        body: vec![7; PENDING_BYTES_MAX / 4],
        pledge: Pledge::new(),
        looks: 0,
    };
    for _ in 0..4 {
        assert!(!flow.is_full());
        flow.propose(Slot::new(0), Box::new(large()));
    }
    assert!(flow.is_full());
    flow.hear(Slot::new(0), &wire.to, Position::new(0), Position::new(1));
    assert!(flow.next_acknowledged(Position::new(0)).is_some() && !flow.is_full());
}

#[tokio::test]
async fn who_waits_for_silent_backups_is_told_in_the_end_and_the_change_is_kept() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    for _ in 1..LOOKS_MAX {
        trio.owner.host.ask(None);
    }
    let other = (KEY + 1..).find(|key| trio.owner.slot(*key) == trio.slot).unwrap();
    let attempt = Attempt { epoch: FIRST, ..trio.owner.attempt(other) };
    let later = trio.owner.host.call(&MAKE, attempt, (Do::Add(7),), &mut |_, _| ()).later();
    trio.owner.host.ask(None);
    assert_eq!(made.await, Outcome::Lost);
    trio.reaches(0, FIRST, Position::new(2));
    assert_eq!(later.await, Outcome::Done(Tally { id: other, sum: 7 }), "what came later waits for longer");
    assert_eq!(trio.sum(FIRST), Some(5));
    assert!(matches!(trio.make(FIRST, 100).ready(), Outcome::Done(_)), "and a retry is told what became of it");
}

#[tokio::test]
async fn a_backup_that_is_being_filled_lacks_nothing() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    let base = trio.owner.host.fence(trio.slot, SECOND, true);
    let lines = trio.wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Line>).collect();
    assert!(trio.owner.host.begin_stream(trio.slot, SECOND, base, lines));
    let backup = &trio.backups[1].host;
    let adopt = || backup.adopt(trio.slot, SECOND, base, trio.heard.clone());
    backup.fence(trio.slot, SECOND, false);
    assert_eq!(adopt(), Standing::Trails(Position::new(0)));
    let mut content = trio.owner.host.content_for(trio.slot, SECOND, &trio.wires[1].to, LINK).unwrap();
    trio.deliver(1);
    assert_eq!(adopt(), Standing::Filling, "it is asked again while the parts are on their way");
    let (filling, part) = (content.filling(), content.next().unwrap().unwrap());
    let filled = backup.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body);
    assert_eq!(filled, Ok(Filled::Whole((SECOND, Position::new(1)))));
    assert_eq!(adopt(), Standing::Reaches(Position::new(1)));
}

#[tokio::test]
async fn what_a_peer_makes_up_changes_nothing() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 100).later();
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    made.await;
    let (slot, backup) = (trio.slot, &trio.backups[0].host);
    assert!(backup.take(slot, FIRST, Position::new(2), b"no record").is_err());
    assert!(matches!(backup.take(Slot::new(SLOTS), FIRST, Position::new(2), b"\x01\x02\x00\x00"), Ok(Standing::Lacks)));
    // A state under another key than its record's: a record is key, state, receipt.
    let state = postcard::to_stdvec(&Tally { id: 5, sum: 1 }).unwrap();
    let body = [&[1, KEY as u8, 1, state.len() as u8][..], &state, &[0]].concat();
    assert!(backup.take(slot, FIRST, Position::new(2), &body).unwrap_err().contains("another key"));

    // Parts that were not announced, come twice, or do not decode.
    let mut content = trio.owner.host.content_for(slot, FIRST, &trio.wires[1].to, LINK).unwrap();
    let (filling, part) = (content.filling(), content.next().unwrap().unwrap());
    let other = &trio.backups[1].host;
    assert_eq!(other.fill(slot, &process("owner"), filling, part.part, part.last, &part.body), Ok(Filled::Refused));
    other.begin_filling(slot, &process("owner"), filling, false);
    assert_eq!(other.fill(slot, &process("owner"), filling, 2, true, &part.body), Ok(Filled::Refused));
    // Two who have promised one opening may both send what they have, in parts that do not fit together.
    assert_eq!(other.fill(slot, &process("another"), filling, 1, true, &part.body), Ok(Filled::Refused));
    assert!(other.fill(slot, &process("owner"), filling, 1, true, b"\xff").is_err());
    assert!(matches!(other.fill(slot, &process("owner"), filling, 1, true, &part.body), Ok(Filled::Whole(_))));
    assert_eq!(other.fill(slot, &process("owner"), filling, 1, true, &part.body), Ok(Filled::Refused));

    // A backup that claims more than there is, and somebody who is none.
    assert_eq!(trio.reaches(0, FIRST, Position::new(99)), Heard::default());
    assert_eq!(trio.owner.host.hear(slot, FIRST, &process("stranger"), Position::new(1)), Heard::default());
    assert!(!trio.owner.host.hear_lack(slot, FIRST, &process("stranger")));
}

#[tokio::test]
async fn a_late_filling_does_not_take_the_copy_back() {
    let trio = Trio::new();
    let stamp = trio.backups[1].host.fence(trio.slot, SECOND, false);
    let mut content = trio.backups[1].host.content(trio.slot, SECOND, stamp).unwrap();
    let (filling, part) = (content.filling(), content.next().unwrap().unwrap());
    // The opener has begun with what came first, and the same comes once more.
    let opener = &trio.backups[0].host;
    opener.fence(trio.slot, SECOND, true);
    opener.begin_filling(trio.slot, &process("owner"), filling, true);
    assert!(opener.begin_stream(trio.slot, SECOND, stamp, Vec::new()));
    assert_eq!(
        opener.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body),
        Ok(Filled::Refused)
    );
    opener.begin_filling(trio.slot, &process("owner"), filling, true);
    assert_eq!(
        opener.fill(trio.slot, &process("owner"), filling, part.part, part.last, &part.body),
        Ok(Filled::Refused)
    );
    assert!(AnyHost::open(opener, trio.slot, SECOND, Lease::forever()));
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_taken_back_keeps_its_stream_when_the_alarm_of_its_seal_goes_off() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 101).later();
    trio.deliver(0);
    trio.reaches(0, FIRST, Position::new(1));
    assert!(matches!(made.await, Outcome::Done(_)));
    let added = trio.add(FIRST, 1, 102).later();
    assert!(trio.owner.host.seal(trio.slot, &somebody()));
    trio.owner.host.fence(trio.slot, SECOND, true);
    tokio::time::sleep(SEAL_GRACE * 2).await;
    trio.open(SECOND);
    trio.deliver(1);
    trio.reaches(1, SECOND, Position::new(2));
    assert_eq!(added.await, Outcome::Done(6));
}

/// What a backup took then would be newer than the promise that the owner has given itself.
#[tokio::test]
async fn between_its_promise_and_the_next_stream_an_owner_sends_a_backup_nothing() {
    let trio = Trio::new();
    let made = trio.make(FIRST, 101).later();
    trio.reaches(0, FIRST, Position::new(1));
    assert!(matches!(made.await, Outcome::Done(_)));
    let backup = trio.wires[1].to.clone();
    trio.owner.host.ask(Some(&backup));
    trio.owner.host.fence(trio.slot, SECOND, true);
    let added = trio.add(FIRST, 1, 102).later();
    trio.wires[1].sent.lock().unwrap().clear();
    trio.reaches(1, FIRST, Position::new(1));
    assert_eq!(trio.wires[1].next(), None);
    assert!(trio.owner.host.content_for(trio.slot, FIRST, &backup, LINK).is_none());
    trio.open(SECOND);
    trio.reaches(0, SECOND, Position::new(2));
    assert_eq!(added.await, Outcome::Done(6));
}

/// While one of two connections takes the other's place, a filling's beginning and its parts would come in any order.
#[tokio::test]
async fn a_filling_does_not_begin_over_another_connection_than_its_parts_and_the_backup_is_asked_again() {
    let trio = Trio::new();
    let backup = trio.wires[1].to.clone();
    trio.owner.host.ask(Some(&backup));
    assert_eq!(trio.wires[1].next(), Some(Frame::Ask));
    assert!(trio.owner.host.content_for(trio.slot, FIRST, &backup, LinkId::new(2)).is_none());
    assert_eq!(trio.wires[1].next(), None, "nothing begins");
    let made = trio.make(FIRST, 101).later();
    assert_eq!(trio.wires[1].next(), None, "and no record comes without a beginning");
    trio.owner.host.ask(None);
    assert_eq!(trio.wires[1].next(), Some(Frame::Ask), "at the next look");
    assert_eq!(trio.fill(1, FIRST, |_| ()), Position::new(1));
    trio.reaches(1, FIRST, Position::new(1));
    assert!(matches!(made.await, Outcome::Done(_)));
}

#[tokio::test]
async fn a_filling_that_a_backup_has_given_up_is_not_sent_to_its_end() {
    let trio = Trio::new();
    let backup = trio.wires[1].to.clone();
    let content = trio.owner.host.content_for(trio.slot, FIRST, &backup, LINK);
    assert!(content.is_some() && trio.owner.host.carries(trio.slot, FIRST, &backup));
    trio.owner.host.ask(Some(&backup));
    assert!(!trio.owner.host.carries(trio.slot, FIRST, &backup), "it gives up what came when it is asked");
    trio.fill(1, FIRST, |trio| assert!(trio.owner.host.carries(trio.slot, FIRST, &trio.wires[1].to)));
}

/// An instance that does not go quietly.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Brittle(u64);

impl Resource for Brittle {
    type Key = u64;
    type KeyFields<'a> = &'a u64;

    fn key(&self) -> u64 {
        self.0
    }

    fn key_fields(key: &u64) -> &u64 {
        key
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as told");
    }
}

/// A filling that is given up may hold the last of them, on the task that carries all fillings of a connection.
#[test]
fn a_filling_that_is_given_up_contains_the_panics_of_its_instances() {
    let filling = Filling { epoch: FIRST, number: 1, stamp: (FIRST, Position::new(1)) };
    let instances = vec![(1, Arc::new(Brittle(1)))];
    drop(Parts::of(Cut { filling, instances, receipts: Vec::new(), past: None }));
}
