//! The operating system's UDP socket, watched for what can be read and, only when it is full, for what can be written.
//!
//! Quinn's own adapter watches both at all times. On Linux each datagram that a peer on the same machine takes out of the
//! kernel makes the socket "writable" once more, so that every sending costs a second wake-up, which is half of the
//! time of a lone call; and it asks once more after every batch whether there is another.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

/// A UDP socket of the operating system on tokio.
#[derive(Debug)]
pub(super) struct KernelSocket {
    io: AsyncFd<UdpSocket>,
    state: UdpSocketState,
    /// The last datagram did not fit. Quinn asks whether there is room before each one, so the answer must cost nothing.
    full: AtomicBool,
    /// Dropped last, when the port is free: fields are dropped as they are written down.
    open: watch::Sender<()>,
}

impl KernelSocket {
    /// Takes a bound socket; must be called within a tokio runtime.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let io = watch(socket, Interest::READABLE)?;
        Ok(Self { io, state, full: AtomicBool::new(false), open: watch::Sender::new(()) })
    }

    /// Ends when the socket is closed.
    pub(super) fn open(&self) -> watch::Receiver<()> {
        self.open.subscribe()
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of types that lie about their descriptor; std's do not"
)]
fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncUdpSocket for KernelSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, wait: Wait::Nothing })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.send(self.io.get_ref().into(), transmit);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.full.store(true, Ordering::Relaxed);
        }
        sent
    }

    fn poll_recv(
        &self,
        task: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.io.poll_read_ready(task))?;
            match self.state.recv(self.io.get_ref().into(), buffers, metas) {
                Ok(count) => {
                    if count < buffers.len() {
                        // There was no more. What has come since then shows itself as another event, which this leaves alone.
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

/// How long a full socket is left alone where its room cannot be watched: some packets' time on a line of 100 Mbit/s.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits for room in a full socket: through a second descriptor, which is watched for just so long.
#[derive(Debug)]
struct Room {
    socket: Arc<KernelSocket>,
    wait: Wait,
}

#[derive(Debug)]
enum Wait {
    Nothing,
    Watched(AsyncFd<UdpSocket>),
    /// The process has no descriptor left, which must not cost it the connections that it has.
    Paused(Pin<Box<Sleep>>),
}

impl Wait {
    fn begin(socket: &UdpSocket) -> Self {
        let watched = socket.try_clone().and_then(|socket| watch(socket, Interest::WRITABLE));
        watched.map_or_else(|_| Self::Paused(Box::pin(sleep(PAUSE))), Self::Watched)
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Nothing => Poll::Ready(Ok(())),
            Self::Watched(watched) => watched.poll_write_ready(task).map_ok(drop),
            Self::Paused(pause) => pause.as_mut().poll(task).map(Ok),
        }
    }
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, wait } = &mut *self;
        if !socket.full.load(Ordering::Relaxed) {
            *wait = Wait::Nothing;
            return Poll::Ready(Ok(()));
        }
        if let Wait::Nothing = wait {
            *wait = Wait::begin(socket.io.get_ref());
        }
        let ended = ready!(wait.poll(task));
        *wait = Wait::Nothing;
        socket.full.store(false, Ordering::Relaxed);
        Poll::Ready(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn socket() -> Arc<KernelSocket> {
        Arc::new(KernelSocket::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap())
    }

    async fn receive(socket: &KernelSocket) -> Vec<Vec<u8>> {
        let mut buffers = [[0; 2000]; 4];
        let mut metas = [RecvMeta::default(); 4];
        let count = poll_fn(|task| {
            let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
            socket.poll_recv(task, &mut slices, &mut metas)
        })
        .await
        .unwrap();
        (0..count).map(|at| buffers[at][..metas[at].len].to_vec()).collect()
    }

    #[tokio::test]
    async fn every_datagram_is_seen_however_they_come() {
        let (from, to) = (socket(), socket());
        let destination = to.local_addr().unwrap();
        let send = |contents: &[u8]| {
            from.try_send(&Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }).unwrap();
        };
        for burst in [1, 3, 4, 5, 8, 1, 9] {
            for number in 0..burst {
                send(&[burst, number]);
            }
            let mut seen = Vec::new();
            while seen.len() < usize::from(burst) {
                seen.extend(receive(&to).await);
            }
            assert_eq!(seen, (0..burst).map(|number| vec![burst, number]).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let (from, to) = (socket(), socket());
        let destination = to.local_addr().unwrap();
        let reading = tokio::spawn(async move { receive(&to).await });
        tokio::task::yield_now().await;
        from.try_send(&Transmit { destination, ecn: None, contents: b"x", segment_size: None, src_ip: None }).unwrap();
        assert_eq!(reading.await.unwrap(), [b"x"]);
    }

    #[tokio::test]
    async fn a_full_socket_that_cannot_be_watched_is_tried_again_after_a_while() {
        let socket = socket();
        socket.full.store(true, Ordering::Relaxed);
        let mut room = Room { socket: socket.clone(), wait: Wait::Paused(Box::pin(sleep(PAUSE))) };
        poll_fn(|task| Pin::new(&mut room).poll_writable(task)).await.unwrap();
        assert!(!socket.full.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn there_is_room_in_an_empty_socket() {
        let socket = socket();
        let mut room = socket.clone().create_io_poller();
        for full in [false, true, true, false] {
            socket.full.store(full, Ordering::Relaxed);
            poll_fn(|task| room.as_mut().poll_writable(task)).await.unwrap();
            assert!(!socket.full.load(Ordering::Relaxed));
        }
    }
}
