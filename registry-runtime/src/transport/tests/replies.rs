//! Many large replies at once.

use tokio::time::Instant;

use super::support::*;
use crate::codec;
use crate::transport::{Link, Pending, Reply};
use crate::wire::frame::ReplyHead;
use crate::wire::limits::{LARGE_FRAME, REPLY_BYTES_MAX};
use crate::wire::outcome::Outcome;

fn begin(link: &Link, command: u16, number: u32, arguments: &[u8]) -> Pending {
    link.request(number, &request(command, number.into(), arguments), Instant::now() + PATIENCE).unwrap()
}

#[tokio::test]
async fn as_many_as_one_likes_are_answered_and_small_ones_beside_them() {
    for command in [REPEAT, REPEAT_LATER] {
        let ((_a, to_b), _b) = pair().await;
        let arguments = codec::encoded(&(REPLY_BYTES_MAX as u32)).unwrap();
        let large: Vec<_> = (0..40).map(|number| begin(&to_b, command, number, &arguments)).collect();
        let small: Vec<_> = (0..40).map(|number| begin(&to_b, ECHO, number, b"small")).collect();
        for pending in small {
            assert_eq!(pending.await.unwrap().payload, &b"small"[..]);
        }
        for pending in large {
            assert_eq!(pending.await.unwrap().payload.len(), REPLY_BYTES_MAX);
        }
        assert!(to_b.is_open());
    }
}

/// Lets a node answer so many commands in one go, with replies of that size, and says how many came; the others were told that they
/// may have run.
async fn answered_at_once(count: u32, bytes: usize) -> usize {
    let ((_a, to_b), (b, _)) = pair().await;
    let pendings: Vec<_> = (0..count).map(|_| begin(&to_b, KEEP, 0, b"")).collect();
    until("all of them run", || b.desk.kept.lock().unwrap().len() == count as usize).await;
    let reply = vec![7; bytes];
    for replier in b.desk.kept.lock().unwrap().drain(..) {
        replier.answer_with(&Outcome::Ok, 9, |out| {
            out.extend_from_slice(&reply);
            Ok(())
        });
    }
    let mut came = 0;
    for pending in pendings {
        match pending.await {
            Ok(Reply { outcome: Outcome::Ok, payload, .. }) if payload.len() == bytes => came += 1,
            other => assert!(
                matches!(other, Ok(Reply { outcome: Outcome::BadReply, head: ReplyHead { load: 9, .. }, .. })),
                "{other:?}"
            ),
        }
    }
    assert_eq!(call(&to_b, ECHO, b"on").await.payload, &b"on"[..]);
    came
}

#[tokio::test]
async fn replies_for_which_there_is_no_room_harm_nobody_else() {
    // One by one they are within the limits; together they are over those of the connection, and of the lane.
    let came = answered_at_once(70, REPLY_BYTES_MAX).await;
    assert!((40..70).contains(&came), "{came} large ones");
    let came = answered_at_once(400, LARGE_FRAME - 200).await;
    assert!((100..400).contains(&came), "{came} small ones");
}
