//! The way in for callers elsewhere.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::somebody;
use super::tally::*;
use super::world::*;
use crate::exec::{Answer, AnyHost, Cancel, Clock, Host, Hosted, Lease, Outcome, Replier, Request};
use crate::id::Slot;
use crate::resource::Kind;

struct Teller(oneshot::Sender<Answer>);

impl Replier for Teller {
    fn reply(self: Box<Self>, answer: Answer) {
        self.0.send(answer).unwrap();
    }
}

enum Sent {
    /// The outcome and what was put into the buffer.
    Ready(Outcome, Vec<u8>),
    Later(Cancel, oneshot::Receiver<Answer>),
}

impl World {
    fn request<'a>(&'a self, key: &'a [u8], args: &'a [u8]) -> Request<'a> {
        let slot = postcard::from_bytes(key).map_or(Slot::new(0), |key| self.slot(key));
        let attempt = self.attempt(0);
        let (ask, deadline) = (attempt.ask, attempt.deadline);
        Request {
            slot,
            epoch: EPOCH,
            seen: None,
            ask,
            attempt: 1,
            only_asks: false,
            caller: &self.caller,
            begun: Instant::now(),
            deadline,
            descent: None,
            key,
            args,
        }
    }

    fn serve(&self, number: u16, request: Request<'_>) -> Sent {
        let mut buffer = b"before".to_vec();
        let mut told = None;
        let served = AnyHost::serve(&self.host, number, request, &mut buffer, &mut |cancel| {
            let (teller, ear) = oneshot::channel();
            told = Some((cancel.expect("these slots have no backups"), ear));
            Box::new(Teller(teller))
        });
        assert!(buffer.starts_with(b"before"));
        match served {
            Some(outcome) => {
                assert!(told.is_none());
                Sent::Ready(outcome, buffer.split_off(6))
            }
            None => {
                assert_eq!(buffer, b"before");
                let (cancel, ear) = told.unwrap();
                Sent::Later(cancel, ear)
            }
        }
    }

    fn send(&self, number: u16, key: u64, args: impl Serialize) -> Sent {
        let (key, args) = (postcard::to_stdvec(&key).unwrap(), postcard::to_stdvec(&args).unwrap());
        self.serve(number, self.request(&key, &args))
    }
}

impl Sent {
    fn ready(self) -> (Outcome, Vec<u8>) {
        match self {
            Self::Ready(outcome, bytes) => (outcome, bytes),
            Self::Later(..) => panic!("the command became a task"),
        }
    }

    fn later(self) -> (Cancel, oneshot::Receiver<Answer>) {
        match self {
            Self::Ready(outcome, _) => panic!("the command ended in place: {outcome:?}"),
            Self::Later(cancel, ear) => (cancel, ear),
        }
    }
}

/// Checks that bytes came with the outcome that says so, and decodes them.
fn told<T: DeserializeOwned>((outcome, bytes): (Outcome, Vec<u8>), expected: Outcome) -> T {
    assert_eq!(outcome, expected);
    postcard::from_bytes(&bytes).unwrap()
}

#[tokio::test]
async fn commands_that_end_in_place_put_their_reply_into_the_buffer() {
    let world = World::new();
    let done = || Outcome::Done(());
    assert_eq!(told::<Tally>(world.send(0, 1, (Do::Add(5),)).ready(), done()), Tally { id: 1, sum: 5 });
    assert_eq!(told::<i64>(world.send(2, 1, ()).ready(), done()), 5);
    assert_eq!(told::<i64>(world.send(3, 1, (0_u32, Do::Add(1))).ready(), done()), 6);
    assert_eq!(told::<i64>(world.send(4, 1, (Do::Add(1),)).ready(), done()), 6);
    assert_eq!(told::<i64>(world.send(5, 1, (0_u32, Do::Add(1))).ready(), done()), 7);
    assert_eq!(told::<No>(world.send(4, 1, (Do::Fail(9),)).ready(), Outcome::Rejected(())), No(9));
    assert_eq!(told::<u64>(world.send(8, 1, (Do::Add(1),)).ready(), done()), 0);
    assert_eq!(told::<u64>(world.send(9, 1, (0_u32, Do::Add(1))).ready(), done()), 0);
    assert_eq!(told::<i64>(world.send(6, 1, (Do::Add(1),)).ready(), done()), 8);
    assert_eq!(world.send(2, 1, ()).ready(), (Outcome::NotFound, vec![]));
    world.idle().await;
}

