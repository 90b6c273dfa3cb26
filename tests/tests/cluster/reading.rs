//! Reads that any replica may answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use registry_runtime::testing::Cluster;
use registry_runtime::{Context, NodeId, Resource, commands, registry};
use registry_testkit::eventually;
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    pages {
        resource Page;
        sharding consistent_hashing(slots = 16);
        load_balancing round_robin;
        reads replicas;
        timeout 30s;
    }
}

/// Something that is turned and looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Page {
    #[key]
    id: u64,
    turns: u64,
}

impl From<u64> for Page {
    fn from(id: u64) -> Self {
        Self { id, turns: 0 }
    }
}

#[commands]
impl Page {
    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn turns(&self) -> u64 {
        self.turns
    }

    async fn turns_later(&self) -> u64 {
        // Somewhere between beginning and end.
        tokio::task::yield_now().await;
        self.turns
    }

    fn answered_by(&self, cx: &Context) -> NodeId {
        cx.node().clone()
    }

    fn tear_out(self) {}
}

const PAGES: u64 = 12;

async fn cluster() -> Cluster {
    Cluster::builder().nodes(4).host(pages::registry()).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_answers_and_nobody_else() {
    let cluster = cluster().await;
    let pages = pages::client(cluster.node(0));
    let route = pages.registry().explain(1);
    let replicas: BTreeSet<NodeId> = route.replicas.into_iter().collect();
    assert_eq!(replicas.len(), 3);
    assert_eq!(pages.turn(1).await, Ok(1));
    let mut answered = BTreeSet::new();
    eventually(PATIENCE, async || {
        assert_eq!(pages.turns(1).await, Ok(1));
        answered.insert(pages.answered_by(1).await.unwrap());
        if answered == replicas { Ok(()) } else { Err(format!("only {answered:?} of {replicas:?} answered")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_an_instance_sees_the_change_and_nobody_goes_back_in_time() {
    let cluster = cluster().await;
    let over = Arc::new(AtomicBool::new(false));
    let watchers: Vec<_> = (0..cluster.len())
        .map(|at| {
            let (pages, over) = (pages::client(cluster.node(at)), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = [0; PAGES as usize];
                while !over.load(Ordering::Relaxed) {
                    for (id, seen) in (0..).zip(&mut seen) {
                        let turns = pages.turns_later(id).await.unwrap();
                        assert!(turns >= *seen, "page {id} went back from {seen} to {turns}");
                        *seen = turns;
                    }
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..PAGES)
        .map(|id| {
            let pages = pages::client(cluster.node(usize::try_from(id).unwrap() % cluster.len()));
            tokio::spawn(async move {
                for turn in 1..=100 {
                    assert_eq!(pages.turn(id).await, Ok(turn));
                    assert_eq!(pages.turns(id).await, Ok(turn), "page {id} as its writer sees it");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    for watcher in watchers {
        watcher.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_seen_stays_seen_when_the_owner_dies() {
    let cluster = cluster().await;
    let at = (0..cluster.len()).find(|at| {
        let route = pages::client(cluster.node(*at)).registry().explain(1);
        route.owner.is_some_and(|owner| cluster.index_of(&owner) != *at)
    });
    let pages = pages::client(cluster.node(at.unwrap()));
    for turn in 1..=20 {
        assert_eq!(pages.turn(1).await, Ok(turn));
    }
    let owner = cluster.index_of(&pages.registry().owner(1).unwrap());
    cluster.kill(owner).await;
    for turn in 21..=40 {
        assert_eq!(pages.turns(1).await, Ok(turn - 1));
        assert_eq!(pages.turn(1).await, Ok(turn));
    }
    cluster.restart(owner).await.unwrap();
    cluster.settled().await;
    for _ in 0..20 {
        assert_eq!(pages.turns(1).await, Ok(40));
    }
    pages.tear_out(1).await.unwrap();
    for _ in 0..20 {
        assert_eq!(pages.turns(1).await, Ok(0), "a page that is gone is a fresh one");
    }
}
