//! A host's UDP socket, as quinn sees it.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::network::{Network, address};

/// A socket on the simulated network: always writable, one packet at a time.
#[derive(Debug)]
pub(super) struct Socket {
    host: u16,
    network: Network,
    inbox: Arc<Inbox>,
    dead: AtomicBool,
}

/// What has arrived for a host and was not read: a kernel's receive buffer. What finds no room is dropped.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes_max: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    packets: VecDeque<(SocketAddr, Vec<u8>)>,
    bytes: usize,
    reader: Option<Waker>,
}

impl Inbox {
    /// Takes a packet in, if there is room.
    pub(super) fn push(&self, from: SocketAddr, contents: Vec<u8>) -> bool {
        let reader = {
            let mut shelf = self.shelf.lock().unwrap();
            if shelf.bytes + contents.len() > self.bytes_max {
                return false;
            }
            shelf.bytes += contents.len();
            shelf.packets.push_back((from, contents));
            shelf.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }
}

impl Socket {
    /// A host's socket, plugged into the network. Its inbox holds so many bytes.
    pub(super) fn plug_in(host: u16, network: &Network, inbox_bytes_max: usize) -> Arc<Self> {
        let inbox = Arc::new(Inbox { bytes_max: inbox_bytes_max, shelf: Mutex::default() });
        network.plug_in(host, inbox.clone());
        Arc::new(Self { host, network: network.clone(), inbox, dead: AtomicBool::new(false) })
    }

    /// Pulls the plug: not one packet goes in or out from now on.
    pub(super) fn unplug(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.network.unplug(self.host);
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if !self.dead.load(Ordering::Relaxed) {
            self.network.send(self.host, transmit.destination, transmit.contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        task: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut shelf = self.inbox.shelf.lock().unwrap();
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Some((from, contents)) = shelf.packets.pop_front() else { break };
            shelf.bytes -= contents.len();
            let len = contents.len().min(buffer.len());
            buffer[..len].copy_from_slice(&contents[..len]);
            *meta = RecvMeta { addr: from, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        if count == 0 {
            shelf.reader = Some(task.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(self.host))
    }

    fn may_fragment(&self) -> bool {
        // So that quinn looks for the path's limit, as it does on Linux.
        false
    }
}

/// Sending never waits.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
