//! How soon a killed owner is replaced: `kill -9` of the process that owns a key, until the first update of that key is answered
//! by another one.
//!
//! The processes share the loopback device and nothing is between them. A caller in this process asks again and again, so that
//! the first answer is seen when it can be had. Each round begins with a whole cluster in which every process owns slots.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use registry_runtime::Node;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::ChaosError;
use super::fleet::{Fleet, Ingredients};
pub use super::word::Tempo;
use super::word::{Hosts, name};
use crate::sim::history::Stamp;
use crate::sim::sighting::{Change, Seen};
use crate::{CounterClient, Ran, SLOTS, counters, one_key_per_slot};

/// How often the key is asked for after the kill: finer than anything that is measured.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// How long one call may wait, and a whole round: far beyond every goal, so that a miss is measured and not cut off.
const ROUND_LIMIT: Duration = Duration::from_secs(30);

/// How long the cluster may take to be whole again between rounds.
const WHOLE_LIMIT: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many processes there are.
    pub nodes: u16,
    /// How many owners are killed.
    pub rounds: u32,
    /// The timing of all nodes.
    pub tempo: Tempo,
}

/// One round, in milliseconds since the kill.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The first answer by another node.
    pub answered_ms: f64,
    /// The first Down that somebody noted.
    pub down_ms: Option<f64>,
    /// The opening of the key's slot.
    pub opened_ms: Option<f64>,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered after {:.0} ms", self.answered_ms)?;
        for (what, ms) in [("down", self.down_ms), ("opened", self.opened_ms)] {
            if let Some(ms) = ms {
                write!(f, ", {what} {ms:.0}")?;
            }
        }
        Ok(())
    }
}

/// Measures, and hands out each round as it ends.
///
/// # Errors
///
/// When there is nothing to measure: a process does not start, or the cluster does not become whole.
pub async fn measure(settings: Settings, mut tell: impl FnMut(u32, &Round)) -> Result<Vec<Round>, ChaosError> {
    let Settings { nodes, rounds, tempo } = settings;
    let ingredients = Ingredients { seed: 0, tempo, founders: nodes, hosts: nodes, registries: Hosts::Counters };
    let (mut fleet, _) = Fleet::prepare(ingredients, false).await?;
    fleet.found().await?;
    let caller = fleet.caller("caller").await?;
    let counters = counters::client(&caller);
    let keys = one_key_per_slot(&counters);
    let mut measured = Vec::new();
    for number in 1..=rounds {
        whole(&mut fleet, &caller, &counters, &keys, nodes).await?;
        let key = keys[(number as usize * 7) % SLOTS];
        let round = round(&mut fleet, &counters, key, nodes).await?;
        tell(number, &round);
        measured.push(round);
    }
    caller.shutdown().await;
    let heard = fleet.finish().await?;
    if heard.broken.is_empty() { Ok(measured) } else { Err(ChaosError::Broken(heard.broken)) }
}

/// Waits until all processes and the caller agree, and every process owns a slot and answers for it.
async fn whole(
    fleet: &mut Fleet,
    caller: &Node,
    counters: &CounterClient,
    keys: &[u64],
    nodes: u16,
) -> Result<(), ChaosError> {
    let until = Instant::now() + WHOLE_LIMIT;
    loop {
        let missing = match fleet.settled(WHOLE_LIMIT).await? {
            Ok(digests) => {
                let slots = crate::table(counters, keys).join("\n");
                let view: Vec<String> = crate::view(caller).into_iter().collect();
                let agrees = digests.iter().all(|digest| digest.slots == slots && digest.view == view.join("\n"));
                let owners = keys.iter().filter_map(|key| counters.registry().owner(key));
                let owners: BTreeSet<String> = owners.map(|owner| owner.to_string()).collect();
                let idle = (1..=nodes).find(|host| !owners.contains(&name(*host)));
                match (agrees, idle) {
                    (true, None) => break,
                    (false, _) => "the caller agrees with the processes".to_owned(),
                    (true, Some(host)) => format!("{} owns a slot", name(host)),
                }
            }
            Err(missing) => missing,
        };
        if Instant::now() >= until {
            return Err(ChaosError::TooLate(missing, WHOLE_LIMIT));
        }
        fleet.listen(Instant::now() + Duration::from_millis(50)).await?;
    }
    // All connections are warm then.
    crate::every_slot_answers(WHOLE_LIMIT, counters, keys).await;
    Ok(())
}

