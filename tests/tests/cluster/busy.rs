//! A node that stays busier than its peers gives slots away, and no caller notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{Resource, commands, registry};
use registry_testkit::{eventually, together};
use serde::{Deserialize, Serialize};

registry! {
    /// Desks at which something takes a while.
    pub desks { resource Desk; sharding consistent_hashing(slots = 64); load_balancing least_busy; }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Desk {
    #[key]
    id: u64,
    served: u64,
}

impl From<u64> for Desk {
    fn from(id: u64) -> Self {
        Self { id, served: 0 }
    }
}

#[commands]
impl Desk {
    /// Keeps the desk occupied for a while.
    async fn serve(&mut self) -> u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.served += 1;
        self.served
    }
}

/// The desks that are asked: all slots of the busy node are among theirs.
const DESKS: u64 = 400;
/// The callers at the busy node's desks.
const CALLERS: usize = 96;
/// A share is lowered after ten seconds that agree; the average needs some more before they do.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stays_busier_gives_slots_away_without_an_error() {
    let cluster = Cluster::builder().nodes(3).host(desks::registry()).start().await.unwrap();
    let client = desks::client(cluster.node(1));
    let busy = cluster.node(0).id().clone();
    let owner = |id| client.registry().owner(id);
    let at_the_busy = || (0..DESKS).filter(|id| owner(*id).as_ref() == Some(&busy)).collect::<Vec<_>>();
    let before = eventually(PATIENCE, async || {
        let open = (0..DESKS).all(|id| owner(id).is_some());
        if open { Ok(at_the_busy()) } else { Err("some desk has no owner") }
    })
    .await;

    let was = cluster.node(1).members().into_iter().find(|member| member.id == busy).unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let callers = (0..CALLERS).map(|caller| {
        let (client, enough, ids) = (client.clone(), Arc::clone(&enough), before.clone());
        tokio::spawn(async move {
            let mut served = 0_u64;
            for id in ids.into_iter().cycle().skip(caller) {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                client.serve(id).await.map_err(|error| error.to_string())?;
                served += 1;
            }
            Ok::<_, String>(served)
        })
    });
    let callers: Vec<_> = callers.collect();
    let left = eventually(PATIENCE, async || match at_the_busy() {
        now if now.len() < before.len() => Ok(now.len()),
        now => Err(format!("it still has {} of {} desks", now.len(), before.len())),
    })
    .await;
    enough.store(true, Ordering::Relaxed);
    let served: u64 = together(callers).await.into_iter().map(|caller| caller.unwrap().unwrap()).sum();
    assert!(served > 0);
    assert!(left * 10 >= before.len() * 7, "a few slots at a time, and now it has {left} of {} desks", before.len());
    let is = cluster.node(1).members().into_iter().find(|member| member.id == busy).unwrap();
    assert_eq!(is, was, "nobody has given it up");
}
