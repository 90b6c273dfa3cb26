//! Plays a scenario: first its faults, while every promise of safety is watched; then everything is healed, and the cluster must
//! serve again by itself.

mod faults;
mod hosts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rand::RngExt;
use tracing::Level;

use self::faults::Step;
use super::history::Fate;
use super::host::TRUE_RATE;
use super::oracle::{Digest, Rules};
use super::plan::Scenario;
use super::report::Report;
use super::tally;
use super::workload::{self, Workload};
use super::world::{GENESIS_MS, World};
use super::{Clock, Evidence, Findings, History, Sometimes, Trace, dice, panics};

/// How long after the heal the cluster may take to be one again: what SCENARIOS G15 gives it.
const SETTLE_MS_MAX: u64 = 10_000;

/// How often the cluster is looked at while it settles: a look takes longer than a step.
const LOOK_MS: u64 = 50;

/// How long a call after the heal may take: the cluster is settled, so only lost packets may delay it.
const SERVE_MS: u64 = 5000;

/// How many hosts there are at least where one may be lost: with fewer the other is no majority.
const SPARING_MIN: usize = 3;

/// How long a call may take after an owner has died: its death has to be noticed, and its slots opened.
const FAILOVER_MS: u64 = 20_000;

/// The callers on each host that do nothing but add.
const CLIENTS: u32 = 1;

/// As many where limits are tiny: more than there is room for.
const CLIENTS_MAX: u32 = 4;

/// The callers on each host that carry out the workloads.
const CALLERS: u32 = 2;

/// How long the final audit may take: every instance answers within its first tries.
const AUDIT_MS_MAX: u64 = 120_000;

/// By how many per cent clocks may differ from the world's: hosts' run up to a twentieth fast or slow.
const CLOCK_PERCENT: u64 = 6;

/// What a cluster owes once faults have ended: to be one again, and to serve.
const LIVENESS: &str = "liveness";

/// No task of a node panics, but where a command is asked to.
const CALM: &str = "calm";

/// The memory of a seed's thread: debug builds of deep futures need more than the usual 2 MiB.
const STACK_BYTES: usize = 16 << 20;

/// What to write down of a run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether the records are kept, or only counted and digested.
    pub keeps: bool,
    /// From which level on the nodes' words are noted.
    pub level: Level,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keeps: false, level: Level::INFO }
    }
}

/// Draws and plays a seed, on a thread of its own.
///
/// # Panics
///
/// When the simulator itself does.
pub fn run_seed(seed: u64, settings: Settings) -> Report {
    Scenario::draw(seed).play(settings)
}

impl Scenario {
    /// Plays the scenario on a thread of its own.
    ///
    /// # Panics
    ///
    /// When the simulator itself does.
    pub fn play(self, settings: Settings) -> Report {
        let seed = self.seed;
        // The panics of the thread are written down for the world, those of the simulator included.
        let body = move || catch_unwind(|| self.run(settings)).map_err(|_| panics::take());
        let thread = thread::Builder::new().name(format!("seed {seed}")).stack_size(STACK_BYTES).spawn(body).unwrap();
        match thread.join() {
            Ok(Ok(report)) => report,
            Ok(Err(panics)) => panic!("the simulator stopped in seed {seed}: {panics:?}"),
            Err(_) => panic!("the simulator stopped in seed {seed}"),
        }
    }

    /// Plays the scenario. One thread plays one scenario: what it leaves behind in the thread would disturb the next.
    pub fn run(&self, settings: Settings) -> Report {
        let clock = Clock::default();
        let trace = Trace::new(clock.clone(), settings.keeps);
        let _listening = tracing::subscriber::set_default(trace.subscriber(settings.level));
        let mut play = Play::new(self, settings.keeps, clock, trace);
        play.open();
        play.act();
        let settled_ms = play.heal();
        play.judge(settled_ms)
    }
}

struct Play<'a> {
    keeps: bool,
    scenario: &'a Scenario,
    world: World,
    trace: Trace,
    history: Arc<History>,
    stop: Arc<AtomicBool>,
    /// What is to be done, by time and number.
    agenda: BTreeMap<(u64, u64), Step>,
    steps: u64,
    /// When each host's present life began.
    born_ms: BTreeMap<u16, u64>,
    broken: Vec<String>,
    promises: BTreeSet<&'static str>,
    workloads: Vec<Workload>,
    /// What each node believes at the end.
    digests: Vec<Digest>,
}

