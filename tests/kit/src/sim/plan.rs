//! What a seed stands for: a cluster, its network, and the faults that will befall it.

use std::collections::BTreeSet;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use registry_runtime::Timing;
use registry_runtime::testing::Rules;

use super::dice;
use super::network::Weather;

/// When the first fault may come: a cluster of the usual size has been founded by then, or is just about to be.
const FIRST_FAULT_MS: u64 = 1000;

/// A cluster, its network, and the faults that will befall it: all of it follows from the seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// How many nodes found the cluster.
    pub founders: u16,
    /// The name of their timing and the timing.
    pub timing: (&'static str, Timing),
    /// What all links do.
    pub climate: Weather,
    /// The rates of the clocks of all founders, in thousandths.
    pub rates: Vec<u64>,
    /// Whether the callers use the registry with tiny limits, and the hosts have tiny receive buffers.
    pub tiny: bool,
    /// Whether the callers fall silent before the faults end: some deadlocks need quiet.
    pub quiet: bool,
    /// When the faults end.
    pub safety_ms: u64,
    /// The faults, in the order of their times.
    pub faults: Vec<Planned>,
    /// Which rules the nodes keep: all of them, but to see what is noticed.
    pub rules: Rules,
}

/// A fault with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When it comes.
    pub at_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// What it is.
    pub fault: Fault,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These hosts and the others do not hear one another.
    Split {
        /// One side.
        side: BTreeSet<u16>,
    },
    /// Nothing gets from these hosts to the others, everything the other way.
    OneWay {
        /// Those that are not heard.
        from: BTreeSet<u16>,
    },
    /// Two hosts do not hear one another; all others hear both.
    Partial {
        /// One of them.
        one: u16,
        /// The other.
        other: u16,
    },
    /// What comes to and goes from one host, or all if none is named, meets this weather.
    Storm {
        /// The host.
        host: Option<u16>,
        /// The weather.
        weather: Weather,
    },
    /// The process is killed; it starts again afterwards.
    Crash {
        /// The host.
        host: u16,
    },
    /// The host stands still while its clock goes on.
    Freeze {
        /// The host.
        host: u16,
    },
    /// The node leaves; it starts again afterwards.
    Leave {
        /// The host.
        host: u16,
    },
    /// A new host comes.
    Join,
    /// One node after the other is started anew.
    RollingRestart {
        /// Whether each leaves first, or is killed.
        graceful: bool,
    },
}

/// The kinds of faults, with how often each comes where it comes at all.
const KINDS: [(Kind, u32); 9] = [
    (Kind::Split, 4),
    (Kind::OneWay, 3),
    (Kind::Partial, 3),
    (Kind::Storm, 4),
    (Kind::Crash, 5),
    (Kind::Freeze, 5),
    (Kind::Leave, 3),
    (Kind::Join, 1),
    (Kind::RollingRestart, 1),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Split,
    OneWay,
    Partial,
    Storm,
    Crash,
    Freeze,
    Leave,
    Join,
    RollingRestart,
}

impl Scenario {
    /// What the seed stands for.
    pub fn draw(seed: u64) -> Self {
        let rng = &mut dice(seed, "scenario", 0);
        let founders = match rng.random_range(0..100) {
            0..92 => rng.random_range(3..=7),
            92..98 => rng.random_range(8..=12),
            _ => 20,
        };
        let timing = match rng.random_range(0..10) {
            0 => ("balanced", Timing::balanced()),
            _ => ("fast", Timing::fast()),
        };
        let rates = match rng.random_range(0..3) {
            0 => (0..founders).map(|_| rng.random_range(950..=1050)).collect(),
            _ => vec![super::host::TRUE_RATE; usize::from(founders)],
        };
        let climate = climate(rng);
        let tiny = rng.random_range(0..8) == 0;
        let quiet = rng.random_range(0..4) == 0;
        let safety_ms = rng.random_range(12_000..30_000);
        // Each seed first draws which kinds of faults it has at all: a fault that always comes with all others hides what it does alone.
        let mut kinds: Vec<(Kind, u32)> = KINDS.into_iter().filter(|_| rng.random_range(0..2) == 0).collect();
        if kinds.is_empty() {
            kinds.extend(KINDS.choose(rng));
        }
        let pace_ms = *[600, 2000, 5000].choose(rng).unwrap_or(&2000);
        let mut faults = Vec::new();
        let mut at_ms = FIRST_FAULT_MS;
        loop {
            at_ms += rng.random_range(pace_ms / 4..pace_ms * 2);
            if at_ms >= safety_ms {
                break;
            }
            let kind = weighted(rng, &kinds);
            let for_ms = duration_ms(rng);
            faults.push(Planned { at_ms, for_ms, fault: draw_fault(rng, kind, founders) });
        }
        Self { seed, founders, timing, climate, rates, tiny, quiet, safety_ms, faults, rules: Rules::ALL }
    }

