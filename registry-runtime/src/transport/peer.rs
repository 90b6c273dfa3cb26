//! Who is at the other end.

use std::net::SocketAddr;

use crate::id::{Incarnation, NodeId, Start};
use crate::wire::frame::WireCommand;
use crate::wire::hello::{CommandKind, Hello};

/// A node at the other end of a connection, as its certificate and its hello tell.
#[derive(Debug)]
pub(crate) struct PeerInfo {
    /// The node; the certificate bears this name.
    pub(crate) node: NodeId,
    /// The life of its process.
    pub(crate) start: Start,
    /// Its incarnation at the time of the hello.
    pub(crate) incarnation: Incarnation,
    /// Where to dial it. A node that listens on all addresses is known by the one that its packets come from.
    pub(crate) address: SocketAddr,
    /// All that it said of itself.
    pub(crate) hello: Hello,
}

impl PeerInfo {
    pub(super) fn new(hello: Hello, from: SocketAddr) -> Self {
        let mut address = hello.address;
        if address.ip().is_unspecified() {
            address.set_ip(from.ip().to_canonical());
        }
        Self { node: hello.node.clone(), start: hello.start, incarnation: hello.incarnation, address, hello }
    }

    /// The number of a command in requests to this peer; otherwise what differs, in a sentence.
    pub(crate) fn command(
        &self,
        registry: &str,
        name: &str,
        kind: CommandKind,
        fingerprint: u64,
    ) -> Result<WireCommand, String> {
        let found = self.hello.catalogue.iter().enumerate().find(|(_, entry)| entry.name == registry);
        let (place, entry) = found.ok_or_else(|| format!("`{}` does not host the registry `{registry}`", self.node))?;
        let command = entry.number_of(name, kind, fingerprint)?;
        let place = u16::try_from(place).map_err(|_| format!("`{}` hosts too many registries", self.node))?;
        Ok(WireCommand::new(place, command))
    }
}
