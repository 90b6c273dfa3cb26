//! What callers do all day: registries whose state shows any fault, and callers who write down what they asked and heard.
//!
//! [`equip`] gives a node all registries, [`Caller::run`] is one caller on a host, [`Caller::audit`] reads the last state of
//! every instance when all is over, and [`rules`] says what to judge it by. Callers use nothing but tokio's time and their own
//! generator.

mod actions;
mod caller;
mod cards;
mod journal;
mod ledger;
mod pages;
mod reserved;
mod sum;
mod tickets;
mod work;

use std::sync::Arc;

use rand::seq::IndexedRandom;
use registry_runtime::{Node, NodeBuilder, NodeId, Route};
use serde::{Deserialize, Serialize};

pub use caller::Caller;

use super::History;
use super::history::{Era, Place};
use super::oracle::{Digest, Kind, Rules};

/// The wire names of all registries that callers use.
pub(crate) const NAMES: [&str; 11] = [
    ledger::accounts::Registry::NAME,
    journal::journals::Registry::NAME,
    tickets::tickets::Registry::NAME,
    cards::cards::Registry::NAME,
    reserved::kept::Registry::NAME,
    reserved::pinned::Registry::NAME,
    actions::errands::Registry::NAME,
    actions::rounds::Registry::NAME,
    pages::pages::Registry::NAME,
    super::tally::tallies::Registry::NAME,
    super::tally::narrow::Registry::NAME,
];

/// Something that callers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Workload {
    /// Accounts and transfers between them, each as two commands: what is taken and given adds up.
    Ledger,
    /// Lists that grow: every acknowledged entry is in its list once, in the order of its client.
    Journal,
    /// Sums with idempotency keys: a repetition has no second effect.
    Tickets,
    /// Instances that come and go.
    Cards,
    /// Sums whose slots are reserved for a node that is away.
    Reserved,
    /// Actions under both load balancers.
    Actions,
    /// Numbers that are read from any replica.
    Pages,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ledger, Self::Journal, Self::Tickets, Self::Cards, Self::Reserved, Self::Actions, Self::Pages];

    async fn turn(self, caller: &mut Caller) {
        match self {
            Self::Ledger => ledger::turn(caller).await,
            Self::Journal => journal::turn(caller).await,
            Self::Tickets => tickets::turn(caller).await,
            Self::Cards => cards::turn(caller).await,
            Self::Reserved => reserved::turn(caller).await,
            Self::Actions => actions::turn(caller).await,
            Self::Pages => pages::turn(caller).await,
        }
    }

    async fn audit(self, caller: &mut Caller) -> Result<(), String> {
        match self {
            Self::Ledger => ledger::audit(caller).await,
            Self::Journal => journal::audit(caller).await,
            Self::Tickets => tickets::audit(caller).await,
            Self::Cards => cards::audit(caller).await,
            Self::Reserved => reserved::audit(caller).await,
            Self::Actions => actions::audit(caller).await,
            Self::Pages => pages::audit(caller).await,
        }
    }
}

/// A subset that a seed draws: mostly all, sometimes a few, so that each has its days without the others.
pub fn draw(rng: &mut impl rand::Rng) -> Vec<Workload> {
    use rand::RngExt;
    if rng.random_range(0..3) > 0 {
        return Workload::ALL.to_vec();
    }
    let count = rng.random_range(1..=3);
    let mut drawn: Vec<Workload> = Workload::ALL.sample(rng, count).copied().collect();
    drawn.sort();
    drawn
}

/// Gives a node every registry, and the notes.
pub fn equip(builder: NodeBuilder, history: &Arc<History>) -> NodeBuilder {
    builder
        .host(ledger::accounts::registry())
        .host(journal::journals::registry())
        .host(tickets::tickets::registry())
        .host(cards::cards::registry())
        .host(reserved::kept::registry())
        .host(reserved::pinned::registry())
        .host(actions::errands::registry())
        .host(actions::rounds::registry())
        .host(pages::pages::registry())
        .state(Arc::clone(history))
}

/// What a node believes: members, and owner and epoch of every instance's slot.
pub fn digest(node: &Node) -> Digest {
    let slots = [
        ledger::slots(node),
        journal::slots(node),
        tickets::slots(node),
        cards::slots(node),
        reserved::slots(node),
        pages::slots(node),
    ];
    let view: Vec<String> = crate::view(node).into_iter().collect();
    Digest { node: node.id().to_string(), view: view.join("\n"), slots: slots.concat().join("\n") }
}

