//! Who is a member, who owns which slot: everything slow and rare that a cluster decides.
//!
//! The engine has no clock, no sockets, no threads and no randomness of its own. Facts go in by [`Engine::handle`],
//! decisions come out of [`Engine::poll`] as plain values, and [`Engine::next_deadline`] says when to come back. So
//! failover and rebalancing, which are minutes of waiting and unlikely orders of events, run in tests in microseconds, and
//! one seed repeats a whole cluster's day.
//!
//! | file | what it knows |
//! |---|---|
//! | `view`, `sight` | the members, and how much of the cluster can be seen |
//! | `plan` | where slots should be |
//! | `table`, `row`, `noted` | where they are, and what was promised |
//! | `opening`, `charter`, `epochs` | the one way to take a slot |
//! | `store` | what is asked of the store that holds the slots' data, and its answers |
//! | `lease`, `held` | who may show acknowledged state, and until when |
//! | `failover` | who may take a slot: the one rule, in one file |
//! | `moves`, `places` | which step brings an open slot nearer to the plan, and how many at once |
//! | `registry`, `ownership` | what looks at all of these and acts |
//! | `share` | how large a share of the slots a busy node asks for |
//! | `silence` | connections that bring nothing any more |

mod agenda;
#[cfg(feature = "bench")]
pub mod bench;
mod charter;
mod epochs;
mod failover;
mod held;
mod lease;
pub(crate) mod membership;
mod moves;
mod noted;
mod opening;
mod outbox;
mod output;
pub(crate) mod ownership;
mod places;
mod plan;
mod registry;
mod row;
mod set;
mod share;
mod shared;
mod sight;
mod silence;
mod store;
mod table;
mod view;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;

pub(crate) use epochs::may_be_of;
#[cfg(test)]
pub(crate) use epochs::tag;
pub use membership::MemberState;
pub(crate) use membership::{Change, Event as MembershipEvent};
pub(crate) use output::Event as OwnershipEvent;
pub(crate) use ownership::Ownership;
pub(crate) use plan::Plan;
pub(crate) use store::{Adopt, Begin, Fence, Fenced, Fetch, Opened, Report, Seal, Stored, Task};
pub(crate) use table::SlotState;

use membership::{Identity, Membership};
use share::Share;
use silence::Silences;

use crate::id::{Incarnation, NodeId, Process, RegistryName, Start};
use crate::message::Message;
use crate::rules::Rules;
use crate::time::{Moment, Timing};

/// What an engine is born with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// This node.
    pub(crate) node: NodeId,
    /// This life: the wall clock's milliseconds at its beginning, where epochs begin, too.
    pub(crate) start: Start,
    /// Where others dial it.
    pub(crate) address: SocketAddr,
    /// How soon silent nodes are declared Down.
    pub(crate) timing: Timing,
    /// How many entries the `join` list has; 0 without one.
    pub(crate) join_entries: usize,
    /// The addresses of the `join` list, as far as they are known.
    pub(crate) join: Vec<SocketAddr>,
    /// What this node says of itself.
    pub(crate) profile: membership::Profile,
    /// Where all randomness comes from.
    pub(crate) seed: u64,
    /// All of them, outside of tests.
    pub(crate) rules: Rules,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Time went by.
    Tick,
    /// A connection with an authenticated peer stands.
    Connected {
        /// The peer's name.
        node: NodeId,
        /// The life of its process.
        start: Start,
        /// Its incarnation.
        incarnation: Incarnation,
        /// Where it listens.
        address: SocketAddr,
        /// The address that this side had dialled, if it had.
        dialled: Option<SocketAddr>,
    },
    /// The last connection with a node is gone.
    Disconnected {
        /// The node.
        node: NodeId,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The node, as in [`Output::Dial`].
        node: Option<NodeId>,
        /// The address, as in [`Output::Dial`].
        address: SocketAddr,
        /// Whether a cluster stands there that will not have this node.
        shuts_out: bool,
    },
    /// An entry of the `join` list stands for this process now, which may be this node's own; without one, nobody can tell for
    /// whom it stands.
    Entry {
        /// The entry.
        entry: usize,
        /// The process.
        process: Option<Process>,
    },
    /// The `join` list has been looked up again.
    Join(Vec<SocketAddr>),
    /// A letter came from a peer.
    Letter {
        /// The peer, as its certificate names it.
        from: NodeId,
        /// The letter.
        letter: Letter,
    },
    /// Something has become of slots of a registry.
    Slots(RegistryName, Report),
    /// This node's load has changed.
    Load(u16),
    /// Hand everything over, then leave.
    Leave,
    /// Whether commands run or wait on this node, once it is to leave; before [`Input::Leave`] for the first time.
    Works(bool),
}

