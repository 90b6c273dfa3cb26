//! Lane frames: `[u32 length][u32 correlation][u8 tag]`, then a request, a cancellation or a reply.
//!
//! Numbers are little endian; the length counts what follows it. A frame that is too large for its lane travels without
//! the length on a stream of its own.

use std::time::Duration;

use super::limits::HEADER_BYTES_MAX;
use super::outcome::{Outcome, put_micros, read_micros};
use super::parts::{Parts, put_variable};
use crate::id::{CommandId, Descent, Epoch, IdempotencyName, Mark, Position, Slot};

/// The bytes of a cancellation, length included.
pub(crate) const CANCEL_BYTES: usize = 9;

/// The bytes of a stamp, length included, or a few more.
pub(crate) const STAMP_BYTES_MAX: usize = 19;

/// The bytes of a frame's length.
pub(crate) const LENGTH_BYTES: usize = 4;

/// One frame of a lane, borrowed from the bytes that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame<'a> {
    /// Which request of the lane it belongs to.
    pub(crate) correlation: u32,
    /// What it says.
    pub(crate) body: Body<'a>,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body<'a> {
    /// Run this command.
    Request(Request<'a>),
    /// The caller has lost interest in the request.
    Cancel,
    /// What the caller's clock showed, since a beginning of its own, when it made the requests that follow, the last of them
    /// [`STAMP_EVERY`](super::limits::STAMP_EVERY) later at most. The receiver sees by it how long they have lain somewhere.
    Stamp(Duration),
    /// How the request ended.
    Reply(Reply<'a>),
}

/// A command on its way to the node that is to run it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Request<'a> {
    /// Which command, in the receiver's numbers.
    pub(crate) command: WireCommand,
    /// The slot of the key; zero in actions.
    pub(crate) slot: Slot,
    /// The epoch that the caller believes the slot to be open in; zero in actions.
    pub(crate) epoch: Epoch,
    /// The command's id, the same in every attempt.
    pub(crate) id: CommandId,
    /// Which attempt this is, from 1; stays at 255.
    pub(crate) attempt: u8,
    /// The lowest of the session's numbers that is still open in the slot; travels as the distance to the id's own.
    pub(crate) mark: Mark,
    /// The user's own name for the command, if it has one.
    pub(crate) name: Option<IdempotencyName>,
    /// A hash of the command, its key and its arguments, if its id follows from another command's and so may come to stand for two.
    pub(crate) content: Option<u64>,
    /// What it hands down to the calls that it makes, if that does not follow from the rest; the time travels in microseconds.
    pub(crate) descent: Option<Descent>,
    /// What the caller has seen of the slot, if a backup may answer it: the epoch and position of a record.
    pub(crate) seen: Option<(Epoch, Position)>,
    /// Whether it only asks what became of earlier attempts, and is not to be run any more.
    pub(crate) only_asks: bool,
    /// How long the caller goes on waiting, counted from when it made the request; travels in microseconds.
    pub(crate) remaining: Duration,
    /// The encoded key; empty in actions.
    pub(crate) key: &'a [u8],
    /// The encoded arguments.
    pub(crate) arguments: &'a [u8],
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply<'a> {
    /// In one word.
    pub(crate) outcome: Outcome,
    /// What goes with every reply.
    pub(crate) head: ReplyHead,
    /// The encoded reply or error of the command's own.
    pub(crate) payload: &'a [u8],
}

/// What a reply says beside how the request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyHead {
    /// How busy the replying node is: the commands that it runs or has waiting, 65,535 for that many and more.
    pub(crate) load: u16,
    /// How much of the slot the reply may have shown, where replicas answer reads: the epoch and position of a record.
    pub(crate) shown: Option<(Epoch, Position)>,
}

impl From<u16> for ReplyHead {
    /// How busy the node is, and nothing else.
    fn from(load: u16) -> Self {
        Self { load, shown: None }
    }
}

/// Numbers a command as its receiver does: the registry's place in the receiver's catalogue, and the command's place in
/// that registry's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WireCommand(u32);

impl WireCommand {
    /// Puts both places together.
    pub(crate) const fn new(registry: u16, command: u16) -> Self {
        Self(((registry as u32) << 16) | command as u32)
    }

