//! Plays a scenario of the simulator with real processes: first its faults, then everything is healed, and the cluster must serve
//! again by itself.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::fleet::{Fleet, Ingredients};
use super::judge::judge;
use super::relay::{Counts, Relay};
use super::script::{Agenda, Step};
use super::seat::Seat;
use super::word::{Hosts, Order, Tempo, name};
use super::{ChaosError, clock};
use crate::sim::network::{Sky, Way};
use crate::sim::oracle::Digest;
use crate::sim::{Fault, Findings, Scenario, Sometimes, Workload};

/// How long after the heal the cluster may take to be one again, on a machine that is busy with others.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// How long callers may take to come to their ends: a turn is a few calls of a few seconds.
const REST_LIMIT: Duration = Duration::from_secs(90);

/// How long one process may take to read every instance.
const AUDIT_LIMIT: Duration = Duration::from_secs(120);

/// How long a run may take beyond its faults, whatever happens in it.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// How long the run waits between two looks at what is to be done.
const TICK: Duration = Duration::from_millis(20);

/// How long a process must have lived to count as whole again after a crash or a departure: what it held is elsewhere by then.
const WHOLE_MS: u64 = 3_000;

/// How long one node of a rolling restart is given before the next one's turn comes.
const ROLL_MS: u64 = 3_500;

/// How a scenario is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The scenario.
    pub scenario: Scenario,
    /// What its callers do.
    pub workloads: Vec<Workload>,
    /// Whether the processes are to have namespaces and a relay between them.
    pub apart: bool,
    /// How much later than its deadline a call may end, in milliseconds: what the machine's other work may cost.
    pub slack_ms: u64,
    /// Whether to say on standard error what is done.
    pub loud: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Why the packets were left alone, though they were not to be.
    pub why_together: Option<String>,
    /// What was not done for lack of a relay.
    pub skipped: usize,
    /// The promises that were broken.
    pub broken: Vec<String>,
    /// What the oracles found.
    pub findings: Findings,
    /// The rare situations that the run came to.
    pub sometimes: Sometimes,
    /// How long the cluster took to settle after the heal, in milliseconds.
    pub settled_ms: Option<u64>,
    /// The calls, and how many of them ended with their reply.
    pub calls: (usize, usize),
    /// How many milliseconds after its deadline the latest call ended.
    pub latest_ms: u64,
    /// What became of the packets.
    pub packets: Option<Counts>,
    /// Everything that happened, as lines.
    pub story: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, calls: (calls, answered), latest_ms, findings, .. } = self;
        write!(f, "seed {seed}: {calls} calls, {answered} answered, the latest {latest_ms} ms after its deadline")?;
        match &self.packets {
            Some(Counts { passed, doubled, lost, cut, too_large }) => write!(
                f,
                "; packets: {passed} passed, {doubled} of them twice, {lost} lost, {cut} cut off, {too_large} too large"
            )?,
            None => write!(f, "; on the loopback device, packets left alone, {} faults left out", self.skipped)?,
        }
        match self.settled_ms {
            Some(ms) => write!(f, "; settled {ms} ms after the heal")?,
            None => f.write_str("; never settled")?,
        }
        write!(f, "; {} undecided", findings.undecided.len())?;
        match self.broken.len() {
            0 => f.write_str("; every promise kept"),
            broken => write!(f, "; {broken} BROKEN"),
        }
    }
}

/// Plays a scenario.
///
/// # Errors
///
/// When there can be no verdict: a process does not start, or the machine is too slow for the limits.
pub async fn play(settings: Settings) -> Result<Report, ChaosError> {
    let limit = RUN_LIMIT + Duration::from_millis(settings.scenario.safety_ms);
    match timeout(limit, Play::run(settings)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ChaosError::TooLate("the whole run".to_owned(), limit)),
    }
}

struct Play {
    settings: Settings,
    fleet: Fleet,
    agenda: Agenda,
    /// When the faults' time began, by the fleet's clock.
    began_ms: u64,
    skipped: usize,
}

