//! Bare lanes with an echo at the other end, for the speed comparison. Not for users.

pub use crate::engine::bench as plan;
pub use crate::engine::bench::members;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::codec;
use crate::id::{CommandId, Epoch, Incarnation, Mark, NodeId, Slot, Start};
use crate::time::Timing;
use crate::transport::{
    Event, Gate, Handler, Identity, Link, Part, Received, ReplySlot, Seeds, Setup, Socket, Ticket, Transport, bind,
};
use crate::wire::frame::{Request, WireCommand};
use crate::wire::hello::{HASH_VERSION, Hello};
use crate::wire::outcome::Outcome;

/// A node that answers every request with its arguments, decoded as `T` and encoded again.
pub struct Echo {
    transport: Transport,
    events: mpsc::Receiver<Event>,
}

impl Echo {
    /// Starts a node.
    pub fn start<T: Serialize + DeserializeOwned + 'static>(name: &str) -> io::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let hello = Hello {
            hash: HASH_VERSION,
            cluster: "versus".to_owned(),
            node: NodeId::new(name).map_err(io::Error::other)?,
            start: Start::new(1),
            incarnation: Incarnation::new(1),
            address,
            times: Timing::fast().into(),
            catalogue: Vec::new(),
        };
        let setup = Setup {
            identity: Identity::shared_secret("versus"),
            hello,
            socket: Socket::new(bind(address)?, Gate::default())?,
            seeds: Seeds::from_system().ok_or_else(|| io::Error::other("no randomness"))?,
            handler: Arc::new(Echoes(std::marker::PhantomData::<fn() -> T>)),
            runtime: Arc::new(quinn::TokioRuntime),
        };
        let (transport, events) = Transport::start(setup).map_err(io::Error::other)?;
        Ok(Self { transport, events })
    }

    /// Where the node listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    /// Serves until the transport ends.
    pub async fn serve(mut self) {
        while self.events.recv().await.is_some() {}
    }

    /// Dials another node, and goes on taking events.
    pub async fn dial(self, address: SocketAddr) -> io::Result<Caller> {
        let link = self.transport.dial(address, None, Duration::from_secs(5)).await.map_err(io::Error::other)?;
        tokio::spawn(self.serve());
        Ok(Caller { link })
    }
}

struct Echoes<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Handler for Echoes<T> {
    fn request(&self, _: &Link, received: Received<'_>, reply: ReplySlot<'_>) {
        match codec::decode::<T>(received.request.arguments) {
            Ok(value) => reply.answer_with(&Outcome::Ok, 0, |out| codec::encode(&value, out)),
            Err(_) => reply.answer(&Outcome::BadFrame, 0),
        }
    }

    fn cancel(&self, _: Ticket) {}

    fn record(&self, _: &Link, _: Part<'_>) {}
}

/// Calls an echo.
#[derive(Clone)]
pub struct Caller {
    link: Link,
}

impl Caller {
    /// Sends a value there and back.
    pub async fn call<T: Serialize + DeserializeOwned>(&self, number: u64, value: &T) -> io::Result<T> {
        let mut arguments = Vec::with_capacity(128);
        codec::encode(value, &mut arguments).map_err(io::Error::other)?;
        let timeout = Duration::from_secs(5);
        let request = Request {
            command: WireCommand::new(0, 0),
            slot: Slot::new(number as u32 & 0xfff),
            epoch: Epoch::ZERO,
            id: CommandId { session: 1, sequence: number },
            attempt: 1,
            only_asks: false,
            mark: Mark::new(number),
            name: None,
            content: None,
            descent: None,
            seen: None,
            remaining: timeout,
            key: &number.to_le_bytes(),
            arguments: &arguments,
        };
        let pending =
            self.link.request(request.slot.get(), &request, Instant::now() + timeout).map_err(io::Error::other)?;
        let reply = pending.await.map_err(io::Error::other)?;
        codec::decode(&reply.payload).map_err(io::Error::other)
    }
}

/// Encodes as commands are encoded.
pub fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) {
    let encoded = codec::encode(value, into);
    debug_assert!(encoded.is_ok(), "what is compared has an encoding");
}

/// Decodes as commands are decoded.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes).ok()
}
