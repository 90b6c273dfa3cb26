//! The UDP socket as quinn sees it: oversized batches are split, and a gate may hold packets back.

#[cfg(test)]
mod broken;
mod deaf;

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::watch;

#[cfg(test)]
pub(crate) use self::broken::Breaker;
pub(super) use self::deaf::Deaf;
use super::gate::Gate;

/// The bytes that the kernel is asked to buffer in each direction.
///
/// A burst of large datagrams arrives faster than a busy node reads; with the usual 208 KiB the kernel drops some, and QUIC
/// takes that for congestion. The kernel may grant less (`net.core.rmem_max`), which costs speed and nothing else.
const KERNEL_BUFFER_BYTES: usize = 4 << 20;

/// The largest payload of one UDP datagram over IPv4, and with it of one batch of segments.
///
/// Quinn hands the kernel ten segments at a time. When they are together above this, `sendmsg` fails with EMSGSIZE,
/// which quinn-udp reports as success: the batch would be lost without a trace.
pub(super) const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Binds a UDP socket with large kernel buffers.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    let options = socket2::SockRef::from(&socket);
    // Best effort: a kernel that grants less is slower, not wrong.
    let _ = options.set_recv_buffer_size(KERNEL_BUFFER_BYTES);
    let _ = options.set_send_buffer_size(KERNEL_BUFFER_BYTES);
    Ok(socket)
}

/// A socket with a gate in front.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    gate: Gate,
    fault: Fault,
    /// Ends when the operating system's socket is closed, where there is one.
    open: Option<watch::Receiver<()>>,
}

/// Why a socket no longer receives, once it does not. Quinn ends its endpoint then and keeps the reason to itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// The reason in words.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn note(&self, error: &io::Error) {
        // The one error that quinn passes over: the answer of a machine on which nobody listens.
        if error.kind() != io::ErrorKind::ConnectionReset {
            self.0.get_or_init(|| error.to_string());
        }
    }
}

impl Socket {
    /// Takes a bound socket of the operating system; must be called within a tokio runtime.
    pub(crate) fn new(socket: std::net::UdpSocket, gate: Gate) -> io::Result<Self> {
        #[cfg(unix)]
        let (inner, open) = {
            let kernel = super::kernel::KernelSocket::new(socket)?;
            let open = Some(kernel.open());
            (Arc::new(kernel), open)
        };
        #[cfg(not(unix))]
        let (inner, open) = (quinn::Runtime::wrap_udp_socket(&quinn::TokioRuntime, socket)?, None);
        Ok(Self { inner, gate, fault: Fault::default(), open })
    }

    /// Takes any socket: the seam for simulated networks. One that receives batches keeps each below 64 KiB.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn over(inner: Arc<dyn AsyncUdpSocket>, gate: Gate) -> Self {
        Self { inner, gate, fault: Fault::default(), open: None }
    }

    /// Ends when the operating system's socket is closed, where there is one.
    pub(super) fn open(&self) -> Option<watch::Receiver<()>> {
        self.open.clone()
    }

    /// Where the socket's end will be noted.
    pub(super) fn fault(&self) -> Fault {
        self.fault.clone()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if !self.gate.is_open() && self.gate.holds(transmit.destination) {
            return Ok(());
        }
        match transmit.segment_size {
            Some(segment) if transmit.contents.len() > DATAGRAM_BYTES_MAX => self.send_split(transmit, segment),
            _ => self.inner.try_send(transmit),
        }
    }

    fn poll_recv(
        &self,
        task: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(task, buffers, metas);
        if let Poll::Ready(Err(error)) = &received {
            self.fault.note(error);
        }
        if let Poll::Ready(Ok(count)) = received
            && !self.gate.is_open()
        {
            // An empty datagram is what quinn passes over.
            for meta in metas.iter_mut().take(count).filter(|meta| self.gate.holds(meta.addr)) {
                meta.len = 0;
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        // Quinn makes each of its 32 buffers so many times the largest datagram. That is 64 KiB already, which is also all
        // that the kernel puts together into one batch.
        1
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl Socket {
    /// Sends a batch in parts that the kernel takes.
    ///
    /// When the kernel is full in the middle, quinn sends the whole batch again; the receiver drops what it has already.
    fn send_split(&self, transmit: &Transmit<'_>, segment: usize) -> io::Result<()> {
        let segments = DATAGRAM_BYTES_MAX.checked_div(segment).unwrap_or(1).max(1);
        for contents in transmit.contents.chunks(segments.saturating_mul(segment).max(1)) {
            self.inner.try_send(&Transmit {
                destination: transmit.destination,
                ecn: transmit.ecn,
                contents,
                segment_size: (contents.len() > segment).then_some(segment),
                src_ip: transmit.src_ip,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Writes down what is sent; receives one datagram of three bytes from each of two peers.
    #[derive(Debug, Default)]
    struct Notebook(Mutex<Vec<(usize, Option<usize>)>>);

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    impl AsyncUdpSocket for Notebook {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            unreachable!("nobody waits here")
        }

        fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            self.0.lock().unwrap().push((transmit.contents.len(), transmit.segment_size));
            Ok(())
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            metas: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            for (meta, port) in metas.iter_mut().zip([1, 2]) {
                *meta = RecvMeta { addr: peer(port), len: 3, stride: 3, ..RecvMeta::default() };
            }
            Poll::Ready(Ok(2))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(peer(0))
        }
    }

    fn sent(bytes: usize, segment: Option<usize>) -> Vec<(usize, Option<usize>)> {
        let notebook = Arc::new(Notebook::default());
        let socket = Socket::over(notebook.clone(), Gate::default());
        let contents = vec![0; bytes];
        let transmit =
            Transmit { destination: peer(1), ecn: None, contents: &contents, segment_size: segment, src_ip: None };
        socket.try_send(&transmit).unwrap();
        notebook.0.lock().unwrap().clone()
    }

    #[test]
    fn batches_over_a_datagram_are_split_at_segments() {
        assert_eq!(sent(1200, None), [(1200, None)]);
        assert_eq!(sent(12_000, Some(1200)), [(12_000, Some(1200))]);
        assert_eq!(sent(89_500, Some(8952)), [(62_664, Some(8952)), (26_836, Some(8952))]);
        assert_eq!(sent(131_014, Some(65_507)), [(65_507, None), (65_507, None)]);
        assert_eq!(sent(70_000, Some(65_507)), [(65_507, None), (4493, None)]);
    }

    #[test]
    fn a_shut_gate_holds_both_directions() {
        let notebook = Arc::new(Notebook::default());
        let gate = Gate::default();
        let socket = Socket::over(notebook.clone(), gate.clone());
        let send = |port| {
            let destination = peer(port);
            socket.try_send(&Transmit { destination, ecn: None, contents: &[1], segment_size: None, src_ip: None })
        };
        let receive = || {
            let mut metas = [RecvMeta::default(); 2];
            let mut task = Context::from_waker(std::task::Waker::noop());
            let _ = socket.poll_recv(&mut task, &mut [], &mut metas);
            metas.map(|meta| meta.len)
        };
        gate.shut(|address| address.port() == 1);
        send(1).unwrap();
        send(2).unwrap();
        assert_eq!(notebook.0.lock().unwrap().len(), 1);
        assert_eq!(receive(), [0, 3]);
        gate.open();
        send(1).unwrap();
        assert_eq!(notebook.0.lock().unwrap().len(), 2);
        assert_eq!(receive(), [3, 3]);
    }
}
