//! Plays clusters of real processes through real trouble; `chaos --help` tells how.

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{self, Write};
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    use clap::{ArgGroup, Parser, value_parser};
    use registry_testkit::chaos::bank::{self, Endurance, Rolling};
    use registry_testkit::chaos::failover::{self, Figures, Tempo};
    use registry_testkit::chaos::{self, Report, Settings};
    use registry_testkit::sim::workload::{self, Workload};
    use registry_testkit::sim::{Scenario, Score, Sometimes, dice};

    /// How much later than its deadline a call may end, unless told otherwise: some seconds of a busy machine's scheduler.
    const SLACK_MS: u64 = 2_000;

    /// What processes of several threads cannot be judged by: the order of calls and of what nodes note says nothing within milliseconds.
    const UNJUDGED: [&str; 1] = ["handed-over"];

    /// Plays clusters of real processes through real trouble, and judges them by what they promise.
    ///
    /// Without another word, scenarios of the simulator: each process in a network namespace of its own and a relay between them, which
    /// takes `ip` of iproute2 and the right to make namespaces; without those side by side on the loopback device, where processes are
    /// killed and frozen and packets are left alone. Ends with 1 when a promise was broken, and then shows all that happened, or when a goal
    /// was missed.
    #[derive(Debug, Parser)]
    #[command(group = ArgGroup::new("what").args(["smoke", "failover", "bank", "rolling"]))]
    struct Arguments {
        /// One kill, one freeze, one storm and one cut, in half a minute.
        #[arg(long)]
        smoke: bool,
        /// Measures how soon a killed owner is replaced.
        #[arg(long)]
        failover: bool,
        /// Kills and freezes processes, one at a time whenever every slot has all its replicas, while money is transferred.
        #[arg(long)]
        bank: bool,
        /// Has every node leave and come back in turn while calls are measured.
        #[arg(long)]
        rolling: bool,
        /// How many scenarios are played.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..), conflicts_with = "what")]
        seeds: u64,
        /// The first seed.
        #[arg(long, value_name = "SEED", default_value_t = 1, conflicts_with_all = ["smoke", "failover"])]
        first: u64,
        /// Leaves packets alone, as where there are no namespaces.
        #[arg(long, conflicts_with_all = ["failover", "bank", "rolling"])]
        loopback: bool,
        /// How much later than its deadline a call may end, in milliseconds.
        #[arg(long, value_name = "N", default_value_t = SLACK_MS, conflicts_with_all = ["failover", "bank", "rolling"])]
        slack_ms: u64,
        /// Shows all that happened, whatever came of it.
        #[arg(long, conflicts_with_all = ["failover", "bank", "rolling"])]
        story: bool,
        /// How many owners are killed.
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = value_parser!(u32).range(1..), conflicts_with_all = ["smoke", "bank", "rolling"], requires = "failover")]
        rounds: u32,
        /// With which timing.
        #[arg(long, value_name = "fast|balanced", default_value = "fast", value_parser = tempo, conflicts_with_all = ["smoke", "bank", "rolling"], requires = "failover")]
        timing: Tempo,
        /// For how long, in seconds.
        #[arg(long, value_name = "N", default_value_t = 600, value_parser = value_parser!(u64).range(1..), conflicts_with_all = ["smoke", "failover", "rolling"], requires = "bank")]
        seconds: u64,
        /// How large the instances are.
        #[arg(long, value_name = "N", default_value_t = 0, conflicts_with_all = ["smoke", "failover", "bank"], requires = "rolling")]
        bytes: u32,
        /// Counts errors only: a missed goal is none.
        #[arg(long, conflicts_with_all = ["smoke", "failover", "bank"], requires = "rolling")]
        untimed: bool,
        /// How many processes.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(2..=64), conflicts_with_all = ["smoke", "seeds"])]
        nodes: u16,
    }

    fn tempo(word: &str) -> Result<Tempo, String> {
        Tempo::read(word).ok_or_else(|| "there are `fast` and `balanced`".to_owned())
    }

    pub(super) fn main() -> Result<ExitCode, Box<dyn Error>> {
        match std::env::args().nth(1).as_deref() {
            Some("node") => return chaos::member::run().map(|()| ExitCode::SUCCESS),
            Some("janitor") => return Ok(chaos::janitor::run().map(|()| ExitCode::SUCCESS)?),
            _ => {}
        }
        let arguments = Arguments::parse();
        let runtime = tokio::runtime::Runtime::new()?;
        let kept = match &arguments {
            Arguments { failover: true, .. } => runtime.block_on(measure(&arguments)),
            Arguments { bank: true, .. } => runtime.block_on(endure(&arguments)),
            Arguments { rolling: true, .. } => runtime.block_on(roll(&arguments)),
            _ => runtime.block_on(play(&arguments)),
        }?;
        Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn endure(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
        let Arguments { nodes, seconds, first: seed, .. } = *arguments;
        let lasts = Duration::from_secs(seconds);
        let endured = bank::endure(Endurance { nodes, lasts, seed, loud: true }).await?;
        writeln!(io::stdout(), "bank, {nodes} processes, {seconds} s: {endured}")?;
        complain(&endured.broken)?;
        Ok(endured.broken.is_empty())
    }

    async fn roll(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
        let Arguments { nodes, bytes, first: seed, untimed, .. } = *arguments;
        let rolled = bank::roll(Rolling { nodes, bytes, seed, loud: true }).await?;
        writeln!(io::stdout(), "rolling restart, {nodes} processes, {bytes} bytes an instance: {rolled}")?;
        complain(&rolled.broken)?;
        Ok(rolled.broken.is_empty() && (untimed || rolled.is_prompt()))
    }

    fn complain(broken: &[String]) -> io::Result<()> {
        broken.iter().try_for_each(|promise| writeln!(io::stderr(), "BROKEN {promise}"))
    }

    async fn measure(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
        let Arguments { nodes, rounds, timing: tempo, .. } = *arguments;
        let tell = |number: u32, round: &failover::Round| {
            // Whoever closed the stream does not want to hear it.
            let _ = writeln!(io::stderr(), "round {number}: {round}");
        };
        let measured = failover::measure(failover::Settings { nodes, rounds, tempo }, tell).await?;
        let figures = Figures::of(&measured, tempo.goals());
        writeln!(io::stdout(), "failover, {nodes} processes, {tempo:?}: {figures}")?;
        Ok(figures.are_met())
    }

    async fn play(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
        let began = Instant::now();
        let (mut score, mut sometimes, mut failing) = (Score::not_judging(&UNJUDGED), Sometimes::default(), Vec::new());
        let seeds = if arguments.smoke { 1 } else { arguments.seeds };
        for seed in (arguments.first..).take(usize::try_from(seeds)?) {
            let (scenario, workloads) = match arguments.smoke {
                true => (chaos::smoke(), Workload::ALL.to_vec()),
                false => (Scenario::draw(seed), workload::draw(&mut dice(seed, "workloads", 0))),
            };
            let Arguments { loopback, slack_ms, .. } = *arguments;
            let report = chaos::play(Settings { scenario, workloads, apart: !loopback, slack_ms, loud: true }).await?;
            score.add(seed, &report.findings);
            sometimes.merge(&report.sometimes);
            tell(&report, arguments.story || (!report.broken.is_empty() && failing.is_empty()))?;
            if !report.broken.is_empty() {
                failing.push(seed);
            }
        }
        writeln!(io::stderr(), "\n{score}\n{sometimes}")?;
        let verdict =
            if failing.is_empty() { "every promise kept".to_owned() } else { format!("broken by {failing:?}") };
        let seconds = began.elapsed().as_secs_f64();
        writeln!(io::stdout(), "{seeds} runs with real processes in {seconds:.0} s: {verdict}")?;
        Ok(failing.is_empty())
    }

    fn tell(report: &Report, with_story: bool) -> io::Result<()> {
        let mut err = io::stderr().lock();
        if let Some(why) = &report.why_together {
            writeln!(err, "no namespaces here ({why}), so packets are left alone")?;
        }
        if with_story {
            writeln!(err, "\n{}\n", report.story)?;
        }
        for promise in &report.broken {
            writeln!(err, "BROKEN {promise}")?;
        }
        writeln!(io::stdout(), "{report}")
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    Err("this needs signals, namespaces and process descriptors as Linux has them".into())
}