/// What one engine writes to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    /// About members: bytes that only memberships read.
    Membership(Bytes),
    /// About slots.
    Ownership(Message),
}

/// One thing to be done or known, in the order in which they come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send a letter over the connection with a node; without one, drop it.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        letter: Letter,
    },
    /// Open a connection; the outcome comes back as [`Input::Connected`] or [`Input::DialFailed`].
    Dial {
        /// Who is expected there, if that is known.
        node: Option<NodeId>,
        /// Where.
        address: SocketAddr,
    },
    /// Close the connections with a process that is gone, or that nothing comes from.
    Hangup {
        /// The process.
        process: Process,
    },
    /// Do this with slots of a registry.
    Slots(RegistryName, Task),
    /// What callers are told about this registry has changed.
    TableChanged(RegistryName),
    /// The member list has changed.
    MembersChanged,
    /// How busy another node says it is: its commands running and waiting.
    Load {
        /// The node.
        node: NodeId,
        /// The commands.
        load: u16,
    },
    /// Something to be recorded.
    Event(Event),
    /// Another process has this node's id: stop.
    Stop {
        /// Where it listens.
        address: SocketAddr,
    },
    /// This node has said goodbye.
    Left,
}

/// Something that telemetry records, pages show, and tests look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// About members.
    Membership(membership::Event),
    /// About slots.
    Ownership(output::Event),
    /// What became of a member.
    Member {
        /// The process.
        process: Process,
        /// What.
        change: Change,
    },
    /// This node found itself declared Down and is back with this incarnation.
    Rejoined(Incarnation),
    /// The connection with a process brought nothing for so long that another is made.
    Silent(Process),
    /// This node asks for another share of the slots, because it is busier than its peers or is not any more.
    Share {
        /// In percent of the normal share.
        percent: u16,
        /// The commands that it runs or has waiting.
        load: u16,
    },
}

/// Membership and ownership of one node: what one decides is a fact to the other.
pub(crate) struct Engine {
    membership: Membership,
    ownership: Ownership,
    silences: Silences,
    share: Share,
    outputs: VecDeque<Output>,
    leaving: bool,
    rules: Rules,
}

impl Engine {
    /// A node that knows nobody yet.
    pub(crate) fn new(now: Moment, config: Config) -> Self {
        let Config { node, start, address, timing, join_entries, join, profile, seed, rules } = config;
        let me = Process { node: node.clone(), start };
        let hosted = profile.hosted.clone();
        let ownership = Ownership::new(
            now,
            ownership::Config {
                me: me.clone(),
                address,
                hosted: hosted.into_iter().map(Into::into).collect(),
                charter: join_entries.max(1),
                timing,
                birth_ms: start.get(),
                seed: seed.rotate_left(32),
                rules,
            },
        );
        let membership = membership::Config { node, address, start, timing, join, profile, seed, rules };
        let membership = Membership::new(membership, now);
        let silences = Silences::new(now, &timing);
        let mut engine = Self {
            membership,
            ownership,
            silences,
            share: Share::new(now),
            outputs: VecDeque::new(),
            leaving: false,
            rules,
        };
        // Without a list, this node alone is the list.
        if join_entries == 0 {
            engine.decide(now, ownership::Input::Charter(0, Some(me)));
        }
        engine
    }

