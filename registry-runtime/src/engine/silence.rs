//! Connections over which nothing comes any more, although nobody is known to be Down.
//!
//! Every connected pair exchanges heartbeats and leases all the time, so a connection that brings neither is of no use,
//! whatever state QUIC believes it to be in. That happens: where a path carries smaller packets than it did, and both
//! sides have much to send, each side's acknowledgements travel in packets that are now too large, and after every trial
//! both wait twice as long. The peer itself may be well, and known to be so by way of others, so membership finds nothing
//! amiss. A new connection begins with small packets and short waits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{NodeId, Process, Start};
use crate::time::{Moment, Timing};

/// When each connected peer was last heard.
#[derive(Debug)]
pub(super) struct Silences {
    peers: BTreeMap<NodeId, Peer>,
    patience: Duration,
    pause: Duration,
    /// When to look again.
    look_at: Moment,
}

#[derive(Debug)]
struct Peer {
    start: Start,
    heard: Moment,
}

/// How many heartbeats a connection may bring nothing for. With the shortest that is three seconds: more than twice what
/// makes a node Down that nobody hears, so what ends here is the fault of one connection; and long enough for a path that
/// loses a third of its packets to bring something.
const HEARTBEATS: u32 = 30;

impl Silences {
    pub(super) fn new(now: Moment, timing: &Timing) -> Self {
        let pause = timing.heartbeat;
        Self { peers: BTreeMap::new(), patience: pause.saturating_mul(HEARTBEATS), pause, look_at: now + pause }
    }

    /// A connection with a process stands.
    pub(super) fn connect(&mut self, now: Moment, process: &Process) {
        self.peers.insert(process.node.clone(), Peer { start: process.start, heard: now });
    }

    /// There is none with this node any more.
    pub(super) fn disconnect(&mut self, node: &NodeId) {
        self.peers.remove(node);
    }

    /// Something came from a peer.
    pub(super) fn hear(&mut self, now: Moment, node: &NodeId) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.heard = peer.heard.max(now);
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Moment {
        self.look_at
    }

    /// Takes out the peers that were silent for too long.
    ///
    /// A node that looks late was asleep itself and has not yet heard what lies waiting: it goes on as if its clock had
    /// stood still.
    pub(super) fn take_due(&mut self, now: Moment) -> Vec<Process> {
        if now < self.look_at {
            return Vec::new();
        }
        let late = now.since(self.look_at);
        self.look_at = now + self.pause;
        if late > self.pause {
            self.peers.values_mut().for_each(|peer| peer.heard = (peer.heard + late).min(now));
        }
        let patience = self.patience;
        let silent = self.peers.extract_if(.., |_, peer| now.since(peer.heard) >= patience);
        silent.map(|(node, Peer { start, .. })| Process { node, start }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(1) }
    }

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    fn silences() -> Silences {
        let mut silences = Silences::new(at(0), &Timing::fast());
        for name in ["a", "b"] {
            silences.connect(at(0), &process(name));
        }
        silences
    }

    /// Looks whenever it is time, until that moment.
    fn run(silences: &mut Silences, until: Moment) -> Vec<(Process, Moment)> {
        let mut silent = Vec::new();
        while silences.next() <= until {
            let now = silences.next();
            silent.extend(silences.take_due(now).into_iter().map(|process| (process, now)));
        }
        silent
    }

    #[test]
    fn who_is_not_heard_is_taken_out_once() {
        let mut silences = silences();
        silences.hear(at(1000), &process("b").node);
        assert_eq!(run(&mut silences, at(3500)), [(process("a"), at(3000))]);
        silences.disconnect(&process("b").node);
        assert_eq!(run(&mut silences, at(9000)), []);
    }

    #[test]
    fn who_slept_itself_gives_the_others_as_long() {
        let mut silences = silences();
        assert_eq!(run(&mut silences, at(2000)), []);
        assert_eq!(silences.take_due(at(60_000)), []);
        let silent: Vec<_> = run(&mut silences, at(70_000)).into_iter().map(|(_, at)| at).collect();
        assert_eq!(silent, [at(60_900); 2], "the rest of the three seconds");
    }
}
