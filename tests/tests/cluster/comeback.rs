//! Slots that come back to a former owner.

use std::time::Duration;

use registry_testkit::{counters, eventually, every_slot_answers, one_key_per_slot};

/// An upper bound for what a cluster does unaided after a cut or a heal.
const UNAIDED: Duration = Duration::from_secs(20);

/// Counters are at three with their owner, end in another's hands and begin anew there: nothing of their former lives may
/// be found when the first owner has them again.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_brings_no_former_instance_back() {
    let cluster = crate::three_nodes().await;
    let [former, other] = [0, 1].map(|index| counters::client(cluster.node(index)));
    let all = one_key_per_slot(&former);
    let node = cluster.node(0).id().clone();
    let is_mine = |key: &u64| former.registry().owner(key).as_ref() == Some(&node);
    let keys: Vec<u64> = all.into_iter().filter(is_mine).collect();
    for _ in 0..3 {
        every_slot_answers(UNAIDED, &former, &keys).await;
    }

    cluster.partition(&[&[0], &[1, 2]]).await;
    every_slot_answers(UNAIDED, &other, &keys).await;
    for key in &keys {
        other.retire(key).await.unwrap();
        assert_eq!(other.bump(key).await.unwrap().count, 1);
    }

    cluster.heal().await;
    cluster.settled().await;
    eventually(UNAIDED, async || match keys.iter().find(|key| !is_mine(key)) {
        None => Ok(()),
        Some(key) => Err(format!("key {key} is not back: {}", former.registry().explain(key))),
    })
    .await;
    for key in &keys {
        let count = former.count(key).await.unwrap();
        assert!(count <= 1, "key {key} counts {count}, as before it was retired");
    }
}
