//! The start of a node: everything is checked, bound and wired up before the first task runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::builder::NodeBuilder;
use super::driver::marks::MARKS_EVERY;
use super::driver::{ASK_EVERY, Driver, Kept, LOAD_EVERY, LOADS_EVERY, RECEIPTS_EVERY, Sources};
use super::error::{StartError, WaitError};
use super::every::Every;
use super::inbound::{Desk, Inbound};
use super::join::{self, Join};
use super::load::LoadMeter;
use super::peers::Peers;
use super::records::News;
use super::supervisor::Supervisor;
use super::{Inner, Node, publish};
use crate::client::Port;
use crate::engine::membership::{HostedRegistry, Load, Profile, Weight};
use crate::engine::{self, Engine, Report};
use crate::exec::{AnyHost, BootClock, Clock, Lease, Setting};
use crate::id::{Fingerprint, Incarnation, NodeId, Process, RegistryName, Start};
use crate::resource::Origin;
use crate::spec::{LoadBalancing, OnPartition, Spec};
use crate::telemetry;
use crate::time::Moment;
use crate::transport::{self, Gate, Seeds, Setup, Socket, Transport};
use crate::wire::hello::{CommandEntry, HASH_VERSION, Hello, RegistryEntry};
use crate::wire::limits::REPLY_BYTES_MAX;

/// How many resolved join entries may wait for the driver: one for each entry of the longest list.
const RESOLVED_MAX: usize = 64;

/// The shortest time that a dial is given: a handshake over a slow path, with one packet lost.
const DIAL_MIN: Duration = Duration::from_secs(1);