    /// Takes in one thing that happened. All outputs of the one before have been taken out.
    pub(crate) fn handle(&mut self, now: Moment, input: Input) {
        debug_assert!(self.outputs.is_empty(), "the tray is not empty");
        match input {
            Input::Tick => {
                self.decide(now, ownership::Input::Tick);
                self.hear(now, membership::Input::Tick);
            }
            Input::Connected { node, start, incarnation, address, dialled } => {
                let process = Process { node: node.clone(), start };
                self.silences.connect(now, &process);
                for at in [Some(address), dialled].into_iter().flatten() {
                    self.decide(now, ownership::Input::LetIn(at));
                }
                let peer = Identity { node, address, start, incarnation };
                self.hear(now, membership::Input::Connected { peer, dialled });
                self.decide(now, ownership::Input::Connected(process));
            }
            Input::Disconnected { node } => self.disconnected(now, node),
            Input::DialFailed { node, address, shuts_out } => {
                if shuts_out {
                    self.decide(now, ownership::Input::ShutOut(address));
                }
                self.hear(now, membership::Input::DialFailed { node, address });
            }
            Input::Entry { entry, process } => self.decide(now, ownership::Input::Charter(entry, process)),
            Input::Join(addresses) => self.hear(now, membership::Input::Join(addresses)),
            Input::Letter { from, letter } => {
                self.silences.hear(now, &from);
                match letter {
                    Letter::Membership(bytes) => self.hear(now, membership::Input::Packet { from, bytes }),
                    Letter::Ownership(message) => self.decide(now, ownership::Input::Received(from, message)),
                }
            }
            Input::Slots(registry, report) => self.decide(now, ownership::Input::Slots(registry, report)),
            Input::Load(load) => self.hear(now, membership::Input::Load(membership::Load(load))),
            Input::Leave => self.leave(now),
            Input::Works(works) => self.decide(now, ownership::Input::Works(works)),
        }
        self.weigh(now);
        for process in self.silences.take_due(now) {
            self.outputs.push_back(Output::Event(Event::Silent(process.clone())));
            self.disconnected(now, process.node.clone());
            self.outputs.push_back(Output::Hangup { process });
        }
    }