    /// The registry's place in the receiver's catalogue.
    pub(crate) const fn registry(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The command's place in the registry's entry.
    pub(crate) const fn command(self) -> u16 {
        self.0 as u16
    }
}

/// Bytes of a peer that are no frame. Whoever sends such has broken the protocol, so the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    /// It ends before its last part.
    #[error("a frame ends before its last part")]
    Short,
    /// It goes on after its last part.
    #[error("a frame goes on after its last part")]
    Long,
    /// It is longer than its place allows.
    #[error("a frame of {claimed} bytes where {limit} are allowed")]
    TooLong {
        /// The length that the frame claims.
        claimed: usize,
        /// The length that is allowed.
        limit: usize,
    },
    /// Its tag has no meaning here.
    #[error("a frame with the tag {0}, which has no meaning here")]
    Tag(u8),
    /// It is a reply where requests belong, or the other way round.
    #[error("a frame on the wrong side of a lane")]
    Misplaced,
    /// A number is larger than its type.
    #[error("a frame with a number over 64 bits")]
    Number,
    /// A text is none, or too long.
    #[error("a frame with a text that is none")]
    Text,
}

/// The flag of a request with a name.
const NAMED: u8 = 1;

/// The flag of a request with a hash of its content.
const HASHED: u8 = 2;

/// The flag of a request that a backup may answer.
const SEEN: u8 = 4;

/// The flag of a request that a command makes, or that is repeated.
const DESCENDED: u8 = 8;

/// The flag, beside that, of a request whose command may have run before.
const RERUN: u8 = 16;

/// The flag of a request that is not to be run any more.
const ONLY_ASKS: u8 = 32;

/// The bit of a reply's outcome that says that what was shown of the slot goes before it.
const SHOWN: u8 = 0x80;

const REQUEST: u8 = 1;
const CANCEL: u8 = 2;
const REPLY: u8 = 3;
const STAMP: u8 = 4;

impl<'a> Frame<'a> {
    /// Reads a frame from what follows its length.
    #[inline]
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, BadFrame> {
        let mut parts = Parts::of(bytes);
        let correlation = parts.fixed_u32()?;
        let body = match parts.byte()? {
            REQUEST => Body::Request(Request::read(parts)?),
            CANCEL if parts.rest().is_empty() => Body::Cancel,
            CANCEL => return Err(BadFrame::Long),
            REPLY => Body::Reply(Reply::read(parts)?),
            STAMP => {
                let stamp = read_micros(&mut parts)?;
                if !parts.rest().is_empty() {
                    return Err(BadFrame::Long);
                }
                Body::Stamp(stamp)
            }
            tag => return Err(BadFrame::Tag(tag)),
        };
        Ok(Self { correlation, body })
    }
}

impl<'a> Request<'a> {
    /// The bytes that the request takes on the wire, or a few more.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        HEADER_BYTES_MAX.saturating_add(self.key.len()).saturating_add(self.arguments.len())
    }

    /// Appends the request as a frame.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>, correlation: u32) {
        out.reserve(self.frame_bytes_max());
        let start = begin(out, correlation, REQUEST);
        let named = if self.name.is_some() { NAMED } else { 0 };
        let hashed = if self.content.is_some() { HASHED } else { 0 };
        let seen = if self.seen.is_some() { SEEN } else { 0 };
        let descended = match self.descent {
            None => 0,
            Some(descent) if descent.rerun => DESCENDED | RERUN,
            Some(_) => DESCENDED,
        };
        let only_asks = if self.only_asks { ONLY_ASKS } else { 0 };
        out.extend_from_slice(&[self.attempt, named | hashed | seen | descended | only_asks]);
        out.extend_from_slice(&self.command.0.to_le_bytes());
        out.extend_from_slice(&self.slot.get().to_le_bytes());
        out.extend_from_slice(&self.epoch.get().to_le_bytes());
        out.extend_from_slice(&self.id.session.to_le_bytes());
        put_variable(out, self.id.sequence);
        put_variable(out, self.id.sequence.saturating_sub(self.mark.get()));
        put_micros(out, self.remaining);
        if let Some(IdempotencyName { name, content }) = self.name {
            out.extend_from_slice(&name.to_le_bytes());
            out.extend_from_slice(&content.to_le_bytes());
        }
        if let Some(content) = self.content {
            out.extend_from_slice(&content.to_le_bytes());
        }
        if let Some(Descent { root, outlives, rerun: _ }) = self.descent {
            out.extend_from_slice(&root.session.to_le_bytes());
            put_variable(out, root.sequence);
            put_micros(out, outlives);
        }
        if let Some(seen) = self.seen {
            put_record(out, seen);
        }
        put_variable(out, self.key.len() as u64);
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.arguments);
        end(out, start);
    }

    #[inline]
    fn read(mut parts: Parts<'a>) -> Result<Self, BadFrame> {
        let [attempt, flags] = parts.array()?;
        let command = WireCommand(parts.fixed_u32()?);
        let slot = Slot::new(parts.fixed_u32()?);
        let epoch = Epoch::new(parts.fixed_u64()?);
        let session = parts.fixed_u64()?;
        let sequence = parts.variable()?;
        let behind = parts.variable()?;
        let mark = Mark::new(sequence.checked_sub(behind).ok_or(BadFrame::Number)?);
        let remaining = read_micros(&mut parts)?;
        let is_rerun_alone = flags & (DESCENDED | RERUN) == RERUN;
        if flags & !(NAMED | HASHED | SEEN | DESCENDED | RERUN | ONLY_ASKS) != 0 || is_rerun_alone {
            return Err(BadFrame::Tag(flags));
        }
        let name = if flags & NAMED == 0 {
            None
        } else {
            let name = u128::from_le_bytes(parts.array()?);
            Some(IdempotencyName { name, content: parts.fixed_u64()? })
        };
        let content = if flags & HASHED == 0 { None } else { Some(parts.fixed_u64()?) };
        let descent = if flags & DESCENDED == 0 {
            None
        } else {
            let root = CommandId { session: parts.fixed_u64()?, sequence: parts.variable()? };
            Some(Descent { root, outlives: read_micros(&mut parts)?, rerun: flags & RERUN != 0 })
        };
        let seen = if flags & SEEN == 0 { None } else { Some(read_record(&mut parts)?) };
        let key = usize::try_from(parts.variable()?).map_err(|_| BadFrame::Number)?;
        let key = parts.bytes(key)?;
        let id = CommandId { session, sequence };
        Ok(Self {
            command,
            slot,
            epoch,
            id,
            attempt,
            mark,
            name,
            content,
            descent,
            seen,
            only_asks: flags & ONLY_ASKS != 0,
            remaining,
            key,
            arguments: parts.rest(),
        })
    }
}

