//! The way from an owner to one of its backups.

use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::client::Peer;
use crate::codec::{Raw, with_scratch};
use crate::exec::{self, Filling, Standing};
use crate::id::{Epoch, LinkId, Position, Process, Slot};
use crate::transport::Channel;
use crate::wire::record::{RecordFrame, RecordWord};

/// One backup of one registry's slots; it outlives its connections, but not its process.
pub(super) struct Line {
    registry: &'static str,
    process: Process,
    peer: Arc<Peer>,
}

impl Line {
    pub(super) fn new(registry: &'static str, process: Process, peer: Arc<Peer>) -> Self {
        Self { registry, process, peer }
    }

    fn send(&self, slot: Slot, epoch: Epoch, word: RecordWord<'_>) -> bool {
        self.send_over(None, slot, epoch, word)
    }

    fn send_over(&self, over: Option<LinkId>, slot: Slot, epoch: Epoch, word: RecordWord<'_>) -> bool {
        let link = self.peer.link();
        // Another process of that node knows nothing of what this one has.
        let link = link.as_ref().filter(|link| link.peer().start == self.process.start);
        link.filter(|link| over.is_none_or(|over| link.id() == over)).is_some_and(|link| {
            with_frame(self.registry, slot, epoch, word, |frame| link.send(Channel::Records, frame).is_ok())
        })
    }
}

impl exec::Line for Line {
    fn process(&self) -> &Process {
        &self.process
    }

    fn record(&self, slot: Slot, epoch: Epoch, position: Position, body: &[u8]) -> bool {
        self.send(slot, epoch, RecordWord::Record { position, body: Raw(body) })
    }

    fn ask(&self, slot: Slot, epoch: Epoch) -> bool {
        self.send(slot, epoch, RecordWord::Ask)
    }

    fn acknowledged(&self, slot: Slot, epoch: Epoch, position: Position) -> bool {
        self.send(slot, epoch, RecordWord::Acknowledged { position })
    }

    fn begin(&self, slot: Slot, filling: Filling, over: LinkId) -> bool {
        let Filling { epoch, number, stamp } = filling;
        self.send_over(Some(over), slot, epoch, RecordWord::Fill { number, stamp })
    }
}

impl Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({} to {})", self.registry, self.process.node)
    }
}

/// What an owner is told of where its backup stands, unless that has something to wait for.
pub(super) fn standing_word(standing: Standing) -> Option<RecordWord<'static>> {
    match standing {
        Standing::Reaches(position) => Some(RecordWord::Reaches { position }),
        Standing::Trails(position) => Some(RecordWord::Trails { position }),
        Standing::Lacks => Some(RecordWord::Lacks),
        Standing::Filling => None,
    }
}

/// Lends a frame about a slot, for as long as it takes to send it. What a frame consists of has an encoding, so nothing is left out; were
/// it otherwise, the empty frame would be refused by its receiver.
pub(super) fn with_frame<T>(
    registry: &str,
    slot: Slot,
    epoch: Epoch,
    word: RecordWord<'_>,
    send: impl FnOnce(&[u8]) -> T,
) -> T {
    with_scratch(|bytes| {
        let _ = RecordFrame { registry, slot, epoch, word }.write(bytes);
        send(bytes)
    })
}