#[tokio::test]
async fn commands_that_wait_are_answered_later() {
    let world = World::with(1, 5);
    let (_, runs) = world.send(5, 1, (1_u32, Do::Add(1))).later();
    let (_, fails) = world.send(4, 1, (Do::Fail(2),)).later();
    let (_, panics) = world.send(4, 1, (Do::Panic(2),)).later();
    world.stage.gate.add_permits(1);
    let answer = runs.await.unwrap();
    assert_eq!(told::<i64>((answer.outcome, answer.bytes), Outcome::Done(())), 6);
    let answer = fails.await.unwrap();
    assert_eq!(told::<No>((answer.outcome, answer.bytes), Outcome::Rejected(())), No(2));
    assert_eq!(panics.await.unwrap(), Answer { outcome: Outcome::Panicked, bytes: vec![] });
    assert_eq!(world.sum(1), Some(6));
    world.idle().await;
}

#[tokio::test]
async fn a_read_ends_in_all_ways_that_its_body_and_its_reply_can() {
    let world = World::with(1, 5);
    let send = |reply: Awkward, what| world.send(16, 1, (reply as u8, what)).ready();
    let bad = |(outcome, bytes): (Outcome, Vec<u8>)| matches!(outcome, Outcome::BadReply { .. }) && bytes.is_empty();
    assert_eq!(send(Awkward::Fine, Do::Add(1)), (Outcome::Done(()), vec![1]));
    assert_eq!(told::<No>(send(Awkward::Fine, Do::Fail(9)), Outcome::Rejected(())), No(9));
    assert_eq!(send(Awkward::Fine, Do::Panic(9)), (Outcome::Panicked, vec![]));
    assert_eq!(send(Awkward::Panics, Do::Add(1)), (Outcome::Panicked, vec![]));
    assert_eq!(send(Awkward::Large, Do::Add(1)), (Outcome::TooLarge { limit: REPLY_BYTES_MAX }, vec![]));
    assert!(bad(send(Awkward::Fails, Do::Add(1))) && bad(send(Awkward::Deep, Do::Add(1))));

    let call = |what| world.call(&TRY, 1, (Awkward::Large, what)).ready();
    assert_eq!(call(Do::Add(1)), Outcome::Done(Awkward::Large), "what does not travel need not");
    assert_eq!(call(Do::Fail(9)), Outcome::Rejected(No(9)));
    assert_eq!(call(Do::Panic(9)), Outcome::Panicked);
    assert_eq!(world.sum(1), Some(5));
    world.idle().await;
}

#[tokio::test]
async fn a_reply_that_does_not_travel_leaves_the_instance_as_it_was() {
    let world = World::with(1, 5);
    let cases =
        [(Awkward::Fine, 6), (Awkward::Large, 6), (Awkward::Fails, 6), (Awkward::Panics, 6), (Awkward::Deep, 6)];
    for (reply, sum) in cases {
        // The arguments cannot travel either, so they are told apart by their number alone.
        let args = [reply.clone() as u8];
        let key = postcard::to_stdvec(&1_u64).unwrap();
        let (outcome, bytes) = world.serve(10, world.request(&key, &args)).ready();
        match reply {
            Awkward::Fine => assert_eq!((outcome, bytes), (Outcome::Done(()), vec![1])),
            Awkward::Large => assert_eq!((outcome, bytes), (Outcome::TooLarge { limit: REPLY_BYTES_MAX }, vec![])),
            Awkward::Fails | Awkward::Deep => assert!(matches!(outcome, Outcome::BadReply { .. }) && bytes.is_empty()),
            Awkward::Panics => assert_eq!((outcome, bytes), (Outcome::Panicked, vec![])),
        }
        assert_eq!(world.sum(1), Some(sum), "{reply:?}");
    }
    world.idle().await;
}

