//! Updates of this workspace, end to end: on one process that keeps them alone, or on three that keep them for one another.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use registry_runtime::{Identity, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{Caller, Message, Serving};
use crate::place::Place;

registry! {
    pub alone { resource Note; replicas 1; }
    pub kept { resource Note; replicas 3; }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub struct Note {
    #[key]
    id: u64,
    changes: u64,
}

impl From<u64> for Note {
    fn from(id: u64) -> Self {
        Self { id, changes: 0 }
    }
}

#[commands]
impl Note {
    fn change(&mut self, message: Message) -> Message {
        self.changes += 1;
        message
    }
}

/// The keys that are called, enough to reach every slot.
const KEYS: u64 = 100_000;

/// Spreads neighbouring numbers over all keys (Knuth's multiplicative hashing, with the golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// How long the processes may take until every slot that is looked at has its replicas.
const READY: Duration = Duration::from_secs(30);

/// How many keep a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keepers {
    One,
    Three,
}

impl Keepers {
    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }

    fn client(self, node: &Node) -> NoteClient {
        match self {
            Self::One => alone::client(node),
            Self::Three => kept::client(node),
        }
    }
}

pub(super) async fn serve(keepers: Keepers, number: usize, join: Option<SocketAddr>) -> io::Result<Serving> {
    let builder = Node::builder(format!("server-{number}")).identity(Identity::shared_secret("versus")).join(join);
    let builder = match keepers {
        Keepers::One => builder.host(alone::registry()),
        Keepers::Three => builder.host(kept::registry()),
    };
    let node = builder.start().await.map_err(io::Error::other)?;
    Ok(Serving { address: node.local_addr(), done: Box::pin(async move { _ = node.stopped().await }) })
}

/// A client and the node that its calls leave from.
#[derive(Clone)]
pub struct Updates {
    client: NoteClient,
    _node: Node,
}

pub(super) async fn connect(keepers: Keepers, place: Place, address: SocketAddr) -> io::Result<Updates> {
    let connecting = async move {
        let identity = Identity::shared_secret("versus");
        let node = Node::builder("client").identity(identity).client_only().join([address]).start().await;
        let node = node.map_err(io::Error::other)?;
        let client = keepers.client(&node);
        let until = Instant::now() + READY;
        let are_kept =
            || (0..KEYS).step_by(10).all(|id| client.registry().explain(id).replicas.len() == keepers.count());
        while !are_kept() {
            if Instant::now() > until {
                return Err(io::Error::other("the slots do not come to their replicas"));
            }
            sleep(Duration::from_millis(50)).await;
        }
        for id in 0..1_000 {
            client.change(id, Message { id, note: String::new() }).await.map_err(io::Error::other)?;
        }
        Ok(Updates { client, _node: node })
    };
    place.io()?.spawn(connecting).await.map_err(io::Error::other)?
}

impl Caller for Updates {
    async fn call(&self, message: Message) -> io::Result<Message> {
        // Callers count side by side; their updates are not to wait for one another on one key.
        let key = (message.id.wrapping_mul(SPREAD) >> 32) % KEYS;
        self.client.change(key, message).await.map_err(io::Error::other)
    }
}