/// Owner and epoch of a slot, as a line that can be compared.
fn line(place: Place, route: &Route) -> String {
    let Route { slot, owner, epoch, .. } = route;
    let owner = owner.as_ref().map_or("nobody", NodeId::as_str);
    format!("{place}: slot {slot}, {owner} in {}", Era(epoch.get()))
}

/// What the registries are to be judged by, for clocks that differ by so many per cent from virtual time.
pub fn rules(clock_percent: u64) -> Rules {
    let kinds = [
        (ledger::accounts::Registry::NAME, Kind::Counter),
        (journal::journals::Registry::NAME, Kind::Log),
        (tickets::tickets::Registry::NAME, Kind::Counter),
        (cards::cards::Registry::NAME, Kind::Cell),
        (reserved::kept::Registry::NAME, Kind::Counter),
        (reserved::pinned::Registry::NAME, Kind::Counter),
        (pages::pages::Registry::NAME, Kind::Counter),
        (super::tally::tallies::Registry::NAME, Kind::Counter),
        (super::tally::narrow::Registry::NAME, Kind::Counter),
    ];
    let reserved =
        [(reserved::kept::Registry::NAME, Some(reserved::WAIT_MS)), (reserved::pinned::Registry::NAME, None)];
    Rules {
        clock_percent,
        kinds: kinds.map(|(name, kind)| (name.to_owned(), kind)).into(),
        reserved: reserved.map(|(name, wait)| (name.to_owned(), wait)).into(),
        ..Rules::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use registry_runtime::testing::Cluster;

    use super::*;
    use crate::sim::history::{Op, Outcome};
    use crate::sim::{Clock, Evidence, Findings, dice};

    /// How many calls the cluster below answers: a few dozen turns of every caller.
    const ENOUGH: usize = 200;

    /// How long that may take on a machine that is busy with others.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// All workloads against real nodes where nothing goes wrong: whatever the oracles find there is a fault of theirs.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_found_where_nothing_goes_wrong() {
        let history = History::new(Clock::new());
        let cluster = Cluster::builder().nodes(3).state(Arc::clone(&history));
        let cluster = cluster
            .host(ledger::accounts::registry())
            .host(journal::journals::registry())
            .host(tickets::tickets::registry())
            .host(cards::cards::registry())
            .host(reserved::kept::registry())
            .host(reserved::pinned::registry())
            .host(actions::errands::registry())
            .host(actions::rounds::registry())
            .host(pages::pages::registry());
        let cluster = cluster.start().await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (clock, began) = (history.clock().clone(), Instant::now());
        let tick = move || clock.advance_to(u64::try_from(began.elapsed().as_millis()).unwrap());
        let mut callers = tokio::task::JoinSet::new();
        for host in 0..3 {
            for number in 0..2 {
                let caller = Caller::new(
                    cluster.node(host),
                    number,
                    dice(7, "caller", host as u64 * 10 + u64::from(number)),
                    &history,
                );
                callers.spawn(caller.run(Workload::ALL.to_vec(), Arc::clone(&stop)));
            }
        }
        let answered = |history: &History| {
            let records = history.records();
            records.calls.iter().filter(|call| call.outcome().is_some_and(Outcome::is_ok)).count()
        };
        crate::eventually(PATIENCE, async || {
            tick();
            match answered(&history) {
                calls if calls >= ENOUGH => Ok(()),
                calls => Err(format!("{calls} calls are answered")),
            }
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        callers.join_all().await;
        let auditor = Caller::new(cluster.node(0), 9, dice(7, "auditor", 0), &history);
        auditor.audit(&Workload::ALL).await.unwrap();
        tick();

        let records = history.records();
        let mut rules = rules(0);
        // The machine's clock is read elsewhere, and the machine may be busy.
        rules.end_slack_ms = 10_000;
        let evidence = Evidence { end_ms: history.clock().now_ms(), records, rules, ..Evidence::default() };
        let findings = Findings::of(&evidence);
        let faults: Vec<String> = findings.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [""; 0], "{}", evidence.records);
        assert_eq!(findings.undecided, [""; 0]);

        for op in [Op::Destroy, Op::Act] {
            assert!(evidence.records.calls.iter().any(|call| call.ask.op == op), "nobody asked to {op}");
        }
    }
}