    /// Hands out what is to be done; call until `None` before the next input.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with a tick if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Moment {
        let deadlines = [self.membership.next_deadline(), self.ownership.next_deadline(), Some(self.silences.next())];
        deadlines.into_iter().flatten().min().unwrap_or(Moment::FOREVER)
    }

    /// Who owns what.
    pub(crate) fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// Who is a member.
    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    fn disconnected(&mut self, now: Moment, node: NodeId) {
        self.silences.disconnect(&node);
        self.hear(now, membership::Input::Disconnected { node: node.clone() });
        self.decide(now, ownership::Input::Disconnected(node));
    }

    fn leave(&mut self, now: Moment) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        let myself = self.membership.myself();
        if let Some(profile) = myself.profile {
            let profile = membership::Profile { leaving: true, ..membership::Profile::clone(&profile) };
            self.hear(now, membership::Input::Profile(profile));
        }
        self.decide(now, ownership::Input::Leave);
    }

    /// Asks for a smaller share of the slots if this node stays busier than its peers, and for the normal one later.
    fn weigh(&mut self, now: Moment) {
        if self.leaving {
            return;
        }
        let Some(profile) = self.membership.myself().profile else { return };
        let hosting = self.membership.members().filter(|member| member.state.is_live());
        let profiles = hosting.filter_map(|member| member.profile);
        let loads = profiles.filter(|profile| !profile.hosted.is_empty()).map(|profile| profile.load.0);
        // Its own load as it was told to the others, so that all are as old.
        let load = profile.load.0;
        let Some(percent) = self.share.sample(now, load, loads) else { return };
        let profile =
            membership::Profile { weight: membership::Weight(percent), ..membership::Profile::clone(&profile) };
        self.outputs.push_back(Output::Event(Event::Share { percent, load }));
        self.hear(now, membership::Input::Profile(profile));
        let myself = self.membership.myself();
        self.members_changed(now, vec![view::Member::seen(now, myself, self.rules)]);
    }

    /// Tells membership, and carries what follows to where it belongs.
    fn hear(&mut self, now: Moment, input: membership::Input) {
        self.membership.handle(now, input);
        let mut members = Vec::new();
        while let Some(output) = self.membership.poll() {
            match output {
                membership::Output::Send { to, bytes } => {
                    self.outputs.push_back(Output::Send { to, letter: Letter::Membership(bytes) });
                }
                membership::Output::Dial { node, address } => self.outputs.push_back(Output::Dial { node, address }),
                membership::Output::Hangup { process } => self.outputs.push_back(Output::Hangup { process }),
                membership::Output::Member { member, change } => members.push(self.member_changed(now, member, change)),
                membership::Output::Rejoined { incarnation } => {
                    self.outputs.push_back(Output::Event(Event::Rejoined(incarnation)));
                    let myself = self.membership.myself();
                    members.push(view::Member::seen(now, myself, self.rules));
                    self.outputs.push_back(Output::MembersChanged);
                }
                membership::Output::Outlived { former } => {
                    self.members_changed(now, std::mem::take(&mut members));
                    self.decide(now, ownership::Input::Outlived(former));
                }
                membership::Output::Stop(membership::StopReason::DuplicateNode { address }) => {
                    self.outputs.push_back(Output::Stop { address });
                }
                membership::Output::Event(event) => {
                    self.outputs.push_back(Output::Event(Event::Membership(event)));
                }
            }
        }
        self.members_changed(now, members);
    }

    /// Tells ownership of members: of all that one packet has brought at once, since it looks at every slot for it.
    fn members_changed(&mut self, now: Moment, members: Vec<view::Member>) {
        if !members.is_empty() {
            self.decide(now, ownership::Input::MembersChanged(members));
        }
    }

    /// Tells the outside of a change, and says what ownership is to know of it.
    fn member_changed(&mut self, now: Moment, member: membership::Member, change: Change) -> view::Member {
        let process = member.process.clone();
        if let (Change::Load, Some(profile)) = (&change, &member.profile) {
            self.outputs.push_back(Output::Load { node: process.node.clone(), load: profile.load.0 });
        }
        // The cause is told before what follows from it.
        if change != Change::Load {
            self.outputs.push_back(Output::MembersChanged);
            self.outputs.push_back(Output::Event(Event::Member { process, change }));
        }
        view::Member::seen(now, member, self.rules)
    }

    /// Tells ownership, and carries what follows to where it belongs.
    fn decide(&mut self, now: Moment, input: ownership::Input) {
        self.ownership.handle(now, input);
        let mut left = false;
        while let Some(output) = self.ownership.poll() {
            self.outputs.push_back(match output {
                output::Output::Send { to, message } => Output::Send { to, letter: Letter::Ownership(message) },
                output::Output::Slots(registry, task) => Output::Slots(registry, task),
                output::Output::TableChanged(registry) => Output::TableChanged(registry),
                output::Output::Event(event) => Output::Event(Event::Ownership(event)),
                output::Output::Stop(output::StopReason::DuplicateNode) => {
                    Output::Stop { address: self.membership.identity().address }
                }
                output::Output::Left => {
                    left = true;
                    continue;
                }
            });
        }
        if left {
            self.hear(now, membership::Input::Leave);
            self.outputs.push_back(Output::Left);
        }
    }
}