impl<'a> Reply<'a> {
    #[inline]
    fn read(mut parts: Parts<'a>) -> Result<Self, BadFrame> {
        let code = parts.byte()?;
        let load = parts.fixed_u16()?;
        let shown = if code & SHOWN == 0 { None } else { Some(read_record(&mut parts)?) };
        let (outcome, payload) = Outcome::read(code & !SHOWN, parts)?;
        Ok(Self { outcome, head: ReplyHead { load, shown }, payload })
    }
}

/// Appends a cancellation as a frame.
pub(crate) fn put_cancel(out: &mut Vec<u8>, correlation: u32) {
    let start = begin(out, correlation, CANCEL);
    end(out, start);
}

/// Appends a stamp as a frame.
pub(crate) fn put_stamp(out: &mut Vec<u8>, clock: Duration) {
    let start = begin(out, 0, STAMP);
    put_micros(out, clock);
    end(out, start);
}

/// Appends a reply as a frame; `payload` appends what goes with `Ok` and `Rejected`, and is not asked otherwise.
///
/// When the payload fails or panics, the buffer is left with a part of the frame, for the caller to cut back.
#[inline]
pub(crate) fn put_reply<E>(
    out: &mut Vec<u8>,
    correlation: u32,
    outcome: &Outcome,
    head: ReplyHead,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = begin(out, correlation, REPLY);
    let ReplyHead { load, shown } = head;
    out.push(outcome.code() | if shown.is_some() { SHOWN } else { 0 });
    out.extend_from_slice(&load.to_le_bytes());
    if let Some(shown) = shown {
        put_record(out, shown);
    }
    if outcome.has_payload() {
        payload(out)?;
    } else {
        outcome.put_detail(out);
    }
    end(out, start);
    Ok(())
}

/// Appends the epoch and position of a record.
fn put_record(out: &mut Vec<u8>, (epoch, position): (Epoch, Position)) {
    out.extend_from_slice(&epoch.get().to_le_bytes());
    put_variable(out, position.get());
}

/// Reads the epoch and position of a record.
fn read_record(parts: &mut Parts<'_>) -> Result<(Epoch, Position), BadFrame> {
    Ok((Epoch::new(parts.fixed_u64()?), Position::new(parts.variable()?)))
}

#[inline]
fn begin(out: &mut Vec<u8>, correlation: u32, tag: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.extend_from_slice(&correlation.to_le_bytes());
    out.push(tag);
    start
}