impl<'a> Play<'a> {
    fn new(scenario: &'a Scenario, keeps: bool, clock: Clock, trace: Trace) -> Self {
        let history = History::new(clock.clone());
        let (notes, timing) = (Arc::clone(&history), scenario.timing.1);
        let recipe = move |_, builder| {
            workload::equip(tally::equip(registry_runtime::NodeBuilder::timing(builder, timing)), &notes)
        };
        let mut world = World::new(scenario.seed, clock, trace.clone(), scenario.founders, Box::new(recipe));
        if scenario.tiny {
            // A dozen packets of the usual size.
            world.set_inbox_bytes_max(16 << 10);
        }
        world.set_rules(scenario.rules);
        world.network().set_climate(scenario.climate);
        Self {
            keeps,
            scenario,
            world,
            trace,
            history,
            stop: Arc::default(),
            agenda: BTreeMap::new(),
            steps: 0,
            born_ms: BTreeMap::new(),
            broken: Vec::new(),
            promises: BTreeSet::new(),
            workloads: workload::draw(&mut dice(scenario.seed, "workloads", 0)),
            digests: Vec::new(),
        }
    }

    /// Starts the founders, not all at once.
    fn open(&mut self) {
        let Scenario { seed, founders, timing, climate, tiny, quiet, safety_ms, .. } = self.scenario;
        self.trace.say(format!(
            "seed {seed}: {founders} nodes, {} timing, faults for {safety_ms} ms, {climate:?}, tiny {tiny}, quiet {quiet}",
            timing.0,
        ));
        let mut rng = dice(*seed, "opening", 0);
        for rate in &self.scenario.rates {
            let host = self.world.add_host();
            if *rate != TRUE_RATE {
                self.world.set_rate(host, *rate);
            }
            self.at(rng.random_range(0..300), Step::Start(host));
        }
        for (number, planned) in self.scenario.faults.iter().enumerate() {
            self.at(planned.at_ms, Step::Begin(number));
        }
    }

    /// Lets the faults happen.
    fn act(&mut self) {
        let safety_ms = self.scenario.safety_ms;
        let silence_ms = if self.scenario.quiet { safety_ms * 3 / 4 } else { safety_ms };
        while self.world.now_ms() < safety_ms {
            self.do_what_is_due();
            if self.world.now_ms() == silence_ms {
                self.stop.store(true, Ordering::Relaxed);
            }
            self.step();
        }
    }

    /// Takes all faults away and waits until the cluster is one again. How long that took, if it did.
    fn heal(&mut self) -> Option<u64> {
        self.trace.say("heal");
        self.agenda.clear();
        self.world.network().heal();
        for host in self.all_hosts() {
            self.thaw(host);
            self.start(host);
        }
        let began = self.world.now_ms();
        let mut missing = None;
        while self.world.now_ms() < began + SETTLE_MS_MAX {
            // A node that was about to leave when the faults ended does so, and is started again.
            for host in self.all_hosts() {
                self.start(host);
            }
            let leaving = self.world.hosts().iter().find(|host| host.is_leaving());
            missing = leaving.map(|host| format!("{} is leaving", host.name())).or_else(|| self.world.unsettled());
            if missing.is_none() {
                let took_ms = self.world.now_ms() - began;
                self.trace.say(format!("settled after {took_ms} ms"));
                self.stop.store(true, Ordering::Relaxed);
                self.serve(SERVE_MS);
                self.audit(1, &self.workloads.clone());
                self.agree();
                self.lose_one();
                return Some(took_ms);
            }
            for _ in 0..LOOK_MS {
                self.step();
            }
        }
        let missing = missing.unwrap_or_default();
        self.breaks(LIVENESS, format!("not settled {SETTLE_MS_MAX} ms after the heal: {missing}"));
        None
    }

    /// One dies for good: the others must go on without it, but for what is reserved for it.
    fn lose_one(&mut self) {
        let hosts = self.all_hosts();
        if hosts.len() < SPARING_MIN || !self.broken.is_empty() {
            return;
        }
        let lost = dice(self.scenario.seed, "lost", 0).random_range(0..hosts.len());
        self.trace.say("one is lost for good");
        self.world.crash(hosts[lost]);
        self.note(hosts[lost], Fate::Crashed);
        self.serve(FAILOVER_MS);
        let waits = |workload: &Workload| *workload == Workload::Reserved;
        self.audit(2, &self.workloads.iter().copied().filter(|workload| !waits(workload)).collect::<Vec<_>>());
    }

