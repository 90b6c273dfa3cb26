//! Plays a scenario: first its faults, while every promise of safety is watched; then everything is healed, and the cluster must
//! serve again by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tracing::Level;

use super::history::Fate;
use super::network::Way;
use super::oracle::Digest;
use super::plan::{Fault, Scenario};
use super::tally::{self, Client};
use super::workload::{self, Workload};
use super::world::World;
use super::{Caller, Clock, Evidence, Findings, History, Sometimes, Trace, dice, panics};

/// How long after the heal the cluster may take to be one again: the longest hold-down of the engine, and a founding after it.
const SETTLE_MS_MAX: u64 = 30_000;

/// How often the cluster is looked at while it settles: a look takes longer than a step.
const LOOK_MS: u64 = 50;

/// How long a call after the heal may take: the cluster is settled, so only lost packets may delay it.
const SERVE_MS: u64 = 5000;

/// The callers on each host that do nothing but add.
const CLIENTS: u32 = 1;

/// The callers on each host that carry out the workloads.
const CALLERS: u32 = 2;

/// How long the final audit may take: every instance answers within its first tries.
const AUDIT_MS_MAX: u64 = 120_000;

/// By how many per cent clocks may differ from the world's: hosts' run up to a twentieth fast or slow.
const CLOCK_PERCENT: u64 = 6;

/// How long a process must have lived to count as whole again after a crash or a departure: what it held is elsewhere by then.
const WHOLE_MS: u64 = 3000;

/// How long one node of a rolling restart is given before the next one's turn comes.
const ROLL_MS: u64 = 3500;

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

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The promises that were broken.
    pub broken: Vec<String>,
    /// How long the run took in the world.
    pub simulated_ms: u64,
    /// How long the cluster took to settle after the heal, in milliseconds.
    pub settled_ms: Option<u64>,
    /// The calls, and how many of them ended with their reply.
    pub calls: (usize, usize),
    /// What the oracles found, expected or not.
    pub findings: Findings,
    /// The rare situations that the run came to.
    pub sometimes: Sometimes,
    /// What callers asked and heard, what ran where, and what was found, as lines; empty unless the records are kept.
    pub story: String,
    /// The event log.
    pub trace: Trace,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, simulated_ms, calls: (calls, answered), trace, .. } = self;
        write!(f, "seed {seed}: {simulated_ms} ms, {} packets, {calls} calls, {answered} answered", trace.packets())?;
        match self.settled_ms {
            Some(ms) => write!(f, ", settled {ms} ms after the heal")?,
            None => write!(f, ", never settled")?,
        }
        write!(f, ", digest {:016x}", trace.digest())
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
    workloads: Vec<Workload>,
    /// What each node believes once the cluster has settled.
    digests: Vec<Digest>,
}

