//! The tasks of one connection: they start together, and all end when the connection does.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Link, number};
use crate::transport::channel::{self, Channel};
use crate::transport::end::{Reason, StreamEnd, Violation};
use crate::transport::event::Event;
use crate::transport::handler::Handler;
use crate::transport::lane::{Reply, inbound, outbound, solo};
use crate::transport::stream::{Tag, read_tag};
use crate::wire::frame::{BadFrame, Body, Frame};

/// What drives a connection besides its link.
pub(in crate::transport) struct Mainspring {
    pub(in crate::transport) handler: Arc<dyn Handler>,
    pub(in crate::transport) events: mpsc::Sender<Event>,
    /// How long the peer's certificate is still good.
    pub(in crate::transport) good_for: Duration,
}

/// Runs a connection until it ends, and says why it did.
///
/// A stream that breaks a rule, or a lane or channel that ends by itself, ends the connection; no other connection
/// notices.
pub(in crate::transport) async fn supervise(link: Link, spring: Mainspring) -> Reason {
    let connection = link.0.connection.clone();
    let expiry = Instant::now().checked_add(spring.good_for);
    let mut tasks = JoinSet::new();
    let waiting = Waiting(&link);
    let crew = Arc::new(Crew { link: link.clone(), spring, taken: Mutex::default() });
    tasks.spawn(sweep(link.clone()));
    for at in 0..link.0.lanes.len() {
        tasks.spawn(crew.clone().outbound_lane(number(at)));
    }
    for channel in Channel::ALL {
        tasks.spawn(crew.clone().outbound_channel(channel));
    }
    let lost = loop {
        tokio::select! {
            biased;
            lost = connection.closed() => break lost,
            Some(ended) = tasks.join_next() => match ended {
                Ok(end) => crew.judge(end),
                // A lane without its task would leave callers waiting on a connection that lives.
                Err(failure) if failure.is_panic() => link.end(Reason::Failed("one of its tasks has panicked".into())),
                Err(_) => {}
            },
            Ok((send, receive)) = connection.accept_bi() => {
                tasks.spawn(crew.clone().inbound_lane(send, receive));
            }
            Ok(receive) = connection.accept_uni() => {
                tasks.spawn(crew.clone().inbound_uni(receive));
            }
            () = at(expiry) => link.end(Reason::Expired),
        }
    };
    // First: a task inside a user's body ends only when that does, and nobody who waits for a reply is to wait for it.
    drop(waiting);
    tasks.shutdown().await;
    link.0.ending.reason().unwrap_or_else(|| lost.into())
}

/// Those who wait for something of a connection: they hear of its end, even when what ends it is the end of the runtime that drives it, for
/// their own may be another.
struct Waiting<'a>(&'a Link);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

/// Sleeps until a moment, or for ever.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Ends the requests that are over their deadlines, lane by lane.
async fn sweep(link: Link) -> StreamEnd {
    loop {
        let now = Instant::now();
        let next = link.0.lanes.iter().filter_map(|lane| lane.sweep(now)).min();
        tokio::select! {
            biased;
            () = link.0.sweeper.notified() => {}
            () = at(next) => {}
        }
    }
}

struct Crew {
    link: Link,
    spring: Mainspring,
    /// The lanes and channels that the peer has opened.
    taken: Mutex<BTreeSet<(u8, u8)>>,
}

impl Crew {
    /// What the end of a stream means for the connection.
    fn judge(&self, end: StreamEnd) {
        match end {
            StreamEnd::Broken(violation) => self.link.end(Reason::Violation(violation)),
            StreamEnd::Finished | StreamEnd::Abandoned | StreamEnd::Lost => {}
        }
    }

    async fn outbound_lane(self: Arc<Self>, lane: u8) -> StreamEnd {
        let Some(own) = self.link.lane(lane) else { return StreamEnd::Finished };
        let Ok((mut send, receive)) = self.link.0.connection.open_bi().await else { return StreamEnd::Lost };
        if let Err(error) = send.write_all(&[Tag::Lane.byte(), lane]).await {
            return error.into();
        }
        unfinished(outbound::pump(own.clone(), send, receive).await)
    }

