//! A socket that fails when a test says so.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

use super::{Socket, bind};
use crate::transport::Gate;

/// Breaks a socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker(Arc<Mutex<(Option<&'static str>, Option<Waker>)>>);

impl Breaker {
    /// A socket on a free port of loopback that works until it is broken; must be called within a tokio runtime.
    pub(crate) fn socket(&self) -> Socket {
        let bound = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let whole = TokioRuntime.wrap_udp_socket(bound).unwrap();
        Socket::over(Arc::new(Broken { whole, breaker: self.clone() }), Gate::default())
    }

    /// From now on receiving fails.
    pub(crate) fn break_off(&self, why: &'static str) {
        let (broken, waker) = &mut *self.0.lock().unwrap();
        *broken = Some(why);
        waker.take().into_iter().for_each(Waker::wake);
    }
}

#[derive(Debug)]
struct Broken {
    whole: Arc<dyn AsyncUdpSocket>,
    breaker: Breaker,
}

impl AsyncUdpSocket for Broken {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.whole.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.whole.try_send(transmit)
    }

    fn poll_recv(
        &self,
        task: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (broken, waker) = &mut *self.breaker.0.lock().unwrap();
        *waker = Some(task.waker().clone());
        match *broken {
            Some(why) => Poll::Ready(Err(io::Error::other(why))),
            None => self.whole.poll_recv(task, buffers, metas),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.whole.local_addr()
    }
}