impl Play {
    async fn run(settings: Settings) -> Result<Report, ChaosError> {
        let Settings { scenario, workloads, apart, .. } = &settings;
        let joins = scenario.faults.iter().filter(|planned| planned.fault == Fault::Join).count();
        let ingredients = Ingredients {
            seed: scenario.seed,
            tempo: Tempo::read(scenario.timing.0).unwrap_or(Tempo::Fast),
            founders: scenario.founders,
            hosts: scenario.founders + u16::try_from(joins).unwrap_or_default(),
            registries: Hosts::Workloads(workloads.clone()),
        };
        let (fleet, why_together) = Fleet::prepare(ingredients, *apart).await?;
        let agenda = Agenda::of(scenario);
        let mut play = Self { settings, fleet, agenda, began_ms: 0, skipped: 0 };
        play.open().await?;
        play.act().await?;
        let (settled_ms, digests) = play.heal().await?;
        let Self { settings, fleet, skipped, .. } = play;
        let packets = fleet.ground.relay().map(Relay::counts);
        let end_ms = fleet.clock.now_ms();
        let genesis_ms = clock::wall_ms().saturating_sub(end_ms);
        let heard = fleet.finish().await?;
        Ok(Report {
            why_together,
            skipped,
            settled_ms,
            packets,
            ..judge(&settings, heard, digests, (genesis_ms, end_ms))
        })
    }

    /// Starts the founders.
    async fn open(&mut self) -> Result<(), ChaosError> {
        let Scenario { climate, .. } = self.settings.scenario;
        if let Some(relay) = self.fleet.ground.relay() {
            relay.sky(|sky| sky.set_climate(climate));
        }
        self.fleet.found().await?;
        let pids: Vec<String> = self
            .fleet
            .seats
            .values()
            .filter_map(|seat| seat.process.as_ref())
            .map(|process| process.pid().to_string())
            .collect();
        self.say(format_args!("processes: {}", pids.join(" ")));
        self.began_ms = self.fleet.clock.now_ms();
        Ok(())
    }

    /// Lets the faults happen.
    async fn act(&mut self) -> Result<(), ChaosError> {
        let Scenario { safety_ms, quiet, .. } = self.settings.scenario;
        let silence_ms = if quiet { safety_ms * 3 / 4 } else { safety_ms };
        while self.now_ms() < safety_ms {
            while let Some(step) = self.agenda.due(self.now_ms()) {
                self.take(step).await?;
            }
            match self.now_ms() < silence_ms {
                true => self.set_to_work().await,
                false => self.send_to_rest().await,
            }
            let next_ms = self.agenda.next_ms().unwrap_or(safety_ms).min(safety_ms);
            let wait = Duration::from_millis(next_ms.saturating_sub(self.now_ms())).min(TICK);
            self.fleet.listen(Instant::now() + wait).await?;
        }
        Ok(())
    }

    /// Has the callers begin on every host that is ready.
    async fn set_to_work(&mut self) {
        let idle = |seat: &Seat| seat.is_ready && seat.is_well() && !seat.was_busy;
        let hosts: Vec<u16> = self.fleet.seats.iter().filter(|(_, seat)| idle(seat)).map(|(host, _)| *host).collect();
        for host in hosts {
            let seat = self.fleet.seat(host);
            (seat.is_busy, seat.was_busy) = (true, true);
            self.fleet.order(host, &Order::Begin).await;
        }
    }

    /// Has the callers come to their ends on every host.
    async fn send_to_rest(&mut self) {
        let busy: Vec<u16> = self.fleet.seats.iter().filter(|(_, seat)| seat.is_busy).map(|(host, _)| *host).collect();
        for host in busy {
            self.fleet.seat(host).is_busy = false;
            self.fleet.order(host, &Order::Rest).await;
        }
    }

