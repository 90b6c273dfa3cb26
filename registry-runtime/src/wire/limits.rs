//! How large and how old things may be on the wire, and why.

use std::time::Duration;

/// The largest encoded command: key and arguments together. A call over it ends as `TooLarge`.
///
/// Large enough for a document or a small picture; small enough that the large commands one peer may have under way
/// ([`LARGE_AT_ONCE`]) stay within 64 MiB.
pub(crate) const COMMAND_BYTES_MAX: usize = 4 << 20;

/// The largest encoded reply, or encoded error of a command's own: the same as a command, since replies are often states.
pub(crate) const REPLY_BYTES_MAX: usize = COMMAND_BYTES_MAX;

/// Room for the header of a frame that carries the largest payload. The longest header is that of a request, below 150 bytes.
pub(crate) const HEADER_BYTES_MAX: usize = 160;

/// How much later than the last stamp before it a request may be made: by so much its remaining time may be wrong when it is read. Less
/// than a busy scheduler takes, and far more than a stamp costs.
///
/// Both sides go by it: a receiver counts what is beyond as time that a request has lain somewhere. A sender may stamp more often, and
/// not more seldom, unless the protocol gets another version.
pub(crate) const STAMP_EVERY: Duration = Duration::from_millis(2);

/// A frame above this travels alone on a stream of its own.
///
/// On a lane, a frame delays all that are behind it; 64 KiB take about half a millisecond at 1 Gbit/s, which is the delay
/// that a small command is made to bear. It is also about one loopback datagram.
pub(crate) const LARGE_FRAME: usize = 64 << 10;

/// The largest frame on a lane: what is larger goes alone.
pub(crate) const LANE_FRAME_BYTES_MAX: usize = LARGE_FRAME;

/// The largest frame at all.
pub(crate) const FRAME_BYTES_MAX: usize = COMMAND_BYTES_MAX + HEADER_BYTES_MAX;

/// How many large frames one peer may have under way at a time; further ones wait for a stream.
pub(crate) const LARGE_AT_ONCE: u32 = 16;

/// The largest hello. A hundred registries of fifty commands with names of twenty bytes take about 150 KiB.
pub(crate) const HELLO_BYTES_MAX: usize = 512 << 10;

/// The most commands that a catalogue may name for one registry: the numbers of commands have 16 bits.
pub(crate) const CATALOGUE_COMMANDS_MAX: usize = 1 << 12;

/// The largest frame on a channel: what is larger is cut by its sender.
///
/// Long enough for a batch of rows or for all members, short enough not to hold up heartbeats for longer than about 10 ms
/// at 1 Gbit/s.
pub(crate) const CHANNEL_FRAME_BYTES_MAX: usize = 1 << 20;

/// The largest frame on the channel of records: an instance and a reply of the largest size, and a key that is as large as a command
/// may be, each in one piece.
pub(crate) const RECORD_FRAME_BYTES_MAX: usize = 2 * COMMAND_BYTES_MAX + REPLY_BYTES_MAX + 2 * HEADER_BYTES_MAX;
