//! Two nodes keep one connection, however they come to have two.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::support::*;
use crate::transport::end::Closing;
use crate::transport::{Event, HandshakeError, LinkError, Reason};
use crate::wire::hello::Refusal;

/// Waits until a node has one connection alive, and says how many events there were.
async fn settle(node: &Node) {
    until("one connection is left", || {
        let counts = node.transport.counts();
        counts.connected >= 1 && counts.connected - counts.disconnected == 1 && node.transport.links().len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dial_at_once() {
    for round in 0..20 {
        let (a, b) = (Node::start("a"), Node::start("b"));
        // By name in some rounds, by address only in the others.
        let name = |name| (round % 2 == 0).then(|| id(name));
        let (to_b, to_a) = tokio::join!(
            a.transport.dial(b.transport.local_addr(), name("b"), PATIENCE),
            b.transport.dial(a.transport.local_addr(), name("a"), PATIENCE),
        );
        assert!(to_b.is_ok() || to_a.is_ok());
        for refused in [to_b.err(), to_a.err()].into_iter().flatten() {
            let duplicate = matches!(
                refused,
                HandshakeError::Refused(Refusal::Duplicate)
                    | HandshakeError::RefusedByPeer(Refusal::Duplicate)
                    | HandshakeError::Connection(Reason::Closed(_) | Reason::Forgotten)
            );
            assert!(duplicate, "{refused:?}");
        }
        // A connection that is about to lose may carry the first of these.
        for _ in 0..2 {
            settle(&a).await;
            settle(&b).await;
            for (node, other) in [(&a, "b"), (&b, "a")] {
                let link = node.transport.link(&id(other)).unwrap();
                let pending = link.request(0, &request(ECHO, 1, b"hi"), Instant::now() + PATIENCE);
                if let Ok(pending) = pending {
                    let _ = pending.await;
                }
            }
        }
        let (to_b, to_a) = (a.transport.link(&id("b")).unwrap(), b.transport.link(&id("a")).unwrap());
        assert_eq!(call(&to_b, ECHO, b"there").await.payload, &b"there"[..]);
        assert_eq!(call(&to_a, ECHO, b"back").await.payload, &b"back"[..]);
    }
}

#[tokio::test]
async fn a_second_dial_of_the_same_side_replaces_the_first() {
    let ((mut a, first), (mut b, first_at_b)) = pair().await;
    let kept = first.request(0, &request(KEEP, 1, b""), Instant::now() + PATIENCE).unwrap();
    until("the request comes", || b.desk.requests.load(Ordering::Relaxed) == 1).await;
    let second = a.dial(&b).await.unwrap();
    assert_ne!(first.id(), second.id());
    assert_eq!(a.connected().await.id(), second.id());
    let second_at_b = b.connected().await;
    // What was under way on the first goes on for a while.
    b.desk.kept.lock().unwrap().pop().unwrap().answer(&crate::wire::outcome::Outcome::NotFound, 0);
    assert_eq!(kept.await.unwrap().outcome, crate::wire::outcome::Outcome::NotFound);
    assert_eq!(a.disconnected().await.0, first.id());
    assert_eq!(b.disconnected().await.0, first_at_b.id());
    assert_eq!(a.transport.link(&id("b")).unwrap().id(), second.id());
    assert_eq!(b.transport.link(&id("a")).unwrap().id(), second_at_b.id());
    assert_eq!(call(&second_at_b, ECHO, b"on").await.payload, &b"on"[..]);
}

#[tokio::test]
async fn a_later_start_replaces_the_earlier_one_and_an_earlier_one_is_refused() {
    let mut b = Node::start("b");
    let of_start = |start| Node::start_with("a", Options { start, ..Options::default() });
    let (first, second) = (of_start(1), of_start(2));
    first.dial(&b).await.unwrap();
    let earlier = b.connected().await;
    let unanswered = earlier.request(0, &request(KEEP, 1, b""), Instant::now() + PATIENCE).unwrap();
    second.dial(&b).await.unwrap();
    assert_eq!(b.connected().await.peer().start.get(), 2);
    assert_eq!(b.disconnected().await.0, earlier.id());
    assert_eq!(unanswered.await, Err(LinkError::Lost { sent: true }), "who waits is not held up by what lingers");
    let refused = first.dial(&b).await.err();
    assert_eq!(
        refused,
        Some(HandshakeError::RefusedByPeer(Refusal::Outlived { later: second.transport.local_addr() }))
    );
    assert_eq!(b.transport.link(&id("a")).unwrap().peer().start.get(), 2);
}

#[tokio::test]
async fn what_a_node_has_answered_before_its_goodbye_still_comes() {
    let ((mut a, to_b), _b) = pair().await;
    let pending = to_b.request(0, &request(ECHO_LATER, 1, b"last"), Instant::now() + PATIENCE).unwrap();
    a.transport.take_leave(&id("b"));
    assert_eq!(pending.await.unwrap().payload, &b"last"[..]);
    assert_eq!(a.disconnected().await, (to_b.id(), Reason::Hangup));
}

#[tokio::test]
async fn a_node_that_was_hung_up_on_can_come_again() {
    let ((mut a, to_b), (mut b, to_a)) = pair().await;
    b.transport.hangup(&id("a"));
    assert_eq!(b.disconnected().await, (to_a.id(), Reason::Hangup));
    let (link, reason) = a.disconnected().await;
    assert_eq!(link, to_b.id());
    assert!(is_closing(&reason, Closing::Hangup), "{reason:?}");
    a.dial(&b).await.unwrap();
    assert!(matches!(b.event().await, Event::Connected { .. }));
}