    /// Takes all faults away, waits until the cluster is one again, and reads what is left of every instance, by every
    /// process. How long the first took, if it came to it.
    async fn heal(&mut self) -> Result<(Option<u64>, Vec<Digest>), ChaosError> {
        self.say(format_args!("heal"));
        if let Some(relay) = self.fleet.ground.relay() {
            relay.sky(|sky| sky.heal());
        }
        let hosts: Vec<u16> = self.fleet.seats.keys().copied().filter(|host| self.belongs(*host)).collect();
        for host in &hosts {
            self.fleet.thaw(*host)?;
        }
        let healed_ms = self.fleet.clock.now_ms();
        for host in &hosts {
            if self.fleet.seats[host].end.is_some() {
                self.fleet.gone(*host).await?;
            }
            self.fleet.start(*host).await?;
        }
        for host in &hosts {
            self.fleet.ready(*host).await?;
        }
        if !self.settings.scenario.quiet {
            self.set_to_work().await;
        }
        let digests = match self.fleet.settled(SETTLE_LIMIT).await? {
            Ok(digests) => digests,
            Err(missing) => {
                self.breaks(format!("liveness: not settled {SETTLE_LIMIT:?} after the heal: {missing}"));
                return Ok((None, Vec::new()));
            }
        };
        let settled_ms = self.fleet.clock.now_ms() - healed_ms;
        self.say(format_args!("settled after {settled_ms} ms"));
        self.send_to_rest().await;
        let worked: Vec<u16> = hosts.iter().copied().filter(|host| self.fleet.seats[host].was_busy).collect();
        self.fleet
            .until(REST_LIMIT, "all callers end", |fleet| worked.iter().all(|host| fleet.seats[host].is_rested))
            .await?;
        for host in hosts {
            self.fleet.order(host, &Order::Audit).await;
            let what = format!("{} reads every instance", name(host));
            self.fleet.until(AUDIT_LIMIT, &what, |fleet| fleet.seats[&host].audited.is_some()).await?;
            if let Some(Err(fault)) = self.fleet.seat(host).audited.take() {
                self.breaks(format!("liveness: {} cannot audit a settled cluster: {fault}", name(host)));
            }
        }
        Ok((Some(settled_ms), digests))
    }

    async fn take(&mut self, step: Step) -> Result<(), ChaosError> {
        match step {
            Step::Begin(number) => return self.begin(number).await,
            Step::Mend(ways) => {
                self.say(format_args!("a cut is mended"));
                self.sky(|sky| sky.mend(&ways));
            }
            Step::Clear(ways) => {
                self.say(format_args!("a storm is over"));
                self.sky(|sky| ways.iter().for_each(|way| sky.clear_weather(*way)));
            }
            Step::Thaw(host) => self.fleet.thaw(host)?,
            Step::Start(host) => self.start(host).await?,
            Step::Kill(host) => self.kill(host).await?,
            Step::Leave(host) => self.leave(host).await,
        }
        Ok(())
    }