#[inline]
fn end(out: &mut [u8], start: usize) {
    let length = out.len().saturating_sub(start).saturating_sub(LENGTH_BYTES);
    if let Some(place) = out.get_mut(start..).and_then(|frame| frame.first_chunk_mut()) {
        *place = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::id::NodeId;
    use crate::wire::limits::COMMAND_BYTES_MAX;
    use crate::wire::outcome::DETAIL_BYTES_MAX;

    fn request<'a>(key: &'a [u8], arguments: &'a [u8]) -> Request<'a> {
        Request {
            command: WireCommand::new(3, 7),
            slot: Slot::new(4095),
            epoch: Epoch::from_parts(1_700_000_000_000, 5),
            id: CommandId { session: u64::MAX, sequence: u64::MAX },
            attempt: 2,
            mark: Mark::new(u64::MAX - 3),
            name: Some(IdempotencyName { name: u128::MAX, content: 5 }),
            content: Some(6),
            descent: Some(Descent {
                root: CommandId { session: 8, sequence: u64::MAX },
                outlives: Duration::from_secs(299),
                rerun: true,
            }),
            seen: None,
            only_asks: false,
            remaining: Duration::from_micros(4_999_999),
            key,
            arguments,
        }
    }

    fn reply(outcome: &Outcome, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let done: Result<(), Infallible> = put_reply(&mut out, 9, outcome, 512.into(), |out| {
            out.extend_from_slice(payload);
            Ok(())
        });
        done.unwrap();
        out
    }

    fn body(frame: &[u8]) -> &[u8] {
        let (length, body) = frame.split_first_chunk().unwrap();
        assert_eq!(u32::from_le_bytes(*length) as usize, body.len());
        body
    }

    fn every_outcome() -> Vec<Outcome> {
        let node = NodeId::new("n".repeat(63)).unwrap();
        vec![
            Outcome::Ok,
            Outcome::Rejected,
            Outcome::NotFound,
            Outcome::AlreadyExists,
            Outcome::Overloaded { retry_after: Duration::from_millis(20) },
            Outcome::Unavailable { reason: 3 },
            Outcome::Unknown { reason: 200 },
            Outcome::DeadlineExceeded { started: true },
            Outcome::DeadlineExceeded { started: false },
            Outcome::Panicked,
            Outcome::Incompatible { detail: "ä".repeat(DETAIL_BYTES_MAX / 2) },
            Outcome::Unauthorized,
            Outcome::TooLarge { limit: COMMAND_BYTES_MAX as u64 },
            Outcome::NotOwner { owner: None, epoch: Epoch::ZERO },
            Outcome::NotOwner { owner: Some(Box::new(node)), epoch: Epoch::new(u64::MAX) },
            Outcome::Moved { started: true },
            Outcome::Moved { started: false },
            Outcome::BadFrame,
            Outcome::IdempotencyKeyReused,
            Outcome::ReceiptExpired,
            Outcome::BadReply,
            Outcome::Cancelled,
        ]
    }

    #[test]
    fn requests_travel() {
        for (key, arguments) in [(&b""[..], &b""[..]), (b"k", b"a"), (&[7; 300], &[8; 5000])] {
            let mut out = Vec::new();
            request(key, arguments).put(&mut out, 77);
            assert!(out.len() <= request(key, arguments).frame_bytes_max());
            let frame = Frame::read(body(&out)).unwrap();
            assert_eq!(frame, Frame { correlation: 77, body: Body::Request(request(key, arguments)) });
        }
    }

    #[test]
    fn what_a_request_may_lack_travels_by_its_absence() {
        for (named, hashed, descended, rerun) in [
            (false, false, false, false),
            (false, true, true, true),
            (true, false, false, false),
            (false, false, true, false),
        ] {
            let whole = request(b"k", b"a");
            let (name, content) = (whole.name.filter(|_| named), whole.content.filter(|_| hashed));
            let descent = whole.descent.filter(|_| descended).map(|descent| Descent { rerun, ..descent });
            let part = Request { name, content, descent, ..whole };
            let mut out = Vec::new();
            part.put(&mut out, 77);
            assert_eq!(Frame::read(body(&out)), Ok(Frame { correlation: 77, body: Body::Request(part) }));
        }
    }

    #[test]
    fn what_was_seen_and_shown_of_a_slot_travels() {
        let record = (Epoch::from_parts(1_700_000_000_000, 5), Position::new(u64::MAX));
        let asked = Request { seen: Some(record), only_asks: true, ..request(b"k", b"a") };
        let mut out = Vec::new();
        asked.put(&mut out, 77);
        assert!(out.len() <= asked.frame_bytes_max());
        assert_eq!(Frame::read(body(&out)), Ok(Frame { correlation: 77, body: Body::Request(asked) }));
        let head = ReplyHead { load: 3, shown: Some(record) };
        for outcome in every_outcome() {
            let mut out = Vec::new();
            let put: Result<(), Infallible> = put_reply(&mut out, 9, &outcome, head, |_| Ok(()));
            put.unwrap();
            let told = Body::Reply(Reply { outcome, head, payload: &[] });
            assert_eq!(Frame::read(body(&out)), Ok(Frame { correlation: 9, body: told }));
        }
    }

    #[test]
    fn the_layout_is_pinned() {
        let mut out = Vec::new();
        request(b"K", b"AB").put(&mut out, 0x0102_0304);
        put_cancel(&mut out, 5);
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "69000000",
                "04030201",
                "01",
                "02",
                "1b",
                "07000300",
                "ff0f0000",
                "050000005af9f362",
                "ffffffffffffffff",
                "ffffffffffffffffff01",
                "03",
                "bf96b102",
                "ffffffffffffffffffffffffffffffff",
                "0500000000000000",
                "0600000000000000",
                "0800000000000000",
                "ffffffffffffffffff01",
                "c0c1c98e01",
                "01",
                "4b",
                "4142",
                "05000000",
                "05000000",
                "02",
            )
        );
    }

    #[test]
    fn replies_travel() {
        for outcome in every_outcome() {
            let payload: &[u8] = if outcome.has_payload() { b"payload" } else { b"" };
            let out = reply(&outcome, payload);
            assert!(out.len() <= HEADER_BYTES_MAX || matches!(outcome, Outcome::Incompatible { .. }));
            let frame = Frame::read(body(&out)).unwrap();
            assert_eq!(
                frame,
                Frame { correlation: 9, body: Body::Reply(Reply { outcome, head: 512.into(), payload }) }
            );
        }
    }

    #[test]
    fn stamps_travel() {
        for micros in [0, 1, 300, u64::MAX] {
            let (mut out, clock) = (Vec::new(), Duration::from_micros(micros));
            put_stamp(&mut out, clock);
            assert!(out.len() <= STAMP_BYTES_MAX);
            assert_eq!(Frame::read(body(&out)), Ok(Frame { correlation: 0, body: Body::Stamp(clock) }));
            assert_eq!(Frame::read(&[body(&out), &[0]].concat()), Err(BadFrame::Long));
        }
    }

    #[test]
    fn no_cut_frame_is_read_as_another_and_none_panics() {
        let mut whole = Vec::new();
        request(b"key", b"").put(&mut whole, 1);
        for cut in 0..body(&whole).len() {
            assert!(Frame::read(&body(&whole)[..cut]).is_err(), "request cut at {cut}");
        }
        for outcome in every_outcome() {
            let whole = reply(&outcome, b"");
            for cut in 0..body(&whole).len() {
                // A text may be shorter than it was; everything else is missed.
                let read = Frame::read(&body(&whole)[..cut]);
                let text = matches!(outcome, Outcome::Incompatible { .. } | Outcome::NotOwner { .. });
                assert!(read.is_err() || text, "{outcome:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn lies_are_refused() {
        let mut lie = Vec::new();
        request(b"", b"").put(&mut lie, 1);
        let last = lie.len() - 1;
        lie[last] = 200;
        assert_eq!(Frame::read(body(&lie)), Err(BadFrame::Short), "a key longer than the frame");
        assert_eq!(Frame::read(&[0, 0, 0, 0, 9]), Err(BadFrame::Tag(9)));
        assert_eq!(Frame::read(&[0, 0, 0, 0, CANCEL, 0]), Err(BadFrame::Long));
        assert_eq!(Frame::read(&[0, 0, 0, 0, REPLY, 99, 0, 0]), Err(BadFrame::Tag(99)));
        assert_eq!(Frame::read(&[0, 0, 0, 0, REPLY, 2, 0, 0, 1]), Err(BadFrame::Long));
        assert_eq!(Frame::read(&[0, 0]), Err(BadFrame::Short));
        let long = [&[0, 0, 0, 0, REPLY, 9, 0, 0][..], &[b'x'; DETAIL_BYTES_MAX + 1]].concat();
        assert_eq!(Frame::read(&long), Err(BadFrame::Text));
    }

    #[test]
    fn a_text_is_cut_at_a_letter() {
        let out = reply(&Outcome::Incompatible { detail: format!("x{}", "ä".repeat(DETAIL_BYTES_MAX)) }, b"");
        let Body::Reply(Reply { outcome: Outcome::Incompatible { detail }, .. }) =
            Frame::read(body(&out)).unwrap().body
        else {
            panic!("another outcome")
        };
        assert_eq!(detail.len(), DETAIL_BYTES_MAX - 1);
    }
}