#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    Mend(BTreeSet<Way>),
    Clear(BTreeSet<Way>),
    Thaw(u16),
    Start(u16),
    Crash(u16),
    Leave(u16),
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
            if *rate != super::host::TRUE_RATE {
                self.world.set_rate(host, *rate);
            }
            self.at(rand::RngExt::random_range(&mut rng, 0..300), Step::Start(host));
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
            missing = self.world.unsettled();
            if missing.is_none() {
                let took_ms = self.world.now_ms() - began;
                self.trace.say(format!("settled after {took_ms} ms"));
                self.stop.store(true, Ordering::Relaxed);
                self.digests = self.world.nodes().iter().map(workload::digest).collect();
                self.serve();
                self.audit();
                return Some(took_ms);
            }
            for _ in 0..LOOK_MS {
                self.step();
            }
        }
        let missing = missing.unwrap_or_default();
        self.breaks(format!("liveness: not settled {SETTLE_MS_MAX} ms after the heal: {missing}"));
        None
    }

    /// Every node must reach every key now.
    fn serve(&mut self) {
        let calls: Vec<_> = self
            .all_hosts()
            .into_iter()
            .map(|host| {
                let client = self.client(host, 0);
                (host, self.world.host(host).spawn(client.add_to_all(SERVE_MS)))
            })
            .collect();
        let limit_ms = SERVE_MS * tally::KEYS + SERVE_MS;
        self.world.run_until(limit_ms, |_| calls.iter().all(|(_, call)| call.is_finished()));
        for (host, call) in calls {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let fault = match call.is_finished().then(|| runtime.block_on(call)) {
                Some(Ok(Ok(()))) => continue,
                Some(Ok(Err(fault))) => fault,
                Some(Err(error)) => error.to_string(),
                None => "the calls did not end".to_owned(),
            };
            self.breaks(format!("liveness: n{host} does not reach a key of a settled cluster: {fault}"));
        }
    }

    /// Reads what is left of every instance.
    fn audit(&mut self) {
        let Some(host) = self.all_hosts().first().copied() else { return };
        let (caller, workloads) = (self.caller(host, CALLERS + 1), self.workloads.clone());
        let audit = self.world.host(host).spawn(async move { caller.audit(&workloads).await });
        self.world.run_until(AUDIT_MS_MAX, |_| audit.is_finished());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match audit.is_finished().then(|| runtime.block_on(audit)) {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(fault))) => self.breaks(format!("liveness: a settled cluster cannot be audited: {fault}")),
            Some(Err(error)) => self.breaks(format!("liveness: the audit stopped: {error}")),
            None => self.breaks("liveness: the audit does not end".to_owned()),
        }
    }

    /// Whether the promises were kept.
    fn judge(mut self, settled_ms: Option<u64>) -> Report {
        let evidence = Evidence {
            records: self.history.records(),
            sightings: self.trace.take_sightings(),
            digests: std::mem::take(&mut self.digests),
            end_ms: self.world.now_ms(),
            rules: workload::rules(CLOCK_PERCENT),
        };
        for panic in self.world.panics().to_vec() {
            self.breaks(format!("a task panicked: {panic}"));
        }
        let findings = Findings::of(&evidence);
        for fault in findings.unexpected() {
            self.breaks(fault.to_string());
        }
        let mut sometimes = Sometimes::default();
        sometimes.add(&evidence);
        let story = if self.keeps { evidence.tell(&findings) } else { String::new() };
        let calls = &evidence.records.calls;
        let answered = calls.iter().filter(|call| call.acknowledged().is_some()).count();
        Report {
            seed: self.scenario.seed,
            broken: self.broken,
            simulated_ms: self.world.now_ms(),
            settled_ms,
            calls: (calls.len(), answered),
            findings,
            sometimes,
            story,
            trace: self.trace,
        }
    }

    fn breaks(&mut self, promise: String) {
        self.trace.say(format!("BROKEN: {promise}"));
        self.broken.push(promise);
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

    fn at(&mut self, at_ms: u64, step: Step) {
        self.steps += 1;
        self.agenda.insert((at_ms, self.steps), step);
    }

    fn later(&mut self, wait_ms: u64, step: Step) {
        self.at(self.world.now_ms() + wait_ms, step);
    }

    fn do_what_is_due(&mut self) {
        let now = self.world.now_ms();
        while let Some(due) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
            match due.remove() {
                Step::Begin(number) => self.begin(number),
                Step::Mend(ways) => {
                    self.trace.say("a cut is mended");
                    self.world.network().mend(&ways);
                }
                Step::Clear(ways) => {
                    self.trace.say("a storm is over");
                    for way in ways {
                        self.world.network().clear_weather(way);
                    }
                }
                Step::Thaw(host) => self.thaw(host),
                Step::Start(host) => self.start(host),
                Step::Crash(host) => self.crash(host),
                Step::Leave(host) => self.leave(host),
            }
        }
    }

    fn begin(&mut self, number: usize) {
        let planned = &self.scenario.faults[number];
        let for_ms = planned.for_ms;
        self.trace.say(format!("for {for_ms} ms: {:?}", planned.fault));
        match &planned.fault {
            Fault::Split { side } => {
                let ways = self.ways(|from, to| side.contains(&from) != side.contains(&to));
                self.cut(ways, for_ms);
            }
            Fault::OneWay { from } => {
                let ways = self.ways(|sender, to| from.contains(&sender) && !from.contains(&to));
                self.cut(ways, for_ms);
            }
            Fault::Partial { one, other } => {
                let ways = self.ways(|from, to| (from, to) == (*one, *other) || (from, to) == (*other, *one));
                self.cut(ways, for_ms);
            }
            Fault::Storm { host, weather } => {
                let ways = self.ways(|from, to| host.is_none_or(|host| host == from || host == to));
                for way in &ways {
                    self.world.network().set_weather(*way, *weather);
                }
                self.later(for_ms, Step::Clear(ways));
            }
            Fault::Crash { host } => {
                self.crash(*host);
                self.later(for_ms, Step::Start(*host));
            }
            Fault::Freeze { host } => {
                if self.world.host(*host).is_up() && !self.world.host(*host).is_frozen() {
                    self.world.freeze(*host);
                    self.note(*host, Fate::Frozen);
                    self.later(for_ms, Step::Thaw(*host));
                }
            }
            Fault::Leave { host } => {
                self.leave(*host);
                self.later(for_ms, Step::Start(*host));
            }
            Fault::Join => {
                let host = self.world.add_host();
                self.start(host);
            }
            Fault::RollingRestart { graceful } => {
                for (turn, host) in self.all_hosts().into_iter().enumerate() {
                    let begin_ms = ROLL_MS * turn as u64;
                    self.later(begin_ms, if *graceful { Step::Leave(host) } else { Step::Crash(host) });
                    self.later(begin_ms + ROLL_MS / 3, Step::Start(host));
                }
            }
        }
    }

    fn cut(&mut self, ways: BTreeSet<Way>, for_ms: u64) {
        self.world.network().cut(&ways);
        self.later(for_ms, Step::Mend(ways));
    }

    fn ways(&self, among: impl Fn(u16, u16) -> bool) -> BTreeSet<Way> {
        let hosts = self.all_hosts();
        let pairs = hosts.iter().flat_map(|from| hosts.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| from != to && among(*from, *to)).collect()
    }

    fn all_hosts(&self) -> Vec<u16> {
        self.world.hosts().iter().map(|host| host.number()).collect()
    }

    fn start(&mut self, number: u16) {
        if self.world.host(number).is_up() {
            return;
        }
        self.world.start(number);
        self.born_ms.insert(number, self.world.now_ms());
        self.note(number, Fate::Up);
        for place in 1..=CLIENTS {
            let client = self.client(number, place);
            self.world.host(number).spawn(client.run(Arc::clone(&self.stop)));
        }
        for place in 1..=CALLERS {
            let caller = self.caller(number, place);
            self.world.host(number).spawn(caller.run(self.workloads.clone(), Arc::clone(&self.stop)));
        }
    }

    /// A caller that carries out the workloads.
    fn caller(&self, number: u16, place: u32) -> Caller {
        let host = self.world.host(number);
        let caller = host.lives() * 10 + CLIENTS + place;
        let Some(node) = host.node() else { panic!("nobody lives on n{number}") };
        let rng = dice(self.scenario.seed, "caller", u64::from(number) << 32 | u64::from(caller));
        Caller::new(node.clone(), caller, rng, &self.history)
    }

    fn client(&self, number: u16, place: u32) -> Client {
        let host = self.world.host(number);
        let client = host.lives() * 10 + place;
        let Some(node) = host.node() else { panic!("nobody lives on n{number}") };
        Client {
            node: node.clone(),
            number: client,
            narrow: self.scenario.tiny && place > 0,
            rng: dice(self.scenario.seed, "client", u64::from(number) << 32 | u64::from(client)),
            history: Arc::clone(&self.history),
        }
    }

    fn crash(&mut self, number: u16) {
        if self.world.host(number).is_up() && self.can_spare(number) {
            self.world.crash(number);
            self.note(number, Fate::Crashed);
        }
    }

    fn leave(&mut self, number: u16) {
        let host = self.world.host(number);
        if host.is_up() && !host.is_frozen() && self.can_spare(number) {
            self.world.leave(number);
        }
    }

    fn thaw(&mut self, number: u16) {
        if self.world.host(number).is_frozen() {
            self.world.thaw(number);
            self.note(number, Fate::Thawed);
        }
    }

    /// Whether the founders can spare another: without a disk nobody promises anything once a majority has lost its memory.
    fn can_spare(&self, number: u16) -> bool {
        let now = self.world.now_ms();
        let whole = |host: &u16| {
            let is_old = self.born_ms.get(host).is_some_and(|born_ms| now >= born_ms + WHOLE_MS);
            let place = self.world.host(*host);
            *host != number && place.is_up() && !place.is_leaving() && (is_old || place.lives() == 1)
        };
        let left = (1..=self.scenario.founders).filter(whole).count();
        let spared = left > usize::from(self.scenario.founders) / 2;
        if !spared {
            self.trace.say(format!("n{number} cannot be spared now"));
        }
        spared
    }

    fn note(&self, number: u16, fate: Fate) {
        self.history.host(self.world.host(number).name(), fate);
    }
}
