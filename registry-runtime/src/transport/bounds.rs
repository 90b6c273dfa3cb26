//! How much a connection may hold, how long it may be silent, and why.
//!
//! Quinn's defaults bound neither the bytes of a connection nor what strangers may have pending, so each is set here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt};

use super::socket::DATAGRAM_BYTES_MAX;
use super::window::Windows;
use crate::wire::limits::LARGE_AT_ONCE;

/// The lanes that a node opens to a peer.
///
/// A second one lets threads that call at once stay out of one another's way, and keeps a lost packet, which holds up its whole lane
/// until it has been sent again, from holding up everything. Runtimes of one thread use only the first.
pub(crate) const LANES: usize = 2;

/// The lanes that a peer may open to a node: room for a release that takes more.
pub(super) const LANES_MAX: usize = 8;

/// The channels that a node opens to a peer: one for control, one for records.
pub(super) const CHANNELS: usize = 2;

/// How long a handshake may take, TLS and hello together. Long enough for a few lost packets on a slow path.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// How many handshakes may be under way at once. A cluster of a thousand nodes that restarts fits into a few seconds of
/// these; a flood is made to prove its addresses, and pushes out what takes longest.
pub(super) const HANDSHAKES_AT_ONCE: usize = 256;

/// How many of these may come from one address: enough for the nodes of a machine, or behind one translated address, that start together;
/// few enough that one stranger cannot keep all others out.
pub(super) const HANDSHAKES_OF_ONE: usize = HANDSHAKES_AT_ONCE / 2;

/// How long a peer may take to send a large frame, and to take a large reply: sixteen of 4 MiB side by side at 1 Mbit/s, or a peer that
/// trickles. A large request waits for as long as its call does.
pub(super) const SOLO_TIME: Duration = Duration::from_secs(600);

/// How long a connection goes on that has given way to another, or whose peer has said goodbye; and how often one of two that both sides began at
/// once is looked at to see whether anything is under way on it.
pub(super) const LINGER_TIME: Duration = Duration::from_millis(500);

/// After how many looks it ends even so: a minute, beyond which hardly anybody waits for an answer.
pub(super) const LINGERS_MAX: u32 = 120;

/// How long a last word may take to reach a peer before the connection is closed under it.
pub(super) const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// The bytes that may wait in one channel to be sent. A peer that does not take them is behind by that much; what is
/// sent there is repeated by its senders.
pub(super) const CHANNEL_OUT_BYTES_MAX: usize = 8 << 20;

/// The same for the channel of records, where the largest frame must fit in beside others. Who finds it full counts the backup as behind, and
/// brings it up to date when there is room again.
pub(super) const RECORDS_OUT_BYTES_MAX: usize = 32 << 20;

/// How many bytes may wait in a channel when a sender that can wait puts in more: a few milliseconds' worth at 1 Gbit/s, which is what
/// those that cannot wait find before them.
pub(super) const PATIENT_OUT_BYTES_MAX: usize = 1 << 20;

/// The bytes of received control frames of one peer that the node has not looked at. When it is reached, the peer has to
/// wait; four of the largest frames fit.
pub(super) const CONTROL_QUEUED_BYTES_MAX: usize = 4 << 20;

/// The events that wait for the node. Each peer's frames are bounded by themselves, so this only has to be large enough
/// that the node works in batches.
pub(super) const EVENTS_MAX: usize = 1024;

/// How long a peer may be silent before the connection counts as lost. The engine decides much sooner whether a node is
/// Down; this only takes away what is left of a connection. Shorter would lose connections over pauses that the engine
/// tolerates.
const IDLE_TIME: Duration = Duration::from_secs(20);

/// How long nothing is sent before a sign of life is. A third of the idle time, so that two may be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(6);

/// The bytes that a peer may have sent on one stream and we have not read. Covers 1 Gbit/s at 8 ms; between
/// continents, at 80 ms, a slot is sent at 13 MB/s. More would be multiplied by the streams below.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// How many streams one side may write to at once: large frames, channels, the lanes that it opened and those that it answers on, and the one
/// of the hello.
const STREAMS_MAX: u32 = LARGE_AT_ONCE + CHANNELS as u32 + 2 * LANES as u32 + 1;

