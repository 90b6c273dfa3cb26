//! Requests and replies between two honest nodes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::support::*;
use crate::codec;
use crate::transport::bounds::LANES;
use crate::transport::bounds::PATIENT_OUT_BYTES_MAX;
use crate::transport::channel::SendError;
use crate::transport::end::Closing;
use crate::transport::lane::WAITING_MAX;
use crate::transport::{Breaker, Channel, Event, LinkError, Reason};
use crate::wire::limits::{CHANNEL_FRAME_BYTES_MAX, COMMAND_BYTES_MAX, LARGE_FRAME, REPLY_BYTES_MAX};
use crate::wire::outcome::Outcome;

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_get_their_own_answers_in_both_directions() {
    let ((_a, to_b), (_b, to_a)) = pair().await;
    let tasks = (0..64_u64).map(|task| {
        let link = if task % 2 == 0 { to_b.clone() } else { to_a.clone() };
        tokio::spawn(async move {
            for call in 0..50_u64 {
                let number = task * 1000 + call;
                let arguments = [&number.to_le_bytes()[..], &vec![task as u8; (number % 700) as usize]].concat();
                let command = if call % 3 == 0 { ECHO_LATER } else { ECHO };
                let pending = link.request(task as u32, &request(command, number, &arguments), soon()).unwrap();
                let reply = pending.await.unwrap();
                assert_eq!((reply.outcome, reply.head.load), (Outcome::Ok, 1));
                assert_eq!(reply.payload, arguments);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!((to_a.waiting(), to_b.waiting()), (0, 0));
}

#[tokio::test]
async fn requests_of_one_hint_keep_their_order() {
    let ((_a, to_b), (b, _)) = pair().await;
    let pendings: Vec<_> =
        (0..500).map(|number| to_b.request(3, &request(ECHO, number, b""), soon()).unwrap()).collect();
    for pending in pendings {
        pending.await.unwrap();
    }
    assert!(b.desk.order.lock().unwrap().is_sorted());
}

#[tokio::test]
async fn large_frames_travel_alone_in_both_directions() {
    let ((_a, to_b), _b) = pair().await;
    for bytes in [LARGE_FRAME - 200, LARGE_FRAME, LARGE_FRAME + 1, 1 << 20, COMMAND_BYTES_MAX - 3] {
        let arguments: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        for command in [ECHO, ECHO_LATER] {
            assert_eq!(call(&to_b, command, &arguments).await.payload, arguments, "{bytes} bytes");
        }
    }
    for bytes in [LARGE_FRAME as u32, REPLY_BYTES_MAX as u32] {
        let arguments = codec::encoded(&bytes).unwrap();
        for command in [REPEAT, REPEAT_LATER] {
            assert_eq!(call(&to_b, command, &arguments).await.payload.len(), bytes as usize);
        }
    }
}

#[tokio::test]
async fn what_is_over_the_limit_is_not_sent_and_not_answered() {
    let ((_a, to_b), (b, _)) = pair().await;
    let large = vec![0; COMMAND_BYTES_MAX];
    let refused = to_b.request(0, &request(ECHO, 1, &large), soon()).err();
    assert_eq!(refused, Some(LinkError::TooLarge), "the key counts too");
    assert_eq!(b.desk.requests.load(Ordering::Relaxed), 0);
    let arguments = codec::encoded(&(REPLY_BYTES_MAX as u32 + 200)).unwrap();
    for command in [REPEAT, REPEAT_LATER] {
        assert_eq!(call(&to_b, command, &arguments).await.outcome, Outcome::BadReply);
    }
}

#[tokio::test]
async fn large_frames_do_not_delay_small_ones() {
    let ((_a, to_b), _b) = pair().await;
    let large = vec![1; COMMAND_BYTES_MAX - 100];
    let request_large = |number| to_b.request(0, &request(ECHO, number, &large), soon()).unwrap();
    let larges: Vec<_> = (0..10).map(request_large).collect();
    // All of the large ones were asked first, on the same lane.
    call(&to_b, ECHO, b"small").await;
    assert!(to_b.waiting() > 0, "the small one overtook some of the large ones");
    for large in larges {
        assert_eq!(large.await.unwrap().outcome, Outcome::Ok);
    }
}

#[tokio::test]
async fn handlers_that_fail_answer_and_harm_nobody() {
    let ((_a, to_b), _b) = pair().await;
    let kept = to_b.request(0, &request(ECHO_LATER, 1, b"before"), soon()).unwrap();
    for (command, expected) in [
        (PANIC, Outcome::Panicked),
        (PANIC_WHILE_ENCODING, Outcome::Panicked),
        (DROP_LATER, Outcome::Panicked),
        (FAIL_TO_ENCODE, Outcome::BadReply),
        (99, Outcome::BadFrame),
    ] {
        let reply = call(&to_b, command, b"").await;
        assert_eq!((reply.outcome, reply.payload.len()), (expected, 0), "command {command}");
    }
    assert_eq!(kept.await.unwrap().payload, &b"before"[..]);
    assert_eq!(call(&to_b, ECHO, b"after").await.payload, &b"after"[..]);
}

#[tokio::test]
async fn dropping_a_request_cancels_it() {
    let ((_a, to_b), (b, _)) = pair().await;
    let pending = to_b.request(1, &request(KEEP, 1, b""), soon()).unwrap();
    until("the request comes", || !b.desk.kept.lock().unwrap().is_empty()).await;
    let ticket = b.desk.kept.lock().unwrap()[0].ticket();
    drop(pending);
    until("the cancellation comes", || !b.desk.cancelled.lock().unwrap().is_empty()).await;
    assert_eq!(*b.desk.cancelled.lock().unwrap(), [ticket]);
    assert_eq!(to_b.waiting(), 0);
    // The late answer finds nobody, and the lane goes on.
    b.desk.kept.lock().unwrap().pop().unwrap().answer(&Outcome::NotFound, 0);
    assert_eq!(call(&to_b, ECHO, b"on").await.payload, &b"on"[..]);
}

#[tokio::test]
async fn a_large_request_that_is_dropped_on_the_way_is_not_handed_in() {
    let ((_a, to_b), (b, _)) = pair().await;
    let large = vec![1; COMMAND_BYTES_MAX - 100];
    for number in 0..10 {
        drop(to_b.request(0, &request(KEEP, number, &large), soon()).unwrap());
    }
    // What was set aside for them is free again, and what comes next is handed in.
    for _ in 0..20 {
        call(&to_b, ECHO, &large).await;
    }
    assert!(b.desk.kept.lock().unwrap().len() < 10, "what had not been sent was not sent");
    assert!(to_b.is_open());
}

#[tokio::test]
async fn an_unanswered_request_ends_at_its_deadline_and_tells_the_peer() {
    let ((_a, to_b), (b, _)) = pair().await;
    let deadline = |ms| Instant::now() + Duration::from_millis(ms);
    let late = to_b.request(0, &request(KEEP, 1, b""), soon()).unwrap();
    let first = to_b.request(0, &request(KEEP, 2, b""), deadline(60)).unwrap();
    let second = to_b.request(1, &request(KEEP, 3, b""), deadline(30)).unwrap();
    let large = to_b.request(1, &request(KEEP, 4, &[0; 2 * LARGE_FRAME]), deadline(30)).unwrap();
    for pending in [first, second, large] {
        assert_eq!(pending.await, Err(LinkError::DeadlinePassed { sent: true }));
    }
    until("the cancellations come", || b.desk.cancelled.lock().unwrap().len() == 3).await;
    assert_eq!(to_b.waiting(), 1);
    drop(late);
}

#[tokio::test]
async fn an_answer_that_nobody_polls_for_does_not_block_others() {
    let ((_a, to_b), _b) = pair().await;
    let unpolled = to_b.request(0, &request(ECHO, 1, b"unpolled"), soon()).unwrap();
    for _ in 0..200 {
        call(&to_b, ECHO, b"x").await;
    }
    assert_eq!(unpolled.await.unwrap().payload, &b"unpolled"[..]);
}

// On several threads, where a link uses all of its lanes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_wait_is_told_at_once() {
    let ((_a, to_b), _b) = pair().await;
    let mut pendings = Vec::new();
    for hint in 0..LANES as u32 {
        for number in 0..WAITING_MAX as u64 {
            pendings.push(to_b.request(hint, &request(KEEP, number, b""), soon()).unwrap());
        }
        assert_eq!(to_b.request(hint, &request(KEEP, 0, b""), soon()).err(), Some(LinkError::Full));
    }
    pendings.pop();
    assert!(to_b.request(LANES as u32 - 1, &request(KEEP, 0, b""), soon()).is_ok());
}

#[tokio::test]
async fn bytes_that_may_not_wait_are_told_at_once() {
    let ((_a, to_b), _b) = pair().await;
    let arguments = vec![0; LARGE_FRAME - 200];
    // Nothing is sent before this test yields, so the buffer fills up.
    let full = (0..100).map(|number| to_b.request(0, &request(ECHO, number, &arguments), soon())).find_map(Result::err);
    assert_eq!(full, Some(LinkError::Full));
    let large = vec![0; COMMAND_BYTES_MAX - 100];
    let full = (0..100).map(|number| to_b.request(0, &request(ECHO, number, &large), soon()).map(std::mem::forget));
    assert_eq!(full.filter_map(Result::err).next(), Some(LinkError::Full));
}

#[tokio::test]
async fn a_lost_connection_tells_what_was_sent() {
    let ((mut a, to_b), (b, _)) = pair().await;
    let sent = to_b.request(0, &request(KEEP, 1, b""), soon()).unwrap();
    until("the request comes", || !b.desk.kept.lock().unwrap().is_empty()).await;
    // The hang-up takes effect at once, and the request does not even reach the pump.
    to_b.end(Reason::Hangup);
    let unsent = to_b.request(0, &request(KEEP, 2, b""), soon()).unwrap();
    assert_eq!(sent.await, Err(LinkError::Lost { sent: true }));
    assert_eq!(unsent.await, Err(LinkError::Lost { sent: false }));
    assert_eq!(a.disconnected().await, (to_b.id(), Reason::Hangup));
    let after = to_b.request(0, &request(KEEP, 3, b""), soon()).err();
    assert_eq!(after, Some(LinkError::Lost { sent: false }));
    assert_eq!(b.desk.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_peer_that_vanishes_without_a_word_is_missed_by_deadlines() {
    let ((a, to_b), (b, _)) = pair().await;
    b.gate.shut(|_| true);
    let pending = to_b.request(0, &request(ECHO, 1, b""), Instant::now() + Duration::from_millis(50)).unwrap();
    assert_eq!(pending.await, Err(LinkError::DeadlinePassed { sent: true }));
    b.gate.open();
    assert_eq!(call(&to_b, ECHO, b"again").await.payload, &b"again"[..]);
    drop(a);
}

#[tokio::test]
async fn channels_keep_the_order_of_their_frames() {
    let ((mut a, to_b), (mut b, to_a)) = pair().await;
    for number in 0..1000_u32 {
        to_b.send(Channel::Control, &number.to_le_bytes()).unwrap();
        to_b.send(Channel::Records, &number.to_le_bytes()).unwrap();
    }
    to_a.send(Channel::Control, b"back").unwrap();
    for number in 0..1000_u32 {
        let Event::Control { link, frame } = b.event().await else { panic!("another event") };
        assert_eq!((link.id(), &frame.bytes[..]), (to_a.id(), &number.to_le_bytes()[..]));
    }
    until("the records come", || b.desk.records.lock().unwrap().len() == 1000).await;
    assert!(b.desk.records.lock().unwrap().iter().enumerate().all(|(at, bytes)| *bytes == (at as u32).to_le_bytes()));
    assert!(matches!(a.event().await, Event::Control { frame, .. } if &frame.bytes[..] == b"back"));
}

#[tokio::test]
async fn channels_have_limits() {
    let ((_a, to_b), (mut b, _)) = pair().await;
    let frame = vec![9; CHANNEL_FRAME_BYTES_MAX];
    assert_eq!(to_b.send(Channel::Control, &vec![9; CHANNEL_FRAME_BYTES_MAX + 1]), Err(SendError::TooLarge));
    let sent = (0..100).map(|_| to_b.send(Channel::Control, &frame)).take_while(Result::is_ok).count();
    assert!((1..100).contains(&sent));
    assert_eq!(to_b.send(Channel::Control, &frame), Err(SendError::Full));
    // The other channel has room, and commands go on while the node looks at no event.
    to_b.send(Channel::Records, &frame).unwrap();
    assert_eq!(call(&to_b, ECHO, b"on").await.payload, &b"on"[..]);
    for _ in 0..sent {
        let Event::Control { frame: got, .. } = b.event().await else { panic!("another event") };
        assert_eq!(got.bytes, frame);
    }
    to_b.end(Reason::Hangup);
    until("the end is noticed", || to_b.send(Channel::Records, b"") == Err(SendError::Closed)).await;
    assert_eq!(to_b.send(Channel::Control, b""), Err(SendError::Closed));
}

#[tokio::test]
async fn who_can_wait_puts_in_more_when_little_is_left_and_not_after_the_end() {
    let ((_a, to_b), (b, _)) = pair().await;
    let frame = vec![9; PATIENT_OUT_BYTES_MAX];
    let many = 40;
    for _ in 0..many {
        timeout(PATIENCE, to_b.send_patiently(Channel::Records, &frame)).await.unwrap().unwrap();
    }
    until("the records come", || b.desk.records.lock().unwrap().len() == many).await;
    to_b.end(Reason::Hangup);
    until("the end is noticed", || to_b.send(Channel::Records, b"") == Err(SendError::Closed)).await;
    let sent = timeout(PATIENCE, to_b.send_patiently(Channel::Records, &frame)).await.unwrap();
    assert_eq!(sent, Err(SendError::Closed));
}

#[tokio::test]
async fn a_shutdown_ends_every_call_and_tells_the_peers() {
    let ((mut a, to_b), (b, _)) = pair().await;
    let pending = to_b.request(0, &request(KEEP, 1, b""), soon()).unwrap();
    until("the request comes", || !b.desk.kept.lock().unwrap().is_empty()).await;
    timeout(PATIENCE, b.transport.shutdown()).await.unwrap();
    assert_eq!(pending.await, Err(LinkError::Lost { sent: true }));
    let (_, reason) = a.disconnected().await;
    assert!(is_closing(&reason, Closing::Shutdown), "{reason:?}");
    assert!(a.dial(&b).await.is_err());
}

#[tokio::test]
async fn the_end_of_the_endpoint_is_told() {
    let breaker = Breaker::default();
    let mut broken = Node::start_with("broken", Options { socket: Some(breaker.socket()), ..Options::default() });
    let whole = Node::start("whole");
    let link = broken.dial(&whole).await.unwrap();
    broken.connected().await;
    let pending = link.request(0, &request(KEEP, 1, b""), soon()).unwrap();
    breaker.break_off("the cable was cut");
    assert!(matches!(pending.await, Err(LinkError::Lost { .. })), "nothing waits for its deadline");
    let mut events = [broken.event().await, broken.event().await];
    events.sort_by_key(|event| matches!(event, Event::Ended { .. }));
    let [Event::Disconnected { link: ended, .. }, Event::Ended { reason }] = &events else { panic!("{events:?}") };
    assert_eq!((*ended, &**reason), (link.id(), "the cable was cut"));
    timeout(PATIENCE, broken.transport.shutdown()).await.unwrap();
}

/// A caller may live on another runtime than the node that it calls from.
#[tokio::test]
async fn who_waits_hears_of_the_end_of_the_runtime_that_drives_the_connection() {
    let b = Node::start("b");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = b.transport.local_addr();
    let dialling = async move {
        let a = Node::start("a");
        let link = a.transport.dial(address, None, PATIENCE).await.unwrap();
        (a, link)
    };
    let (a, link) = runtime.spawn(dialling).await.unwrap();
    let pending = link.request(0, &request(KEEP, 1, b""), soon()).unwrap();
    until("the request comes", || !b.desk.kept.lock().unwrap().is_empty()).await;
    runtime.shutdown_background();
    assert_eq!(timeout(PATIENCE, pending).await.unwrap(), Err(LinkError::Lost { sent: true }));
    drop(a);
}

/// A task that is in a user's body cannot be ended, and the sweeper of deadlines is gone with the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_peer_that_is_gone_waits_for_no_body_that_it_began() {
    let ((a, to_b), (b, to_a)) = pair().await;
    let waits = to_b.request(0, &request(KEEP, 1, b""), soon()).unwrap();
    a.desk.blocks.store(true, Ordering::Relaxed);
    let _runs = to_a.request(0, &request(BLOCK, 1, b""), soon()).unwrap();
    let both_wait = || a.desk.blocked.load(Ordering::Relaxed) == 1 && !b.desk.kept.lock().unwrap().is_empty();
    until("both wait", both_wait).await;
    b.transport.shutdown().await;
    let told = timeout(PATIENCE, waits).await;
    a.desk.blocks.store(false, Ordering::Relaxed);
    assert_eq!(told.expect("it hears of the end").unwrap_err(), LinkError::Lost { sent: true });
}