/// Starts a node that was checked.
pub(super) async fn launch(builder: NodeBuilder, id: NodeId) -> Result<Node, StartError> {
    let NodeBuilder {
        listen,
        join,
        require_join,
        identity,
        hosted,
        states,
        timing,
        cluster,
        client_only,
        socket,
        seeds,
        born_ms,
        rules,
        ..
    } = builder;
    let Some(identity) = identity else { return Err(StartError::MissingIdentity) };
    let (clock, mut seeds) = match seeds {
        Some(seeds) => {
            identity.derive();
            (BootClock::sleepless(), seeds)
        }
        None => {
            identity.prepare().await;
            let no_seed = || StartError::Setting("the system has no random numbers".to_owned());
            (BootClock::start(), Seeds::from_system().ok_or_else(no_seed)?)
        }
    };
    if cfg!(panic = "abort") {
        telemetry::panics_abort(&id);
    }
    let socket = match socket {
        Some(socket) => socket,
        None => bind(listen)?,
    };
    let start = Start::new(born_ms.unwrap_or_else(wall_clock_ms));
    let hosted = if client_only { Vec::new() } else { hosted };

    // What the parts tell each other by.
    let (order_sender, orders) = mpsc::unbounded_channel();
    let (news_sender, news) = mpsc::unbounded_channel();
    let (wish_sender, wishes) = mpsc::unbounded_channel();
    let (resolved_sender, resolved) = mpsc::channel(RESOLVED_MAX);
    let (failed_dials_sender, failed_dials) = mpsc::unbounded_channel();

    let runtime = Handle::current();
    let (session, secret) = (seeds.number(), seeds.number());
    let port = Arc::new_cyclic(|port: &std::sync::Weak<Port>| {
        let origin = Arc::new(Origin { node: id.clone(), states, port: Box::new(port.clone()) });
        let hosts = hosted.iter().map(|hosted| {
            let name = hosted.spec().name;
            let news: mpsc::UnboundedSender<News> = news_sender.clone();
            let setting = Setting {
                origin: Arc::clone(&origin),
                clock: Arc::new(clock),
                runtime: runtime.clone(),
                // A driver that has stopped has closed every slot and waits for nothing.
                drained: Arc::new(move |slot, epoch| {
                    _ = news.send(News { registry: name, report: Report::Drained(slot, epoch) });
                }),
                secret,
                session,
                reply_bytes_max: REPLY_BYTES_MAX,
                rules,
            };
            (name, hosted.build(setting))
        });
        let hosts = hosts.collect();
        Port::new(id.clone(), hosts, wish_sender, session, clock, rules)
    });

    let hosts: Vec<Arc<dyn AnyHost>> = port.hosts().values().cloned().collect();
    let load = Arc::new(LoadMeter::new(hosts.clone()));
    // The routes of what is hosted here are needed to tell others where a slot has gone.
    let desk = |host: &Arc<dyn AnyHost>| {
        let subscription = port.subscribe(host.spec(), || host.commands().to_vec());
        Desk { host: Arc::clone(host), routes: Arc::clone(&subscription.routes) }
    };
    let inbound = Inbound::new(
        Process { node: id.clone(), start },
        hosts.iter().map(desk).collect(),
        Arc::clone(&load),
        runtime.clone(),
        news_sender,
    );
    let inbound = Arc::new(inbound);
    let hello = Hello {
        hash: HASH_VERSION,
        cluster,
        node: id.clone(),
        start,
        incarnation: Incarnation::new(start.get()),
        address: listen,
        times: timing.into(),
        catalogue: hosts.iter().map(|host| catalogue_entry(&**host)).collect(),
    };
    let engine_seed = seeds.number();
    let setup = Setup {
        identity,
        hello,
        socket,
        seeds,
        handler: Arc::clone(&inbound) as Arc<dyn transport::Handler>,
        runtime: Arc::new(quinn::TokioRuntime),
    };
    let (transport, events) = Transport::start(setup).map_err(|error| match error {
        transport::StartError::Identity(error) => StartError::Identity(error),
        transport::StartError::Socket(source) => StartError::Listen { address: listen, source },
    })?;
    let local_addr = transport.local_addr();

    let known = Join::new(&join, Process { node: id.clone(), start }, local_addr);
    let engine = Engine::new(
        clock.now(),
        engine::Config {
            node: id.clone(),
            start,
            address: local_addr,
            timing,
            join_entries: known.len(),
            join: known.addresses(),
            profile: profile(&hosts, client_only),
            seed: engine_seed,
            rules,
        },
    );
    let status = publish::status(&engine);
    let (status_sender, status) = watch::channel(Arc::new(status));
    let peers = Peers::new(id.clone());
    let kept = hosts.iter().filter_map(|host| {
        let spec = host.spec();
        let leases = (0..spec.slots()).map(|_| Lease::until(Moment::default())).collect();
        Some((RegistryName::new(spec.name)?, Kept { host: Arc::clone(host), leases, lines: BTreeMap::new() }))
    });
    let kept = kept.collect();
    let transport = Arc::new(transport);
    let supervisor = Supervisor {
        port: Arc::clone(&port),
        transport: Arc::downgrade(&transport),
        status: status_sender.clone(),
        is_over: false,
    };
    let driver = Driver {
        clock,
        engine,
        transport,
        inbound,
        kept,
        peers,
        port: Arc::clone(&port),
        subscriptions: Vec::new(),
        load,
        load_told: 0,
        works_told: false,
        load_read: Every::new(LOAD_EVERY),
        loads_told: Every::new(LOADS_EVERY),
        had_fellows: false,
        losses: 0,
        refused: None,
        stands: false,
        join: known,
        status: status_sender,
        failed_dials: failed_dials_sender,
        lease: timing.lease,
        acquaintance: Default::default(),
        dial_timeout: timing.suspicion.max(DIAL_MIN),
        dials: BTreeMap::new(),
        strangers: Default::default(),
        rules,
        stale: Default::default(),
        wrongs: Default::default(),
        published: Moment::default(),
        marks_told: Every::new(MARKS_EVERY),
        receipts_seen: Every::new(RECEIPTS_EVERY),
        backups_asked: Every::new(ASK_EVERY),
        answers: Default::default(),
        leaving_since: None,
        left_behind: None,
        end: None,
    };
    join::watch(&join, &resolved_sender);
    drop(resolved_sender);
    let sources = Sources { orders, events, news, wishes, resolved, failed_dials };
    let driver = runtime.spawn(driver.run(sources));
    runtime.spawn(supervisor.watch(driver));
    let node = Node { inner: Arc::new(Inner { id, local_addr, port, status, orders: order_sender }) };
    let Some(patience) = require_join else { return Ok(node) };
    match node.wait_for_members_within(2, patience).await {
        Ok(()) => Ok(node),
        Err(WaitError::TimedOut { .. }) => {
            let refused = node.inner.status.borrow().refused.clone();
            node.shutdown().await;
            Err(match refused {
                Some(refused) => StartError::NotJoined { within: patience, last: refused.to_string() },
                None => StartError::NobodyAnswered(patience),
            })
        }
        Err(WaitError::Stopped(stopped)) => Err(StartError::Stopped(stopped)),
    }
}

fn bind(address: SocketAddr) -> Result<Socket, StartError> {
    let bound = transport::bind(address).and_then(|socket| Socket::new(socket, Gate::default()));
    bound.map_err(|source| StartError::Listen { address, source })
}

/// The wall clock, read once in a node's life: starts and epochs begin there, so that they rise across a restart.
fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the hello says of a registry.
fn catalogue_entry(host: &dyn AnyHost) -> RegistryEntry {
    let commands = host.commands().iter().map(|command| CommandEntry {
        name: command.name.to_owned(),
        kind: publish::on_the_wire(command.kind),
        fingerprint: command.shape.get(),
    });
    RegistryEntry::new(host.spec(), host.instances().map(Fingerprint::get), commands.collect())
}

/// What this node says of itself.
fn profile(hosts: &[Arc<dyn AnyHost>], client_only: bool) -> Profile {
    Profile {
        hosted: hosts.iter().filter_map(|host| hosted(host.spec())).collect(),
        client_only,
        leaving: false,
        weight: Weight::NORMAL,
        load: Load(0),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: 0,
        load_revision: 0,
    }
}

fn hosted(spec: &Spec) -> Option<HostedRegistry> {
    Some(HostedRegistry {
        name: RegistryName::new(spec.name)?,
        slots: spec.slots(),
        replicas: spec.replicas,
        failover: spec.failover.into(),
        serves_all: spec.on_partition == OnPartition::ServeAll,
        weighs: spec.load_balancing == LoadBalancing::LeastBusy,
    })
}