    /// The same cluster in fair weather.
    #[must_use]
    pub fn without_faults(mut self) -> Self {
        self.faults.clear();
        self
    }
}

fn weighted(rng: &mut impl Rng, kinds: &[(Kind, u32)]) -> Kind {
    let total: u32 = kinds.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.random_range(0..total.max(1));
    for (kind, weight) in kinds {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *kind,
        }
    }
    Kind::Crash
}

/// Short enough to pass unnoticed, about as long as a suspicion, or long enough for a Down.
fn duration_ms(rng: &mut impl Rng) -> u64 {
    match rng.random_range(0..4) {
        0 => rng.random_range(20..500),
        1 => rng.random_range(500..1500),
        2 => rng.random_range(1500..4000),
        _ => rng.random_range(4000..9000),
    }
}

fn climate(rng: &mut impl Rng) -> Weather {
    let mut weather = Weather::FAIR;
    if rng.random_range(0..2) == 0 {
        weather.loss = *[1, 10, 50, 100].choose(rng).unwrap_or(&10);
    }
    if rng.random_range(0..3) == 0 {
        weather.duplication = *[10, 100, 500].choose(rng).unwrap_or(&10);
    }
    if rng.random_range(0..2) == 0 {
        weather.reordering = *[10, 100, 500].choose(rng).unwrap_or(&10);
    }
    weather.delay_ms = *[(1, 1), (1, 3), (2, 10), (5, 30)].choose(rng).unwrap_or(&(1, 1));
    // Where larger packets pass, QUIC tries them out, and reads its own padding byte by byte: a second for each seed.
    weather.mtu = match rng.random_range(0..16) {
        0 => 65_507,
        1..4 => 8972,
        _ => 1472,
    };
    weather
}

fn storm(rng: &mut impl Rng) -> Weather {
    let mut weather = climate(rng);
    match rng.random_range(0..4) {
        0 => weather.loss = rng.random_range(100..=300),
        1 => weather.delay_ms = (100, 300),
        2 => weather.duplication = 500,
        // The least that QUIC asks of a path.
        _ => weather.mtu = 1200,
    }
    weather
}

fn draw_fault(rng: &mut impl Rng, kind: Kind, founders: u16) -> Fault {
    let host = rng.random_range(1..=founders);
    match kind {
        // One node alone is the most productive case.
        Kind::Split => Fault::Split { side: side(rng, founders) },
        Kind::OneWay => Fault::OneWay { from: side(rng, founders) },
        Kind::Partial => {
            let other = 1 + (host - 1 + rng.random_range(1..founders)) % founders;
            Fault::Partial { one: host, other }
        }
        Kind::Storm => Fault::Storm { host: (rng.random_range(0..2) == 0).then_some(host), weather: storm(rng) },
        Kind::Crash => Fault::Crash { host },
        Kind::Freeze => Fault::Freeze { host },
        Kind::Leave => Fault::Leave { host },
        Kind::Join => Fault::Join,
        Kind::RollingRestart => Fault::RollingRestart { graceful: rng.random_range(0..2) == 0 },
    }
}

fn side(rng: &mut impl Rng, founders: u16) -> BTreeSet<u16> {
    let mut hosts: Vec<u16> = (1..=founders).collect();
    hosts.shuffle(rng);
    let count = if rng.random_range(0..2) == 0 { 1 } else { rng.random_range(1..founders) };
    hosts.into_iter().take(usize::from(count)).collect()
}
