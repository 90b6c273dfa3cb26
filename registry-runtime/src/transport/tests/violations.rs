//! Members that break the rules: their connection ends, and nobody else notices.

use std::sync::atomic::Ordering;

use super::support::*;
use crate::transport::Reason;
use crate::transport::end::{Closing, Violation};
use crate::transport::stream::Tag;
use crate::wire::frame::{BadFrame, put_cancel, put_reply};
use crate::wire::limits::{CHANNEL_FRAME_BYTES_MAX, FRAME_BYTES_MAX, LANE_FRAME_BYTES_MAX};
use crate::wire::outcome::Outcome;

/// What a rogue does on a connection of its own.
enum Deed {
    /// Opens a two-way stream of that kind and writes.
    Say(Tag, Vec<u8>),
    /// Opens a one-way stream and writes.
    Tell(Vec<u8>),
    /// The same, and ends the stream.
    TellAndFinish(Vec<u8>),
    /// Opens a lane and ends it.
    FinishLane,
    /// Opens the same lane twice.
    Twice,
}

async fn check(deed: Deed, expected: Violation) {
    let mut node = Node::start("node");
    let honest = Node::start("honest");
    let link = honest.dial(&node).await.unwrap();
    node.connected().await;
    let rogue = Rogue::welcomed("rogue", &node).await;
    let of_rogue = node.connected().await;
    let _streams = match deed {
        Deed::Say(tag, bytes) => (Some(rogue.say(tag, &bytes).await), None),
        Deed::Tell(bytes) => (None, Some(rogue.tell(&bytes).await)),
        Deed::TellAndFinish(bytes) => {
            let mut stream = rogue.tell(&bytes).await;
            stream.finish().unwrap();
            (None, Some(stream))
        }
        Deed::FinishLane => {
            let mut streams = rogue.say(Tag::Lane, b"").await;
            streams.0.finish().unwrap();
            (Some(streams), None)
        }
        Deed::Twice => {
            let first = rogue.say(Tag::Lane, b"").await;
            std::mem::forget(rogue.say(Tag::Lane, b"").await);
            (Some(first), None)
        }
    };
    let reason = rogue.closed().await;
    assert!(is_closing(&reason, Closing::Violation), "{reason:?}");
    assert_eq!(node.disconnected().await, (of_rogue.id(), Reason::Violation(expected)));
    assert_eq!(node.transport.counts().violations, 1);
    assert_eq!(node.desk.requests.load(Ordering::Relaxed), 0);
    assert_eq!(call(&link, ECHO, b"unharmed").await.payload, &b"unharmed"[..]);
}

fn length(bytes: usize) -> Vec<u8> {
    (bytes as u32).to_le_bytes().to_vec()
}

fn too_long(claimed: usize, limit: usize) -> Violation {
    Violation::Frame(BadFrame::TooLong { claimed, limit })
}

#[tokio::test]
async fn an_oversized_frame_on_a_lane() {
    let over = LANE_FRAME_BYTES_MAX + 1;
    check(Deed::Say(Tag::Lane, length(over)), too_long(over, LANE_FRAME_BYTES_MAX)).await;
}

#[tokio::test]
async fn a_frame_of_four_gigabytes() {
    check(Deed::Say(Tag::Lane, vec![0xff; 4]), too_long(u32::MAX as usize, LANE_FRAME_BYTES_MAX)).await;
}

#[tokio::test]
async fn an_oversized_frame_on_a_channel() {
    let over = CHANNEL_FRAME_BYTES_MAX + 1;
    let bytes = [vec![Tag::Channel.byte(), 0], length(over)].concat();
    check(Deed::Tell(bytes), too_long(over, CHANNEL_FRAME_BYTES_MAX)).await;
}

#[tokio::test]
async fn an_oversized_frame_on_its_own() {
    let over = FRAME_BYTES_MAX + 1;
    let bytes = [vec![Tag::SoloRequest.byte(), 0], length(over)].concat();
    check(Deed::Tell(bytes), too_long(over, FRAME_BYTES_MAX)).await;
}

#[tokio::test]
async fn a_header_that_does_not_decode() {
    check(Deed::Say(Tag::Lane, vec![5, 0, 0, 0, 1, 0, 0, 0, 99]), Violation::Frame(BadFrame::Tag(99))).await;
    check(Deed::Say(Tag::Lane, vec![6, 0, 0, 0, 1, 0, 0, 0, 1, 1]), Violation::Frame(BadFrame::Short)).await;
}

#[tokio::test]
async fn a_key_that_is_longer_than_its_frame() {
    let mut frame = Vec::new();
    request(ECHO, 1, b"").put(&mut frame, 1);
    let at = frame.len() - b"key".len() - 1;
    frame[at] = 100;
    check(Deed::Say(Tag::Lane, frame), Violation::Frame(BadFrame::Short)).await;
}

#[tokio::test]
async fn a_reply_where_requests_belong() {
    let mut frame = Vec::new();
    put_reply(&mut frame, 1, &Outcome::NotFound, 0.into(), |_| Ok::<_, ()>(())).unwrap();
    check(Deed::Say(Tag::Lane, frame), Violation::Frame(BadFrame::Misplaced)).await;
}

#[tokio::test]
async fn a_request_where_replies_belong() {
    let mut frame = vec![Tag::SoloReply.byte(), 0];
    request(ECHO, 1, b"").put(&mut frame, 1);
    check(Deed::TellAndFinish(frame), Violation::Frame(BadFrame::Misplaced)).await;
}

#[tokio::test]
async fn a_large_frame_that_ends_early_or_goes_on() {
    let mut frame = vec![Tag::SoloRequest.byte(), 0];
    request(ECHO, 1, b"arguments").put(&mut frame, 1);
    let early = frame[..frame.len() - 1].to_vec();
    check(Deed::TellAndFinish(early), Violation::Frame(BadFrame::Short)).await;
    put_cancel(&mut frame, 1);
    check(Deed::TellAndFinish(frame), Violation::Frame(BadFrame::Long)).await;
}

#[tokio::test]
async fn streams_that_are_nothing() {
    check(Deed::Tell(vec![77, 0]), Violation::Stream([77, 0])).await;
    check(Deed::Tell(vec![Tag::Channel.byte(), 9]), Violation::Stream([Tag::Channel.byte(), 9])).await;
    check(Deed::Tell(vec![Tag::Lane.byte(), 0]), Violation::Stream([Tag::Lane.byte(), 0])).await;
    check(Deed::Say(Tag::Hello, vec![]), Violation::Stream([Tag::Hello.byte(), 0])).await;
    check(Deed::TellAndFinish(vec![1]), Violation::Stream([1, 0])).await;
}

#[tokio::test]
async fn lanes_that_end_or_come_twice() {
    check(Deed::FinishLane, Violation::Unfinished).await;
    check(Deed::Twice, Violation::Twice(0)).await;
}
