//! The processes that hold the accounts, and the node that the tellers call from.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use registry_runtime::Node;
use tokio::time::Instant;

use super::super::ChaosError;
use super::super::fleet::{Evidence, Fleet, Ingredients};
use super::super::word::{Hosts, Tempo};
use super::{ACCOUNTS, AccountClient, Statement, are_done_with, are_full, bank};
use crate::sim::Sighting;
use crate::sim::sighting::{Change, Seen, SlotOf};

/// How long the cluster may take to be whole again, with three replicas of every slot.
const FULL_LIMIT: Duration = Duration::from_secs(60);

/// How long one account may take to tell what it holds when all is whole.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

/// How much of the time before a broken promise is told, in milliseconds.
const STORY_MS: u64 = 12_000;

/// Between two looks at whether all is whole.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The processes, and the node that the tellers call from.
pub(super) struct Hall {
    pub(super) fleet: Fleet,
    pub(super) caller: Node,
    nodes: u16,
    began: Instant,
    loud: bool,
}

impl Hall {
    /// Starts so many processes, and waits until they are one cluster.
    pub(super) async fn open(nodes: u16, seed: u64, loud: bool) -> Result<Self, ChaosError> {
        let tempo = Tempo::Fast;
        let ingredients = Ingredients { seed, tempo, founders: nodes, hosts: nodes, registries: Hosts::Bank };
        let (mut fleet, _) = Fleet::prepare(ingredients, false).await?;
        fleet.found().await?;
        let caller = fleet.caller("tellers").await?;
        let mut hall = Self { fleet, caller, nodes, began: Instant::now(), loud };
        hall.full().await?;
        Ok(hall)
    }

    pub(super) fn client(&self) -> AccountClient {
        bank::client(&self.caller)
    }

    /// Waits until all processes are up, agree, and every slot has all its replicas. Says who holds what then.
    pub(super) async fn full(&mut self) -> Result<String, ChaosError> {
        self.full_without("", "").await
    }

    /// The same, and that no slot counts any more on the process that a node had `before`.
    pub(super) async fn full_without(&mut self, node: &str, before: &str) -> Result<String, ChaosError> {
        let until = Instant::now() + FULL_LIMIT;
        loop {
            let missing = match self.fleet.settled(FULL_LIMIT).await? {
                Ok(digests) if digests.len() < usize::from(self.nodes) => "every process lives".to_owned(),
                Ok(digests) => match digests.into_iter().next().map(|digest| digest.slots) {
                    Some(slots) if are_full(&slots) && are_done_with(node, before, &slots) => return Ok(slots),
                    _ => "every slot has three replicas that live".to_owned(),
                },
                Err(missing) => missing,
            };
            if Instant::now() >= until {
                return Err(ChaosError::TooLate(missing, FULL_LIMIT));
            }
            self.fleet.listen(Instant::now() + LOOK_AGAIN).await?;
        }
    }

    /// What every account says.
    pub(super) async fn statements(&mut self) -> Result<BTreeMap<u64, Statement>, ChaosError> {
        let (client, mut statements) = (self.client(), BTreeMap::new());
        for account in 0..ACCOUNTS {
            let said = client.statement(account).timeout(STATEMENT_LIMIT).await;
            let late = |error| ChaosError::TooLate(format!("account {account} tells ({error})"), STATEMENT_LIMIT);
            statements.insert(account, said.map_err(late)?);
        }
        Ok(statements)
    }

    /// Lets all processes end. Says what nodes told that they must not have had to tell, until the very end: nobody loses more than a set
    /// can bear here.
    pub(super) async fn close(self) -> Result<Vec<String>, ChaosError> {
        self.caller.shutdown().await;
        let Evidence { sightings, mut broken, .. } = self.fleet.finish().await?;
        let losses = sightings.iter().filter(|sighting| matches!(sighting.what, Seen::PossibleLoss { .. }));
        broken.extend(losses.map(|loss| format!("loss: {loss}\n{}", before(loss, &sightings))));
        Ok(broken)
    }

    pub(super) fn say(&self, what: fmt::Arguments<'_>) {
        if self.loud {
            // Whoever closed the error stream does not want to hear it.
            let _ = writeln!(io::stderr(), "{:>8.3} {what}", self.began.elapsed().as_secs_f64());
        }
    }
}

/// What led to a sighting: what became of its slot and of the members in the time before.
fn before(sighting: &Sighting, all: &[Sighting]) -> String {
    let from_ms = sighting.at.at_ms.saturating_sub(STORY_MS);
    let is_near = |other: &&Sighting| other.at.at_ms >= from_ms && other.at <= sighting.at;
    let slot = slot_of(&sighting.what);
    let is_of_it = |other: &&Sighting| match &other.what {
        Seen::Member { change, .. } => matches!(change, Change::Up | Change::Down | Change::Left | Change::Rejoined),
        seen => slot_of(seen) == slot && slot.is_some(),
    };
    let mut lines: Vec<&Sighting> = all.iter().filter(is_near).filter(is_of_it).collect();
    lines.sort_by_key(|line| line.at);
    lines.into_iter().map(|line| format!("    {line}\n")).collect()
}

fn slot_of(seen: &Seen) -> Option<&SlotOf> {
    match seen {
        Seen::Opened { slot, .. }
        | Seen::Closed { slot, .. }
        | Seen::HandedOver { slot, .. }
        | Seen::Outbid { slot, .. }
        | Seen::PossibleLoss { slot, .. } => Some(slot),
        _ => None,
    }
}
