//! Membership and ownership together, over connections that are made and lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::membership::{self, HostedFailover, HostedRegistry, Load, Weight};
use crate::engine::output;
use crate::engine::{Adopt, Change, Config, Engine, Event, Fence, Fenced, Input, Output, Report, Stored, Task};
use crate::id::{Incarnation, NodeId, Process, RegistryName, Slot, Start};
use crate::rules::Rules;
use crate::time::{Moment, Timing};

/// Of the one registry.
const SLOTS: u32 = 8;

/// Whole engines in steps of a millisecond. What is sent in one arrives in the next.
struct Cluster {
    now: Moment,
    engines: BTreeMap<NodeId, Engine>,
    inputs: Vec<(NodeId, Input)>,
    connected: BTreeSet<(NodeId, NodeId)>,
    /// Connections that bring nothing, as pairs in both orders.
    mute: BTreeSet<(NodeId, NodeId)>,
    events: Vec<(NodeId, Event)>,
}

fn id(number: u16) -> NodeId {
    NodeId::new(format!("n{number}")).unwrap()
}

fn address(number: u16) -> SocketAddr {
    ([127, 0, 0, 1], number).into()
}

impl Cluster {
    fn new(size: u16, replicas: u8) -> Self {
        Self::of(size, replicas, true)
    }

