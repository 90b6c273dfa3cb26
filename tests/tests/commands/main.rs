//! Commands as their callers see them: five kinds, local and remote, and what every outcome promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

mod account;
mod actions;
mod calls;
mod errors;
mod inflight;
mod isolation;
mod keys;
mod kinds;
mod lanes;
mod lives;
mod nested;
mod on_demand;
mod receipts;
mod state;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_testkit::{Probe, eventually};
use tokio::time::Instant;

use account::{AccountClient, accounts};

/// How long anything may take that is no matter of time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A moment that all nodes and callers of this process count from, so that moments can travel.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}

/// A bank of so many nodes, and the probe that its commands enter.
struct Bank {
    cluster: Cluster,
    probe: Arc<Probe>,
}

impl Bank {
    async fn with_nodes(count: usize) -> Self {
        let probe = Arc::new(Probe::default());
        let cluster =
            Cluster::builder().nodes(count).host(accounts::registry()).state(Arc::clone(&probe)).start().await.unwrap();
        Self { cluster, probe }
    }

    /// The accounts as node `caller` calls them.
    fn accounts(&self, caller: usize) -> AccountClient {
        accounts::client(self.cluster.node(caller))
    }

    /// The `nth` account number that node `owner` owns.
    async fn number(&self, owner: usize, nth: usize) -> u64 {
        let (accounts, owner) = (self.accounts(0), self.cluster.node(owner));
        eventually(PATIENCE, async || {
            let mut owned = (0..10_000).filter(|id| accounts.registry().owner(id).as_ref() == Some(owner.id()));
            owned.nth(nth).ok_or_else(|| format!("{} owns too few accounts", owner.id()))
        })
        .await
    }

    /// Waits until so many commands have entered the probe.
    async fn entered(&self, count: usize) {
        eventually(PATIENCE, async || match self.probe.entered() {
            now if now >= count => Ok(()),
            now => Err(format!("{now} of {count} commands have entered")),
        })
        .await;
    }

    /// Waits until so many commands have left the probe.
    async fn left(&self, count: usize) {
        eventually(PATIENCE, async || match self.probe.left() {
            now if now >= count => Ok(()),
            now => Err(format!("{now} of {count} commands have left")),
        })
        .await;
    }
}

/// Where a call starts and where it runs: at one node, and from one to another.
const WAYS: [(usize, usize); 2] = [(0, 0), (0, 1)];
