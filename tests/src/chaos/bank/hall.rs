//! The processes that hold the accounts, and the node that the tellers call from.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use registry_runtime::Node;
use tokio::time::Instant;

use super::super::ChaosError;
use super::super::fleet::{Fleet, Ingredients};
use super::super::word::{Hosts, Tempo};
use super::{ACCOUNTS, AccountClient, Statement, are_full, bank};
use crate::builder;
use crate::sim::sighting::Seen;

/// How long the cluster may take to be whole again, with three replicas of every slot.
const FULL_LIMIT: Duration = Duration::from_secs(60);

/// How long one account may take to tell what it holds when all is whole.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

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
        for host in 1..=nodes {
            fleet.start(host).await?;
        }
        for host in 1..=nodes {
            fleet.ready(host).await?;
        }
        let join: Vec<_> = (1..=nodes).map(|host| fleet.ground.address(host)).collect();
        let caller = builder("tellers").timing(tempo.timing()).client_only().join(join).start().await;
        let caller = caller.map_err(ChaosError::Caller)?;
        let mut hall = Self { fleet, caller, nodes, began: Instant::now(), loud };
        hall.full().await?;
        Ok(hall)
    }

    pub(super) fn client(&self) -> AccountClient {
        bank::client(&self.caller)
    }

    /// Waits until all processes are up, agree, and every slot has all its replicas.
    pub(super) async fn full(&mut self) -> Result<(), ChaosError> {
        let until = Instant::now() + FULL_LIMIT;
        loop {
            let missing = match self.fleet.settled(FULL_LIMIT).await? {
                Ok(digests) if digests.len() < usize::from(self.nodes) => "every process lives".to_owned(),
                Ok(digests) if digests.iter().all(|digest| are_full(&digest.slots)) => return Ok(()),
                Ok(_) => "every slot has three replicas".to_owned(),
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

    /// What nodes said that they must not have had to say: nobody loses more than a set can bear here.
    pub(super) fn losses(&self) -> Vec<String> {
        let lost = |seen: &Seen| matches!(seen, Seen::PossibleLoss { .. });
        let sightings = self.fleet.heard.sightings.iter().filter(|sighting| lost(&sighting.what));
        let losses = sightings.map(|sighting| format!("loss: {sighting:?}"));
        losses.chain(self.fleet.heard.broken.iter().cloned()).collect()
    }

    pub(super) async fn close(self) -> Result<(), ChaosError> {
        self.caller.shutdown().await;
        self.fleet.finish().await.map(drop)
    }

    pub(super) fn say(&self, what: fmt::Arguments<'_>) {
        if self.loud {
            // Whoever closed the error stream does not want to hear it.
            let _ = writeln!(io::stderr(), "{:>8.3} {what}", self.began.elapsed().as_secs_f64());
        }
    }
}
