//! The death of an owner under `auto_reassign`.

use std::sync::Arc;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Executed};
use registry_testkit::{Runs, counters, eventually, every_slot_answers, one_key_per_slot, owner_of, table};

use crate::PATIENCE;

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
