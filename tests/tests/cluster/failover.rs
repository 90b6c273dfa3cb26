//! The death of an owner under `auto_reassign`.

use std::sync::Arc;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Context, Executed, Reason, Resource, commands, registry};
use registry_testkit::{Runs, counters, eventually, every_slot_answers, one_key_per_slot, owner_of, table};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::PATIENCE;

registry! {
    mines { resource Mine; }
}

/// Something that nodes are lost to.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Mine {
    #[key]
    id: u64,
}

impl From<u64> for Mine {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

#[commands]
impl Mine {
    /// Names the node that is to be killed, and does not end.
    async fn step(&mut self, cx: &Context) {
        let _ = cx.state::<UnboundedSender<String>>().send(cx.node().to_string());
        std::future::pending().await
    }
}

/// A body that ends its process would otherwise end one node after another.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_which_two_nodes_were_lost_is_not_run_a_third_time() {
    let (steps, mut stepped) = unbounded_channel::<String>();
    let cluster = Cluster::builder().nodes(5).host(mines::registry()).state(steps).start().await.unwrap();
    let mines = mines::client(cluster.node(0));
    let is_elsewhere = |key: &u64| {
        let replicas = mines.registry().explain(key).replicas;
        replicas.len() == 3 && replicas.iter().all(|replica| replica != cluster.node(0).id())
    };
    let key = (0..).find(is_elsewhere).unwrap();
    let call = tokio::spawn(async move { mines.step(key).timeout(4 * PATIENCE).await });
    for _ in 0..2 {
        let node = stepped.recv().await.unwrap();
        let index = (0..cluster.len()).find(|&index| cluster.node(index).id().as_str() == node).unwrap();
        // Two at once would be more than three replicas stand.
        cluster.settled().await;
        cluster.kill(index).await;
    }
    assert_eq!(call.await.unwrap(), Err(CommandError::Unknown { reason: Reason::OwnerLost }));
    assert!(stepped.try_recv().is_err(), "nobody else has run it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owners_keys_answer_elsewhere() {
    let runs = Arc::new(Runs::default());
    let cluster =
        Cluster::builder().nodes(3).host(counters::registry()).state(Arc::clone(&runs)).start().await.unwrap();
    let before = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&before);
    every_slot_answers(PATIENCE, &before, &keys).await;

    let lost = owner_of(&before, keys[0]).await;
    let killed = (0..cluster.len()).find(|&index| cluster.node(index).id().as_str() == lost).unwrap();
    let survivor = counters::client(cluster.node((killed + 1) % cluster.len()));
    let orphans: Vec<u64> = keys
        .iter()
        .copied()
        .filter(|key| before.registry().owner(key).is_some_and(|owner| owner.as_str() == lost))
        .collect();
    cluster.kill(killed).await;

    let answers = every_slot_answers(PATIENCE, &survivor, &orphans).await;
    assert!(answers.iter().all(|ran| ran.node != lost), "the dead answer: {answers:?}");
    // The others were never away.
    every_slot_answers(PATIENCE, &survivor, &keys).await;
    runs.assert_one_node_per_epoch();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_three_nodes_does_not_serve() {
    let cluster = crate::three_nodes().await;
    let last = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&last);
    every_slot_answers(PATIENCE, &last, &keys).await;
    tokio::join!(cluster.kill(1), cluster.kill(2));

    eventually(PATIENCE, async || {
        for key in &keys {
            match last.bump(key).timeout(Duration::from_millis(500)).await {
                Err(error @ CommandError::Unavailable { .. }) => assert_eq!(error.executed(), Executed::No),
                other => return Err(format!("key {key}: {other:?}")),
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survivors_hold_one_table_after_a_death() {
    let cluster = crate::three_nodes().await;
    let survivors = crate::nodes(&cluster, &[0, 1]);
    let keys = one_key_per_slot(&counters::client(&survivors[0]));
    let dead = format!("Some({})", cluster.node(2).id());
    cluster.kill(2).await;
    eventually(PATIENCE, async || {
        crate::hold_one_view_and_table(&survivors, &keys)?;
        let table = table(&counters::client(&survivors[0]), &keys);
        table.iter().find(|line| line.contains(&dead)).map_or(Ok(()), |line| Err(format!("the dead owns {line}")))
    })
    .await;
}
