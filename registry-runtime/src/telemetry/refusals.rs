//! What a node records of requests that it cannot take, and of replies that it cannot send.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use tracing::field::display;
use tracing::warn;

use crate::id::NodeId;
use crate::policy::ration::{Line, Ration};
use crate::time::Moment;

/// Records what a node refuses of its peers: a line for each peer and kind of fault, at most one a second, with the count
/// of all so far (`total`) and of those that had no line (`silent`).
#[derive(Debug)]
pub(crate) struct Refusals {
    /// Left out by a node that hosts nothing, and so refuses everything.
    node: Option<NodeId>,
    born: Instant,
    ration: Mutex<Ration<(NodeId, Fault)>>,
}

/// What a peer asked for. Names are empty where the request names nothing that exists here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Who asked.
    pub(crate) peer: &'a NodeId,
    /// The registry.
    pub(crate) registry: &'a str,
    /// The command.
    pub(crate) command: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    UnknownRegistry,
    UnknownCommand,
    Unreadable,
    UnreadableRecord,
    ReplyTooLarge,
    ReplyFails,
}

impl Refusals {
    /// Of a node that has refused nothing yet.
    pub(crate) fn new(node: Option<NodeId>) -> Self {
        Self { node, born: Instant::now(), ration: Mutex::default() }
    }

    /// A peer asked for a registry that this node does not host.
    pub(crate) fn unknown_registry(&self, asked: Asked<'_>, detail: &dyn Display) {
        self.record(Fault::UnknownRegistry, asked, detail, "a request for an unknown registry was refused");
    }

    /// A peer asked for a command that the registry does not have here.
    pub(crate) fn unknown_command(&self, asked: Asked<'_>, detail: &dyn Display) {
        self.record(Fault::UnknownCommand, asked, detail, "a request for an unknown command was refused");
    }

    /// A record or a filling that a peer sent does not decode.
    pub(crate) fn unreadable_record(&self, asked: Asked<'_>, detail: &dyn Display) {
        self.record(Fault::UnreadableRecord, asked, detail, "a record that cannot be taken was refused");
    }

    /// A peer's key or arguments do not decode, or contradict the rest of its request.
    pub(crate) fn unreadable(&self, asked: Asked<'_>, detail: &dyn Display) {
        self.record(Fault::Unreadable, asked, detail, "a request that cannot be read was refused");
    }

    /// A command's reply to a peer is over the limit.
    pub(crate) fn reply_too_large(&self, asked: Asked<'_>, limit: usize) {
        let detail = format_args!("it has more than {limit} bytes");
        self.record(
            Fault::ReplyTooLarge,
            asked,
            &detail,
            "what a command ends with is too large; nothing that it did was kept",
        );
    }

    /// A command's reply to a peer does not encode.
    pub(crate) fn reply_fails(&self, asked: Asked<'_>, detail: &dyn Display) {
        self.record(
            Fault::ReplyFails,
            asked,
            detail,
            "what a command ends with does not encode; nothing that it did was kept",
        );
    }

    fn record(&self, fault: Fault, asked: Asked<'_>, detail: &dyn Display, what: &'static str) {
        let Asked { peer, registry, command } = asked;
        let now = Moment::from_origin(self.born.elapsed());
        let line = {
            let mut ration = self.ration.lock().unwrap_or_else(PoisonError::into_inner);
            ration.count(&(peer.clone(), fault), now)
        };
        if let Some(Line { total, silent }) = line {
            let node = self.node.as_ref().map(display);
            warn!(node, %peer, registry, command, %detail, total, silent, "{what}");
        }
    }
}