    async fn outbound_channel(self: Arc<Self>, channel: Channel) -> StreamEnd {
        let Ok(mut send) = self.link.0.connection.open_uni().await else { return StreamEnd::Lost };
        let _ = send.set_priority(channel.priority());
        if let Err(error) = send.write_all(&[Tag::Channel.byte(), channel.number()]).await {
            return error.into();
        }
        unfinished(self.link.outbox(channel).pump(send).await)
    }

    async fn inbound_lane(self: Arc<Self>, send: SendStream, mut receive: RecvStream) -> StreamEnd {
        let (tag, lane) = match read_tag(&mut receive).await {
            Ok(head) => head,
            Err(end) => return unfinished(end),
        };
        match self.link.replies(lane) {
            Some(replies) if tag == Tag::Lane => {
                if let Err(end) = self.take(tag, lane) {
                    return end;
                }
                let handler = self.spring.handler.clone();
                unfinished(inbound::pump(replies.clone(), self.link.clone(), handler, send, receive).await)
            }
            _ => unknown(tag, lane),
        }
    }

    async fn inbound_uni(self: Arc<Self>, mut receive: RecvStream) -> StreamEnd {
        let (tag, number) = match read_tag(&mut receive).await {
            Ok(head) => head,
            Err(end) => return end,
        };
        let link = self.link.clone();
        match tag {
            Tag::Channel => {
                if let Err(end) = self.take(tag, number) {
                    return end;
                }
                let end = match Channel::ALL.into_iter().find(|channel| channel.number() == number) {
                    Some(Channel::Control) => channel::control(receive, link, self.spring.events.clone()).await,
                    Some(Channel::Records) => channel::records(receive, link, self.spring.handler.clone()).await,
                    None => unknown(tag, number),
                };
                unfinished(end)
            }
            Tag::SoloRequest => match solo::receive(receive).await {
                Ok(frame) => self.solo_request(number, &frame),
                Err(end) => end,
            },
            Tag::SoloReply => match solo::receive(receive).await {
                Ok(frame) => self.solo_reply(number, &frame),
                Err(end) => end,
            },
            Tag::Hello | Tag::Lane => unknown(tag, number),
        }
    }

    fn solo_request(&self, lane: u8, frame: &Bytes) -> StreamEnd {
        let Some(replies) = self.link.replies(lane) else { return unknown(Tag::SoloRequest, lane) };
        match inbound::handle_alone(replies, &self.link, &*self.spring.handler, frame) {
            Ok(()) => StreamEnd::Finished,
            Err(error) => error.into(),
        }
    }

    fn solo_reply(&self, lane: u8, frame: &Bytes) -> StreamEnd {
        let Some(lane) = self.link.lane(lane) else { return unknown(Tag::SoloReply, lane) };
        match Frame::read(frame) {
            Ok(Frame { correlation, body: Body::Reply(reply) }) => {
                let payload = if reply.payload.is_empty() { Bytes::new() } else { frame.slice_ref(reply.payload) };
                let reply = Reply { outcome: reply.outcome, head: reply.head, payload };
                lane.complete(&mut vec![(correlation, reply)], &mut Vec::new());
                StreamEnd::Finished
            }
            Ok(_) => BadFrame::Misplaced.into(),
            Err(error) => error.into(),
        }
    }

    /// Notes that the peer has opened a lane or channel; each only once.
    fn take(&self, tag: Tag, number: u8) -> Result<(), StreamEnd> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.insert((tag.byte(), number)) { Ok(()) } else { Err(StreamEnd::Broken(Violation::Twice(number))) }
    }
}

/// A stream of a kind, or with a number, that does not belong there.
fn unknown(tag: Tag, number: u8) -> StreamEnd {
    StreamEnd::Broken(Violation::Stream([tag.byte(), number]))
}

/// Lanes and channels live as long as their connection: one that ends by itself breaks a rule.
fn unfinished(end: StreamEnd) -> StreamEnd {
    match end {
        StreamEnd::Finished | StreamEnd::Abandoned => StreamEnd::Broken(Violation::Unfinished),
        end => end,
    }
}
