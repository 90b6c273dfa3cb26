//! Plays clusters of real processes through real trouble.
//!
//! `chaos [--seeds N] [--first SEED] [--smoke] [--loopback] [--slack-ms N] [--story]` plays scenarios of the simulator: each
//! process in a network namespace of its own and a relay between them, which takes `ip` of iproute2 (`apt-get install iproute2`)
//! and the right to make namespaces; without those, or with `--loopback`, side by side on the loopback device, where processes
//! are killed and frozen and packets are left alone. Ends with 1 when a promise was broken, and then shows all that happened.
//!
//! `chaos --failover [--rounds N] [--nodes N] [--timing fast|balanced]` measures how soon a killed owner is replaced. Ends with
//! 1 when a goal was missed.
//!
//! `chaos --bank [--seconds N] [--nodes N] [--first SEED]` kills and freezes processes, one at a time whenever every slot has all its
//! replicas, while money is transferred. `chaos --rolling [--nodes N] [--bytes N] [--untimed]` has every node leave and come back in turn while
//! calls are measured, to instances of so many bytes. Both end with 1 when a promise was broken or, unless told to be `--untimed`, a goal
//! missed.

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{self, Write};
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    use registry_tests::chaos::bank::{self, Endurance, Rolling};
    use registry_tests::chaos::failover::{self, Figures, Tempo};
    use registry_tests::chaos::{self, Report, Settings};
    use registry_tests::sim::workload::{self, Workload};
    use registry_tests::sim::{Scenario, Score, Sometimes, dice};

    const USAGE: &str = "usage: chaos [--seeds N] [--first SEED] [--smoke] [--loopback] [--slack-ms N] [--story]\n       \
                         chaos --failover [--rounds N] [--nodes N] [--timing fast|balanced]\n       \
                         chaos --bank [--seconds N] [--nodes N] [--first SEED]\n       \
                         chaos --rolling [--nodes N] [--bytes N] [--untimed]";

    /// How much later than its deadline a call may end, unless told otherwise: some seconds of a busy machine's scheduler.
    const SLACK_MS: u64 = 2_000;

    /// What is done.
    enum What {
        Scenarios,
        Failover,
        Bank,
        Rolling,
    }

    struct Arguments {
        seeds: u64,
        first: u64,
        smoke: bool,
        apart: bool,
        slack_ms: u64,
        story: bool,
        what: What,
        seconds: u64,
        bytes: u32,
        untimed: bool,
        rounds: u32,
        nodes: u16,
        tempo: Tempo,
    }

    impl Arguments {
        fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
            let mut read = Self {
                seeds: 1,
                first: 1,
                smoke: false,
                apart: true,
                slack_ms: SLACK_MS,
                story: false,
                what: What::Scenarios,
                seconds: 600,
                bytes: 0,
                untimed: false,
                rounds: 30,
                nodes: 5,
                tempo: Tempo::Fast,
            };
            while let Some(word) = words.next() {
                let mut value = || words.next().ok_or(USAGE);
                match word.as_str() {
                    "--smoke" => read.smoke = true,
                    "--loopback" => read.apart = false,
                    "--story" => read.story = true,
                    "--failover" => read.what = What::Failover,
                    "--bank" => read.what = What::Bank,
                    "--rolling" => read.what = What::Rolling,
                    "--untimed" => read.untimed = true,
                    "--seconds" => read.seconds = value()?.parse()?,
                    "--bytes" => read.bytes = value()?.parse()?,
                    "--seeds" => read.seeds = value()?.parse()?,
                    "--first" => read.first = value()?.parse()?,
                    "--slack-ms" => read.slack_ms = value()?.parse()?,
                    "--rounds" => read.rounds = value()?.parse()?,
                    "--nodes" => read.nodes = value()?.parse::<u16>()?.max(2),
                    "--timing" => read.tempo = Tempo::read(&value()?).ok_or(USAGE)?,
                    _ => return Err(USAGE.into()),
                }
            }
            Ok(read)
        }
    }

    pub(super) fn main() -> Result<ExitCode, Box<dyn Error>> {
        let mut words = std::env::args().skip(1).peekable();
        match words.peek().map(String::as_str) {
            Some("node") => return chaos::member::run().map(|()| ExitCode::SUCCESS),
            Some("janitor") => return Ok(chaos::janitor::run().map(|()| ExitCode::SUCCESS)?),
            _ => {}
        }
        let arguments = Arguments::read(words)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let kept = match arguments.what {
            What::Scenarios => runtime.block_on(play(&arguments)),
            What::Failover => runtime.block_on(measure(&arguments)),
            What::Bank => runtime.block_on(endure(&arguments)),
            What::Rolling => runtime.block_on(roll(&arguments)),
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
        let Arguments { nodes, rounds, tempo, .. } = *arguments;
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
        let (mut score, mut sometimes, mut failing) = (Score::default(), Sometimes::default(), Vec::new());
        let seeds = if arguments.smoke { 1 } else { arguments.seeds };
        for seed in (arguments.first..).take(usize::try_from(seeds)?) {
            let (scenario, workloads) = match arguments.smoke {
                true => (chaos::smoke(), Workload::ALL.to_vec()),
                false => (Scenario::draw(seed), workload::draw(&mut dice(seed, "workloads", 0))),
            };
            let Arguments { apart, slack_ms, .. } = *arguments;
            let report = chaos::play(Settings { scenario, workloads, apart, slack_ms, loud: true }).await?;
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