async fn round(fleet: &mut Fleet, counters: &CounterClient, key: u64, nodes: u16) -> Result<Round, ChaosError> {
    let route = counters.registry().explain(key);
    let owner = route.owner.as_ref().map(ToString::to_string).unwrap_or_default();
    let hosts: BTreeMap<String, u16> = (1..=nodes).map(|host| (name(host), host)).collect();
    let Some(host) = hosts.get(&owner).copied() else {
        return Err(ChaosError::TooLate(format!("{route} has an owner"), WHOLE_LIMIT));
    };
    fleet.heard.sightings.clear();
    let (begun, killed) = (Instant::now(), fleet.clock.stamp());
    let asking = tokio::spawn(first_answer(counters.clone(), key, owner.clone()));
    fleet.kill(host).await?;
    let late = || ChaosError::TooLate(format!("{route} is answered by another node"), ROUND_LIMIT);
    let answered = match timeout(ROUND_LIMIT, asking).await {
        Ok(Ok(answered)) => answered,
        _ => return Err(late()),
    };
    fleet.listen(Instant::now() + ASK_EVERY).await?;
    let round = Round {
        answered_ms: (answered - begun).as_secs_f64() * 1000.0,
        down_ms: since(
            killed,
            fleet,
            |seen| matches!(seen, Seen::Member { member, change: Change::Down, .. } if *member == owner),
        ),
        opened_ms: since(
            killed,
            fleet,
            |seen| matches!(seen, Seen::Opened { slot, .. } if slot.slot == route.slot.get()),
        ),
    };
    fleet.start(host).await?;
    fleet.ready(host).await?;
    Ok(round)
}

/// How long after the kill somebody first noted it.
fn since(killed: Stamp, fleet: &Fleet, wanted: impl Fn(&Seen) -> bool) -> Option<f64> {
    let found = fleet.heard.sightings.iter().filter(|sighting| sighting.at > killed && wanted(&sighting.what));
    let first = found.map(|sighting| sighting.at).min()?;
    // Stamps count nanoseconds.
    Some((first.sequence - killed.sequence) as f64 / 1e6)
}

/// Asks for the key again and again, and tells when the first answer came that is not the former owner's.
async fn first_answer(counters: CounterClient, key: u64, former: String) -> Instant {
    let mut calls: JoinSet<Option<(Instant, Ran)>> = JoinSet::new();
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            Some(Ok(Some((at, ran)))) = calls.join_next(), if !calls.is_empty() => {
                if ran.node != former {
                    return at;
                }
            }
            _ = tick.tick() => {
                let call = counters.bump(key).timeout(ROUND_LIMIT);
                calls.spawn(async move { call.await.ok().map(|ran| (Instant::now(), ran)) });
            }
        }
    }
}

/// What is asked of a timing, in milliseconds: the median, what 29 of 30 rounds keep, and what all do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goals {
    /// At most this at the median.
    pub median_ms: f64,
    /// At most this in 29 of 30 rounds.
    pub most_ms: f64,
    /// At most this always.
    pub all_ms: f64,
}

impl Tempo {
    /// What is asked of the timing.
    pub fn goals(self) -> Goals {
        match self {
            Self::Fast => Goals { median_ms: 1_500.0, most_ms: 2_500.0, all_ms: 4_000.0 },
            Self::Balanced => Goals { median_ms: 3_000.0, most_ms: 4_500.0, all_ms: 7_000.0 },
        }
    }
}

/// What was measured, beside what is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The same three numbers.
    pub found: Goals,
    /// The goals.
    pub goals: Goals,
    rounds: usize,
}

impl Figures {
    /// The figures of a series of rounds.
    pub fn of(rounds: &[Round], goals: Goals) -> Self {
        let mut times: Vec<f64> = rounds.iter().map(|round| round.answered_ms).collect();
        times.sort_by(f64::total_cmp);
        let at = |place: usize| times.get(place).copied().unwrap_or(f64::INFINITY);
        let count = times.len();
        // One in thirty may be worse.
        let most = count.saturating_sub(1 + count / 30);
        let found = Goals { median_ms: at(count / 2), most_ms: at(most), all_ms: at(count.saturating_sub(1)) };
        Self { found, goals, rounds: count }
    }

    /// Whether all goals are met.
    pub fn are_met(&self) -> bool {
        let Self { found, goals, .. } = self;
        found.median_ms <= goals.median_ms && found.most_ms <= goals.most_ms && found.all_ms <= goals.all_ms
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, goals, rounds } = self;
        write!(
            f,
            "{rounds} rounds: median {:.0} ms (goal {:.0}), all but one in 30 {:.0} ms (goal {:.0}), worst {:.0} ms (goal {:.0})",
            found.median_ms, goals.median_ms, found.most_ms, goals.most_ms, found.all_ms, goals.all_ms,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_off_the_rounds() {
        let round = |ms: u32| Round { answered_ms: f64::from(ms), down_ms: None, opened_ms: None };
        let rounds: Vec<Round> = (1..=30).rev().map(round).collect();
        let goals = Tempo::Fast.goals();
        let figures = Figures::of(&rounds, goals);
        assert_eq!(figures.found, Goals { median_ms: 16.0, most_ms: 29.0, all_ms: 30.0 });
        assert!(figures.are_met());
        assert!(!Figures::of(&[round(1_600)], goals).are_met());
        assert!(!Figures::of(&[], goals).are_met());
    }
}