    async fn begin(&mut self, number: usize) -> Result<(), ChaosError> {
        let planned = self.settings.scenario.faults[number].clone();
        let for_ms = planned.for_ms;
        self.say(format_args!("for {for_ms} ms: {:?}", planned.fault));
        match planned.fault {
            Fault::Split { side } => self.cut(for_ms, |from, to| side.contains(&from) != side.contains(&to)),
            Fault::OneWay { from } => self.cut(for_ms, |sender, to| from.contains(&sender) && !from.contains(&to)),
            Fault::Partial { one, other } => {
                self.cut(for_ms, |from, to| (from, to) == (one, other) || (from, to) == (other, one));
            }
            Fault::Storm { host, weather } => {
                let ways = self.ways(|from, to| host.is_none_or(|host| host == from || host == to));
                if self.sky(|sky| ways.iter().for_each(|way| sky.set_weather(*way, weather))) {
                    self.later(for_ms, Step::Clear(ways));
                }
            }
            Fault::Crash { host } => {
                self.kill(host).await?;
                self.later(for_ms, Step::Start(host));
            }
            Fault::Freeze { host } => {
                if self.fleet.seats[&host].is_well() {
                    self.fleet.freeze(host)?;
                    self.later(for_ms, Step::Thaw(host));
                }
            }
            Fault::Leave { host } => {
                self.leave(host).await;
                self.later(for_ms, Step::Start(host));
            }
            Fault::Join => {
                let next = self.fleet.seats.iter().find(|(_, seat)| seat.lives == 0).map(|(host, _)| *host);
                if let Some(host) = next {
                    self.fleet.start(host).await?;
                }
            }
            Fault::RollingRestart { graceful } => {
                let hosts: Vec<u16> = self.fleet.seats.keys().copied().filter(|host| self.belongs(*host)).collect();
                for (begin_ms, host) in (0..).step_by(usize::try_from(ROLL_MS).unwrap_or_default()).zip(hosts) {
                    self.later(begin_ms, if graceful { Step::Leave(host) } else { Step::Kill(host) });
                    self.later(begin_ms + ROLL_MS / 3, Step::Start(host));
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self, for_ms: u64, among: impl Fn(u16, u16) -> bool) {
        let ways = self.ways(among);
        if self.sky(|sky| sky.cut(&ways)) {
            self.later(for_ms, Step::Mend(ways));
        }
    }

    /// Changes the weather or the cuts, if there is a relay. Otherwise it is counted.
    fn sky(&mut self, change: impl FnOnce(&mut Sky)) -> bool {
        match self.fleet.ground.relay() {
            Some(relay) => {
                relay.sky(change);
                true
            }
            None => {
                self.skipped += 1;
                false
            }
        }
    }

    fn ways(&self, among: impl Fn(u16, u16) -> bool) -> BTreeSet<Way> {
        let hosts: Vec<u16> = self.fleet.seats.keys().copied().collect();
        let pairs = hosts.iter().flat_map(|from| hosts.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| from != to && among(*from, *to)).collect()
    }

    fn later(&mut self, wait_ms: u64, step: Step) {
        self.agenda.at(self.now_ms() + wait_ms, step);
    }

    async fn start(&mut self, host: u16) -> Result<(), ChaosError> {
        if self.fleet.seats[&host].end.is_some() {
            // It has not left yet.
            self.later(100, Step::Start(host));
            return Ok(());
        }
        self.fleet.start(host).await
    }

    async fn kill(&mut self, host: u16) -> Result<(), ChaosError> {
        if self.fleet.seats[&host].is_up() && self.can_spare(host) {
            self.fleet.kill(host).await?;
        }
        Ok(())
    }

    async fn leave(&mut self, host: u16) {
        let seat = &self.fleet.seats[&host];
        if seat.is_ready && seat.is_well() && self.can_spare(host) {
            self.fleet.leave(host).await;
        }
    }

    /// Whether the founders can spare another: without a disk nobody promises anything once a majority has lost its memory.
    fn can_spare(&self, number: u16) -> bool {
        let now_ms = self.fleet.clock.now_ms();
        let founders = self.settings.scenario.founders;
        let whole = |host: &u16| {
            let seat = &self.fleet.seats[host];
            *host != number
                && seat.is_up()
                && seat.end.is_none()
                && (seat.lives == 1 || now_ms >= seat.born_ms + WHOLE_MS)
        };
        let spared = (1..=founders).filter(whole).count() > usize::from(founders) / 2;
        if !spared {
            self.say(format_args!("{} cannot be spared now", name(number)));
        }
        spared
    }

    /// Whether a host is a founder, or has come later.
    fn belongs(&self, host: u16) -> bool {
        host <= self.settings.scenario.founders || self.fleet.seats[&host].lives > 0
    }

    fn now_ms(&self) -> u64 {
        self.fleet.clock.now_ms().saturating_sub(self.began_ms)
    }

    fn breaks(&mut self, promise: String) {
        self.say(format_args!("BROKEN: {promise}"));
        self.fleet.heard.broken.push(promise);
    }

    fn say(&self, what: fmt::Arguments<'_>) {
        if self.settings.loud {
            let seconds = self.now_ms() as f64 / 1000.0;
            // Whoever closed the error stream does not want to hear it.
            let _ = writeln!(io::stderr(), "{seconds:>8.3} {what}");
        }
    }
}