/// The bytes that a peer may have sent on all streams and we have not read: what a hostile member can make us hold.
///
/// As much as all streams may have together. With less, streams full of bulk would use up what a heartbeat or a small command needs, however
/// high its priority: that orders what has been taken in, and what does not fit into this window is not taken in.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

/// The bytes that we may have sent and the peer has not acknowledged. As much as the peer may hold, for the same reason.
const SEND_WINDOW_BYTES: u64 = CONNECTION_WINDOW_BYTES as u64;

/// How long the way to a peer and back counts until it is measured: within a region, or a few hops. quinn's own third of a second would have
/// a dial that lost its first packet wait for a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);

/// The bytes of handshake messages that may wait for the ones before them. A chain of certificates has a few KiB.
const CRYPTO_BUFFER_BYTES: usize = 16 << 10;

/// Strangers that may wait for us to look at them. Each costs a few hundred bytes and what it has sent.
const INCOMING_MAX: usize = 1024;

/// What one waiting stranger may have sent: a first flight with a certificate fits.
const INCOMING_BYTES_MAX: u64 = 16 << 10;

/// What all waiting strangers together may have sent.
const INCOMING_BYTES_TOTAL_MAX: u64 = 8 << 20;

/// The largest datagram that a node takes, whatever the path.
pub(super) const MTU_MAX: u16 = DATAGRAM_BYTES_MAX as u16;

/// How large a datagram may become that crosses a network: a jumbo frame of 9,001 bytes, the largest that clouds offer, without the
/// headers of IPv4 and UDP. The path's real limit is found by trying.
///
/// Loopback, where nothing but its own size limits a datagram, and jumbo frames carry large commands at two to four times the
/// speed of 1500-byte frames.
const NETWORK_MTU_MAX: u16 = 8973;

/// How many of the largest datagrams may always be under way: one that was a trial and was lost, and as much again as is
/// needed to find that out and go on.
const WINDOW_DATAGRAMS_MIN: u64 = 4;

/// How many packets a peer may have received without having said so (draft-ietf-quic-ack-frequency): by itself quinn answers every second
/// one with a packet of its own, even where an answer is about to be written. One more than that fits in the smallest window
/// ([`WINDOW_DATAGRAMS_MIN`]), or bulk would stop until the peer's delay is over.
const UNACKNOWLEDGED_MAX: u32 = 2;

/// The bounds of a connection, for both sides, of a node that listens at the address.
pub(super) fn transport(listens: IpAddr) -> Arc<TransportConfig> {
    let mtu_max = if listens.is_loopback() { MTU_MAX } else { NETWORK_MTU_MAX };
    let windows = Windows::new(u64::from(mtu_max).saturating_mul(WINDOW_DATAGRAMS_MIN));
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(mtu_max);
    let mut frequency = AckFrequencyConfig::default();
    frequency.ack_eliciting_threshold(VarInt::from_u32(UNACKNOWLEDGED_MAX));
    // What is missing is told at once, as without this extension.
    frequency.reordering_threshold(VarInt::from_u32(1));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(LANES_MAX as u32 + 1))
        .max_concurrent_uni_streams(VarInt::from_u32(LARGE_AT_ONCE + CHANNELS as u32))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .crypto_buffer_size(CRYPTO_BUFFER_BYTES)
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIME).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .allow_spin(false)
        .ack_frequency_config(Some(frequency))
        .congestion_controller_factory(Arc::new(windows))
        .mtu_discovery_config(Some(discovery))
        // The kernel takes no two of the largest datagrams in one batch, and quinn keeps the room for ten with each connection.
        .enable_segmentation_offload(!listens.is_loopback());
    Arc::new(transport)
}

/// The bounds of what strangers may do before they have shown who they are.
pub(super) fn incoming(server: &mut ServerConfig) {
    server
        .migration(false)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
}