#[tokio::test]
async fn a_lease_that_is_lost_takes_the_reply_out_of_the_buffer() {
    let world = Arc::new(World::with(1, 5));
    let served = {
        let world = Arc::clone(&world);
        tokio::task::spawn_blocking(move || world.send(4, 1, (Do::Block(1),)).ready())
    };
    world.stage.entered(1).await;
    world.lend(1);
    world.clock.set(10);
    world.stage.gate.add_permits(1);
    assert_eq!(served.await.unwrap(), (Outcome::Lost, vec![]));
}

#[tokio::test]
async fn a_peer_that_lies_is_told_so() {
    let world = World::with(1, 5);
    let (key, args) = (postcard::to_stdvec(&1_u64).unwrap(), postcard::to_stdvec(&(Do::Panic(0),)).unwrap());
    let good = world.request(&key, &args);
    let longer = [&args[..], &[0]].concat();
    let cases = [
        ("slot", Request { slot: Slot::new(2), ..good }),
        ("far slot", Request { slot: Slot::new(u32::MAX), ..good }),
        ("no key", Request { key: &[], ..good }),
        ("long key", Request { key: &[1, 1], ..good }),
        ("no arguments", Request { args: &[], ..good }),
        ("wrong arguments", Request { args: &[200], ..good }),
        ("leftovers", Request { args: &longer, ..good }),
    ];
    for (name, request) in cases {
        let (outcome, bytes) = world.serve(4, request).ready();
        assert!(matches!(outcome, Outcome::BadRequest { .. }) && bytes.is_empty(), "{name}: {outcome:?}");
    }
    for number in [11, 17, u16::MAX] {
        let (outcome, _) = world.serve(number, good).ready();
        assert!(matches!(outcome, Outcome::Incompatible { .. }), "{number}: {outcome:?}");
    }
    assert_eq!(world.sum(1), Some(5));
}

#[tokio::test]
async fn cancelling_tells_whether_the_command_may_have_started() {
    let world = World::with(1, 5);
    let (runs, runs_ear) = world.send(5, 1, (1_u32, Do::Add(1))).later();
    let (waits, waits_ear) = world.send(4, 1, (Do::Panic(0),)).later();
    assert!(waits.cancel());
    assert!(!runs.cancel());
    assert_eq!(runs_ear.await.unwrap().outcome, Outcome::Cancelled { started: true });
    assert_eq!(waits_ear.await.unwrap().outcome, Outcome::Cancelled { started: false });
    assert_eq!(world.sum(1), Some(5));
    let (forgotten, ear) = world.send(5, 1, (1_u32, Do::Add(1))).later();
    drop(forgotten);
    world.stage.gate.add_permits(1);
    assert_eq!(ear.await.unwrap().outcome, Outcome::Done(()), "letting go of the way to cancel cancels nothing");
}

#[tokio::test]
async fn what_is_hosted_can_be_described_and_gets_its_type_back() {
    let world = World::new();
    let hosted = Hosted::of(&TALLIES);
    let (setting, _drained) = setting(Arc::clone(&world.stage), Arc::clone(&world.clock) as Arc<dyn Clock>);
    let host: Arc<dyn AnyHost> = hosted.build(setting);
    assert_eq!((hosted.spec().name, host.spec().name), ("tallies", "tallies"));
    assert_eq!(format!("{hosted:?}"), "Hosted(\"tallies\")");
    let numbers: Vec<u16> = host.commands().iter().map(|command| command.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16]);
    assert_eq!(host.commands()[7].kind, Kind::Destroy);

    let typed: Arc<Host<Tally>> = host.host_of().unwrap();
    let slot = Slot::new(1);
    assert!(!host.open(slot, EPOCH, Lease::forever()), "its changes would reach no backup");
    assert!(host.begin_stream(slot, EPOCH, host.fence(slot, EPOCH, true), Vec::new()));
    assert!(host.open(slot, EPOCH, Lease::forever()));
    assert_eq!(
        typed.call(&MAKE, world.attempt(1), (Do::Add(5),), &mut |_, _| ()).ready(),
        Outcome::Done(Tally { id: 1, sum: 5 })
    );
    assert_eq!(typed.len(slot), 1);
    assert!(host.seal(slot, &somebody()));
    host.close(slot);
    assert_eq!(typed.call(&SUM, world.attempt(1), (), &mut |_, _| ()).ready(), Outcome::NotOwner { epoch: EPOCH });
}