    /// One whose registry counts the weights of the members, or does not.
    fn of(size: u16, replicas: u8, weighs: bool) -> Self {
        let now = Moment::default();
        let hosted = HostedRegistry {
            name: RegistryName::new("orders").unwrap(),
            slots: SLOTS,
            replicas,
            failover: HostedFailover::AutoReassign,
            serves_all: false,
            weighs,
        };
        let profile = membership::Profile {
            hosted: vec![hosted],
            client_only: false,
            leaving: false,
            weight: Weight::NORMAL,
            load: Load(0),
            version: "1".to_owned(),
            revision: 1,
            load_revision: 1,
        };
        let found_itself = |number: u16| {
            let process = Process { node: id(number), start: Start::new(number.into()) };
            (id(number), entry(process, number))
        };
        let engine = |number| {
            let config = Config {
                node: id(number),
                start: Start::new(u64::from(number)),
                address: address(number),
                timing: Timing::fast(),
                join_entries: usize::from(size),
                join: (1..=size).map(address).collect(),
                profile: profile.clone(),
                seed: number.into(),
                rules: Rules::ALL,
            };
            (id(number), Engine::new(now, config))
        };
        Self {
            now,
            engines: (1..=size).map(engine).collect(),
            inputs: (1..=size).map(found_itself).collect(),
            connected: BTreeSet::new(),
            mute: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    fn run(&mut self, ms: u64) {
        let nodes: Vec<_> = self.engines.keys().cloned().collect();
        nodes.iter().for_each(|node| self.empty(node));
        for _ in 0..ms {
            self.now = self.now + Duration::from_millis(1);
            let due = self.engines.iter().filter(|(_, engine)| engine.next_deadline() <= self.now);
            let ticks: Vec<_> = due.map(|(node, _)| (node.clone(), Input::Tick)).collect();
            for (node, input) in std::mem::take(&mut self.inputs).into_iter().chain(ticks) {
                let Some(engine) = self.engines.get_mut(&node) else { continue };
                engine.handle(self.now, input);
                self.empty(&node);
            }
        }
    }

    /// Carries out all that a node wants done.
    fn empty(&mut self, node: &NodeId) {
        while let Some(output) = self.engines.get_mut(node).and_then(Engine::poll) {
            self.carry_out(node, output);
        }
    }

    fn carry_out(&mut self, node: &NodeId, output: Output) {
        match output {
            Output::Send { to, letter } => {
                let way = (node.clone(), to.clone());
                if self.connected.contains(&way) && !self.mute.contains(&way) {
                    self.inputs.push((to, Input::Letter { from: node.clone(), letter }));
                }
            }
            Output::Dial { node: _, address } => self.dial(node, address),
            Output::Hangup { process } => {
                for (one, other) in [(node, &process.node), (&process.node, node)] {
                    self.mute.remove(&(one.clone(), other.clone()));
                    if self.connected.remove(&(one.clone(), other.clone())) {
                        self.inputs.push((one.clone(), Input::Disconnected { node: other.clone() }));
                    }
                }
            }
            // Nothing is written, so all stores are empty and answer at once.
            Output::Slots(registry, Task::Fence(slots)) => {
                let fenced = |Fence { slot, epoch, .. }| Fenced { slot, epoch, accepted: Default::default() };
                let fenced = slots.into_iter().map(fenced).collect();
                self.inputs.push((node.clone(), Input::Slots(registry, Report::Fenced(fenced))));
            }
            Output::Slots(registry, Task::Adopt(slots)) => {
                let by = self.engines[node].membership().identity().process();
                for Adopt { slot, epoch, owner, .. } in slots {
                    let report = Report::Stored(Stored { slot, epoch, by: by.clone() });
                    self.inputs.push((owner.node, Input::Slots(registry.clone(), report)));
                }
            }
            Output::Event(event) => self.events.push((node.clone(), event)),
            _ => {}
        }
    }

    fn dial(&mut self, dialler: &NodeId, to: SocketAddr) {
        let other = id(to.port());
        if *dialler == other || !self.engines.contains_key(&other) {
            let failed = Input::DialFailed { node: Some(other), address: to, shuts_out: false };
            return self.inputs.push((dialler.clone(), failed));
        }
        for (one, other, dialled) in [(dialler, &other, Some(to)), (&other, dialler, None)] {
            let Some(peer) = self.engines.get(other) else { continue };
            let identity = peer.membership().identity();
            let (start, address) = (identity.start, identity.address);
            let incarnation = Incarnation::new(identity.incarnation.get());
            let found = entry(Process { node: other.clone(), start }, address.port());
            let input = Input::Connected { node: other.clone(), start, incarnation, address, dialled };
            self.connected.insert((one.clone(), other.clone()));
            self.inputs.extend([(one.clone(), found), (one.clone(), input)]);
        }
    }

    /// Where in the order of all events the first of its kind stands.
    fn first(&self, is_it: impl Fn(&NodeId, &Event) -> bool) -> Option<usize> {
        self.events.iter().position(|(node, event)| is_it(node, event))
    }
}

/// A process is found behind the entry of the join list that names it.
fn entry(process: Process, number: u16) -> Input {
    Input::Entry { entry: usize::from(number) - 1, process: Some(process) }
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::Member { change: Change::Down, .. })
}

#[test]
fn a_down_is_told_before_what_follows_from_it() {
    // Of a set of two the smaller name goes on alone, so its slots open in the very step in which it notes the Down.
    let mut cluster = Cluster::new(2, 2);
    cluster.run(2000);
    cluster.engines.remove(&id(2));
    cluster.connected.clear();
    cluster.run(4000);
    let fails_over = |_: &NodeId, event: &Event| matches!(event, Event::Ownership(output::Event::Opened { why, .. }) if format!("{why:?}") == "Failover");
    let (down, failover) = (cluster.first(|_, event| is_down(event)), cluster.first(fails_over));
    assert!(down.is_some() && down < failover, "{down:?}, {failover:?}");
}

#[test]
fn a_connection_that_brings_nothing_is_made_anew_and_moves_nothing() {
    let mut cluster = Cluster::new(3, 3);
    cluster.run(2000);
    let pair = [(id(1), id(2)), (id(2), id(1))];
    cluster.mute.extend(pair.clone());
    cluster.events.clear();
    cluster.run(2500);
    let silent = |_: &NodeId, event: &Event| matches!(event, Event::Silent(_));
    assert_eq!(cluster.first(silent), None, "it may be a pause");
    cluster.run(2500);
    assert!(cluster.first(silent).is_some(), "{:?}", cluster.events);
    assert!(cluster.mute.is_empty() && pair.iter().all(|way| cluster.connected.contains(way)));
    assert_eq!(cluster.first(|_, event| is_down(event)), None, "the third hears both");
}

/// The slots that the first node is planned with: at first, when it has been busier than its peers for a while, and when it has been calm.
fn planned_with(mut cluster: Cluster) -> [usize; 3] {
    let registry = RegistryName::new("orders").unwrap();
    let owned = |cluster: &Cluster| {
        let of = |engine: &Engine| {
            let plan = engine.ownership().plan(&registry).unwrap();
            (0..SLOTS).filter(|slot| plan.owner(Slot::new(*slot)).is_some_and(|owner| owner.node == id(1))).count()
        };
        let counts: BTreeSet<_> = cluster.engines.values().map(of).collect();
        assert_eq!(counts.len(), 1, "all plan alike");
        counts.into_iter().sum::<usize>()
    };
    cluster.run(2000);
    let before = owned(&cluster);
    for number in 1..=3 {
        cluster.inputs.push((id(number), Input::Load(if number == 1 { 200 } else { 20 })));
    }
    cluster.run(60_000);
    let busy = owned(&cluster);
    cluster.inputs.push((id(1), Input::Load(20)));
    cluster.run(400_000);
    [before, busy, owned(&cluster)]
}

#[test]
fn who_stays_busier_than_its_peers_is_planned_with_fewer_slots() {
    let [before, busy, calm] = planned_with(Cluster::new(3, 1));
    assert!(busy < before && calm == before, "{before}, {busy}, {calm}");
}

#[test]
fn weights_move_nothing_in_a_registry_that_does_not_count_them() {
    let [before, busy, calm] = planned_with(Cluster::of(3, 1, false));
    assert_eq!((busy, calm), (before, before));
}
