//! Typed commands of this workspace, end to end: macros, routing, mutual TLS, executor.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use registry_runtime::{Identity, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::{Caller, Message, Serving};
use crate::place::Place;

registry! {
    pub echoes {
        resource Echo;
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub struct Echo {
    #[key]
    id: u64,
}

impl From<u64> for Echo {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

#[commands]
impl Echo {
    fn echo(&self, message: Message) -> Message {
        message
    }
}

/// The keys that are called, enough to reach every slot.
const KEYS: u64 = 100_000;

pub(super) async fn serve() -> io::Result<Serving> {
    let identity = Identity::shared_secret("versus");
    let node = Node::builder("server").identity(identity).host(echoes::registry()).start().await;
    let node = node.map_err(io::Error::other)?;
    Ok(Serving { address: node.local_addr(), done: Box::pin(async move { _ = node.stopped().await }) })
}

/// A client and the node that its calls leave from.
#[derive(Clone)]
pub struct Typed {
    client: EchoClient,
    _node: Node,
}

pub(super) async fn connect(place: Place, address: SocketAddr) -> io::Result<Typed> {
    let connecting = async move {
        let identity = Identity::shared_secret("versus");
        let node = Node::builder("client").identity(identity).client_only().join([address]).start().await;
        let node = node.map_err(io::Error::other)?;
        let client = echoes::client(&node);
        // The slots open in any order; the calls wait for them, and the measurement for the calls.
        for id in 0..1_000 {
            let call = client.echo(id, Message { id, note: String::new() }).timeout(Duration::from_secs(30));
            call.await.map_err(io::Error::other)?;
        }
        Ok(Typed { client, _node: node })
    };
    place.io()?.spawn(connecting).await.map_err(io::Error::other)?
}

impl Caller for Typed {
    async fn call(&self, message: Message) -> io::Result<Message> {
        self.client.echo(message.id % KEYS, message).await.map_err(io::Error::other)
    }
}
