//! What becomes of requests while a connection or a peer stands still.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::time::Duration;

use quinn::RecvStream;
use tokio::time::Instant;

use super::support::*;
use crate::transport::LinkError;
use crate::transport::lane::Intake;
use crate::transport::stream::{Tag, read_tag};
use crate::wire::frame::{Body, Frame, Request};
use crate::wire::limits::{COMMAND_BYTES_MAX, LANE_FRAME_BYTES_MAX, LARGE_FRAME};

/// The number of the request that comes after all others.
const LAST: u64 = u64::MAX;

/// The numbers of the requests that come on a lane.
async fn requests(lane: RecvStream) -> BTreeSet<u64> {
    let mut intake = Intake::new(lane, LANE_FRAME_BYTES_MAX);
    let mut numbers = BTreeSet::new();
    while !numbers.contains(&LAST) {
        match intake.cutter.next().unwrap().map(|cut| Frame::read(cut.frame).unwrap().body) {
            Some(Body::Request(request)) => _ = numbers.insert(request.id.sequence),
            Some(_) => {}
            None => assert!(poll_fn(|task| intake.poll_more(task)).await.unwrap()),
        }
    }
    numbers
}

#[tokio::test]
async fn what_was_never_sent_when_it_ended_is_never_sent_later() {
    let mut node = Node::start("node");
    let rogue = Rogue::welcomed("rogue", &node).await;
    let link = node.connected().await;
    let mut lanes = rogue.lanes().await;
    // The peer does not read, so that first the stream fills up and then the lane.
    let arguments = vec![0; LARGE_FRAME - 200];
    let (mut pendings, mut refusals) = (Vec::new(), 0);
    while refusals < 1000 {
        let number = pendings.len() as u64;
        let time = if number.is_multiple_of(2) { PATIENCE } else { Duration::from_millis(200) };
        match link.request(0, &request(KEEP, number, &arguments), Instant::now() + time) {
            Ok(pending) => pendings.push((number, pending)),
            Err(error) => {
                assert_eq!(error, LinkError::Full);
                refusals += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    let mut unsent = BTreeSet::new();
    let (late, mut patient): (Vec<_>, Vec<_>) = pendings.into_iter().partition(|(number, _)| number % 2 == 1);
    for (number, pending) in late {
        match pending.await {
            Err(LinkError::DeadlinePassed { sent: false }) => _ = unsent.insert(number),
            other => assert_eq!(other, Err(LinkError::DeadlinePassed { sent: true })),
        }
    }
    assert!(!unsent.is_empty());
    // Whoever gives up before its request is sent needs no such word, and the peer no request.
    let (number, forgotten) = patient.pop().unwrap();
    drop(forgotten);
    unsent.insert(number);
    let (_send, lane) = lanes.remove(0);
    let reading = tokio::spawn(requests(lane));
    let mut last = None;
    until("there is room again", || {
        last = link.request(0, &request(KEEP, LAST, b""), Instant::now() + PATIENCE).ok();
        last.is_some()
    })
    .await;
    let sent = reading.await.unwrap();
    assert_eq!(sent.intersection(&unsent).collect::<Vec<_>>(), Vec::<&u64>::new());
    for (number, _) in &patient {
        assert!(sent.contains(number), "{number} still waits for an answer");
    }
}

#[tokio::test]
async fn what_a_peer_finds_too_late_has_no_time_left() {
    let ((_a, to_b), (b, _)) = pair().await;
    for _ in 0..5 {
        call(&to_b, ECHO, b"in time").await;
    }
    b.gate.shut(|_| true);
    let begin = |number, ms| {
        let remaining = Duration::from_millis(ms);
        let request = Request { remaining, ..request(KEEP, number, b"") };
        to_b.request(0, &request, Instant::now() + remaining).unwrap()
    };
    let short: Vec<_> = (0..20).map(|number| begin(number, 20)).collect();
    let long = begin(20, 100);
    for pending in short.into_iter().chain([long]) {
        assert_eq!(pending.await, Err(LinkError::DeadlinePassed { sent: true }));
    }
    b.gate.open();
    call(&to_b, ECHO, b"in time again").await;
    let remaining = b.desk.remaining.lock().unwrap();
    let (in_time, rest) = remaining.split_at(5);
    let (late, again) = rest.split_at(20);
    assert!(in_time.iter().all(|left| *left > PATIENCE / 2), "{in_time:?}");
    assert_eq!(late, [Duration::ZERO; 20]);
    assert!(again.last().unwrap() > &(PATIENCE / 2), "{again:?}");
}

/// A cancellation on the lane would come before it, and find nothing.
#[tokio::test]
async fn a_large_request_that_is_over_before_it_arrives_is_taken_back() {
    let ((_a, to_b), (b, _)) = pair().await;
    let large = vec![1; 2 * LARGE_FRAME];
    b.gate.shut(|_| true);
    let pending = to_b.request(0, &request(KEEP, 77, &large), Instant::now() + PATIENCE).unwrap();
    for _ in 0..100 {
        // Meanwhile all of it is handed to the connection, which loses it.
        tokio::task::yield_now().await;
    }
    drop(pending);
    b.gate.open();
    call(&to_b, ECHO, &large).await;
    call(&to_b, ECHO, b"small").await;
    assert!(!b.desk.order.lock().unwrap().contains(&77));
}

#[tokio::test]
async fn a_large_request_that_the_peer_does_not_take_ends_without_an_answer() {
    let mut node = Node::start("node");
    let rogue = Rogue::welcomed("rogue", &node).await;
    let link = node.connected().await;
    let _lanes = rogue.lanes().await;
    // More than may be under way before the peer reads.
    let large = vec![1; COMMAND_BYTES_MAX - 100];
    let pending = link.request(0, &request(KEEP, 1, &large), Instant::now() + PATIENCE).unwrap();
    let mut channels = Vec::new();
    loop {
        let mut stream = rogue.connection.accept_uni().await.unwrap();
        match read_tag(&mut stream).await.unwrap() {
            (Tag::SoloRequest, _) => break,
            _ => channels.push(stream),
        }
    }
    assert_eq!(pending.await, Err(LinkError::Lost { sent: false }));
}

#[tokio::test]
async fn a_large_request_that_is_over_before_its_turn_is_not_sent() {
    let ((_a, to_b), (b, _)) = pair().await;
    let large = vec![1; 2 * LARGE_FRAME];
    // Nothing is sent before this test yields.
    drop(to_b.request(0, &request(KEEP, 77, &large), Instant::now() + PATIENCE).unwrap());
    call(&to_b, ECHO, &large).await;
    call(&to_b, ECHO, b"small").await;
    assert!(!b.desk.order.lock().unwrap().contains(&77));
}