    /// The hosts that live.
    fn living(&self) -> Vec<u16> {
        self.world.hosts().iter().filter(|host| host.is_up()).map(|host| host.number()).collect()
    }

    /// Every node must reach every key now, each within such a time.
    fn serve(&mut self, within_ms: u64) {
        let calls: Vec<_> = self
            .living()
            .into_iter()
            .map(|host| {
                let client = self.client(host, 0);
                (host, self.world.host(host).spawn(client.add_to_all(within_ms)))
            })
            .collect();
        let limit_ms = within_ms * tally::KEYS + within_ms;
        for (host, call) in calls {
            let fault = match self.world.finish(call, limit_ms) {
                Ok(Ok(())) => continue,
                Ok(Err(fault)) | Err(fault) => fault,
            };
            self.breaks(LIVENESS, format!("n{host} does not reach a key of a settled cluster: {fault}"));
        }
    }

    /// Changes every instance once more, and reads what is left of it.
    fn audit(&mut self, number: u32, workloads: &[Workload]) {
        let Some(host) = self.living().first().copied() else { return };
        let (caller, workloads) = (self.caller(host, CALLERS + number), workloads.to_vec());
        let audit = self.world.host(host).spawn(async move { caller.audit(&workloads).await });
        if let Ok(Err(fault)) | Err(fault) = self.world.finish(audit, AUDIT_MS_MAX) {
            self.breaks(LIVENESS, format!("a settled cluster cannot be audited: {fault}"));
        }
    }

    /// Hears what each node believes, once whatever moved while the cluster served has come to its place.
    fn agree(&mut self) {
        self.world.run_until(SETTLE_MS_MAX, |world| world.unsettled().is_none());
        self.digests = self.world.nodes().iter().map(workload::digest).collect();
    }

    /// Whether all clocks are the world's.
    fn has_true_clocks(&self) -> bool {
        self.scenario.rates.iter().all(|rate| *rate == TRUE_RATE)
    }

    /// Whether the promises were kept.
    fn judge(mut self, settled_ms: Option<u64>) -> Report {
        let evidence = Evidence {
            records: self.history.records(),
            sightings: self.trace.take_sightings(),
            excuses: Vec::new(),
            digests: std::mem::take(&mut self.digests),
            end_ms: self.world.now_ms(),
            rules: Rules {
                genesis_ms: GENESIS_MS,
                founders: self.scenario.founders,
                ..workload::rules(if self.has_true_clocks() { 0 } else { CLOCK_PERCENT })
            },
        };
        for panic in self.world.panics().to_vec() {
            self.breaks(CALM, format!("a task panicked: {panic}"));
        }
        let findings = Findings::of(&evidence);
        for fault in &findings.faults {
            self.breaks(fault.invariant, format!("{} at {}", fault.what, fault.at));
        }
        let mut sometimes = Sometimes::default();
        sometimes.add(&evidence);
        let story = if self.keeps { evidence.tell(&findings) } else { String::new() };
        let calls = &evidence.records.calls;
        let answered = calls.iter().filter(|call| call.acknowledged().is_some()).count();
        Report {
            seed: self.scenario.seed,
            broken: self.broken,
            promises: self.promises,
            simulated_ms: self.world.now_ms(),
            settled_ms,
            calls: (calls.len(), answered),
            findings,
            sometimes,
            story,
            trace: self.trace,
        }
    }

    fn breaks(&mut self, promise: &'static str, what: impl fmt::Display) {
        let line = format!("{promise}: {what}");
        self.trace.say(format!("BROKEN: {line}"));
        self.promises.insert(promise);
        self.broken.push(line);
    }

    fn step(&mut self) {
        let leaving: Vec<u16> =
            self.world.hosts().iter().filter(|host| host.is_leaving()).map(|h| h.number()).collect();
        self.world.step();
        for host in leaving {
            if !self.world.host(host).is_up() {
                self.note(host, Fate::Left);
            }
        }
    }
}
